// Types for editors. The comments are in wxec.js and README.md.

declare global {
  /** An integer that travels as one, up to 53 bits, in JSDoc types of tasks. */
  type int = number;
  /** The same without negative numbers. */
  type uint = number;
  type i64 = bigint;
  type u64 = bigint;
  type Sender<T> = import("wxec").Sender<T>;
  type Receiver<T> = import("wxec").Receiver<T>;
}

export class TaskError extends Error {
  constructor(message?: string, options?: { cause?: unknown; data?: unknown });
  data?: unknown;
}
export class HostError extends TaskError {
  kind: string;
  need?: unknown;
}

type LogFunction = (message: unknown, target?: string) => void;
export const log: {
  error: LogFunction;
  warn: LogFunction;
  info: LogFunction;
  debug: LogFunction;
  trace: LogFunction;
  at(level: number | bigint, message: unknown, target?: string): void;
};
export function cancelled(): boolean;
export function environment(): Record<string, string>;
export function sleep(ms: number): void;
export function trap(): never;

export class Sender<T> {
  send(item: T): void;
  close(): void;
}
export class Receiver<T> implements Iterable<T> {
  next(timeoutMs?: number): IteratorResult<T, undefined>;
  [Symbol.iterator](): Iterator<T>;
  close(): void;
}
export class Stream {
  readonly handle: number;
  read(length?: number): Uint8Array;
  readAll(): Uint8Array;
  write(bytes: Uint8Array | string): void;
  setTimeout(ms?: number): void;
  close(): void;
}

export interface End {
  code: number | null;
  signal: number | null;
}
export interface Output extends End {
  stdout: Uint8Array;
  stderr: Uint8Array;
}
type Stdio = "piped" | "inherit" | "null";
export interface ProcessOptions {
  env?: Record<string, string | null>;
  clearEnv?: boolean;
  cwd?: string;
  stdin?: Stdio;
  stdout?: Stdio;
  stderr?: Stdio;
}
export class Process {
  readonly id: number;
  stdin: Stream | null;
  stdout: Stream | null;
  stderr: Stream | null;
  wait(): End;
  tryWait(): End | null;
  kill(signal?: number): void;
  communicate(input?: Uint8Array | string): Output;
}
export function spawn(program: string, args?: string[], options?: ProcessOptions): Process;
export function run(
  program: string,
  args?: string[],
  options?: ProcessOptions & { input?: Uint8Array | string },
): Output;

export function connect(host: string, port: number, options?: { timeoutMs?: number }): Stream;
export function lookup(host: string): string[];
export function facts(): any;
export function call(address: string, task: string, args?: unknown[], options?: { timeoutMs?: number }): any;

export const fs: {
  readFile(path: string): Uint8Array;
  readTextFile(path: string): string;
  writeFile(path: string, bytes: Uint8Array): void;
  writeTextFile(path: string, text: string): void;
  appendFile(path: string, content: Uint8Array | string): void;
  readDir(path: string): string[];
  mkdir(path: string): void;
  remove(path: string): void;
  rename(from: string, to: string): void;
  exists(path: string): boolean;
};
