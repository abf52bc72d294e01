package main

import "testing"

func TestEquallyFrequentWordsAreInAlphabeticalOrder(t *testing.T) {
	top := Top("to be or not to be", 3)
	if len(top) != 3 || top[0].Word != "be" || top[1].Word != "to" || top[2].Word != "not" || top[0].Count != 2 {
		t.Errorf("%v", top)
	}
}
