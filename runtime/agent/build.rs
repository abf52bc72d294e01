//! Links the agent so that its file is small.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A position-independent static program has a list of all its pointers; packing the list saves
    // 100 kB. musl can unpack it since 1.2.4. Only for the native architecture: for others the
    // linker is called without a compiler in front, and some of those linkers are too old.
    let is_musl = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl");
    let is_native = env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok(env::consts::ARCH);
    if is_musl && is_native {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
