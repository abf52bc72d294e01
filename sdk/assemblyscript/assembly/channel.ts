import { callStream, streamRead, streamWrite, streamClose } from "./imports";
import { HostError, Result, TaskError, refusal } from "./errors";
import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";
import { Option } from "./values";

// Both ends hold an item whole.
const MAX_ITEM_BYTES: u32 = 16 << 20;
// Length of an item's head, its length in little endian.
const HEAD_BYTES: u32 = 4;
// Bytes that are read at once.
const PART_BYTES = 64 << 10;

/** A stream of bytes that the host has open for this call. */
export class Stream {
  constructor(public handle: i32) {}

  /** Waits for bytes, and reads them to `to`. Returns their number, 0 at the end. */
  read(to: usize, length: u32): Result<i32> {
    const count = streamRead(this.handle, to, length);
    return count < 0 ? Result.err<i32>(refusal()) : Result.ok<i32>(count);
  }

  /** Waits for room, and writes some of the bytes. Returns their number. */
  write(from: usize, length: u32): Result<i32> {
    const count = streamWrite(this.handle, from, length);
    return count < 0 ? Result.err<i32>(refusal()) : Result.ok<i32>(count);
  }

  close(): void {
    streamClose(this.handle);
  }
}

function taken(index: i32): Stream {
  return new Stream(index < 0 ? -1 : callStream(index));
}

/** The receiving end of a channel from the caller. */
export class Receiver<T> {
  private stream: Stream;
  /** Bytes that have come; those before `at` are taken. */
  private buffer: ArrayBuffer = new ArrayBuffer(PART_BYTES);
  private at: u32 = 0;
  private end: u32 = 0;
  /** Why no more items come, once that is so; null if they have simply ended. */
  error: TaskError | null = null;

  constructor(index: i32) {
    this.stream = taken(index);
  }

  /**
   * Waits for the next item. None if there are no more: `error` tells if all of them came.
   *
   *     for (let n = numbers.next(); n.isSome; n = numbers.next()) total += n.value;
   */
  next(): Option<T> {
    if (this.error || !this.fill(HEAD_BYTES)) return Option.none<T>();
    const length = load<u32>(changetype<usize>(this.buffer) + this.at);
    if (length > MAX_ITEM_BYTES) return this.broken(`an item of ${length} bytes, more than the ${MAX_ITEM_BYTES} allowed`);
    if (!this.fill(HEAD_BYTES + length)) return Option.none<T>();
    const start = this.at + HEAD_BYTES;
    this.at = start + length;
    const reader = new WxecReader(this.buffer, start, this.at);
    const item = wxecRead<T>(reader);
    if (!reader.failed) reader.finish();
    return reader.failed ? this.broken(`an item does not fit: ${reader.reason}`) : Option.some<T>(item);
  }

  /** Tells the caller that nothing more is received. */
  close(): void {
    this.stream.close();
  }

  private broken(reason: string): Option<T> {
    this.error = new TaskError("the channel is broken: " + reason);
    return Option.none<T>();
  }

  /** Waits until so many bytes are there. Returns false if they do not come. */
  private fill(needed: u32): bool {
    while (this.end - this.at < needed) {
      this.makeRoom();
      const read = this.stream.read(changetype<usize>(this.buffer) + this.end, this.buffer.byteLength - this.end);
      if (!read.isOk) {
        this.error = read.error;
        return false;
      }
      if (!read.value) {
        if (this.end > this.at) this.broken("it ended within an item");
        return false;
      }
      this.end += read.value;
    }
    return true;
  }

  /** Moves what is there to the beginning, and grows with what has come. */
  private makeRoom(): void {
    const left = this.end - this.at;
    let to = this.buffer;
    if (left * 2 > <u32>to.byteLength) to = new ArrayBuffer(2 * to.byteLength);
    memory.copy(changetype<usize>(to), changetype<usize>(this.buffer) + this.at, left);
    this.buffer = to;
    this.at = 0;
    this.end = left;
  }
}

/** The sending end of a channel to the caller. */
export class Sender<T> {
  private stream: Stream;

  constructor(index: i32) {
    this.stream = taken(index);
  }

  /**
   * Sends an item, and blocks while too many bytes wait for the caller. Returns an error, of kind
   * `BrokenPipe` if the caller takes no more.
   */
  send(item: T): TaskError | null {
    const writer = new WxecWriter();
    writer.fixed(0);
    wxecWrite<T>(writer, item);
    const length = writer.size - HEAD_BYTES;
    if (writer.error.length) return new TaskError("an item cannot be sent: " + writer.error);
    if (length > MAX_ITEM_BYTES) return new TaskError(`an item of ${length} bytes, more than the ${MAX_ITEM_BYTES} allowed`);
    writer.setFixed(length);
    const encoded = writer.finish();
    return writeAll(this.stream, changetype<usize>(encoded), encoded.byteLength);
  }

  /** Tells the caller that nothing more is sent. */
  close(): void {
    this.stream.close();
  }
}

/** Writes all of the bytes. */
export function writeAll(stream: Stream, from: usize, length: i32): TaskError | null {
  let done = 0;
  while (done < length) {
    const count = stream.write(from + done, length - done);
    if (!count.isOk) return count.error;
    done += count.value;
  }
  return null;
}

/** Returns true for the error of sending to a caller that takes no more. */
export function isClosed(error: TaskError): bool {
  return error instanceof HostError && (error as HostError).kind == "BrokenPipe";
}
