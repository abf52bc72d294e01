const std = @import("std");
const wxec = @import("wxec");

pub fn build(b: *std.Build) void {
    _ = wxec.addTasks(b, "NAME", "main.zig");
}
