// SPDX-License-Identifier: Apache-2.0

//! The tasks by which SDKs are compared, in Zig.

const std = @import("std");
const wxec = @import("wxec");
const Allocator = std.mem.Allocator;

pub const panic = wxec.panic;
pub const std_options = wxec.std_options;

comptime {
    wxec.task("conformance::add", add, .{ .doc = "Adds two numbers.", .params = &.{ "a", "b" } });
    wxec.task("conformance::greet", greet, .{ .doc = "Greets by name.", .params = &.{"name"} });
    wxec.task("conformance::reverse", reverse, .{ .doc = "Reverses bytes.", .params = &.{"data"} });
    wxec.task("conformance::scale", scale, .{ .doc = "Multiplies.", .params = &.{ "x", "by" } });
    wxec.task("conformance::negate", negate, .{ .doc = "Negates a truth.", .params = &.{"flag"} });
    wxec.task("conformance::sum", sum, .{ .doc = "Adds numbers.", .params = &.{"numbers"} });
    wxec.task("conformance::tally", tally, .{ .doc = "Counts equal words.", .params = &.{"words"} });
    wxec.task("conformance::first", first, .{ .doc = "Returns the first number.", .params = &.{"numbers"} });
    wxec.task("conformance::swap", swap, .{ .doc = "Swaps the coordinates of a point.", .params = &.{"point"} });
    wxec.task("conformance::pair", pair, .{ .doc = "Swaps a text and a number.", .params = &.{ "a", "b" } });
    wxec.task("conformance::or_default", orDefault, .{
        .doc = "Returns the number, or 42.",
        .params = &.{"number"},
    });
    wxec.task("conformance::nothing", nothing, .{ .doc = "Does nothing." });
    wxec.task("conformance::fail", fail, .{ .doc = "Fails with a message.", .params = &.{"message"} });
    wxec.task("conformance::crash", crash, .{ .doc = "Panics with a message.", .params = &.{"message"} });
    wxec.task("conformance::trap", trap, .{ .doc = "Traps without a panic." });
    wxec.task("conformance::say", say, .{ .doc = "Logs a message.", .params = &.{ "level", "message" } });
    wxec.task("conformance::print", print, .{
        .doc = "Prints a line to stdout and to stderr.",
        .params = &.{"message"},
    });
    wxec.task("conformance::total", total, .{ .doc = "Adds the numbers that come.", .params = &.{"numbers"} });
    wxec.task("conformance::count_to", countTo, .{
        .doc = "Sends the numbers from 1 to n.",
        .params = &.{ "n", "out" },
    });
    wxec.task("conformance::double", double, .{
        .doc = "Sends the double of each number that comes.",
        .params = &.{ "numbers", "out" },
    });
    wxec.task("conformance::until_cancelled", untilCancelled, .{ .doc = "Waits until its caller gives up." });
    wxec.task("conformance::run", run, .{
        .fails = "wxec::HostError",
        .doc = "Runs a program, and returns its exit code and its output.",
        .params = &.{ "program", "arguments", "input" },
    });
    wxec.task("conformance::read", read, .{
        .fails = "conformance::FileError",
        .doc = "Reads a file.",
        .params = &.{"path"},
    });
    wxec.task("conformance::write", write, .{
        .fails = "conformance::FileError",
        .doc = "Writes a file.",
        .params = &.{ "path", "text" },
    });
    wxec.task("conformance::spin", spin, .{ .doc = "Never ends." });
    wxec.task("conformance::hog", hog, .{ .doc = "Allocates without an end." });
}

fn add(a: i64, b: i64) i64 {
    return std.math.add(i64, a, b) catch wxec.panicAt(@src(), "the sum overflows");
}

fn greet(allocator: Allocator, name: []const u8) ![]const u8 {
    return std.fmt.allocPrint(allocator, "Hello, {s}!", .{name});
}

fn reverse(allocator: Allocator, data: wxec.Bytes) !wxec.Bytes {
    const reversed = try allocator.dupe(u8, data.bytes);
    std.mem.reverse(u8, reversed);
    return .{ .bytes = reversed };
}

fn scale(x: f64, by: f64) f64 {
    return x * by;
}

fn negate(flag: bool) bool {
    return !flag;
}

fn sum(numbers: []const i64) i64 {
    var result: i64 = 0;
    for (numbers) |number| result = add(result, number);
    return result;
}

fn tally(allocator: Allocator, words: []const []const u8) !wxec.BTreeMap([]const u8, u64) {
    const Tally = wxec.BTreeMap([]const u8, u64);
    const sorted = try allocator.dupe([]const u8, words);
    std.mem.sortUnstable([]const u8, sorted, {}, isLess);
    var entries: std.ArrayList(Tally.Entry) = .empty;
    for (sorted, 0..) |word, i| {
        if (i == 0 or !std.mem.eql(u8, sorted[i - 1], word))
            try entries.append(allocator, .{ .key = word, .value = 0 });
        entries.items[entries.items.len - 1].value += 1;
    }
    return .{ .entries = entries.items };
}

fn isLess(_: void, a: []const u8, b: []const u8) bool {
    return std.mem.order(u8, a, b) == .lt;
}

fn first(numbers: []const i64) ?i64 {
    return if (numbers.len > 0) numbers[0] else null;
}

const Point = struct { x: i64, y: i64 };

fn swap(point: Point) Point {
    return .{ .x = point.y, .y = point.x };
}

fn pair(a: []const u8, b: i64) struct { i64, []const u8 } {
    return .{ b, a };
}

fn orDefault(number: ?i64) i64 {
    return number orelse 42;
}

fn nothing() void {}

fn fail(allocator: Allocator, message: []const u8) error{Failure}!void {
    return wxec.fail(error.Failure, message, .{
        .chain = &.{"because of the test"},
        .data = wxec.encode(allocator, .{ .code = 7 }),
    });
}

fn crash(message: []const u8) void {
    wxec.panicAt(@src(), message);
}

fn trap() void {
    @trap();
}

fn say(level: i64, message: []const u8) void {
    wxec.logNumber(std.math.lossyCast(i32, level), "conformance", message);
}

fn print(allocator: Allocator, message: []const u8) !void {
    const line = try std.mem.concat(allocator, u8, &.{ message, "\n" });
    // An output without a reader is no failure.
    wxec.files.writeTo(1, line) catch {};
    wxec.files.writeTo(2, line) catch {};
}

fn total(numbers: *wxec.Receiver(i64)) !i64 {
    var result: i64 = 0;
    while (try numbers.next()) |number| result = add(result, number);
    return result;
}

fn countTo(n: i64, out: *wxec.Sender(i64)) !void {
    var number: i64 = 1;
    while (number <= n) : (number += 1) out.send(number) catch |failed| return switch (failed) {
        error.Closed => {},
        else => |other| other,
    };
}

fn double(numbers: *wxec.Receiver(i64), out: *wxec.Sender(i64)) !void {
    while (try numbers.next()) |number| {
        const doubled = std.math.mul(i64, number, 2) catch wxec.panicAt(@src(), "the double overflows");
        out.send(doubled) catch |failed| return switch (failed) {
            error.Closed => {},
            else => |other| other,
        };
    }
}

fn untilCancelled() void {
    while (!wxec.cancelled()) wxec.sleep(1);
    std.log.scoped(.conformance).info("cancelled", .{});
}

const Ended = struct { i64, wxec.Bytes };

fn run(allocator: Allocator, program: []const u8, arguments: []const []const u8, input: wxec.Bytes) !Ended {
    const command: wxec.Command = .{ .program = program, .arguments = arguments };
    const output = try command.run(allocator, input.bytes);
    return .{ output.end.code orelse -1, .{ .bytes = output.stdout } };
}

fn read(allocator: Allocator, path: []const u8) ![]const u8 {
    return wxec.files.read(allocator, path) catch |failed| return explained(allocator, path, failed);
}

fn write(allocator: Allocator, path: []const u8, text: []const u8) !void {
    wxec.files.write(path, text) catch |failed| return explained(allocator, path, failed);
}

/// Gives an error the path of its file.
fn explained(allocator: Allocator, path: []const u8, failed: wxec.files.Error) wxec.files.Error {
    const message = std.fmt.allocPrint(allocator, "{s}: {t}", .{ path, failed }) catch path;
    return wxec.fail(failed, message, .{ .type = "conformance::FileError" });
}

fn spin() void {
    var turns: u32 = 0;
    const volatile_turns: *volatile u32 = &turns;
    while (true) volatile_turns.* +%= 1;
}

fn hog(allocator: Allocator) void {
    while (true) {
        const memory = allocator.alloc(u8, 1 << 20) catch
            wxec.panicAt(@src(), "memory allocation of a MiB failed");
        @memset(@as([]volatile u8, memory), 1);
    }
}
