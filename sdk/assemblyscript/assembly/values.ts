import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";

/** A value that may be missing. For classes, `T | null` does the same. */
export class Option<T> {
  private constructor(
    /** True if there is a value. */
    public isSome: bool,
    private content: T,
  ) {}

  static some<T>(value: T): Option<T> {
    return new Option<T>(true, value);
  }

  static none<T>(): Option<T> {
    return changetype<Option<T>>(__new(offsetof<Option<T>>(), idof<Option<T>>()));
  }

  /** The value. Ends the call with a panic if there is none. */
  get value(): T {
    assert(this.isSome, "an option without a value");
    return this.content;
  }

  /** Returns the value, or `other` if there is none. */
  or(other: T): T {
    return this.isSome ? this.content : other;
  }

  __wxecRead(reader: WxecReader): void {
    if (reader.takeNull()) return;
    reader.takeMark();
    this.content = wxecRead<T>(reader);
    this.isSome = true;
  }

  __wxecWrite(writer: WxecWriter): void {
    if (!this.isSome) return writer.null();
    const start = writer.size;
    wxecWrite<T>(writer, this.content);
    writer.markFrom(start);
  }
}

/** Two values, which travel as a tuple. */
export class Pair<A, B> {
  constructor(
    public first: A,
    public second: B,
  ) {}

  __wxecRead(reader: WxecReader): void {
    const left = reader.array("an array of 2 items");
    if (!reader.failed && left >= 0 && left != 2) reader.mismatch("an array of 2 items", "another");
    this.first = wxecRead<A>(reader);
    this.second = wxecRead<B>(reader);
    if (left < 0 && reader.more(left)) reader.mismatch("an array of 2 items", "another");
    reader.close();
  }

  __wxecWrite(writer: WxecWriter): void {
    writer.array(2);
    wxecWrite<A>(writer, this.first);
    wxecWrite<B>(writer, this.second);
    writer.close();
  }
}

/** Returns an option without a value, for a field that is missing. */
@global
export function wxecAbsent<T>(): T {
  return changetype<T>(__new(offsetof<T>(), idof<T>()));
}
