import { inputLen, inputRead, outputWrite, errorWrite, panicReport, isCancelled, logRecord } from "./imports";
import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";
import { Result, TaskError, shorten } from "./errors";
import { Receiver, Sender } from "./channel";

/** The arguments of a call, found but not decoded. */
@global
export class WxecCall {
  /** Why the arguments do not fit; empty if they do. */
  complaint: string = "";
  private input: ArrayBuffer;
  private from: StaticArray<u32>;
  private to: StaticArray<u32>;
  private next: i32 = 0;

  /** Reads the input of the call. The places of an argument that is missing are 0. */
  constructor(private names: StaticArray<string>) {
    const input = new ArrayBuffer(inputLen());
    this.input = input;
    this.from = new StaticArray<u32>(names.length);
    this.to = new StaticArray<u32>(names.length);
    this.split(inputRead(0, changetype<usize>(input), input.byteLength));
  }

  private split(length: u32): void {
    const reader = new WxecReader(this.input, 0, length);
    const byName = reader.argumentsByName();
    const count = reader.count;
    for (let i: u32 = 0; i < count && !reader.failed; i++) {
      let place = <i32>i;
      if (byName) {
        const name = reader.text();
        if (reader.failed) break;
        place = this.names.indexOf(name);
        if (place < 0) return this.complain(`no parameter is named \`${name}\`: (${this.list()})`);
        if (this.to[place]) return this.complain(`argument \`${name}\` is given twice`);
      }
      const from = reader.at;
      reader.skip();
      if (place < this.names.length) {
        this.from[place] = from;
        this.to[place] = reader.at;
      }
    }
    if (!reader.failed) reader.finish();
    if (reader.failed) return this.complain(`the arguments cannot be read: ${reader.reason}`);
    if (<i32>count > this.names.length) {
      this.complain(`${count} arguments are given, but only ${this.names.length} taken: (${this.list()})`);
    }
  }

  private list(): string {
    return this.names.join(", ");
  }

  private complain(complaint: string): void {
    if (!this.complaint.length) this.complaint = complaint;
  }

  private reader(): WxecReader {
    const place = this.next;
    if (this.to[place]) return new WxecReader(this.input, this.from[place], this.to[place]);
    const missing = new ArrayBuffer(1);
    store<u8>(changetype<usize>(missing), 0xf6);
    return new WxecReader(missing, 0, 1);
  }

  /** Ends the next argument. */
  private done(reader: WxecReader): void {
    const place = this.next++;
    if (!reader.failed) return;
    const name = this.names[place];
    if (!this.to[place]) this.complain(`argument \`${name}\`: expected ${reader.expected}, but it is missing`);
    else this.complain(`argument \`${name}${reader.path}\`: ${reader.reason}`);
  }

  /** Takes the next argument. If it does not fit, its value must not be used. */
  take<T>(): T {
    const reader = this.reader();
    const value = wxecRead<T>(reader);
    this.done(reader);
    return value;
  }

  /** Takes the next argument, which is the index of a stream. */
  stream(): u32 {
    return <u32>this.take<u32>();
  }

  receiver<T>(): Receiver<T> {
    const index = this.stream();
    return new Receiver<T>(this.complaint.length ? -1 : <i32>index);
  }

  sender<T>(): Sender<T> {
    const index = this.stream();
    return new Sender<T>(this.complaint.length ? -1 : <i32>index);
  }

  /** Tells the host that the arguments do not fit, and returns the status of the call. */
  refuse(): i32 {
    return explain(this.complaint, 2);
  }
}

function explain(text: string, status: i32): i32 {
  const encoded = String.UTF8.encode(shorten(text));
  errorWrite(changetype<usize>(encoded), encoded.byteLength);
  return status;
}

/** Ends a call that returns nothing. */
@global
export function wxecNothing(): i32 {
  const writer = new WxecWriter();
  writer.null();
  return put(writer);
}

/** Ends a call that returns a value. */
@global
export function wxecValue<T>(value: T): i32 {
  const writer = new WxecWriter();
  wxecWrite<T>(writer, value);
  return put(writer);
}

/** Ends a call that returns a value or an error. */
@global
export function wxecResult<T>(result: Result<T>): i32 {
  return result.isOk ? wxecValue<T>(result.value) : result.error.__wxecFinish();
}

/** Ends a call that returns an error or nothing. */
@global
export function wxecMaybe(error: TaskError | null): i32 {
  return error ? error.__wxecFinish() : wxecNothing();
}

function put(writer: WxecWriter): i32 {
  if (writer.error.length) return explain("the value cannot be sent: " + writer.error, 3);
  const output = writer.finish();
  outputWrite(changetype<usize>(output), output.byteLength);
  return 0;
}

/** Tells the host of a failed assertion or a thrown error, and ends the call. */
@global
export function wxec_abort(message: string | null = null, file: string | null = null, line: u32 = 0, column: u32 = 0): void {
  const writer = new WxecWriter();
  writer.map(4);
  writer.text("msg");
  writer.text(message ? shorten(message) : "assertion failed");
  writer.text("file");
  if (file) writer.text(file);
  else writer.null();
  writer.text("line");
  writer.head(0, line);
  writer.text("column");
  writer.head(0, column);
  const report = writer.finish();
  panicReport(changetype<usize>(report), report.byteLength);
  unreachable();
}

/** Returns true if the caller no longer waits. A host may also end a cancelled call at once. */
export function cancelled(): bool {
  return isCancelled() != 0;
}

/** Severity of a log record. */
export enum Level {
  Error = 1,
  Warn = 2,
  Info = 3,
  Debug = 4,
  Trace = 5,
}

/** Logs a message. The target tells the caller where it comes from. */
export function log(level: Level, target: string, message: string): void {
  const targetBytes = String.UTF8.encode(target);
  const messageBytes = String.UTF8.encode(message);
  logRecord(level, changetype<usize>(targetBytes), targetBytes.byteLength, changetype<usize>(messageBytes), messageBytes.byteLength);
}
