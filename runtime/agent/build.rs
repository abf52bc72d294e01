//! Links the agent so that its file is small.

use std::{env, path::Path};

/// Options of the linker that comes with Rust.
const OPTIONS: [&str; 3] = [
    // A position-independent static program has a list of all its pointers; packing the list saves
    // 100 kB. musl can unpack it since 1.2.4.
    "-z",
    "pack-relative-relocs",
    // Equal functions become one, which saves 30 kB. They are mostly instances of one generic
    // function. No code of the agent's compares addresses of functions.
    "--icf=all",
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The variable from which cargo takes the linker.
    let triple = env::var("TARGET").unwrap_or_default().replace('-', "_");
    let variable = format!("CARGO_TARGET_{}_LINKER", triple.to_uppercase());
    println!("cargo::rerun-if-env-changed={variable}");
    // Other linkers may not know the options. sdk/build asks for Rust's own one.
    let linker = env::var_os("RUSTC_LINKER").unwrap_or_default();
    if Path::new(&linker)
        .file_stem()
        .is_some_and(|name| name == "rust-lld")
    {
        for option in OPTIONS {
            println!("cargo::rustc-link-arg-bins={option}");
        }
    }
}
