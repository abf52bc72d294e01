import { HostError, Result, TaskError } from "./errors";

@external("wasi_snapshot_preview1", "fd_prestat_get")
declare function fd_prestat_get(fd: i32, prestat: usize): u16;
@external("wasi_snapshot_preview1", "fd_prestat_dir_name")
declare function fd_prestat_dir_name(fd: i32, path: usize, length: u32): u16;
@external("wasi_snapshot_preview1", "path_open")
declare function path_open(folder: i32, lookup: u32, path: usize, length: u32, flags: u32, rights: u64, inheriting: u64, fdFlags: u32, fd: usize): u16;
@external("wasi_snapshot_preview1", "fd_read")
declare function fd_read(fd: i32, vectors: usize, count: u32, read: usize): u16;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, vectors: usize, count: u32, written: usize): u16;
@external("wasi_snapshot_preview1", "fd_close")
declare function fd_close(fd: i32): u16;
@external("wasi_snapshot_preview1", "poll_oneoff")
declare function poll_oneoff(subscriptions: usize, events: usize, count: u32, happened: usize): u16;

const CREATE = 1;
const TRUNCATE = 8;
const APPEND = 1;
const READING: u64 = 1 << 1;
const WRITING: u64 = 1 << 6;
const FOLLOW_SYMLINKS = 1;
const CHUNK_BYTES = 64 << 10;

// The error numbers of WASI that people meet.
const BAD_DESCRIPTOR = 8;
const NOT_CAPABLE = 76;

/** Reads a file. */
export function readFile(path: string): Result<Uint8Array> {
  const file = open(path, 0, READING, 0);
  if (!file.isOk) return Result.err<Uint8Array>(file.error);
  let content = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  let count = 1;
  while (count > 0) {
    if (length == content.length) {
      const grown = new Uint8Array(2 * length);
      grown.set(content);
      content = grown;
    }
    count = transfer(false, file.value, content, length);
    if (count > 0) length += count;
  }
  fd_close(file.value);
  return count < 0 ? Result.err<Uint8Array>(failure("read", path, -count)) : Result.ok(content.slice(0, length));
}

/** Reads a file as a text. Bytes that are not UTF-8 become U+FFFD. */
export function readText(path: string): Result<string> {
  const content = readFile(path);
  if (!content.isOk) return Result.err<string>(content.error);
  return Result.ok(String.UTF8.decodeUnsafe(content.value.dataStart, content.value.length));
}

/** Writes a file, and replaces what it had. */
export function writeFile(path: string, content: Uint8Array): TaskError | null {
  return write(path, content, CREATE | TRUNCATE, 0);
}

/** Writes a text to a file, and replaces what it had. */
export function writeText(path: string, text: string): TaskError | null {
  return writeFile(path, Uint8Array.wrap(String.UTF8.encode(text)));
}

/** Adds to the end of a file. */
export function appendFile(path: string, content: Uint8Array): TaskError | null {
  return write(path, content, CREATE, APPEND);
}

function write(path: string, content: Uint8Array, flags: u32, fdFlags: u32): TaskError | null {
  const file = open(path, flags, WRITING, fdFlags);
  if (!file.isOk) return file.error;
  let done = 0;
  while (done < content.length) {
    const count = transfer(true, file.value, content, done);
    if (count < 0) {
      fd_close(file.value);
      return failure("write", path, -count);
    }
    done += count;
  }
  fd_close(file.value);
  return null;
}

/** Reads or writes `bytes` from `from` on. Returns how many, or the negative number of an error. */
function transfer(writes: bool, fd: i32, bytes: Uint8Array, from: i32): i32 {
  const vector = new StaticArray<u32>(3);
  const at = changetype<usize>(vector);
  vector[0] = <u32>bytes.dataStart + from;
  vector[1] = bytes.length - from;
  const code = writes ? fd_write(fd, at, 1, at + 8) : fd_read(fd, at, 1, at + 8);
  return code ? -(<i32>code) : <i32>vector[2];
}

/** Opens a file below the longest granted path that leads to it. */
function open(path: string, flags: u32, rights: u64, fdFlags: u32): Result<i32> {
  let folder = -1;
  let longest = -1;
  let rest = path;
  const prestat = new StaticArray<u32>(2);
  // The granted directories follow stdin, stdout and stderr.
  for (let fd = 3; fd_prestat_get(fd, changetype<usize>(prestat)) != BAD_DESCRIPTOR; fd++) {
    const name = new ArrayBuffer(prestat[1]);
    if (fd_prestat_dir_name(fd, changetype<usize>(name), name.byteLength)) continue;
    const granted = String.UTF8.decode(name);
    const below = within(path, granted);
    if (below !== null && granted.length > longest) {
      folder = fd;
      longest = granted.length;
      rest = below;
    }
  }
  const encoded = String.UTF8.encode(rest);
  const opened = new StaticArray<i32>(1);
  // Without a granted directory, the host refuses any descriptor, and knows what was asked for.
  const code = path_open(max(folder, 3), FOLLOW_SYMLINKS, changetype<usize>(encoded), encoded.byteLength, flags, rights, 0, fdFlags, changetype<usize>(opened));
  if (code) return Result.err<i32>(failure("open", path, folder < 0 ? NOT_CAPABLE : code));
  return Result.ok(opened[0]);
}

/** Returns the rest of `path` below `folder`, or null if it is not there. */
function within(path: string, folder: string): string | null {
  if (path == folder) return ".";
  if (folder == "/" || folder.endsWith("/")) return path.startsWith(folder) ? path.substring(folder.length) : null;
  if (folder == ".") return path.startsWith("/") ? null : path;
  return path.startsWith(folder + "/") ? path.substring(folder.length + 1) : null;
}

function failure(verb: string, path: string, code: i32): HostError {
  let kind = "Other";
  let text = `error ${code}`;
  switch (code) {
    case 2:
    case 63:
    case NOT_CAPABLE:
      kind = "PermissionDenied";
      text = code == NOT_CAPABLE ? "not granted" : "permission denied";
      break;
    case 20:
      kind = "AlreadyExists";
      text = "it exists already";
      break;
    case 31:
      kind = "IsADirectory";
      text = "it is a directory";
      break;
    case 44:
      kind = "NotFound";
      text = "no such file or directory";
      break;
    case 51:
      kind = "StorageFull";
      text = "no space left";
      break;
    case 54:
      kind = "NotADirectory";
      text = "a part of the path is no directory";
      break;
  }
  return new HostError(`cannot ${verb} ${path}: ${text}`, kind);
}

/** Waits so many milliseconds. */
export function sleep(ms: u32): void {
  // A subscription to the monotonic clock: 48 bytes; and room for an event of 32.
  const memory = new StaticArray<u64>(10);
  const at = changetype<usize>(memory);
  store<u32>(at, 1, 16);
  store<u64>(at, <u64>ms * 1_000_000, 24);
  const happened = new StaticArray<u32>(1);
  poll_oneoff(at, at + 48, 1, changetype<usize>(happened));
}
