import { MAX_DEPTH, SOME_TAG } from "./writer";

// Bounds tags around one item. Each is a byte or more, so that this only limits useless work.
const MAX_TAGS = 512;

/**
 * Reads CBOR that comes from the other side: no declared length is believed, and nesting is bounded.
 * After a failure, all reads return nothing at once; `failed` tells.
 */
@global
export class WxecReader {
  /** True once something did not fit. */
  failed: bool = false;
  /** True if a value had another type than the wanted one, at `path`. */
  isMismatch: bool = false;
  /** What was wanted, or all of the reason if it is no mismatch. */
  expected: string = "";
  found: string = "";
  path: string = "";

  private levels: i32 = MAX_DEPTH;
  // The last head.
  private major: u8 = 0;
  private value: u64 = 0;
  private indefinite: bool = false;
  private first: u8 = 0;
  private start: u32 = 0;

  /** Reads the bytes of `buffer` from `at` to `end`. */
  constructor(
    private buffer: ArrayBuffer,
    public at: u32,
    private end: u32,
  ) {}

  /** Returns why reading failed, for people. */
  get reason(): string {
    return this.isMismatch ? `expected ${this.expected}, found ${this.found}` : this.expected;
  }

  fail(reason: string): void {
    if (this.failed) return;
    this.failed = true;
    this.expected = reason;
  }

  malformed(at: u32): void {
    this.fail(`malformed CBOR at byte ${at}`);
  }

  mismatch(expected: string, found: string): void {
    if (this.failed) return;
    this.failed = true;
    this.isMismatch = true;
    this.expected = expected;
    this.found = found;
  }

  /** Adds a step to the path of a mismatch, on the way out. */
  within(step: string): void {
    if (this.failed) this.path = step + this.path;
  }

  private byteAt(at: u32): u8 {
    return load<u8>(changetype<usize>(this.buffer) + at);
  }

  private take(count: u64): u32 {
    const at = this.at;
    if (count > <u64>(this.end - at)) {
      this.malformed(at);
      return this.end;
    }
    this.at += <u32>count;
    return at;
  }

  /** Reads the head of the next item; for a tag, that of the tag. */
  private head(): bool {
    this.start = this.at;
    const at = this.take(1);
    if (this.failed) return false;
    this.first = this.byteAt(at);
    this.major = this.first >> 5;
    this.indefinite = false;
    const low = this.first & 0x1f;
    if (low < 24) {
      this.value = low;
    } else if (low <= 27) {
      const size: u32 = 1 << (low - 24);
      const from = this.take(size);
      if (this.failed) return false;
      let value: u64 = 0;
      for (let i: u32 = 0; i < size; i++) value = (value << 8) | this.byteAt(from + i);
      this.value = value;
    } else if (low == 31) {
      this.indefinite = true;
      this.value = 0;
    } else {
      this.malformed(at);
    }
    return !this.failed;
  }

  /** Reads the head of the next item, behind its tags. */
  private untagged(): bool {
    for (let tags = 0; tags < MAX_TAGS; tags++) {
      if (!this.head()) return false;
      if (this.major != 6) return true;
      if (this.indefinite) {
        this.malformed(this.start);
        return false;
      }
    }
    this.tooDeep();
    return false;
  }

  private tooDeep(): void {
    this.fail(`it nests deeper than ${MAX_DEPTH} levels`);
  }

  /** Describes the last head, for people. */
  private describe(): string {
    switch (this.major) {
      case 0:
        return this.value.toString();
      case 1:
        return this.value > <u64>i64.MAX_VALUE ? "a number below " + i64.MIN_VALUE.toString() : (-1 - <i64>this.value).toString();
      case 2:
        return "bytes";
      case 3:
        return "a text";
      case 4:
        return "an array";
      case 5:
        return "a map";
    }
    if (this.first == 0xf4) return "false";
    if (this.first == 0xf5) return "true";
    if (this.first == 0xf6 || this.first == 0xf7) return "null";
    return this.isFloat() ? this.asFloat().toString() : "something else";
  }

  private mismatched(expected: string): void {
    this.mismatch(expected, this.describe());
  }

  bool(): bool {
    if (!this.untagged()) return false;
    if (this.first != 0xf4 && this.first != 0xf5) this.mismatched("bool");
    return this.first == 0xf5;
  }

  signed(min: i64, max: i64, name: string): i64 {
    if (!this.untagged()) return 0;
    if (this.major <= 1 && !this.indefinite && this.value <= <u64>i64.MAX_VALUE) {
      const number = this.major == 0 ? <i64>this.value : -1 - <i64>this.value;
      if (number >= min && number <= max) return number;
    }
    this.mismatched(name);
    return 0;
  }

  unsigned(max: u64, name: string): u64 {
    if (!this.untagged()) return 0;
    if (this.major == 0 && !this.indefinite && this.value <= max) return this.value;
    this.mismatched(name);
    return 0;
  }

  private isFloat(): bool {
    return this.first >= 0xf9 && this.first <= 0xfb;
  }

  private asFloat(): f64 {
    if (this.first == 0xfb) return reinterpret<f64>(this.value);
    if (this.first == 0xfa) return <f64>reinterpret<f32>(<u32>this.value);
    const bits = <u32>this.value;
    const exponent = (bits >> 10) & 0x1f;
    const fraction = <f64>(bits & 0x3ff);
    let number: f64;
    if (exponent == 0) number = fraction * Math.pow(2, -24);
    else if (exponent < 31) number = (1024 + fraction) * Math.pow(2, <f64>exponent - 25);
    else number = fraction == 0 ? Infinity : NaN;
    return bits >> 15 ? -number : number;
  }

  float(name: string): f64 {
    if (!this.untagged()) return 0;
    if (this.isFloat()) return this.asFloat();
    if (this.major == 0 && !this.indefinite) return <f64>this.value;
    if (this.major == 1 && !this.indefinite) return -1 - <f64>this.value;
    this.mismatched(name);
    return 0;
  }

  text(): string {
    if (!this.untagged()) return "";
    if (this.major != 3) {
      this.mismatched("a text");
      return "";
    }
    const start = this.start;
    const content = this.content(3);
    if (this.failed) return "";
    if (!isUtf8(content)) {
      this.fail(`the text at byte ${start} is not UTF-8`);
      return "";
    }
    return String.UTF8.decode(content);
  }

  bytes(): Uint8Array {
    if (!this.untagged()) return new Uint8Array(0);
    if (this.major == 4) return this.numbers();
    if (this.major != 2) {
      this.mismatched("bytes");
      return new Uint8Array(0);
    }
    return Uint8Array.wrap(this.content(2));
  }

  /** Reads bytes that are an array of numbers, whose head was read. */
  private numbers(): Uint8Array {
    const bytes = new Array<u8>();
    let left = this.open();
    for (; this.more(left); left = rest(left)) bytes.push(<u8>this.unsigned(u8.MAX_VALUE, "u8"));
    this.close();
    const joined = new Uint8Array(bytes.length);
    joined.set(bytes);
    return joined;
  }

  /** Reads the content of a string, whose head was read. */
  private content(major: u8): ArrayBuffer {
    if (!this.indefinite) {
      const length = this.value;
      const at = this.take(length);
      return this.failed ? new ArrayBuffer(0) : this.buffer.slice(at, at + <u32>length);
    }
    const parts = new Array<ArrayBuffer>();
    let length = 0;
    while (this.head() && this.first != 0xff) {
      if (this.major != major || this.indefinite) {
        this.malformed(this.start);
        break;
      }
      const size = this.value;
      const at = this.take(size);
      if (this.failed) break;
      parts.push(this.buffer.slice(at, at + <u32>size));
      length += <i32>size;
    }
    const joined = new ArrayBuffer(length);
    let offset: usize = 0;
    for (let i = 0; i < parts.length; i++) {
      memory.copy(changetype<usize>(joined) + offset, changetype<usize>(parts[i]), parts[i].byteLength);
      offset += parts[i].byteLength;
    }
    return joined;
  }

  /** Opens an array, and returns how many items are left; below 0 if that is not known. */
  array(expected: string = "an array"): i64 {
    return this.container(4, expected);
  }

  /** Opens a map, and returns how many entries are left; below 0 if that is not known. */
  map(expected: string): i64 {
    return this.container(5, expected);
  }

  private container(major: u8, expected: string): i64 {
    if (!this.untagged()) return 0;
    if (this.major == major) return this.open();
    this.mismatched(expected);
    return 0;
  }

  /** Opens the array or map whose head was read. */
  private open(): i64 {
    this.levels--;
    if (this.levels < 0) {
      this.tooDeep();
      return 0;
    }
    if (this.indefinite) return -1;
    // Each item takes a byte or more.
    if (this.value > <u64>(this.end - this.at)) {
      this.malformed(this.end);
      return 0;
    }
    return <i64>this.value;
  }

  /** Returns true if another item follows where `left` are left. */
  more(left: i64): bool {
    if (this.failed) return false;
    if (left >= 0) return left > 0;
    if (this.at < this.end && this.byteAt(this.at) == 0xff) {
      this.at++;
      return false;
    }
    return true;
  }

  close(): void {
    this.levels++;
  }

  /** Returns true if a text comes next. */
  isText(): bool {
    return this.at < this.end && this.byteAt(this.at) >> 5 == 3;
  }

  /** Takes a null, if one comes next. */
  takeNull(): bool {
    if (this.at >= this.end) return false;
    const next = this.byteAt(this.at);
    if (next != 0xf6 && next != 0xf7) return false;
    this.at++;
    return true;
  }

  /** Takes the mark of an option, if one comes next. */
  takeMark(): void {
    if (this.end - this.at < 2) return;
    if (this.byteAt(this.at) == 0xd8 && this.byteAt(this.at + 1) == SOME_TAG) this.at += 2;
  }

  /** Fails if a field was given before. */
  once(given: u64, place: u64): void {
    if (given & (<u64>1 << place)) this.mismatch("one value", "two");
  }

  /** Fails if a field is missing. */
  need(given: u64, place: u64, name: string): void {
    if (this.failed || given & (<u64>1 << place)) return;
    this.mismatch("a value", "none");
    this.within(name);
  }

  /** Skips an item, and checks that it is well-formed. */
  skip(): void {
    if (!this.untagged()) return;
    const major = this.major;
    if (major == 2 || major == 3) {
      this.content(major);
    } else if (major == 4 || major == 5) {
      let left = this.open();
      for (; this.more(left); left = rest(left)) {
        this.skip();
        if (major == 5 && !this.failed) this.skip();
      }
      this.close();
    } else if (this.indefinite) {
      this.malformed(this.start);
    }
  }

  /** Fails if anything is left. */
  finish(): void {
    if (this.at < this.end) this.fail(`${this.end - this.at} bytes after the value`);
  }

  /** Opens the arguments of a call. Returns false for an array, true for a map. */
  argumentsByName(): bool {
    if (!this.head()) return false;
    if (this.major != 4 && this.major != 5) this.fail("the input is neither an array nor a map");
    // No function written by a person has more parameters.
    else if (this.indefinite || this.value > 256) this.malformed(0);
    return this.major == 5;
  }

  /** The number in the last head. */
  get count(): u32 {
    return <u32>this.value;
  }
}

/** Returns how many items are left after one was taken. */
@global
export function wxecRest(left: i64): i64 {
  return left < 0 ? left : left - 1;
}

function rest(left: i64): i64 {
  return wxecRest(left);
}

/** Reads a value of any type that a task may have. */
@global
export function wxecRead<T>(reader: WxecReader): T {
  if (isBoolean<T>()) {
    return <T>reader.bool();
  } else if (isInteger<T>()) {
    const bits: u64 = 8 * sizeof<T>();
    if (isSigned<T>()) {
      const max: i64 = <i64>(u64.MAX_VALUE >> (65 - bits));
      return <T>reader.signed(-1 - max, max, "i" + bits.toString());
    } else {
      return <T>reader.unsigned(u64.MAX_VALUE >> (64 - bits), "u" + bits.toString());
    }
  } else if (isFloat<T>()) {
    return <T>reader.float(sizeof<T>() == 4 ? "f32" : "f64");
  } else if (isNullable<T>()) {
    if (reader.takeNull()) return changetype<T>(0);
    reader.takeMark();
    return wxecRead<NonNullable<T>>(reader);
  } else if (isString<T>()) {
    return changetype<T>(reader.text());
  } else if (isArray<T>()) {
    const items = instantiate<T>();
    let left = reader.array();
    for (; reader.more(left); left = rest(left)) {
      const item = wxecRead<valueof<T>>(reader);
      if (reader.failed) reader.within(`[${items.length}]`);
      else items.push(item);
    }
    reader.close();
    return items;
  } else if (idof<T>() == idof<Uint8Array>()) {
    return changetype<T>(reader.bytes());
  } else {
    return readClass<T>(reader);
  }
}

function readClass<T>(reader: WxecReader): T {
  // Not by its constructor, whose parameters are its own affair: all fields are read, or the value
  // is not used.
  const value = changetype<T>(__new(offsetof<T>(), idof<T>()));
  if (value instanceof Map) {
    return readMap<T>(reader);
  } else {
    value.__wxecRead(reader);
    return value;
  }
}

function readMap<T>(reader: WxecReader): T {
  const map = instantiate<T>();
  let left = reader.map("a map");
  for (; reader.more(left); left = rest(left)) {
    const key = wxecRead<indexof<T>>(reader);
    if (reader.failed) break;
    const value = wxecRead<valueof<T>>(reader);
    if (reader.failed) reader.within("[…]");
    else map.set(key, value);
  }
  reader.close();
  return map;
}

/** Checks UTF-8 as Unicode defines it: shortest forms, no surrogates, nothing beyond U+10FFFF. */
function isUtf8(bytes: ArrayBuffer): bool {
  const start = changetype<usize>(bytes);
  const length = bytes.byteLength;
  for (let i = 0; i < length; ) {
    const first = load<u8>(start + i++);
    if (first < 0x80) continue;
    let more = 0;
    let low: u8 = 0x80;
    let high: u8 = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
      more = 1;
    } else if (first >= 0xe0 && first <= 0xef) {
      more = 2;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      more = 3;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    for (; more > 0; more--) {
      if (i >= length) return false;
      const next = load<u8>(start + i++);
      if (next < low || next > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}
