import { errorWrite, replyLen, replyRead } from "./imports";
import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";

// More text than people read, and far below the 1 MiB that a host takes of an error.
const MAX_MESSAGE = 16 << 10;
// No real chain is as deep.
const MAX_CHAIN = 32;
// Leaves room for the texts in the 1 MiB that a host takes of an error.
const MAX_DATA_BYTES: u32 = 700 << 10;

/**
 * The error of a task. AssemblyScript cannot catch exceptions, so that functions return errors: in a
 * `Result<T>`, or as `TaskError | null` if they return nothing else. `throw` ends the call.
 *
 * A subclass is told by its name, and with the decorator `@record` its own fields travel as well.
 */
export class TaskError {
  /** The texts of what caused it, outermost first. */
  chain: string[] = [];

  constructor(public message: string) {}

  /** Adds a cause. */
  because(cause: string): this {
    this.chain.push(cause);
    return this;
  }

  toString(): string {
    return this.chain.length ? `${this.message}: ${this.chain.join(": ")}` : this.message;
  }

  // The builder overrides these in records.
  __wxecType(): string {
    return "wxec::TaskError";
  }

  __wxecData(_writer: WxecWriter): bool {
    return false;
  }

  /** Tells the host, and returns the status of the call. */
  __wxecFinish(): i32 {
    const data = new WxecWriter();
    const hasData = this.__wxecData(data) && !data.error.length && data.size <= MAX_DATA_BYTES;
    const writer = new WxecWriter();
    writer.map(hasData ? 4 : 3);
    writer.text("type");
    writer.text(this.__wxecType());
    writer.text("msg");
    writer.text(shorten(this.message));
    writer.text("chain");
    const chain = this.chain.slice(0, MAX_CHAIN);
    writer.array(chain.length);
    for (let i = 0; i < chain.length; i++) writer.text(shorten(chain[i]));
    if (hasData) {
      const encoded = data.finish();
      writer.text("data");
      writer.bytes(changetype<usize>(encoded), encoded.byteLength);
    }
    const failure = writer.finish();
    errorWrite(changetype<usize>(failure), failure.byteLength);
    return 1;
  }
}

export function shorten(text: string): string {
  return text.length > MAX_MESSAGE ? text.substring(0, MAX_MESSAGE) + "…" : text;
}

/** The host's reason to refuse something; its text names the grant that is missing. */
export class HostError extends TaskError {
  constructor(
    message: string,
    /** Its kind by the name in Rust's `ErrorKind`, such as `NotFound`. */
    public kind: string,
  ) {
    super(message);
  }

  __wxecType(): string {
    return "wxec::HostError";
  }
}

/** A value, or the error that there is instead. */
export class Result<T> {
  private content: T;
  private failure: TaskError | null = null;

  static ok<T>(value: T): Result<T> {
    const result = empty<T>();
    result.content = value;
    return result;
  }

  static err<T>(error: TaskError): Result<T> {
    const result = empty<T>();
    result.failure = error;
    return result;
  }

  /** True if there is a value. */
  get isOk(): bool {
    return !this.failure;
  }

  /** The value. Ends the call with a panic, and the text of the error, if there is none. */
  get value(): T {
    const failure = this.failure;
    if (failure) throw new Error(failure.toString());
    return this.content;
  }

  /** The error. Ends the call with a panic if there is none. */
  get error(): TaskError {
    return this.failure!;
  }
}

function empty<T>(): Result<T> {
  return changetype<Result<T>>(__new(offsetof<Result<T>>(), idof<Result<T>>()));
}

/** Reads the reply to the last capability call. */
export function reply(): WxecReader {
  const buffer = new ArrayBuffer(replyLen());
  const length = replyRead(0, changetype<usize>(buffer), buffer.byteLength);
  return new WxecReader(buffer, 0, length);
}

/** Reads the reply to a capability call that was refused. */
export function refusal(): HostError {
  const error = new HostError("the host refused, and its reason cannot be read", "Other");
  const reader = reply();
  let left = reader.map("a map");
  for (; reader.more(left); left = wxecRest(left)) {
    const name = reader.text();
    if (name == "kind") error.kind = reader.text();
    else if (name == "msg") error.message = reader.text();
    else reader.skip();
  }
  return error;
}
