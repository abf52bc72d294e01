import { hostCall, hostFacts, netConnect, netShutdown } from "./imports";
import { Result, TaskError, refusal, reply } from "./errors";
import { Stream, writeAll } from "./channel";
import { WxecReader } from "./reader";
import { WxecWriter } from "./writer";

/** Facts about the host. */
@record
export class Facts {
  hostname: string = "";
  /** Its name with its domain, if it has one. */
  fqdn: string | null = null;
  /** Its kernel's release, such as `6.12.43`. */
  kernel: string = "";
  /** Its operating system, such as `Linux`. */
  os: string = "";
  arch: string = "";
  distro: Distro | null = null;
  /** Processors that the agent may use. */
  cpus: u32 = 0;
  memoryBytes: u64 = 0;
  addresses: string[] = [];
  /** The account that the agent runs as, if it has a name. */
  user: string | null = null;
  uid: u32 = 0;
  /** Seconds since the host was started. */
  uptimeS: u64 = 0;
}

/** A distribution, from `os-release`. */
@record
export class Distro {
  /** Its name for programs. */
  id: string = "";
  /** Its name for people. */
  name: string = "";
  version: string = "";
}

/** Returns the facts of the host. This needs a grant. */
export function facts(): Result<Facts> {
  return hostFacts() < 0 ? Result.err<Facts>(refusal()) : decoded<Facts>(reply());
}

function decoded<T>(reader: WxecReader): Result<T> {
  const value = wxecRead<T>(reader);
  return reader.failed ? Result.err<T>(new TaskError("the reply does not fit: " + reader.reason)) : Result.ok<T>(value);
}

/**
 * A call of a task of this module on another host. This needs a grant for the host.
 *
 *     new Call("web1", "words::count").with<string>("a b").run<u32>()
 */
export class Call {
  private arguments: WxecWriter = new WxecWriter();
  private count: u32 = 0;
  /** Its time limit; 0 is none. */
  timeoutMs: u64 = 0;

  constructor(
    /** Address of the host, as seen from this one. */
    public address: string,
    /** Name of the task. */
    public task: string,
  ) {}

  /** Adds an argument. */
  with<T>(argument: T): this {
    wxecWrite<T>(this.arguments, argument);
    this.count++;
    return this;
  }

  /** Calls the task, and waits for its value. */
  run<T>(): Result<T> {
    if (this.arguments.error.length) return Result.err<T>(new TaskError("the arguments cannot be sent: " + this.arguments.error));
    const question = new WxecWriter();
    question.map(3);
    question.text("address");
    question.text(this.address);
    question.text("function");
    question.text(this.task);
    question.text("timeout_ms");
    if (this.timeoutMs) question.head(0, this.timeoutMs);
    else question.null();
    const asked = question.finish();
    const given = this.arguments.finish();
    const input = new WxecWriter();
    input.array(this.count);
    input.raw(changetype<usize>(given), given.byteLength);
    const encoded = input.finish();
    const outcome = hostCall(changetype<usize>(asked), asked.byteLength, changetype<usize>(encoded), encoded.byteLength);
    if (outcome < 0) return Result.err<T>(refusal());
    return outcome ? Result.err<T>(failure(this.task, reply())) : decoded<T>(reply());
  }
}

/** The error of a task on another host. */
export class RemoteError extends TaskError {
  /** The kind of the call's end, such as `Failed` or `Trap`. */
  kind: string = "";

  __wxecType(): string {
    return "wxec::RemoteError";
  }
}

/** Reads how a call ended: the name of a variant, or a map of the name and its content. */
function failure(task: string, reader: WxecReader): RemoteError {
  const error = new RemoteError("");
  if (reader.isText()) {
    error.kind = reader.text();
  } else {
    reader.map("a map");
    error.kind = reader.text();
    if (reader.isText()) error.message = reader.text();
    else readFailure(error, reader);
  }
  if (!error.message.length) error.message = `the call of ${task} ended with ${error.kind}`;
  return error;
}

function readFailure(error: RemoteError, reader: WxecReader): void {
  let left = reader.map("a map");
  for (; reader.more(left); left = wxecRest(left)) {
    const name = reader.text();
    // A failure has `msg`, a panic `message`.
    if (name == "msg" || name == "message") error.message = reader.text();
    else if (name == "chain") error.chain = wxecRead<string[]>(reader);
    else reader.skip();
  }
}

/** A connection from the host. */
export class Connection {
  private constructor(private stream: Stream) {}

  /** Opens a connection. This needs a grant for its place. */
  static open(host: string, port: u16): Result<Connection> {
    const writer = new WxecWriter();
    writer.map(2);
    writer.text("host");
    writer.text(host);
    writer.text("port");
    writer.head(0, port);
    const question = writer.finish();
    const handle = netConnect(changetype<usize>(question), question.byteLength);
    return handle < 0 ? Result.err<Connection>(refusal()) : Result.ok(new Connection(new Stream(handle)));
  }

  /** Waits for bytes. Returns some of them, and nothing at the end. */
  read(most: i32 = 65536): Result<Uint8Array> {
    const buffer = new Uint8Array(most);
    const count = this.stream.read(buffer.dataStart, most);
    return count.isOk ? Result.ok(buffer.slice(0, count.value)) : Result.err<Uint8Array>(count.error);
  }

  /** Writes all of `bytes`. */
  write(bytes: Uint8Array): TaskError | null {
    return writeAll(this.stream, bytes.dataStart, bytes.length);
  }

  /** Tells the other end that nothing more follows. */
  closeWrite(): void {
    netShutdown(this.stream.handle, 1);
  }

  close(): void {
    this.stream.close();
  }
}
