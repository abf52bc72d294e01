// Answers the test vectors that are the same for all SDKs.
import { Command, Level, Option, Pair, Receiver, Result, Sender, TaskError, cancelled, log, readText, sleep, writeText } from "wxec";

/** Returns the sum of two numbers. */
@task
export function add(a: i64, b: i64): i64 {
  return a + b;
}

@task
export function greet(name: string): string {
  return `Hello, ${name}!`;
}

@task
export function reverse(data: Uint8Array): Uint8Array {
  return data.slice().reverse();
}

@task
export function scale(x: f64, by: f64): f64 {
  return x * by;
}

@task
export function negate(flag: bool): bool {
  return !flag;
}

@task
export function sum(numbers: i64[]): i64 {
  let sum: i64 = 0;
  for (let i = 0; i < numbers.length; i++) sum += numbers[i];
  return sum;
}

@task
export function tally(words: string[]): Map<string, u64> {
  const tally = new Map<string, u64>();
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    tally.set(word, tally.has(word) ? tally.get(word) + 1 : 1);
  }
  return tally;
}

@task
export function first(numbers: i64[]): Option<i64> {
  return numbers.length ? Option.some<i64>(numbers[0]) : Option.none<i64>();
}

/** A place in a plane. */
@record
class Point {
  constructor(
    public x: i64,
    public y: i64,
  ) {}
}

@task
export function swap(point: Point): Point {
  return new Point(point.y, point.x);
}

@task
export function pair(a: string, b: i64): Pair<i64, string> {
  return new Pair<i64, string>(b, a);
}

@task
export function orDefault(number: Option<i64>): i64 {
  return number.or(42);
}

@task
export function nothing(): void {}

@record
class Failure extends TaskError {
  code: i64 = 7;
}

@task
export function fail(message: string): TaskError | null {
  return new Failure(message).because("because of the test");
}

@task
export function crash(message: string): void {
  throw new Error(message);
}

@task
export function trap(): void {
  unreachable();
}

@task
export function say(level: i64, message: string): void {
  log(<Level>level, "conformance", message);
}

@task
export function print(message: string): void {
  process.stdout.write(message + "\n");
  process.stderr.write(message + "\n");
}

@task
export function total(numbers: Receiver<i64>): Result<i64> {
  let total: i64 = 0;
  for (let n = numbers.next(); n.isSome; n = numbers.next()) total += n.value;
  const error = numbers.error;
  return error ? Result.err<i64>(error) : Result.ok<i64>(total);
}

@task
export function countTo(n: i64, out: Sender<i64>): TaskError | null {
  for (let i: i64 = 1; i <= n; i++) {
    const error = out.send(i);
    if (error) return error;
  }
  return null;
}

@task
export function double(numbers: Receiver<i64>, out: Sender<i64>): TaskError | null {
  for (let n = numbers.next(); n.isSome; n = numbers.next()) {
    const error = out.send(2 * n.value);
    if (error) return error;
  }
  return numbers.error;
}

@task
export function untilCancelled(): void {
  while (!cancelled()) sleep(1);
  log(Level.Info, "conformance", "cancelled");
}

@task("conformance::run")
export function runProgram(program: string, arguments: string[], input: Uint8Array): Result<Pair<i64, Uint8Array>> {
  const ran = new Command(program, arguments).run(input);
  if (!ran.isOk) return Result.err<Pair<i64, Uint8Array>>(ran.error);
  return Result.ok(new Pair<i64, Uint8Array>(ran.value.code, ran.value.stdout));
}

@task
export function read(path: string): Result<string> {
  return readText(path);
}

@task
export function write(path: string, text: string): TaskError | null {
  return writeText(path, text);
}

@task
export function spin(): void {
  while (true) {}
}

@task
export function hog(): void {
  const hoard = new Array<Uint8Array>();
  while (true) hoard.push(new Uint8Array(1 << 20).fill(1));
}
