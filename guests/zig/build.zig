// SPDX-License-Identifier: Apache-2.0

const std = @import("std");
const wxec = @import("wxec");

pub fn build(b: *std.Build) void {
    _ = wxec.addTasks(b, "words", "words.zig");
}
