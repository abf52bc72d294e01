// SPDX-License-Identifier: Apache-2.0

//! Tasks for wxec in Zig: ordinary functions, whose arguments, results and descriptions are derived
//! from their types when they are compiled.
//!
//! ```zig
//! const wxec = @import("wxec");
//! pub const panic = wxec.panic;
//! pub const std_options = wxec.std_options;
//!
//! fn count(text: []const u8) u64 { … }
//!
//! comptime {
//!     wxec.task("words::count", count, .{ .doc = "Counts the words of a text.", .params = &.{"text"} });
//! }
//! ```
//!
//! | Zig | notation |
//! |---|---|
//! | `bool`, `i64`, `u8`, `f64`, `void` | `bool`, `i64`, `u8`, `f64`, `()` |
//! | `[]const u8` | `String` |
//! | `wxec.Bytes` | `Bytes` |
//! | `[]const T`, `?T` | `Vec<T>`, `Option<T>` |
//! | `struct { A, B }` | `(A, B)` |
//! | `wxec.BTreeMap(K, V)` | `BTreeMap<K, V>` |
//! | a struct with names, an enum | its name |
//! | `*wxec.Sender(T)`, `*wxec.Receiver(T)` | `Sender<T>`, `Receiver<T>` |
//! | `wxec.Value` | `Value` |
//!
//! A parameter of type `std.mem.Allocator` is no argument: it gets the memory of the call, which
//! lasts until the caller has the result. A parameter of type `*wxec.Returned(T)` is none either: the
//! task returns items by it, while it runs, and nothing else.

const std = @import("std");
const builtin = @import("builtin");
const cbor = @import("cbor.zig");
const host = @import("host.zig");
const Allocator = std.mem.Allocator;

pub const files = @import("files.zig");
pub const Bytes = cbor.Bytes;
pub const Value = cbor.Value;
pub const BTreeMap = cbor.BTreeMap;
pub const Reader = cbor.Reader;
pub const encode = cbor.encode;
pub const Sender = host.Sender;
pub const Receiver = host.Receiver;
pub const Returned = host.Returned;
pub const Stream = host.Stream;
pub const Command = host.Command;
pub const Process = host.Process;
pub const Output = host.Output;
pub const Refusal = host.Refusal;
pub const refusal = host.refusal;
pub const connect = host.connect;
pub const facts = host.facts;
pub const call = host.call;
pub const select = host.select;

/// The description of a task, beside what its type says.
pub const About = struct {
    doc: []const u8 = "",
    /// The names of its parameters; allocators have none.
    params: []const []const u8 = &.{},
    /// The type of its error; by default the name of its only error, or a list of them.
    fails: ?[]const u8 = null,
    /// The grants that it declares to need.
    wants: Wants = .{},
};

/// Grants that a task declares to need.
pub const Wants = struct {
    read: []const []const u8 = &.{},
    write: []const []const u8 = &.{},
    run: []const []const u8 = &.{},
    env: []const []const u8 = &.{},
    net: []const []const u8 = &.{},
    host: []const []const u8 = &.{},
    facts: bool = false,
};

/// Exports a function as the task of this path, such as `words::count`. Call it in a `comptime`
/// block.
pub fn task(comptime path: []const u8, comptime function: anytype, comptime about: About) void {
    const Exported = Task(path, function, about);
    @export(&Exported.run, .{ .name = "wx1_" ++ path });
}

fn Task(comptime path: []const u8, comptime function: anytype, comptime about: About) type {
    const signature = @typeInfo(@TypeOf(function)).@"fn";
    const colons = std.mem.findLast(u8, path, "::");
    const module = if (colons) |at| path[0..at] else "";
    const name = if (colons) |at| path[at + 2 ..] else path;
    const Return = signature.return_type orelse @compileError(path ++ " is generic");
    const Result = switch (@typeInfo(Return)) {
        .error_union => |both| both.payload,
        else => Return,
    };
    comptime var parameter_types: []const type = &.{};
    comptime var result_notation: []const u8 = cbor.notation(Result);
    inline for (signature.param_types) |Parameter| {
        if (isReturned(Parameter.?))
            result_notation = "Receiver<" ++ cbor.notation(@typeInfo(Parameter.?).pointer.child.Item) ++ ">"
        else if (Parameter.? != Allocator)
            parameter_types = parameter_types ++ .{Parameter.?};
    }
    const returns = result_notation;
    const types = parameter_types;
    if (types.len != about.params.len) @compileError(std.fmt.comptimePrint(
        "{s} has {d} parameters, but {d} names",
        .{ path, types.len, about.params.len },
    ));

    return struct {
        comptime {
            asm (".section .custom_section.wxec.fn.v1,\"\",@\n.ascii \"" ++ escaped(record()) ++ "\"\n.text\n");
        }

        fn run() callconv(.c) i32 {
            host.reset();
            explanation = null;
            const allocator = host.call_arena.allocator();
            var given: [types.len]?[]const u8 = @splat(null);
            if (!split(allocator, host.input(allocator), about.params, &given)) return 2;

            var arguments: std.meta.ArgsTuple(@TypeOf(function)) = undefined;
            comptime var place = 0;
            inline for (signature.param_types, 0..) |Parameter, i| {
                if (Parameter.? == Allocator) {
                    arguments[i] = allocator;
                } else if (comptime isReturned(Parameter.?)) {
                    const Items = @typeInfo(Parameter.?).pointer.child;
                    const items = allocator.create(Items) catch cbor.outOfMemory();
                    items.* = Items.begin() catch |failed| return failure(allocator, module, failed);
                    arguments[i] = items;
                } else {
                    var reader: cbor.Reader = .{ .allocator = allocator, .bytes = given[place] orelse "\xf6" };
                    const notation = comptime cbor.notation(Parameter.?);
                    arguments[i] = reader.read(Parameter.?) catch
                        return refuse(about.params[place], notation, given[place] != null, &reader);
                    place += 1;
                }
            }

            const result: Result = switch (@typeInfo(Return)) {
                .error_union => @call(.auto, function, arguments) catch |failed|
                    return failure(allocator, module, failed),
                else => @call(.auto, function, arguments),
            };
            const output = cbor.encode(allocator, result);
            host.imports.output_write(output.ptr, output.len);
            return 0;
        }

        /// The record of the task: its length, and an array of the module's name and a map.
        fn record() []const u8 {
            comptime {
                @setEvalBranchQuota(100_000);
                var parameters: []const u8 = listHead(4, types.len);
                for (types, about.params) |Parameter, parameter| parameters = parameters ++ "\xa2" ++
                    text("name") ++ text(parameter) ++ text("ty") ++ text(cbor.notation(Parameter));
                var body: []const u8 = "\x82" ++ text(module) ++ "\xbf" ++ text("name") ++ text(name) ++
                    text("params") ++ parameters ++ text("ret") ++ text(returns);
                if (about.doc.len > 0) body = body ++ text("doc") ++ text(about.doc);
                switch (@typeInfo(Return)) {
                    .error_union => |both| {
                        const failures: ?[]const u8 =
                            if (about.fails) |named| named else errors(module, both.error_set);
                        if (failures) |named| body = body ++ text("err") ++ text(named);
                    },
                    else => {},
                }
                var wants: []const u8 = "";
                for (.{ "read", "write", "run", "env", "net", "host" }) |field| {
                    const list: []const []const u8 = @field(about.wants, field);
                    if (list.len > 0) wants = wants ++ text(field) ++ listHead(4, list.len);
                    for (list) |item| wants = wants ++ text(item);
                }
                if (about.wants.facts) wants = wants ++ text("facts") ++ "\xf5";
                if (wants.len > 0) body = body ++ text("wants") ++ "\xbf" ++ wants ++ "\xff";
                body = body ++ "\xff";
                var length: [4]u8 = undefined;
                std.mem.writeInt(u32, &length, body.len, .little);
                return &length ++ body;
            }
        }
    };
}

fn isReturned(comptime T: type) bool {
    return switch (@typeInfo(T)) {
        .pointer => |pointer| pointer.size == .one and
            if (cbor.kind(pointer.child)) |own| own == .returned else false,
        else => false,
    };
}

fn listHead(comptime major: u8, comptime length: u16) []const u8 {
    return &.{ major << 5 | 25, length >> 8, length & 0xff };
}

fn text(comptime bytes: []const u8) []const u8 {
    return if (bytes.len < 24) &[_]u8{0x60 | @as(u8, bytes.len)} ++ bytes else listHead(3, bytes.len) ++ bytes;
}

/// Names the errors of a task: its only error, or a list. Errors that any task may meet, because they
/// are not its own, are left out.
fn errors(comptime module: []const u8, comptime Set: type) ?[]const u8 {
    const names = @typeInfo(Set).error_set.error_names orelse return "anyerror";
    var list: []const u8 = "";
    var count = 0;
    for (names) |name| {
        if (for ([_][]const u8{ "OutOfMemory", "Refused", "BrokenChannel" }) |common| {
            if (std.mem.eql(u8, name, common)) break true;
        } else false) continue;
        list = list ++ (if (count == 0) "" else ", ") ++ name;
        count += 1;
    }
    return switch (count) {
        0 => null,
        1 => module ++ "::" ++ list,
        else => "error{" ++ list ++ "}",
    };
}

/// Writes bytes as the assembler reads them.
fn escaped(comptime bytes: []const u8) []const u8 {
    @setEvalBranchQuota(1_000_000);
    var out: [bytes.len * 4]u8 = undefined;
    for (bytes, 0..) |byte, i| {
        out[4 * i] = '\\';
        out[4 * i + 1] = '0' + (byte >> 6);
        out[4 * i + 2] = '0' + (byte >> 3 & 7);
        out[4 * i + 3] = '0' + (byte & 7);
    }
    const done = out;
    return &done;
}

fn say(bytes: []const u8) void {
    host.imports.error_write(host.pointer(bytes), bytes.len);
}

fn sayNumber(number: usize) void {
    var buffer: [24]u8 = undefined;
    say(std.fmt.bufPrint(&buffer, "{d}", .{number}) catch unreachable);
}

/// Splits the input of a call into its arguments. No arguments at all may also be nothing, or null.
fn split(allocator: Allocator, input: []const u8, names: []const []const u8, given: []?[]const u8) bool {
    if (input.len == 0 or std.mem.eql(u8, input, "\xf6")) return true;
    var r: cbor.Reader = .{ .allocator = allocator, .bytes = input };
    var count: usize = 0;
    splitItems(&r, names, given, &count) catch {
        if (r.found.len > 0) {
            say("the arguments cannot be read: expected ");
            say(if (r.expected.len > 0) r.expected else "well-formed CBOR");
            say(", found ");
            say(r.found);
        }
        return false;
    };
    if (count > names.len) {
        say("too many arguments: expected ");
        sayNumber(names.len);
        say(", found ");
        sayNumber(count);
        return false;
    }
    return true;
}

fn splitItems(
    r: *cbor.Reader,
    names: []const []const u8,
    given: []?[]const u8,
    count: *usize,
) error{ Mistake, Said }!void {
    const by_name = r.bytes[0] >> 5 == 5;
    const expected = "an array or a map of arguments";
    var items = try if (by_name) r.map(expected) else r.array(expected);
    while (items.next()) : (count.* += 1) {
        var place = count.*;
        if (by_name) {
            const key = try r.read([]const u8);
            place = for (names, 0..) |name, i| {
                if (std.mem.eql(u8, key, name)) break i;
            } else {
                say("there is no parameter `");
                say(if (key.len < 100) key else "");
                say("`");
                return error.Said;
            };
        }
        const value = try r.raw();
        if (place >= names.len) continue;
        if (given[place] != null) {
            say("argument `");
            say(names[place]);
            say("` is given twice");
            return error.Said;
        }
        given[place] = value;
    }
    if (r.at != r.bytes.len) return r.mistake("", "bytes behind them");
}

/// Explains that an argument does not fit.
fn refuse(name: []const u8, notation: []const u8, is_given: bool, reader: *const cbor.Reader) i32 {
    say("argument `");
    say(name);
    say("`: expected ");
    say(notation);
    say(", found ");
    say(if (is_given) reader.found else "nothing");
    if (is_given and reader.expected.len > 0 and !std.mem.eql(u8, reader.expected, notation)) {
        say(" in place of ");
        say(reader.expected);
    }
    return 2;
}

/// Details of an error, for `fail`.
pub const Details = struct {
    /// The error's type; by default the name of the error in its module, `words::Empty`.
    type: ?[]const u8 = null,
    /// Its causes, outermost first.
    chain: []const []const u8 = &.{},
    /// The error itself for callers that know its type: see `encode`.
    data: ?[]const u8 = null,
};

const Explanation = struct { failed: anyerror, message: []const u8, details: Details };

var explanation: ?Explanation = null;

/// Gives an error a message, and returns it: `return wxec.fail(error.Empty, "there are no words",
/// .{});`. An error that is returned without one has its name as the message.
pub fn fail(failed: anytype, message: []const u8, details: Details) @TypeOf(failed) {
    explanation = .{ .failed = failed, .message = message, .details = details };
    return failed;
}

fn failure(allocator: Allocator, module: []const u8, failed: anyerror) i32 {
    var name: cbor.Buffer = .{ .allocator = allocator };
    if (module.len > 0) name.put(module);
    if (module.len > 0) name.put("::");
    name.put(@errorName(failed));
    var message: []const u8 = @errorName(failed);
    var details: Details = .{};
    if (explanation) |explained| {
        if (explained.failed == failed) {
            message = explained.message;
            details = explained.details;
        }
    } else if (failed == error.Refused) {
        if (refusal()) |refused| {
            message = refused.msg;
            details = .{ .type = "wxec::HostError", .data = cbor.encode(allocator, .{ .kind = refused.kind }) };
        }
    }
    var buffer: cbor.Buffer = .{ .allocator = allocator };
    buffer.head(5, if (details.data == null) 3 else 4);
    buffer.write("type");
    buffer.write(details.type orelse name.list.items);
    buffer.write("msg");
    buffer.write(message);
    buffer.write("chain");
    buffer.write(details.chain);
    if (details.data) |data| {
        buffer.write("data");
        buffer.write(Bytes{ .bytes = data });
    }
    say(buffer.list.items);
    return 1;
}

/// Importance of a line of the log.
pub const Level = enum(i32) { err = 1, warn, info, debug, trace };

/// Writes a line to the log of the caller. The target names the part of the program. Levels beyond
/// those of `Level` are the nearest one.
pub fn log(level: Level, target: []const u8, message: []const u8) void {
    logNumber(@backingInt(level), target, message);
}

/// Does the same with the number of a level.
pub fn logNumber(level: i32, target: []const u8, message: []const u8) void {
    host.imports.log_record(level, host.pointer(target), target.len, host.pointer(message), message.len);
}

/// Returns true if the caller has given up: tasks that work for long may ask.
pub fn cancelled() bool {
    return host.imports.cancelled() != 0;
}

/// Waits for some milliseconds.
pub fn sleep(ms: u32) void {
    const wasi = std.os.wasi;
    const subscription: wasi.subscription_t = .{ .userdata = 0, .u = .{ .tag = .CLOCK, .u = .{ .clock = .{
        .id = .MONOTONIC,
        .timeout = @as(u64, ms) * std.time.ns_per_ms,
        .precision = 0,
        .flags = 0,
    } } } };
    var event: wasi.event_t = undefined;
    var count: usize = 0;
    _ = wasi.poll_oneoff(&subscription, &event, 1, &count);
}

/// Options of a root file: `std.log` writes to the log of the caller, with its scope as the target.
pub const std_options: std.Options = .{ .logFn = logFn };

/// The function behind `std_options`.
pub fn logFn(
    comptime level: std.log.Level,
    comptime scope: @EnumLiteral(),
    comptime format: []const u8,
    args: anytype,
) void {
    const message = std.fmt.allocPrint(host.call_arena.allocator(), format, args) catch return;
    log(switch (level) {
        .err => .err,
        .warn => .warn,
        .info => .info,
        .debug => .debug,
    }, @tagName(scope), message);
}

/// Panics of a root file: the caller gets the message. A panic has no file and no line in Zig
/// without the symbols of a module, so use `panicAt` where they matter.
pub const panic = std.debug.FullPanic(struct {
    fn panic(message: []const u8, _: ?usize) noreturn {
        report(message, null);
    }
}.panic);

/// Ends the call with a panic at a place of the source: `wxec.panicAt(@src(), "no words")`.
pub fn panicAt(source: std.lang.SourceLocation, message: []const u8) noreturn {
    report(message, source);
}

fn report(message: []const u8, source: ?std.lang.SourceLocation) noreturn {
    // The memory of the call may be at its end, so that this has its own.
    const static = struct {
        var memory: [16 << 10]u8 = undefined;
    };
    var fixed: std.heap.FixedBufferAllocator = .init(&static.memory);
    const shown = shortened(message);
    const bytes = if (source) |at| cbor.encode(fixed.allocator(), .{
        .msg = shown,
        .file = @as([]const u8, at.file),
        .line = at.line,
        .column = at.column,
    }) else cbor.encode(fixed.allocator(), .{ .msg = shown });
    host.imports.panic(bytes.ptr, bytes.len);
    @trap();
}

/// Returns the start of a long message.
fn shortened(message: []const u8) []const u8 {
    var length = @min(message.len, 2048);
    while (length < message.len and length > 0 and message[length] & 0xc0 == 0x80) length -= 1;
    return if (std.unicode.utf8ValidateSlice(message[0..length])) message[0..length] else "a text that is not UTF-8";
}

test {
    _ = cbor;
}
