// SPDX-License-Identifier: Apache-2.0

//! CBOR with bounds. A reader never believes a length, and limits the depth; a value of any Zig
//! type that `notation` knows is read by `Reader.read` and written by `write`.

const std = @import("std");
const Allocator = std.mem.Allocator;

/// Largest number of nested arrays and maps, as everywhere in wxec.
pub const max_depth = 128;
/// Largest number of tags around one item, as everywhere in wxec.
pub const max_tags = 512;

/// Bytes of any kind: `[]const u8` itself is a text.
pub const Bytes = struct {
    bytes: []const u8,
    pub const wxec_kind = .bytes;
};

/// One item of any type, encoded.
pub const Value = struct {
    encoded: []const u8,
    pub const wxec_kind = .value;
};

/// A map. Its entries are written in the order that they have, so sort them.
pub fn BTreeMap(comptime K: type, comptime V: type) type {
    return struct {
        entries: []const Entry,

        pub const Entry = struct { key: K, value: V };
        pub const Key = K;
        pub const Mapped = V;
        pub const wxec_kind = .map;
    };
}

/// Ends the call: a task cannot go on without memory. The host knows its limit by these words.
pub fn outOfMemory() noreturn {
    @panic("memory allocation of more bytes failed");
}

/// Returns how a type that this SDK defines is written: `bytes`, `value`, `map`, `sender` or
/// `receiver`; null for all others.
pub fn kind(comptime T: type) ?@EnumLiteral() {
    return switch (@typeInfo(T)) {
        .@"struct", .@"union", .@"enum", .@"opaque" => if (@hasDecl(T, "wxec_kind")) T.wxec_kind else null,
        else => null,
    };
}

/// Returns the notation of a type, which is that of Rust: `Vec<i64>` for `[]const i64`.
pub fn notation(comptime T: type) []const u8 {
    if (comptime kind(T)) |own| return switch (own) {
        .bytes => "Bytes",
        .value => "Value",
        .map => "BTreeMap<" ++ notation(T.Key) ++ ", " ++ notation(T.Mapped) ++ ">",
        .sender => "Sender<" ++ notation(T.Item) ++ ">",
        .receiver => "Receiver<" ++ notation(T.Item) ++ ">",
        else => comptime unreachable,
    };
    return switch (@typeInfo(T)) {
        .void => "()",
        .bool => "bool",
        .int => |int| switch (T) {
            usize => "u32",
            isize => "i32",
            else => (if (int.signedness == .signed) "i" else "u") ++ switch (int.bits) {
                0...8 => "8",
                9...16 => "16",
                17...32 => "32",
                33...64 => "64",
                else => @compileError("a task cannot take or return " ++ @typeName(T)),
            },
        },
        .float => |float| std.fmt.comptimePrint("f{d}", .{float.bits}),
        .optional => |optional| "Option<" ++ notation(optional.child) ++ ">",
        .pointer => |pointer| switch (pointer.size) {
            .one => notation(pointer.child),
            .slice => if (pointer.child == u8) "String" else "Vec<" ++ notation(pointer.child) ++ ">",
            else => @compileError("a task cannot take or return " ++ @typeName(T)),
        },
        .@"struct" => |record| if (record.is_tuple) tuple: {
            var text: []const u8 = "(";
            for (record.field_types, 0..) |Field, i| text = text ++ (if (i == 0) "" else ", ") ++ notation(Field);
            break :tuple text ++ ")";
        } else lastName(@typeName(T)),
        .@"enum" => lastName(@typeName(T)),
        else => @compileError("a task cannot take or return " ++ @typeName(T)),
    };
}

fn lastName(comptime name: []const u8) []const u8 {
    const dot = std.mem.findScalarLast(u8, name, '.') orelse return name;
    return name[dot + 1 ..];
}

// ---- Writing --------------------------------------------------------------------------------

/// Bytes that grow. An allocation that fails is a panic, as a task cannot go on without memory.
pub const Buffer = struct {
    allocator: Allocator,
    list: std.ArrayList(u8) = .empty,

    /// Appends bytes.
    pub fn put(buffer: *Buffer, bytes: []const u8) void {
        buffer.list.appendSlice(buffer.allocator, bytes) catch outOfMemory();
    }

    /// Appends the head of an item.
    pub fn head(buffer: *Buffer, major: u8, number: u64) void {
        var bytes: [9]u8 = undefined;
        const width: usize = switch (number) {
            0...23 => 0,
            24...0xff => 1,
            0x100...0xffff => 2,
            0x1_0000...0xffff_ffff => 4,
            else => 8,
        };
        const info: u8 = switch (width) {
            0 => @intCast(number),
            1 => 24,
            2 => 25,
            4 => 26,
            else => 27,
        };
        bytes[0] = major << 5 | info;
        for (0..width) |i| bytes[1 + i] = @truncate(number >> @intCast(8 * (width - 1 - i)));
        buffer.put(bytes[0 .. 1 + width]);
    }

    /// Appends a text.
    pub fn text(buffer: *Buffer, bytes: []const u8) void {
        if (!std.unicode.utf8ValidateSlice(bytes)) @panic("a text that is not UTF-8 cannot be written");
        buffer.head(3, bytes.len);
        buffer.put(bytes);
    }

    /// Appends a value.
    pub fn write(buffer: *Buffer, value: anytype) void {
        const T = @TypeOf(value);
        if (comptime kind(T)) |own| switch (own) {
            .bytes => {
                buffer.head(2, value.bytes.len);
                buffer.put(value.bytes);
                return;
            },
            .value => return buffer.put(value.encoded),
            .map => {
                buffer.head(5, value.entries.len);
                for (value.entries) |entry| {
                    buffer.write(entry.key);
                    buffer.write(entry.value);
                }
                return;
            },
            else => @compileError(notation(T) ++ " does not travel from a task"),
        };
        switch (@typeInfo(T)) {
            .void => buffer.put("\xf6"),
            .bool => buffer.put(if (value) "\xf5" else "\xf4"),
            .int => if (value < 0)
                buffer.head(1, @intCast(-1 - @as(i128, value)))
            else
                buffer.head(0, @intCast(value)),
            .comptime_int => buffer.write(@as(i64, value)),
            .float => {
                var bytes: [9]u8 = undefined;
                bytes[0] = 0xfb;
                std.mem.writeInt(u64, bytes[1..], @bitCast(@as(f64, value)), .big);
                buffer.put(&bytes);
            },
            .optional => if (value) |some| buffer.write(some) else buffer.put("\xf6"),
            .pointer => |pointer| switch (pointer.size) {
                .slice => if (pointer.child == u8) buffer.text(value) else {
                    buffer.head(4, value.len);
                    for (value) |item| buffer.write(item);
                },
                .one => switch (@typeInfo(pointer.child)) {
                    .array => |array| buffer.write(@as([]const array.child, value)),
                    else => buffer.write(value.*),
                },
                else => @compileError("cannot be encoded: " ++ @typeName(T)),
            },
            .@"enum" => buffer.text(@tagName(value)),
            .@"struct" => |record| {
                buffer.head(if (record.is_tuple) 4 else 5, record.field_names.len);
                inline for (record.field_names) |name| {
                    if (!record.is_tuple) buffer.text(name);
                    buffer.write(@field(value, name));
                }
            },
            else => @compileError("cannot be encoded: " ++ @typeName(T)),
        }
    }
};

/// Encodes a value.
pub fn encode(allocator: Allocator, value: anytype) []const u8 {
    var buffer: Buffer = .{ .allocator = allocator };
    buffer.write(value);
    return buffer.list.items;
}

// ---- Reading --------------------------------------------------------------------------------

/// The input is not the CBOR of the wanted type; `Reader.found` says why.
pub const Error = error{Mistake};

/// Reads values, one after another.
pub const Reader = struct {
    allocator: Allocator,
    bytes: []const u8,
    at: usize = 0,
    /// The type that was wanted at the mistake, if one was.
    expected: []const u8 = "",
    /// The thing that is there instead.
    found: []const u8 = "",

    const Head = struct {
        major: u8,
        info: u8,
        value: u64,

        fn open(head: Head) bool {
            return head.info == 31;
        }

        fn name(head: Head) []const u8 {
            return switch (head.major) {
                0 => "an integer",
                1 => "a negative integer",
                2 => "bytes",
                3 => "a text",
                4 => "an array",
                5 => "a map",
                else => switch (head.info) {
                    20, 21 => "a bool",
                    22, 23 => "null",
                    25, 26, 27 => "a float",
                    else => "malformed CBOR",
                },
            };
        }
    };

    /// Notes a mistake.
    pub fn mistake(r: *Reader, expected: []const u8, found: []const u8) Error {
        r.expected = expected;
        r.found = found;
        return error.Mistake;
    }

    fn take(r: *Reader, length: u64) Error![]const u8 {
        if (length > r.bytes.len - r.at) return r.mistake("", "the end of the input");
        const start = r.at;
        r.at += @intCast(length);
        return r.bytes[start..r.at];
    }

    fn headWithTags(r: *Reader) Error!Head {
        const first = (try r.take(1))[0];
        var head: Head = .{ .major = first >> 5, .info = first & 31, .value = first & 31 };
        switch (head.info) {
            0...23 => {},
            24...27 => {
                head.value = 0;
                const width = @as(u64, 1) << @intCast(head.info - 24);
                for (try r.take(width)) |byte| head.value = head.value << 8 | byte;
            },
            31 => if (head.major < 2 or head.major == 6) return r.mistake("", "malformed CBOR"),
            else => return r.mistake("", "malformed CBOR"),
        }
        return head;
    }

    fn nextHead(r: *Reader) Error!Head {
        for (0..max_tags + 1) |_| {
            const head = try r.headWithTags();
            if (head.major != 6) return head;
        }
        return r.mistake("", "too many tags");
    }

    fn atBreak(r: *const Reader) bool {
        return r.at < r.bytes.len and r.bytes[r.at] == 0xff;
    }

    /// Skips one item, with all that is inside.
    pub fn skip(r: *Reader) Error!void {
        return r.skipWithin(0);
    }

    fn skipWithin(r: *Reader, depth: usize) Error!void {
        const head = try r.nextHead();
        switch (head.major) {
            0, 1 => {},
            2, 3 => if (head.open()) {
                while (!r.atBreak()) {
                    const piece = try r.headWithTags();
                    if (piece.major != head.major or piece.open()) return r.mistake("", "malformed CBOR");
                    _ = try r.take(piece.value);
                }
                r.at += 1;
            } else {
                _ = try r.take(head.value);
            },
            4, 5 => {
                if (depth >= max_depth) return r.mistake("", "a value that nests too deeply");
                var items: Items = .{ .reader = r, .left = if (head.open()) null else head.value };
                while (items.next()) {
                    try r.skipWithin(depth + 1);
                    if (head.major == 5) try r.skipWithin(depth + 1);
                }
            },
            else => if (head.open()) return r.mistake("", "malformed CBOR"),
        }
    }

    /// Items of an array, or entries of a map, that are being read.
    pub const Items = struct {
        reader: *Reader,
        /// Null if they end with a break.
        left: ?u64,

        /// Returns true if another item can be read. If the input ends, reading the item fails.
        pub fn next(items: *Items) bool {
            if (items.left) |left| {
                items.left = left -| 1;
                return left > 0;
            }
            if (!items.reader.atBreak()) return true;
            items.reader.at += 1;
            return false;
        }
    };

    fn enter(r: *Reader, major: u8, expected: []const u8) Error!Items {
        const head = try r.nextHead();
        if (head.major != major) return r.mistake(expected, head.name());
        return .{ .reader = r, .left = if (head.open()) null else head.value };
    }

    /// Enters an array; `expected` names it in mistakes.
    pub fn array(r: *Reader, expected: []const u8) Error!Items {
        return r.enter(4, expected);
    }

    /// Enters a map. After each `next`, read a key and its value.
    pub fn map(r: *Reader, expected: []const u8) Error!Items {
        return r.enter(5, expected);
    }

    /// Takes one item of any type, unread.
    pub fn raw(r: *Reader) Error![]const u8 {
        const start = r.at;
        try r.skip();
        return r.bytes[start..r.at];
    }

    /// Takes a null, if that is next.
    pub fn isNull(r: *Reader) bool {
        if (r.at == r.bytes.len or (r.bytes[r.at] != 0xf6 and r.bytes[r.at] != 0xf7)) return false;
        r.at += 1;
        return true;
    }

    fn string(r: *Reader, major: u8, expected: []const u8) Error![]const u8 {
        const head = try r.nextHead();
        if (head.major != major) return r.mistake(expected, head.name());
        if (!head.open()) return r.part(major, head.value, expected);
        var joined: Buffer = .{ .allocator = r.allocator };
        while (!r.atBreak()) {
            const next = try r.headWithTags();
            if (next.major != major or next.open()) return r.mistake(expected, "malformed CBOR");
            joined.put(try r.part(major, next.value, expected));
        }
        r.at += 1;
        return joined.list.items;
    }

    fn part(r: *Reader, major: u8, length: u64, expected: []const u8) Error![]const u8 {
        const taken = try r.take(length);
        if (major == 3 and !std.unicode.utf8ValidateSlice(taken))
            return r.mistake(expected, "a text that is not UTF-8");
        return taken;
    }

    fn integer(r: *Reader, comptime T: type) Error!T {
        const head = try r.nextHead();
        const number: i128 = switch (head.major) {
            0 => head.value,
            1 => -1 - @as(i128, head.value),
            else => return r.mistake(comptime notation(T), head.name()),
        };
        const unsigned = @typeInfo(T).int.signedness == .unsigned;
        return std.math.cast(T, number) orelse r.mistake(
            comptime notation(T),
            if (unsigned and number < 0) head.name() else "an integer beyond its range",
        );
    }

    fn float(r: *Reader, expected: []const u8) Error!f64 {
        const head = try r.nextHead();
        return switch (head.major) {
            0 => @floatFromInt(head.value),
            1 => if (head.value <= std.math.maxInt(i64))
                @floatFromInt(-1 - @as(i128, head.value))
            else
                r.mistake(expected, head.name()),
            7 => switch (head.info) {
                25 => @as(f16, @bitCast(@as(u16, @truncate(head.value)))),
                26 => @as(f32, @bitCast(@as(u32, @truncate(head.value)))),
                27 => @bitCast(head.value),
                else => r.mistake(expected, head.name()),
            },
            else => r.mistake(expected, head.name()),
        };
    }

    /// Reads a value. Texts lie in the input, or in memory of the allocator if they came in parts.
    pub fn read(r: *Reader, comptime T: type) Error!T {
        if (comptime kind(T)) |own| switch (own) {
            .bytes => return .{ .bytes = try r.readBytes() },
            .value => return .{ .encoded = try r.raw() },
            .map => {
                var entries: std.ArrayList(T.Entry) = .empty;
                var items = try r.map(comptime notation(T));
                while (items.next()) {
                    const key = try r.read(T.Key);
                    const value = try r.read(T.Mapped);
                    entries.append(r.allocator, .{ .key = key, .value = value }) catch outOfMemory();
                }
                return .{ .entries = entries.items };
            },
            else => return T.take(r),
        };
        switch (@typeInfo(T)) {
            .void => if (!r.isNull()) return r.mistake("()", (try r.nextHead()).name()),
            .bool => {
                const head = try r.nextHead();
                if (head.major != 7 or (head.info != 20 and head.info != 21))
                    return r.mistake("bool", head.name());
                return head.info == 21;
            },
            .int => return r.integer(T),
            .float => return @floatCast(try r.float(comptime notation(T))),
            .optional => |optional| return if (r.isNull()) null else try r.read(optional.child),
            .pointer => |pointer| {
                if (pointer.size == .one) {
                    const value = r.allocator.create(pointer.child) catch outOfMemory();
                    value.* = try r.read(pointer.child);
                    return value;
                }
                if (pointer.size != .slice) @compileError("cannot be decoded: " ++ @typeName(T));
                if (pointer.child == u8) return r.string(3, "String");
                // The list grows with the items that are there, never by an announced count.
                var list: std.ArrayList(pointer.child) = .empty;
                var items = try r.array(comptime notation(T));
                while (items.next()) {
                    const item = try r.read(pointer.child);
                    list.append(r.allocator, item) catch outOfMemory();
                }
                return list.items;
            },
            .@"enum" => {
                const name = try r.string(3, comptime notation(T));
                return std.meta.stringToEnum(T, name) orelse r.mistake(comptime notation(T), "another name");
            },
            .@"struct" => |record| return if (record.is_tuple) r.readTuple(T) else r.readRecord(T),
            else => @compileError("cannot be decoded: " ++ @typeName(T)),
        }
    }

    fn readBytes(r: *Reader) Error![]const u8 {
        const start = r.at;
        const head = try r.nextHead();
        r.at = start;
        if (head.major != 4) return r.string(2, "Bytes");
        var list: std.ArrayList(u8) = .empty;
        var items = try r.array("Bytes");
        while (items.next()) list.append(r.allocator, try r.integer(u8)) catch outOfMemory();
        return list.items;
    }

    fn readTuple(r: *Reader, comptime T: type) Error!T {
        const types = @typeInfo(T).@"struct".field_types;
        var value: T = undefined;
        var items = try r.array(comptime notation(T));
        inline for (types, 0..) |Item, i| {
            if (!items.next()) return r.mistake(comptime notation(T), "an array of another length");
            value[i] = try r.read(Item);
        }
        if (items.next()) return r.mistake(comptime notation(T), "an array of another length");
        return value;
    }

    /// Reads a map by names, in any order. Unknown entries are ignored; an absent field has its
    /// default value, or is a null.
    fn readRecord(r: *Reader, comptime T: type) Error!T {
        const record = @typeInfo(T).@"struct";
        var value: T = undefined;
        var seen: [record.field_names.len]bool = @splat(false);
        var items = try r.map(comptime notation(T));
        entries: while (items.next()) {
            const key = try r.string(3, "String");
            inline for (record.field_names, record.field_types, 0..) |name, Field, i| {
                if (std.mem.eql(u8, key, name)) {
                    if (seen[i]) return r.mistake("", "the field `" ++ name ++ "` twice");
                    seen[i] = true;
                    @field(value, name) = try r.read(Field);
                    continue :entries;
                }
            }
            try r.skip();
        }
        inline for (record.field_names, record.field_types, record.field_attrs, 0..) |name, Field, attributes, i| {
            if (!seen[i]) {
                if (comptime attributes.defaultValue(Field)) |default| {
                    @field(value, name) = default;
                } else {
                    var absent: Reader = .{ .allocator = r.allocator, .bytes = "\xf6" };
                    @field(value, name) = absent.read(Field) catch
                        return r.mistake(comptime notation(Field), "no field `" ++ name ++ "`");
                }
            }
        }
        return value;
    }
};

test "values survive a round trip" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const Point = struct { x: i64, y: ?i64, name: []const u8 };
    const T = struct { Bytes, []const []const u8, BTreeMap(u8, f64), Point, bool };
    const value: T = .{
        .{ .bytes = "\xff\x00" },
        &.{ "a", "é" },
        .{ .entries = &.{.{ .key = 1, .value = -0.5 }} },
        .{ .x = std.math.minInt(i64), .y = null, .name = "p" },
        true,
    };
    var r: Reader = .{ .allocator = arena.allocator(), .bytes = encode(arena.allocator(), value) };
    try std.testing.expectEqualDeep(value, try r.read(T));
    try std.testing.expectEqual(r.bytes.len, r.at);
}

test "notation is that of Rust" {
    const Point = struct { x: i64 };
    const Entry = struct { ?[]const u8, BTreeMap(u64, Bytes) };
    try std.testing.expectEqualStrings("Vec<(Option<String>, BTreeMap<u64, Bytes>)>", comptime notation([]const Entry));
    try std.testing.expectEqualStrings("Point", comptime notation(Point));
}

test "hostile input is refused" {
    var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
    defer arena.deinit();
    const deep: [1000]u8 = @splat(0x81);
    const tagged: [1000]u8 = @splat(0xc1);
    for ([_][]const u8{
        "\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        "\xff",                                 "\x1c",
        "\x1f",                                 "\xdf",
        "\x9f",                                 "\x7f\x41",
        "\x81\x7f\x61",                         &deep,
        &tagged,
    }) |bytes| {
        var r: Reader = .{ .allocator = arena.allocator(), .bytes = bytes };
        try std.testing.expectError(error.Mistake, r.read([]const []const u8));
        r.at = 0;
        try std.testing.expectError(error.Mistake, r.skip());
    }
}

test "random input does no harm" {
    var random: std.Random.DefaultPrng = .init(7);
    var bytes: [40]u8 = undefined;
    const Point = struct { x: i64, y: ?u8 };
    for (0..20000) |_| {
        var arena: std.heap.ArenaAllocator = .init(std.testing.allocator);
        defer arena.deinit();
        const length = random.random().uintLessThan(usize, bytes.len);
        for (bytes[0..length]) |*byte| byte.* = if (random.random().boolean())
            random.random().int(u8)
        else
            0x60 + random.random().uintLessThan(u8, 0x43);
        const Pair = struct { u8, bool };
        inline for (.{ []const u8, Bytes, []const i32, BTreeMap([]const u8, f64), Point, Pair, ?Value }) |T| {
            var r: Reader = .{ .allocator = arena.allocator(), .bytes = bytes[0..length] };
            _ = r.read(T) catch {};
        }
    }
}
