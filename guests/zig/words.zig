// SPDX-License-Identifier: Apache-2.0

//! Example guest in Zig: tasks that work on texts.

const std = @import("std");
const wxec = @import("wxec");
const Allocator = std.mem.Allocator;

pub const panic = wxec.panic;
pub const std_options = wxec.std_options;

comptime {
    wxec.task("words::count", count, .{
        .doc = "Counts the words of a text.",
        .params = &.{"text"},
    });
    wxec.task("words::top", top, .{
        .doc = "Returns the `n` most frequent words of a text, the most frequent first, " ++
            "equally frequent ones in alphabetical order.",
        .params = &.{ "text", "n" },
    });
    wxec.task("words::stats::lengths", lengths, .{
        .doc = "Counts the words of each length, in letters.",
        .params = &.{"text"},
    });
    wxec.task("words::digest", digest, .{
        .doc = "Returns the SHA-256 of bytes, in hexadecimal digits.",
        .params = &.{"data"},
    });
}

fn count(text: []const u8) u64 {
    var words: Words = .init(text);
    var result: u64 = 0;
    while (words.next()) |_| result += 1;
    return result;
}

const Counted = struct { []const u8, u64 };

fn top(allocator: Allocator, text: []const u8, n: u64) ![]const Counted {
    var counts: std.StringHashMapUnmanaged(u64) = .empty;
    var words: Words = .init(text);
    while (words.next()) |word| {
        const entry = try counts.getOrPutValue(allocator, word.bytes, 0);
        entry.value_ptr.* += 1;
    }
    var list: std.ArrayList(Counted) = .empty;
    var entries = counts.iterator();
    while (entries.next()) |entry| try list.append(allocator, .{ entry.key_ptr.*, entry.value_ptr.* });
    std.mem.sortUnstable(Counted, list.items, {}, isBefore);
    return list.items[0..@intCast(@min(n, list.items.len))];
}

fn isBefore(_: void, a: Counted, b: Counted) bool {
    return if (a[1] != b[1]) a[1] > b[1] else std.mem.order(u8, a[0], b[0]) == .lt;
}

const Lengths = wxec.BTreeMap(u64, u64);

fn lengths(allocator: Allocator, text: []const u8) !Lengths {
    var counts: std.AutoArrayHashMapUnmanaged(u64, u64) = .empty;
    var words: Words = .init(text);
    while (words.next()) |word| {
        const entry = try counts.getOrPutValue(allocator, word.letters, 0);
        entry.value_ptr.* += 1;
    }
    var list: std.ArrayList(Lengths.Entry) = .empty;
    for (counts.keys(), counts.values()) |length, number|
        try list.append(allocator, .{ .key = length, .value = number });
    std.mem.sortUnstable(Lengths.Entry, list.items, {}, isShorter);
    return .{ .entries = list.items };
}

fn isShorter(_: void, a: Lengths.Entry, b: Lengths.Entry) bool {
    return a.key < b.key;
}

fn digest(allocator: Allocator, data: wxec.Bytes) ![]const u8 {
    var sum: [32]u8 = undefined;
    std.crypto.hash.sha2.Sha256.hash(data.bytes, &sum, .{});
    const digits = std.fmt.bytesToHex(sum, .lower);
    return allocator.dupe(u8, &digits);
}

/// The words of a text, between white space as Unicode defines it.
const Words = struct {
    letters: std.unicode.Utf8Iterator,

    const Word = struct { bytes: []const u8, letters: u64 };

    fn init(text: []const u8) Words {
        return .{ .letters = .{ .bytes = text, .i = 0 } };
    }

    fn next(words: *Words) ?Word {
        var start: ?usize = null;
        var letters: u64 = 0;
        while (true) {
            const at = words.letters.i;
            const letter = words.letters.nextCodepoint();
            if (letter != null and !isSpace(letter.?)) {
                start = start orelse at;
                letters += 1;
            } else if (start) |from| {
                return .{ .bytes = words.letters.bytes[from..at], .letters = letters };
            } else if (letter == null) return null;
        }
    }

    fn isSpace(letter: u21) bool {
        return switch (letter) {
            ' ', '\t'...'\r', 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000 => true,
            else => false,
        };
    }
};
