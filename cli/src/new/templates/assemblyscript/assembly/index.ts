// A task. Call it from the folder above, once `npm install` has been run here:
//
//     wxec call local: ./NAME::greet you

/** Greets someone. */
@task
export function greet(name: string): string {
  return `Hello, ${name}!`;
}
