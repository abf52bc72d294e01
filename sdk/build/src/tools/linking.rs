//! The C compiler and the linker that programs for a triple take.

use std::env;

use crate::{BuildError, base::variables::given, cargo::command::in_path};

/// Returns the C compiler for `triple` that the `cc` crate will choose.
pub(crate) fn c_compiler(triple: &str) -> Result<String, BuildError> {
    let chosen = given(&format!("CC_{}", triple.replace('-', "_")));
    let candidates = match chosen {
        Some(program) => vec![program.to_string_lossy().into_owned()],
        None if is_native(triple) => vec!["cc".into()],
        None => vec![cross_gcc(triple), "clang".into()],
    };
    // Words after the program are its first arguments.
    let found = candidates
        .iter()
        .find(|program| program.split(' ').next().is_some_and(in_path));
    let missing = || BuildError::NoCCompiler {
        triple: triple.into(),
        program: candidates[0].clone(),
    };
    found.cloned().ok_or_else(missing)
}

/// Returns variables that make rustc link, and the `cc` crate compile wasmtime's few lines of C,
/// with tools that machines usually have.
pub(crate) fn linking(triple: &str) -> Result<Vec<(String, String)>, BuildError> {
    let name = triple.replace('-', "_");
    let mut variables = vec![(format!("CC_{name}"), c_compiler(triple)?)];
    let flags = format!("CFLAGS_{name}");
    if given(&flags).is_none() {
        // Distributions that fortify by default would make the code call functions that musl lacks.
        variables.push((flags, "-U_FORTIFY_SOURCE".into()));
    }
    let linker = format!("CARGO_TARGET_{}_LINKER", name.to_uppercase());
    if given(&linker).is_none() {
        // The linker that comes with Rust makes a smaller program than GCC's usual one: it merges
        // equal functions (runtime/agent/build.rs). It needs no C library for another architecture.
        variables.push((linker, "rust-lld".into()));
    }
    Ok(variables)
}

/// Returns the name that Linux distributions give the cross compiler. Theirs is for another C
/// library, which matters to none of wasmtime's few lines. Clang would do as well, but finds no
/// headers where a distribution keeps them by architecture.
fn cross_gcc(triple: &str) -> String {
    format!(
        "{}-linux-gnu-gcc",
        triple.split('-').next().unwrap_or_default()
    )
}

/// Returns true if programs for `triple` run here, and this machine's own C compiler can make them.
fn is_native(triple: &str) -> bool {
    cfg!(target_os = "linux") && triple.split('-').next() == Some(env::consts::ARCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_linked_by_what_rust_brings() {
        for architecture in ["x86_64", "aarch64"] {
            let variables = match linking(&format!("{architecture}-unknown-linux-musl")) {
                Ok(variables) => variables,
                Err(error) => {
                    assert!(
                        error.hint().is_some_and(|hint| hint.contains("-cross`")),
                        "{error}"
                    );
                    continue;
                }
            };

            let linker = (
                format!(
                    "CARGO_TARGET_{}_UNKNOWN_LINUX_MUSL_LINKER",
                    architecture.to_uppercase()
                ),
                "rust-lld".into(),
            );
            assert!(variables.contains(&linker), "{variables:?}");
        }
    }

    #[test]
    fn a_missing_c_compiler_is_named() {
        let error = BuildError::NoCCompiler {
            triple: "x86_64-unknown-linux-musl".into(),
            program: "cc".into(),
        };

        assert_eq!(
            error.to_string(),
            "no C compiler for x86_64-unknown-linux-musl: `cc` is not in PATH"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("install a C compiler (on Debian: `apt install gcc`)")
        );

        let triple = "aarch64-unknown-linux-musl";
        let error = BuildError::NoCCompiler {
            triple: triple.into(),
            program: cross_gcc(triple),
        };
        let hint = "install a C compiler (on Debian: `apt install gcc-aarch64-linux-gnu libc6-dev-arm64-cross`)";
        assert_eq!(error.hint().as_deref(), Some(hint));
    }
}
