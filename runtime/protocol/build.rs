//! Names this build for both ends: a hash over the sources of everything on which they must agree.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
};

/// Sources that both ends share. A published crate lacks the sibling folders; there the build is
/// the hash of the version and `src`.
const SOURCES: [&str; 16] = [
    "src",
    "../engine/src",
    "../engine/Cargo.toml",
    "../agent/src",
    "../agent/Cargo.toml",
    "../agent/build.rs",
    "../starter/src",
    "../starter/Cargo.toml",
    "../facts/src",
    "../facts/Cargo.toml",
    "../files/src",
    "../files/Cargo.toml",
    "../../guests/facts/src",
    "../compiler/src",
    "../compiler/Cargo.toml",
    // Decides how the programs for hosts are linked.
    "../../sdk/build/src/tools/linking.rs",
];

/// Dependencies that decide the format of artifacts or messages.
const DEPENDENCIES: [&str; 3] = ["wasmtime", "cranelift", "postcard"];

fn main() -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    env::var("CARGO_PKG_VERSION")
        .expect("cargo sets it")
        .hash(&mut hasher);
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
        hash(Path::new(source), &mut hasher)?;
    }
    println!("cargo::rerun-if-changed=../../Cargo.lock");
    if let Ok(lock) = fs::read_to_string("../../Cargo.lock") {
        let packages = lock.split("[[package]]").map(str::trim);
        let decides = |package: &&str| {
            DEPENDENCIES
                .iter()
                .any(|name| package.starts_with(&format!("name = \"{name}")))
        };
        packages
            .filter(decides)
            .for_each(|package| package.hash(&mut hasher));
    }
    println!("cargo::rustc-env=WXEC_BUILD={:016x}", hasher.finish());
    Ok(())
}

fn hash(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    if path.is_dir() {
        let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        return entries
            .iter()
            .try_for_each(|entry| hash(&entry.path(), hasher));
    }
    if path.is_file() {
        path.file_name().hash(hasher);
        fs::read(path)?.hash(hasher);
    }
    Ok(())
}
