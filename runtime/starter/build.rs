//! Links the starter so that its file is small.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Neither pages between its sections nor a name for debuggers: 8 KB of 47. Only for the native
    // architecture: for others the linker is called without a compiler in front, and makes small files.
    let is_musl = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl");
    let is_native = env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok(env::consts::ARCH);
    if is_musl && is_native {
        for option in ["-z,noseparate-code", "-z,norelro", "--build-id=none"] {
            println!("cargo::rustc-link-arg-bins=-Wl,{option}");
        }
    }
}
