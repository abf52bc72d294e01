// A task. Call it from the folder above:
//
//     wxec call local: ./NAME::greet you

/**
 * Greets someone.
 * @task
 * @param {string} name
 * @returns {string}
 */
export function greet(name) {
  return `Hello, ${name}!`;
}
