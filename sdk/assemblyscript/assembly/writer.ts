/** Writes CBOR. */
@global
export class WxecWriter {
  private buffer: ArrayBuffer = new ArrayBuffer(64);
  private length: u32 = 0;
  /** Reason why something could not be written. */
  error: string = "";
  /** Further arrays and maps that may be open at once. */
  private levels: i32 = MAX_DEPTH;

  /** Returns what was written. */
  finish(): ArrayBuffer {
    return this.buffer.slice(0, this.length);
  }

  /** Returns the number of bytes written. */
  get size(): u32 {
    return this.length;
  }

  /** Makes room for `count` bytes, and returns where. */
  private room(count: u32): usize {
    const needed = this.length + count;
    if (needed > <u32>this.buffer.byteLength) {
      const grown = new ArrayBuffer(max(needed, 2 * this.buffer.byteLength));
      memory.copy(changetype<usize>(grown), changetype<usize>(this.buffer), this.length);
      this.buffer = grown;
    }
    const place = changetype<usize>(this.buffer) + this.length;
    this.length = needed;
    return place;
  }

  byte(value: u8): void {
    store<u8>(this.room(1), value);
  }

  /** Writes a number in little endian, outside of CBOR. */
  fixed(value: u32): void {
    store<u32>(this.room(4), value);
  }

  /** Replaces the number at the beginning. */
  setFixed(value: u32): void {
    store<u32>(changetype<usize>(this.buffer), value);
  }

  raw(pointer: usize, length: u32): void {
    memory.copy(this.room(length), pointer, length);
  }

  head(major: u8, value: u64): void {
    const first: u8 = major << 5;
    if (value < 24) {
      this.byte(first | <u8>value);
    } else if (value <= u8.MAX_VALUE) {
      this.byte(first | 24);
      this.byte(<u8>value);
    } else if (value <= u16.MAX_VALUE) {
      this.byte(first | 25);
      store<u16>(this.room(2), bswap<u16>(<u16>value));
    } else if (value <= u32.MAX_VALUE) {
      this.byte(first | 26);
      store<u32>(this.room(4), bswap<u32>(<u32>value));
    } else {
      this.byte(first | 27);
      store<u64>(this.room(8), bswap<u64>(value));
    }
  }

  null(): void {
    this.byte(0xf6);
  }

  bool(value: bool): void {
    this.byte(value ? 0xf5 : 0xf4);
  }

  signed(value: i64): void {
    if (value < 0) this.head(1, <u64>(-1 - value));
    else this.head(0, <u64>value);
  }

  f32(value: f32): void {
    this.byte(0xfa);
    store<u32>(this.room(4), bswap<u32>(reinterpret<u32>(value)));
  }

  f64(value: f64): void {
    this.byte(0xfb);
    store<u64>(this.room(8), bswap<u64>(reinterpret<u64>(value)));
  }

  /** Writes a text. Half a surrogate pair becomes U+FFFD. */
  text(value: string): void {
    const encoded = String.UTF8.encode(value, false, String.UTF8.ErrorMode.REPLACE);
    this.head(3, encoded.byteLength);
    this.raw(changetype<usize>(encoded), encoded.byteLength);
  }

  bytes(pointer: usize, length: u32): void {
    this.head(2, length);
    this.raw(pointer, length);
  }

  /** Begins an array of `count` items, which `close` ends. */
  array(count: u64): void {
    this.open(4, count);
  }

  /** Begins a map of `count` entries, which `close` ends. */
  map(count: u64): void {
    this.open(5, count);
  }

  private open(major: u8, count: u64): void {
    this.levels--;
    if (this.levels < 0) this.error = `it nests deeper than ${MAX_DEPTH} levels`;
    this.head(major, count);
  }

  close(): void {
    this.levels++;
  }

  /** True if there is no more room to nest. */
  get isFull(): bool {
    return this.levels < 0;
  }

  /** Marks what was written from `start` on, if it would be read as the absence of a value. */
  markFrom(start: u32): void {
    const first = load<u8>(changetype<usize>(this.buffer) + start);
    const second = this.length > start + 1 ? load<u8>(changetype<usize>(this.buffer) + start + 1) : 0;
    if (first != 0xf6 && !(first == 0xd8 && second == SOME_TAG)) return;
    const length = this.length - start;
    this.room(2);
    const place = changetype<usize>(this.buffer) + start;
    memory.copy(place + 2, place, length);
    store<u8>(place, 0xd8);
    store<u8>(place + 1, SOME_TAG);
  }
}

/** Largest number of nested arrays and maps, the same in all SDKs. */
export const MAX_DEPTH = 128;
/** Marks an option of something that is itself written as null. */
export const SOME_TAG: u8 = 122;

/** Writes a value of any type that a task may have. */
@global
export function wxecWrite<T>(writer: WxecWriter, value: T): void {
  if (isBoolean<T>()) {
    writer.bool(<bool>value);
  } else if (isInteger<T>()) {
    if (isSigned<T>()) writer.signed(<i64>value);
    else writer.head(0, <u64>value);
  } else if (isFloat<T>()) {
    if (sizeof<T>() == 4) writer.f32(<f32>value);
    else writer.f64(<f64>value);
  } else if (isNullable<T>()) {
    if (value === null) writer.null();
    else wxecWrite<NonNullable<T>>(writer, value);
  } else if (isString<T>()) {
    writer.text(changetype<string>(value));
  } else if (isArray<T>()) {
    const items = value;
    writer.array(items.length);
    for (let i = 0; i < items.length && !writer.isFull; i++) wxecWrite<valueof<T>>(writer, items[i]);
    writer.close();
  } else if (idof<T>() == idof<Uint8Array>()) {
    const bytes = changetype<Uint8Array>(value);
    writer.bytes(bytes.dataStart, bytes.byteLength);
  } else if (value instanceof Map) {
    const keys = value.keys();
    writer.map(keys.length);
    for (let i = 0; i < keys.length && !writer.isFull; i++) {
      wxecWrite<indexof<T>>(writer, keys[i]);
      wxecWrite<valueof<T>>(writer, value.get(keys[i]));
    }
    writer.close();
  } else {
    value.__wxecWrite(writer);
  }
}
