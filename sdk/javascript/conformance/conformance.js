// The tasks of the conformance suite.

import { cancelled, fs, log, run as runProgram, sleep, TaskError, trap as endCall } from "wxec";

/**
 * A place in the plane.
 * @typedef {Object} Point
 * @property {bigint} x
 * @property {bigint} y
 */

/**
 * Adds two numbers.
 * @task
 * @param {bigint} a
 * @param {bigint} b
 * @returns {bigint}
 */
export function add(a, b) {
  const sum = a + b;
  if (sum !== BigInt.asIntN(64, sum)) throw new RangeError("the sum does not fit an i64");
  return sum;
}

/**
 * Greets by name.
 * @task
 * @param {string} name
 * @returns {string}
 */
export function greet(name) {
  return `Hello, ${name}!`;
}

/**
 * Reverses bytes.
 * @task
 * @param {Uint8Array} data
 * @returns {Uint8Array}
 */
export function reverse(data) {
  return data.toReversed();
}

/**
 * Multiplies two numbers.
 * @task
 * @param {number} x
 * @param {number} by
 * @returns {number}
 */
export function scale(x, by) {
  return x * by;
}

/**
 * @task
 * @param {boolean} flag
 * @returns {boolean}
 */
export function negate(flag) {
  return !flag;
}

/**
 * @task
 * @param {bigint[]} numbers
 * @returns {bigint}
 */
export function sum(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0n);
}

/**
 * Counts how often each word occurs.
 * @task
 * @param {string[]} words
 * @returns {Map<string, u64>}
 */
export function tally(words) {
  const counts = new Map();
  for (const word of words.toSorted()) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/**
 * @task
 * @param {bigint[]} numbers
 * @returns {bigint | null}
 */
export function first(numbers) {
  return numbers[0];
}

/**
 * @task
 * @param {Point} point
 * @returns {Point}
 */
export function swap({ x, y }) {
  return { x: y, y: x };
}

/**
 * @task
 * @param {string} a
 * @param {bigint} b
 * @returns {[bigint, string]}
 */
export function pair(a, b) {
  return [b, a];
}

/**
 * @task
 * @param {?bigint} number
 * @returns {bigint}
 */
export function or_default(number) {
  return number ?? 42n;
}

/** @task */
export function nothing() {}

/** The error of `fail`. */
export class Failure extends TaskError {}

/**
 * @task
 * @param {string} message
 * @throws {Failure}
 */
export function fail(message) {
  throw new Failure(message, { cause: new Error("because of the test"), data: { code: 7 } });
}

/**
 * @task
 * @param {string} message
 */
export function crash(message) {
  throw new Error(message);
}

/** @task */
export function trap() {
  endCall();
}

/**
 * @task
 * @param {bigint} level
 * @param {string} message
 */
export function say(level, message) {
  log.at(level, message, "conformance");
}

/**
 * @task
 * @param {string} message
 */
export function print(message) {
  console.log(message);
  console.error(message);
}

/**
 * Adds numbers as they come.
 * @task
 * @param {Receiver<bigint>} numbers
 * @returns {bigint}
 */
export function total(numbers) {
  let total = 0n;
  for (const number of numbers) total += number;
  return total;
}

/**
 * Sends the numbers from 1 to `n`.
 * @task
 * @param {bigint} n
 * @param {Sender<bigint>} out
 */
export function count_to(n, out) {
  for (let number = 1n; number <= n; number++) out.send(number);
}

/**
 * Sends each number twice as large.
 * @task
 * @param {Receiver<bigint>} numbers
 * @param {Sender<bigint>} out
 */
export function double(numbers, out) {
  for (const number of numbers) out.send(number * 2n);
}

/** @task */
export function until_cancelled() {
  while (!cancelled()) sleep(1);
  log.info("cancelled", "conformance");
}

/**
 * Runs a program, and returns its exit code and its stdout.
 * @task
 * @param {string} program
 * @param {string[]} arguments
 * @param {Uint8Array} input
 * @returns {[bigint, Uint8Array]}
 * @throws {NotRun}
 */
export function run(program, args, input) {
  try {
    const { code, stdout } = runProgram(program, args, { input, stderr: "inherit" });
    return [code ?? -1, stdout];
  } catch (cause) {
    throw new NotRun(`${program}: ${cause.message}`, { cause });
  }
}

/** A program cannot be run. */
export class NotRun extends TaskError {}

/** A file cannot be written. */
export class Unwritable extends TaskError {}

/** A file cannot be read. */
export class Unreadable extends TaskError {}

/**
 * @task
 * @param {string} path
 * @returns {string}
 * @throws {Unreadable}
 */
export function read(path) {
  try {
    return fs.readTextFile(path);
  } catch (cause) {
    throw new Unreadable(`${path}: ${cause.message}`, { cause });
  }
}

/**
 * @task
 * @param {string} path
 * @param {string} text
 * @throws {Unwritable}
 */
export function write(path, text) {
  try {
    fs.writeTextFile(path, text);
  } catch (cause) {
    throw new Unwritable(`${path}: ${cause.message}`, { cause });
  }
}

/** @task */
export function spin() {
  for (;;);
}

/** @task */
export function hog() {
  const kept = [];
  for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
}
