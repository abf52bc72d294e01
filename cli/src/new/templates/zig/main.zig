//! A task. Call it from the folder above:
//!
//!     wxec call local: ./NAME::greet you

const std = @import("std");
const wxec = @import("wxec");

pub const panic = wxec.panic;
pub const std_options = wxec.std_options;

comptime {
    wxec.task("NAME::greet", greet, .{
        .doc = "Greets someone.",
        .params = &.{"name"},
    });
}

fn greet(allocator: std.mem.Allocator, name: []const u8) ![]const u8 {
    return std.mem.concat(allocator, u8, &.{ "Hello, ", name, "!" });
}
