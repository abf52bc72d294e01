// SPDX-License-Identifier: Apache-2.0

//! The module `wxec`, for `b.dependency("wxec", .{}).module("wxec")`, and `addTasks` for a project's
//! build.zig. `zig build test` runs the tests of the CBOR reader and writer here.

const std = @import("std");

pub fn build(b: *std.Build) void {
    _ = b.addModule("wxec", .{ .root_source_file = b.path("src/wxec.zig") });

    const tests = b.addTest(.{ .root_module = b.createModule(.{
        .root_source_file = b.path("src/cbor.zig"),
        .target = b.graph.host,
    }) });
    b.step("test", "Run the tests").dependOn(&b.addRunArtifact(tests).step);
}

/// Adds a module of tasks with this name and root file: it is installed as `zig-out/bin/NAME.wasm`.
/// `zig build -Doptimize=ReleaseSafe` adds checks of indices and overflows, which panic, and makes it
/// larger by half.
pub fn addTasks(b: *std.Build, name: []const u8, root: []const u8) *std.Build.Step.Compile {
    const dependency = b.dependencyFromBuildZig(@This(), .{});
    const tasks = b.addExecutable(.{ .name = name, .root_module = b.createModule(.{
        .root_source_file = b.path(root),
        .target = b.resolveTargetQuery(.{ .cpu_arch = .wasm32, .os_tag = .wasi }),
        .optimize = b.option(std.lang.OptimizeMode, "optimize", "ReleaseSmall by default") orelse .ReleaseSmall,
        .strip = true,
        .imports = &.{.{ .name = "wxec", .module = dependency.module("wxec") }},
    }) });
    tasks.entry = .disabled;
    tasks.rdynamic = true;
    b.installArtifact(tasks);
    return tasks;
}
