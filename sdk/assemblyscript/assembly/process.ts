import { processForget, processKill, processStart, processWait, streamSelect } from "./imports";
import { Result, TaskError, refusal, reply } from "./errors";
import { Stream, isClosed } from "./channel";
import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";

// Bytes that are moved at once: what a pipe holds.
const CHUNK_BYTES = 64 << 10;

/** A program to run. It needs a grant for it. */
export class Command {
  /** Variables to set, in addition to those that the host gives. */
  env: Map<string, string> = new Map();
  /** Leaves out the variables that the host gives. */
  clearEnv: bool = false;
  /** The working directory, which the task must be granted to read. */
  directory: string | null = null;

  constructor(
    /** The program, by name or by path, spelled as in the grant. */
    public program: string,
    /** Its arguments, without its own name. */
    public args: string[] = [],
  ) {}

  /** Starts the program, with pipes to and from it. */
  start(): Result<Process> {
    const writer = new WxecWriter();
    writer.map(8);
    writer.text("program");
    writer.text(this.program);
    writer.text("args");
    wxecWrite<string[]>(writer, this.args);
    writer.text("env");
    const names = this.env.keys();
    writer.array(names.length);
    for (let i = 0; i < names.length; i++) {
      writer.array(2);
      writer.text(names[i]);
      writer.text(this.env.get(names[i]));
      writer.close();
    }
    writer.close();
    writer.text("clear_env");
    writer.bool(this.clearEnv);
    writer.text("cwd");
    wxecWrite<string | null>(writer, this.directory);
    writer.text("stdin");
    writer.text("piped");
    writer.text("stdout");
    writer.text("piped");
    writer.text("stderr");
    writer.text("piped");
    const question = writer.finish();
    const handle = processStart(changetype<usize>(question), question.byteLength);
    return handle < 0 ? Result.err<Process>(refusal()) : Process.started(handle, reply());
  }

  /** Runs the program with this input to its end. */
  run(input: Uint8Array = new Uint8Array(0)): Result<Output> {
    const started = this.start();
    if (!started.isOk) return Result.err<Output>(started.error);
    const process = started.value;
    const error = process.write(input);
    // A program need not read all of its input.
    if (error && !isClosed(error)) return Result.err<Output>(error);
    return process.finish();
  }
}

/** A program that has ended. */
export class Output {
  constructor(
    /** Its exit code, or -1 if a signal ended it. */
    public code: i32,
    /** The signal that ended it, or 0. */
    public signal: i32,
    public stdout: Uint8Array,
    public stderr: Uint8Array,
  ) {}
}

/**
 * A program that runs. While a task writes to it, what the program writes is read and held, so that
 * neither waits for the other.
 */
export class Process {
  private stdin: Pipe;
  private outputs: Pipe[];

  private constructor(
    private handle: i32,
    /** Its process id on the host. */
    public id: u32,
    stdin: i32,
    stdout: i32,
    stderr: i32,
  ) {
    this.stdin = new Pipe(stdin);
    this.outputs = [new Pipe(stdout), new Pipe(stderr)];
  }

  /** Reads the handles of what was started. */
  static started(handle: i32, reader: WxecReader): Result<Process> {
    const numbers = new Map<string, i64>();
    let left = reader.map("a map");
    for (; reader.more(left); left = wxecRest(left)) {
      const name = reader.text();
      numbers.set(name, reader.takeNull() ? -1 : reader.signed(0, u32.MAX_VALUE, "a handle"));
    }
    if (reader.failed) return Result.err<Process>(new TaskError("the host's reply cannot be read: " + reader.reason));
    return Result.ok(
      new Process(handle, <u32>numbers.get("id"), <i32>numbers.get("stdin"), <i32>numbers.get("stdout"), <i32>numbers.get("stderr")),
    );
  }

  /** Writes all of `bytes` to its standard input. */
  write(bytes: Uint8Array): TaskError | null {
    let done = 0;
    while (done < bytes.length) {
      const ready = this.select(true);
      if (!ready.isOk) return ready.error;
      if (ready.value) {
        const error = ready.value!.take();
        if (error) return error;
        continue;
      }
      const count = this.stdin.stream.write(bytes.dataStart + done, bytes.length - done);
      if (!count.isOk) return count.error;
      done += count.value;
    }
    return null;
  }

  /** Closes its standard input. */
  closeInput(): void {
    this.stdin.close();
  }

  /** Reads what came from its standard output; nothing at the end. */
  read(): Result<Uint8Array> {
    return this.outputs[0].read();
  }

  /** Reads what came from its standard error; nothing at the end. */
  readError(): Result<Uint8Array> {
    return this.outputs[1].read();
  }

  /** Closes its input, reads its outputs to their ends, and waits until it has ended. */
  finish(): Result<Output> {
    this.closeInput();
    while (!this.outputs[0].ended || !this.outputs[1].ended) {
      const ready = this.select(false);
      if (!ready.isOk) return Result.err<Output>(ready.error);
      const error = ready.value!.take();
      if (error) return Result.err<Output>(error);
    }
    return this.wait();
  }

  /** Waits until it has ended. Its output has what was not read. */
  wait(): Result<Output> {
    if (processWait(this.handle) < 0) return Result.err<Output>(refusal());
    const output = new Output(-1, 0, this.outputs[0].drain(), this.outputs[1].drain());
    const reader = reply();
    let left = reader.map("a map");
    for (; reader.more(left); left = wxecRest(left)) {
      const name = reader.text();
      if (reader.takeNull()) continue;
      const number = <i32>reader.signed(i32.MIN_VALUE, i32.MAX_VALUE, "i32");
      if (name == "code") output.code = number;
      else if (name == "signal") output.signal = number;
    }
    processForget(this.handle);
    return Result.ok(output);
  }

  /** Ends it by a signal, by default one that it cannot catch. */
  kill(signal: i32 = 9): TaskError | null {
    return processKill(this.handle, signal) < 0 ? refusal() : null;
  }

  /** Waits until its input, if wanted, or an output is ready. Returns the output, null for the input. */
  private select(input: bool): Result<Pipe | null> {
    const writer = new WxecWriter();
    const read = new Array<Pipe>();
    for (let i = 0; i < this.outputs.length; i++) if (!this.outputs[i].ended) read.push(this.outputs[i]);
    writer.map(2);
    writer.text("write");
    writer.array(input ? 1 : 0);
    if (input) writer.signed(this.stdin.stream.handle);
    writer.text("read");
    writer.array(read.length);
    for (let i = 0; i < read.length; i++) writer.signed(read[i].stream.handle);
    const question = writer.finish();
    const place = streamSelect(changetype<usize>(question), question.byteLength);
    if (place < 0) return Result.err<Pipe | null>(refusal());
    const output = place - i32(input);
    return Result.ok<Pipe | null>(output < 0 ? null : read[output]);
  }
}

/** One end of a pipe to or from a program, with what was read and is held. */
class Pipe {
  stream: Stream;
  held: Uint8Array = new Uint8Array(0);
  length: i32 = 0;
  ended: bool = false;

  constructor(handle: i32) {
    this.stream = new Stream(handle);
  }

  /** Reads what is ready, and holds it. */
  take(): TaskError | null {
    if (this.held.length - this.length < CHUNK_BYTES) {
      const grown = new Uint8Array(max(2 * this.held.length, this.length + CHUNK_BYTES));
      memory.copy(grown.dataStart, this.held.dataStart, this.length);
      this.held = grown;
    }
    const count = this.stream.read(this.held.dataStart + this.length, CHUNK_BYTES);
    if (!count.isOk) return count.error;
    this.length += count.value;
    if (!count.value) this.close();
    return null;
  }

  read(): Result<Uint8Array> {
    if (!this.length && !this.ended) {
      const error = this.take();
      if (error) return Result.err<Uint8Array>(error);
    }
    return Result.ok(this.drain());
  }

  drain(): Uint8Array {
    const all = this.held.slice(0, this.length);
    this.length = 0;
    return all;
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.stream.close();
  }
}
