// What a task in JavaScript may ask of its host. Import it as "wxec".

import { host as ask } from "#host";

/** Calls the host, and throws what it refuses. */
function host(name, ...args) {
  const answer = ask(name, args);
  if (answer.error) throw new HostError(answer.error);
  return answer.value;
}

/**
 * An error that callers know: its class is the error's type. Its `data` travels as well. Any other
 * error that a task throws ends the call as a panic.
 */
export class TaskError extends Error {
  constructor(message, { cause, data } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = this.constructor.name;
    if (data !== undefined) this.data = data;
  }
}

/** The host refused something, or failed. `kind` is such as `NotFound` or `PermissionDenied`. */
export class HostError extends TaskError {
  constructor({ kind, msg, need }) {
    super(msg);
    this.kind = kind;
    if (need) this.need = need;
  }
}

const record = (level) => (message, target = "") => {
  host("log", level, String(target), String(message));
};

/** Records for the log of the caller: `log.info("message", "target")`. */
export const log = {
  error: record(1),
  warn: record(2),
  info: record(3),
  debug: record(4),
  trace: record(5),
  /** Logs at a level from 1, an error, to 5, a trace. */
  at: (level, message, target = "") => record(Number(level))(message, target),
};

/** Returns true if the call is no longer wanted. */
export const cancelled = () => host("cancelled");

/** Returns the variables of the environment that were granted. */
export const environment = () => host("environment");

/** Waits for some milliseconds. */
export const sleep = (ms) => host("sleep", Math.ceil(ms));

/** Ends the call at once, without an error of its own. */
export const trap = () => host("trap");

/** The end of a channel that sends items to the caller. */
export class Sender {
  #channel;
  constructor(channel) {
    this.#channel = channel;
  }
  /** Sends an item, and waits while too many are under way. Throws once the receiver is gone. */
  send(item) {
    host("send", this.#channel, item);
  }
  close() {
    host("close", this.#channel);
  }
}

/** The end of a channel that receives items of the caller: `for (const item of receiver)`. */
export class Receiver {
  #channel;
  constructor(channel) {
    this.#channel = channel;
  }
  /** Returns the next item as `{ value }`, or `{ done: true }` at the end. `timeoutMs` bounds the wait. */
  next(timeoutMs) {
    const items = host("receive", this.#channel, timeoutMs);
    return items.length ? { done: false, value: items[0] } : { done: true, value: undefined };
  }
  [Symbol.iterator]() {
    return { next: () => this.next() };
  }
  close() {
    host("close", this.#channel);
  }
}

/** A stream of bytes: a pipe of a process, or a connection. */
export class Stream {
  #handle;
  constructor(handle) {
    this.#handle = handle;
  }
  get handle() {
    return this.#handle;
  }
  /** Returns at most `length` bytes; none at the end. */
  read(length = 65536) {
    return host("stream_read", this.#handle, length);
  }
  /** Returns all bytes to the end. */
  readAll() {
    const parts = [];
    for (let part = this.read(); part.length; part = this.read()) parts.push(part);
    return concat(parts);
  }
  /** Writes all bytes, or a text. */
  write(bytes) {
    let rest = typeof bytes === "string" ? encode(bytes) : bytes;
    while (rest.length) rest = rest.subarray(host("stream_write", this.#handle, rest));
  }
  /** Bounds the wait of reads, or takes the bound away. */
  setTimeout(ms = -1) {
    host("stream_timeout", this.#handle, 0, ms);
  }
  close() {
    host("stream_close", this.#handle);
  }
}

const streamOf = (handle) => (handle === null ? null : new Stream(handle));

/** A program of the host that was started. */
export class Process {
  #handle;
  constructor(handle, started) {
    this.#handle = handle;
    this.id = started.id;
    this.stdin = streamOf(started.stdin);
    this.stdout = streamOf(started.stdout);
    this.stderr = streamOf(started.stderr);
  }
  /** Waits until it has ended: `{ code, signal }`. */
  wait() {
    return host("process_wait", this.#handle)[1];
  }
  /** Returns how it ended, or null. */
  tryWait() {
    return host("process_try_wait", this.#handle)[1];
  }
  kill(signal = 9) {
    host("process_kill", this.#handle, signal);
  }
  /**
   * Writes `input`, closes its stdin, reads its output and waits. Input and output move together, so
   * that neither side waits for the other for ever.
   */
  communicate(input) {
    let rest = typeof input === "string" ? encode(input) : (input ?? new Uint8Array());
    const output = { stdout: [], stderr: [] };
    const open = new Map();
    for (const name of ["stdout", "stderr"]) if (this[name]) open.set(this[name], output[name]);
    let stdin = this.stdin;
    const closeInput = () => {
      stdin.close();
      stdin = null;
    };
    if (stdin && !rest.length) closeInput();
    while (stdin || open.size) {
      const streams = [...open.keys()];
      const write = stdin ? [stdin.handle] : [];
      const read = streams.map((stream) => stream.handle);
      const [place] = host("stream_select", { write, read });
      if (place < write.length) {
        try {
          rest = rest.subarray(host("stream_write", stdin.handle, rest.subarray(0, 65536)));
        } catch (error) {
          // A program may end without reading its input.
          if (error.kind !== "BrokenPipe") throw error;
          rest = rest.subarray(rest.length);
        }
        if (!rest.length) closeInput();
      } else {
        const stream = streams[place - write.length];
        const part = stream.read();
        if (part.length) open.get(stream).push(part);
        else open.delete(stream);
      }
    }
    const end = this.wait();
    return { ...end, stdout: concat(output.stdout), stderr: concat(output.stderr) };
  }
}

/**
 * Starts a program of the host. `stdin`, `stdout` and `stderr` are `"piped"`, `"inherit"` or
 * `"null"`.
 */
export function spawn(program, args = [], options = {}) {
  const { env = {}, clearEnv = false, cwd = null } = options;
  const [handle, started] = host("process_start", {
    program,
    args: [...args],
    env: Object.entries(env),
    clear_env: clearEnv,
    cwd,
    stdin: options.stdin ?? "inherit",
    stdout: options.stdout ?? "inherit",
    stderr: options.stderr ?? "inherit",
  });
  return new Process(handle, started);
}

/** Runs a program to its end: `{ code, signal, stdout, stderr }`. */
export function run(program, args = [], { input, ...options } = {}) {
  const pipes = { stdin: "piped", stdout: "piped", stderr: "piped" };
  return spawn(program, args, { ...pipes, ...options }).communicate(input);
}

/** Connects to a port of the network. */
export function connect(hostName, port, { timeoutMs = null } = {}) {
  const [handle] = host("net_connect", { host: hostName, port, timeout_ms: timeoutMs });
  return new Stream(handle);
}

/** Returns the addresses of a name. */
export const lookup = (hostName) => host("net_lookup", { host: hostName })[1];

/** Returns facts about the host. */
export const facts = () => host("host_facts")[1];

/** Calls a task of this module on another host, and returns its value. */
export function call(address, task, args = [], { timeoutMs } = {}) {
  const question = { address, function: task };
  if (timeoutMs !== undefined) question.timeout_ms = timeoutMs;
  const [code, reply] = host("host_call", question, args);
  if (code === 0) return reply;
  throw new TaskError(`the call of \`${task}\` on ${address} failed`, { data: reply });
}

/** Files of the host, in the directories that were granted. */
export const fs = {
  readFile: (path) => host("file_read", path),
  readTextFile: (path) => decode(host("file_read", path)),
  writeFile: (path, bytes) => host("file_write", path, bytes, false),
  writeTextFile: (path, text) => host("file_write", path, text, false),
  appendFile: (path, bytes) => host("file_write", path, bytes, true),
  readDir: (path) => host("file_list", path),
  mkdir: (path) => host("file_mkdir", path),
  remove: (path) => host("file_remove", path),
  rename: (from, to) => host("file_rename", from, to),
  exists: (path) => host("file_exists", path),
};

const encode = (text) => host("encode", String(text));
const decode = (bytes) => host("decode", bytes);

function concat(parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

// What scripts expect to be there, and ECMAScript does not have. Outside of a module it is there.
if (!ask.absent) {
  globalThis.TextEncoder = class TextEncoder {
    encode(text = "") {
      return encode(text);
    }
  };
  globalThis.TextDecoder = class TextDecoder {
    decode(bytes = new Uint8Array()) {
      return decode(bytes);
    }
  };

  const shown = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return `${value}\n${value.stack}`;
    if (typeof value === "bigint") return `${value}n`;
    const plain = (_, part) => (typeof part === "bigint" ? `${part}n` : part);
    return JSON.stringify(value, plain) ?? String(value);
  };
  const printer = (stream) => (...values) => {
    host("print", stream, `${values.map(shown).join(" ")}\n`);
  };
  globalThis.console = {
    log: printer(1),
    info: printer(1),
    debug: printer(1),
    warn: printer(2),
    error: printer(2),
  };

  // The module's image has the seed of the machine that it was built on.
  Math.random = () => {
    const bytes = new DataView(host("random", 8).buffer);
    return Number(bytes.getBigUint64(0) >> 11n) / 2 ** 53;
  };
}

/** Calls a task; for the runtime alone. */
export function __invoke(task, args, kinds, returnsItems) {
  const wrap = { sender: Sender, receiver: Receiver };
  const values = args.map((value, at) => (kinds[at] ? new wrap[kinds[at]](value) : value));
  const result = task(...values);
  return returnsItems ? sendAll(result) : result;
}

async function sendAll(items) {
  items = await items;
  const out = new Sender(host("returned"));
  for await (const item of items) out.send(item);
}

/** Describes what a task threw; for the runtime alone. */
export function __describe(error) {
  const text = (thrown) => String(thrown instanceof Error ? thrown.message : thrown);
  const chain = [];
  for (let cause = error?.cause; cause !== undefined && chain.length < 32; cause = cause?.cause) {
    chain.push(text(cause));
  }
  const isError = error instanceof Error;
  return {
    typed: error instanceof TaskError,
    builtin: error instanceof HostError,
    type: isError ? error.constructor.name : typeof error,
    msg: text(error),
    chain,
    data: error?.data,
    stack: isError ? String(error.stack) : "",
  };
}
