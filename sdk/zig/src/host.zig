// SPDX-License-Identifier: Apache-2.0

//! The host, as a task sees it: imports, streams, channels, processes, connections, facts and
//! calls. A call that the host refuses is `error.Refused`, and `refusal` tells why; if the task
//! returns that error, its caller reads the host's text, which names the missing grant.

const std = @import("std");
const cbor = @import("cbor.zig");
const Allocator = std.mem.Allocator;

/// The imports of module `wxec_v1`.
pub const imports = struct {
    pub extern "wxec_v1" fn input_len() u32;
    pub extern "wxec_v1" fn input_read(offset: u32, buffer: [*]u8, length: usize) u32;
    pub extern "wxec_v1" fn output_write(bytes: [*]const u8, length: usize) void;
    pub extern "wxec_v1" fn error_write(bytes: [*]const u8, length: usize) void;
    pub extern "wxec_v1" fn log_record(
        level: i32,
        target: [*]const u8,
        target_length: usize,
        message: [*]const u8,
        length: usize,
    ) void;
    pub extern "wxec_v1" fn panic(report: [*]const u8, length: usize) void;
    pub extern "wxec_v1" fn cancelled() i32;
    pub extern "wxec_v1" fn reply_len() u32;
    pub extern "wxec_v1" fn reply_read(offset: u32, buffer: [*]u8, length: usize) u32;
    pub extern "wxec_v1" fn call_stream(index: i32) i32;
    pub extern "wxec_v1" fn stream_read(stream: i32, buffer: [*]u8, length: usize) i32;
    pub extern "wxec_v1" fn stream_write(stream: i32, bytes: [*]const u8, length: usize) i32;
    pub extern "wxec_v1" fn stream_select(question: [*]const u8, length: usize) i32;
    pub extern "wxec_v1" fn stream_timeout(stream: i32, direction: i32, ms: i64) i32;
    pub extern "wxec_v1" fn stream_close(stream: i32) i32;
    pub extern "wxec_v1" fn process_start(question: [*]const u8, length: usize) i32;
    pub extern "wxec_v1" fn process_wait(process: i32) i32;
    pub extern "wxec_v1" fn process_kill(process: i32, signal: i32) i32;
    pub extern "wxec_v1" fn process_forget(process: i32) i32;
    pub extern "wxec_v1" fn net_connect(question: [*]const u8, length: usize) i32;
    pub extern "wxec_v1" fn host_facts() i32;
    pub extern "wxec_v1" fn host_call(
        question: [*]const u8,
        length: usize,
        input: [*]const u8,
        input_length: usize,
    ) i32;
};

/// Returns where bytes lie, for the host, which checks the place even of none: an empty slice may
/// point beyond the end of memory.
pub fn pointer(bytes: []const u8) [*]const u8 {
    return if (bytes.len > 0) bytes.ptr else "";
}

/// Reads the whole input of the call.
pub fn input(allocator: Allocator) []const u8 {
    const length = imports.input_len();
    if (length == 0) return "";
    const bytes = allocator.alloc(u8, length) catch cbor.outOfMemory();
    return bytes[0..@min(length, imports.input_read(0, bytes.ptr, length))];
}

/// Memory of one call. It is emptied when the next call begins.
pub var call_arena: std.heap.ArenaAllocator = .init(std.heap.wasm_allocator);

/// The host refused; see `refusal`.
pub const Refused = error{Refused};

/// Reason why the host refused.
pub const Refusal = struct {
    /// `NotFound`, `PermissionDenied`, `TimedOut` and so on.
    kind: []const u8 = "Other",
    /// The reason for people.
    msg: []const u8 = "the host refused",
};

var last_refusal: ?Refusal = null;

/// Returns the reason of the last refusal in this call, if there was one.
pub fn refusal() ?Refusal {
    return last_refusal;
}

/// Begins a new call.
pub fn reset() void {
    _ = call_arena.reset(.retain_capacity);
    last_refusal = null;
}

fn replyBytes(allocator: Allocator) []const u8 {
    const length = imports.reply_len();
    if (length == 0) return "";
    const bytes = allocator.alloc(u8, length) catch cbor.outOfMemory();
    return bytes[0..@min(length, imports.reply_read(0, bytes.ptr, length))];
}

/// Passes on a number that the host returned, unless that is a refusal.
fn accepted(number: i32) Refused!u31 {
    if (number >= 0) return @intCast(number);
    const allocator = call_arena.allocator();
    var reader: cbor.Reader = .{ .allocator = allocator, .bytes = replyBytes(allocator) };
    last_refusal = reader.read(Refusal) catch .{};
    return error.Refused;
}

fn reply(comptime T: type) Refused!T {
    const allocator = call_arena.allocator();
    var reader: cbor.Reader = .{ .allocator = allocator, .bytes = replyBytes(allocator) };
    return reader.read(T) catch {
        last_refusal = .{ .msg = "the host's reply cannot be read" };
        return error.Refused;
    };
}

/// A stream of bytes.
pub const Stream = struct {
    handle: i32,

    /// Reads some bytes; returns how many, 0 at the end.
    pub fn read(stream: Stream, buffer: []u8) Refused!usize {
        if (buffer.len == 0) return 0;
        return try accepted(imports.stream_read(stream.handle, buffer.ptr, buffer.len));
    }

    /// Writes all bytes, and waits while the stream is full.
    pub fn write(stream: Stream, bytes: []const u8) Refused!void {
        var rest = bytes;
        while (rest.len > 0) rest = rest[try accepted(imports.stream_write(stream.handle, rest.ptr, rest.len))..];
    }

    /// Limits the time of reads or writes; null is no limit.
    pub fn timeout(stream: Stream, direction: enum(i32) { reading, writing }, ms: ?u63) Refused!void {
        _ = try accepted(imports.stream_timeout(stream.handle, @backingInt(direction), ms orelse -1));
    }

    /// Closes it: the other side reads its end.
    pub fn close(stream: Stream) void {
        _ = imports.stream_close(stream.handle);
    }
};

/// Connects to a TCP port. Needs the grant of the place.
pub fn connect(host: []const u8, port: u16) Refused!Stream {
    const question = cbor.encode(call_arena.allocator(), .{ .host = host, .port = port });
    return .{ .handle = try accepted(imports.net_connect(question.ptr, question.len)) };
}

/// Asks for the facts about the host, as a type of your own with the wanted fields. Needs the grant
/// of facts.
pub fn facts(comptime T: type) Refused!T {
    _ = try accepted(imports.host_facts());
    return reply(T);
}

/// Calls a task of this module on another host; `arguments` is a tuple. If the call fails there,
/// `refusal` has the reason as well. Needs the grant of the host.
pub fn call(comptime T: type, address: []const u8, function: []const u8, arguments: anytype) Refused!T {
    const allocator = call_arena.allocator();
    const question = cbor.encode(allocator, .{ .address = address, .function = function });
    const encoded = cbor.encode(allocator, arguments);
    const number = try accepted(imports.host_call(question.ptr, question.len, encoded.ptr, encoded.len));
    if (number == 0) return reply(T);
    last_refusal = .{ .kind = "CallFailed", .msg = "the call on the other host failed" };
    return error.Refused;
}

/// Longest item of a channel.
const max_item_bytes = 16 << 20;

/// A channel is broken: the stream, or what came on it, is not as it must be.
pub const ChannelError = error{ Refused, BrokenChannel };

/// Items that the caller sends: `while (try numbers.next()) |number|`.
pub fn Receiver(comptime T: type) type {
    return struct {
        stream: Stream,
        buffer: []u8 = &.{},
        start: usize = 0,
        end: usize = 0,
        /// Memory of the last item.
        arena: std.heap.ArenaAllocator,

        const Self = @This();
        pub const Item = T;
        pub const wxec_kind = .receiver;

        pub fn take(r: *cbor.Reader) cbor.Error!Self {
            return .{ .stream = try taken(r), .arena = .init(call_arena.allocator()) };
        }

        /// Waits for the next item; null is the end. Texts of an item last until the next.
        pub fn next(receiver: *Self) ChannelError!?T {
            _ = receiver.arena.reset(.retain_capacity);
            if (!try receiver.fill(4)) return if (receiver.start == receiver.end) null else error.BrokenChannel;
            const length = std.mem.readInt(u32, receiver.buffer[receiver.start..][0..4], .little);
            if (length > max_item_bytes or !try receiver.fill(4 + @as(usize, length))) return error.BrokenChannel;
            var reader: cbor.Reader = .{
                .allocator = receiver.arena.allocator(),
                .bytes = receiver.buffer[receiver.start + 4 ..][0..length],
            };
            receiver.start += 4 + @as(usize, length);
            const item = reader.read(T) catch return error.BrokenChannel;
            return if (reader.at == reader.bytes.len) item else error.BrokenChannel;
        }

        /// Reads until so many bytes are here; false at the end. The buffer grows by what has
        /// arrived, never by what was announced.
        fn fill(receiver: *Self, wanted: usize) ChannelError!bool {
            while (receiver.end - receiver.start < wanted) {
                const held = receiver.buffer[receiver.start..receiver.end];
                if (receiver.end == receiver.buffer.len or receiver.start > 0) {
                    if (held.len * 2 > receiver.buffer.len or receiver.buffer.len == 0) {
                        const length = @max(held.len * 2, 32 << 10);
                        const larger = call_arena.allocator().alloc(u8, length) catch cbor.outOfMemory();
                        @memcpy(larger[0..held.len], held);
                        receiver.buffer = larger;
                    } else {
                        std.mem.copyForwards(u8, receiver.buffer[0..held.len], held);
                    }
                    receiver.start = 0;
                    receiver.end = held.len;
                }
                const read = try receiver.stream.read(receiver.buffer[receiver.end..]);
                if (read == 0) return false;
                receiver.end += read;
            }
            return true;
        }
    };
}

/// Place to send items to the caller.
pub fn Sender(comptime T: type) type {
    return struct {
        stream: Stream,
        buffer: cbor.Buffer,

        const Self = @This();
        pub const Item = T;
        pub const wxec_kind = .sender;

        pub fn take(r: *cbor.Reader) cbor.Error!Self {
            return .{ .stream = try taken(r), .buffer = .{ .allocator = call_arena.allocator() } };
        }

        /// Sends an item. `error.Closed` means that the caller takes no more.
        pub fn send(sender: *Self, item: T) (ChannelError || error{Closed})!void {
            sender.buffer.list.clearRetainingCapacity();
            sender.buffer.put("\x00\x00\x00\x00");
            sender.buffer.write(item);
            const bytes = sender.buffer.list.items;
            if (bytes.len - 4 > max_item_bytes) return error.BrokenChannel;
            std.mem.writeInt(u32, bytes[0..4], @intCast(bytes.len - 4), .little);
            sender.stream.write(bytes) catch |refused| {
                return if (std.mem.eql(u8, last_refusal.?.kind, "BrokenPipe")) error.Closed else refused;
            };
        }
    };
}

/// Place to send the items that a task returns. Such a task has a parameter `*wxec.Returned(T)`, which
/// is no argument, and is described as returning `Receiver<T>`.
pub fn Returned(comptime T: type) type {
    return struct {
        sender: Sender(T),

        const Self = @This();
        pub const Item = T;
        pub const wxec_kind = .returned;

        pub fn begin() Refused!Self {
            const stream: Stream = .{ .handle = try accepted(imports.call_stream(-1)) };
            // A null says that the task has begun to return.
            try stream.write("\x01\x00\x00\x00\xf6");
            return .{ .sender = .{ .stream = stream, .buffer = .{ .allocator = call_arena.allocator() } } };
        }

        /// Sends an item. `error.Closed` means that the caller takes no more.
        pub fn send(returned: *Self, item: T) (ChannelError || error{Closed})!void {
            return returned.sender.send(item);
        }
    };
}

fn taken(r: *cbor.Reader) cbor.Error!Stream {
    const index = try r.read(u31);
    const handle = imports.call_stream(index);
    return if (handle >= 0) .{ .handle = handle } else r.mistake("a stream of the call", "none that is free");
}

/// A program of the host. Needs the grant to run it.
pub const Command = struct {
    /// By name or by path, spelled as in the grant.
    program: []const u8,
    /// Without the program's own name.
    arguments: []const []const u8 = &.{},
    /// Changes to its environment: null removes a variable.
    environment: []const struct { []const u8, ?[]const u8 } = &.{},
    clear_environment: bool = false,
    /// Null is the host's choice.
    directory: ?[]const u8 = null,
    stdin: Stdio = .null,
    stdout: Stdio = .inherit,
    stderr: Stdio = .inherit,

    /// Kind of a standard stream: none, a stream of the task, or the stream of the call.
    pub const Stdio = enum { null, piped, inherit };

    /// Starts it.
    pub fn start(command: Command) Refused!Process {
        const question = cbor.encode(call_arena.allocator(), .{
            .program = command.program,
            .args = command.arguments,
            .env = command.environment,
            .clear_env = command.clear_environment,
            .cwd = command.directory,
            .stdin = command.stdin,
            .stdout = command.stdout,
            .stderr = command.stderr,
        });
        const handle = try accepted(imports.process_start(question.ptr, question.len));
        const started = try reply(struct { id: u32, stdin: ?i32, stdout: ?i32, stderr: ?i32 });
        return .{
            .handle = handle,
            .id = started.id,
            .stdin = if (started.stdin) |stream| .{ .handle = stream } else null,
            .stdout = if (started.stdout) |stream| .{ .handle = stream } else null,
            .stderr = if (started.stderr) |stream| .{ .handle = stream } else null,
        };
    }

    /// Runs it to its end with an input, and collects its output.
    pub fn run(command: Command, allocator: Allocator, stdin_bytes: []const u8) Refused!Output {
        var piped = command;
        piped.stdin = .piped;
        piped.stdout = .piped;
        piped.stderr = .piped;
        var process = try piped.start();
        defer _ = imports.process_forget(process.handle);
        var collected: [2]cbor.Buffer = @splat(.{ .allocator = allocator });
        var open: [2]?Stream = .{ process.stdout, process.stderr };
        var rest = stdin_bytes;
        while (true) {
            if (rest.len == 0) if (process.stdin) |stdin| {
                stdin.close();
                process.stdin = null;
            };
            // Reads while it writes: a program that is not read may stop reading.
            var reading: [2]i32 = undefined;
            var places: [2]usize = undefined;
            var count: usize = 0;
            for (open, 0..) |stream, place| if (stream) |some| {
                reading[count] = some.handle;
                places[count] = place;
                count += 1;
            };
            if (count == 0) break;
            const writing = [1]i32{if (process.stdin) |stdin| stdin.handle else -1};
            const ready = try select(writing[0..@intFromBool(process.stdin != null)], reading[0..count]);
            if (process.stdin) |stdin| if (ready == 0) {
                const written = imports.stream_write(stdin.handle, rest.ptr, rest.len);
                // A program that closes its input early has read what it wanted.
                rest = if (written < 0) "" else rest[@intCast(written)..];
                continue;
            };
            const place = places[ready - @intFromBool(process.stdin != null)];
            var part: [4096]u8 = undefined;
            const length = try open[place].?.read(&part);
            collected[place].put(part[0..length]);
            if (length == 0) {
                open[place].?.close();
                open[place] = null;
            }
        }
        if (process.stdin) |stdin| stdin.close();
        return .{
            .end = try process.wait(),
            .stdout = collected[0].list.items,
            .stderr = collected[1].list.items,
        };
    }
};

/// A process that was started.
pub const Process = struct {
    handle: i32,
    /// Its process id on the host.
    id: u32,
    stdin: ?Stream,
    stdout: ?Stream,
    stderr: ?Stream,

    /// End of a process.
    pub const End = struct {
        /// Its exit code, if it exited.
        code: ?i32,
        /// The signal that ended it, if one did.
        signal: ?i32,
    };

    /// Waits until it has ended.
    pub fn wait(process: Process) Refused!End {
        _ = try accepted(imports.process_wait(process.handle));
        return reply(End);
    }

    /// Sends a signal to it; 9 ends it.
    pub fn kill(process: Process, signal: i32) Refused!void {
        _ = try accepted(imports.process_kill(process.handle, signal));
    }
};

/// Result of a program that ran to its end.
pub const Output = struct {
    end: Process.End,
    stdout: []const u8,
    stderr: []const u8,
};

/// Waits until one of some streams is ready: returns its place in `writing` followed by `reading`.
pub fn select(writing: []const i32, reading: []const i32) Refused!usize {
    var memory: [1024]u8 = undefined;
    var fixed: std.heap.FixedBufferAllocator = .init(&memory);
    const question = cbor.encode(fixed.allocator(), .{ .write = writing, .read = reading });
    return try accepted(imports.stream_select(question.ptr, question.len));
}
