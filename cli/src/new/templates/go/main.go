// A task. Call it from the folder above:
//
//	wxec call local: ./NAME::greet you
package main

func main() {}

// Greet greets someone.
//
//wxec:task
func Greet(name string) string { return "Hello, " + name + "!" }
