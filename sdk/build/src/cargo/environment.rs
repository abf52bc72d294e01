//! Filters the environment of a cargo that we start: ours may be that of another cargo.

use std::{env, ffi::OsString, path, process::Command};

/// The paths may be relative to the directory of the outer cargo, while ours runs elsewhere.
const DIRECTORIES: [&str; 2] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

/// Removes from `command` the variables by which an outer cargo, or a shell set up for one, would
/// change its work.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if !passes(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    for name in DIRECTORIES {
        if let Some(directory) = env::var_os(name) {
            command.env(name, absolute(directory));
        }
    }
    // Cargo's status lines tell what takes time, so keep them, and keep them plain.
    command
        .env("CARGO_TERM_QUIET", "false")
        .env("CARGO_TERM_VERBOSE", "false");
    command
        .env("CARGO_TERM_COLOR", "never")
        .env("CARGO_TERM_PROGRESS_WHEN", "never");
}

/// Returns the variables that [`clean`] leaves, as it leaves them.
pub(crate) fn passing() -> impl Iterator<Item = (String, OsString)> {
    env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| passes(name))?;
        let is_directory = DIRECTORIES.contains(&name.as_str());
        let value = if is_directory { absolute(value) } else { value };
        Some((name, value))
    })
}

fn absolute(directory: OsString) -> OsString {
    path::absolute(&directory).map_or(directory, OsString::from)
}

/// Returns true if the variable `name` says where things are or how to reach the network, rather
/// than what to build.
///
/// The target directory is kept because `cargo metadata` answers by it; every build gets its own
/// `--target-dir` besides.
fn passes(name: &str) -> bool {
    const BUILD_SCRIPT: [&str; 10] = [
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTDOC",
        "RUSTDOCFLAGS",
        "TARGET",
    ];
    const FLAGS: [&str; 2] = ["RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"];
    const CARGO: [&str; 6] = [
        "CARGO_HOME",
        "CARGO_TARGET_DIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_JOBS",
        "CARGO_BUILD_RUSTC_WRAPPER",
        "CARGO_MAKEFLAGS",
    ];
    const CARGO_PREFIXES: [&str; 6] = [
        "CARGO_CACHE_",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_UNSTABLE_",
    ];

    if name.starts_with("CARGO_TARGET_") && name != "CARGO_TARGET_DIR" {
        // CARGO_TARGET_<TRIPLE>_LINKER and friends name a machine's tools; flags and runners belong
        // to the outer build.
        return name.ends_with("_LINKER") || name.ends_with("_AR");
    }
    if name.starts_with("CARGO") {
        return CARGO.contains(&name)
            || CARGO_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    }
    !(BUILD_SCRIPT.contains(&name) || FLAGS.contains(&name) || name.starts_with("DEP_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outer_build_does_not_leak() {
        for name in [
            "CARGO",
            "CARGO_BUILD_TARGET",
            "CARGO_CFG_TARGET_OS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_FEATURE_STD",
            "CARGO_INCREMENTAL",
            "CARGO_MANIFEST_DIR",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_TMPDIR",
            "CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS",
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER",
            "DEP_Z_INCLUDE",
            "OUT_DIR",
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTFLAGS",
            "TARGET",
        ] {
            assert!(!passes(name), "{name} passes");
        }
    }

    #[test]
    fn the_machine_stays_as_it_is() {
        for name in [
            "CARGO_HOME",
            "CARGO_MAKEFLAGS",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MINE_TOKEN",
            "CARGO_REGISTRY_DEFAULT",
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER",
            "CARGO_TARGET_DIR",
            "HOME",
            "PATH",
            "RUSTC_WRAPPER",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(passes(name), "{name} does not pass");
        }
    }
}
