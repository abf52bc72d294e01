// SPDX-License-Identifier: Apache-2.0

//! Files of the host, by WASI. The granted directories are open before the task begins.

const std = @import("std");
const wasi = std.os.wasi;

/// Reasons why a file cannot be used.
pub const Error = error{ FileNotFound, NotGranted, IsDirectory, PathTooLong, FileError };

/// A granted directory, and a path below it.
pub const Place = struct {
    directory: wasi.fd_t,
    path: []const u8,
};

/// Finds the granted directory that a path is in: `std.Io.Dir` takes it as its handle.
pub fn place(path: []const u8) Error!Place {
    var best: ?Place = null;
    var best_length: usize = 0;
    var fd: wasi.fd_t = 3;
    while (true) : (fd += 1) {
        var prestat: wasi.prestat_t = undefined;
        if (wasi.fd_prestat_get(fd, &prestat) != .SUCCESS) break;
        var buffer: [4096]u8 = undefined;
        const length = prestat.u.dir.pr_name_len;
        if (length > buffer.len or wasi.fd_prestat_dir_name(fd, &buffer, length) != .SUCCESS) continue;
        const name = std.mem.trimEnd(u8, buffer[0..length], "/\x00");
        const below = below: {
            if (std.mem.eql(u8, name, ".")) break :below if (std.mem.startsWith(u8, path, "/")) continue else path;
            if (!std.mem.startsWith(u8, path, name)) continue;
            const rest = path[name.len..];
            if (rest.len > 0 and rest[0] != '/') continue;
            break :below std.mem.trimStart(u8, rest, "/");
        };
        if (best == null or name.len > best_length) {
            best = .{ .directory = fd, .path = if (below.len == 0) "." else below };
            best_length = name.len;
        }
    }
    return best orelse error.NotGranted;
}

fn check(errno: wasi.errno_t) Error!void {
    return switch (errno) {
        .SUCCESS => {},
        .NOENT => error.FileNotFound,
        .NOTCAPABLE, .ACCES, .PERM => error.NotGranted,
        .ISDIR => error.IsDirectory,
        .NAMETOOLONG => error.PathTooLong,
        else => error.FileError,
    };
}

fn open(path: []const u8, flags: wasi.oflags_t, rights: wasi.rights_t) Error!wasi.fd_t {
    const found = try place(path);
    var fd: wasi.fd_t = undefined;
    try check(wasi.path_open(
        found.directory,
        .{ .SYMLINK_FOLLOW = true },
        found.path.ptr,
        found.path.len,
        flags,
        rights,
        .{},
        .{},
        &fd,
    ));
    return fd;
}

/// Reads a whole file.
pub fn read(allocator: std.mem.Allocator, path: []const u8) Error![]u8 {
    const fd = try open(path, .{}, .{ .FD_READ = true, .FD_SEEK = true });
    defer _ = wasi.fd_close(fd);
    var content: std.ArrayList(u8) = .empty;
    while (true) {
        content.ensureUnusedCapacity(allocator, 4096) catch @panic("out of memory");
        const room = content.unusedCapacitySlice();
        const into = [1]wasi.iovec_t{.{ .base = room.ptr, .len = room.len }};
        var length: usize = 0;
        try check(wasi.fd_read(fd, &into, 1, &length));
        if (length == 0) return content.items;
        content.items.len += length;
    }
}

/// Writes a whole file, which is created or replaced.
pub fn write(path: []const u8, bytes: []const u8) Error!void {
    const fd = try open(path, .{ .CREAT = true, .TRUNC = true }, .{ .FD_WRITE = true, .FD_SEEK = true });
    defer _ = wasi.fd_close(fd);
    try writeTo(fd, bytes);
}

/// Writes to an open file; 1 is stdout and 2 is stderr.
pub fn writeTo(fd: wasi.fd_t, bytes: []const u8) Error!void {
    var rest = bytes;
    while (rest.len > 0) {
        const from = [1]wasi.ciovec_t{.{ .base = rest.ptr, .len = rest.len }};
        var length: usize = 0;
        try check(wasi.fd_write(fd, &from, 1, &length));
        rest = rest[length..];
    }
}
