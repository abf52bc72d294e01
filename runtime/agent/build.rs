//! Links the agent so that it is small.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A static program that can be loaded anywhere has a list of all its pointers; packed, it takes 100 kB less. musl
    // unpacks it since 1.2.4. Linkers for other architectures are called without a compiler in front, and some of them
    // are too old.
    let is_musl = env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("musl");
    let is_native = env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok(env::consts::ARCH);
    if is_musl && is_native {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
