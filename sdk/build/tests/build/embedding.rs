//! A package with `build.rs`, built by a real `cargo build`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::fixture::{TASK, manifest, write};

/// The package stays where it is between runs of this test, because its first build takes half a
/// minute.
struct Package {
    directory: PathBuf,
}

impl Package {
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let package = Self {
            directory: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name),
        };
        let rest = format!(
            "[features]\ndefault = [\"counting\"]\ncounting = []\n\n[build-dependencies]\n\
             wxec-build = {{ path = \"{}\" }}\n\n[workspace]",
            env!("CARGO_MANIFEST_DIR")
        );
        write(
            &package.directory.join("Cargo.toml"),
            &manifest("shipped", &rest),
        );
        // The versions that this test was compiled with are available offline.
        let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
        fs::copy(lock, package.directory.join("Cargo.lock"))
            .expect("the workspace has a lock file");
        package.write("build.rs", "fn main() { wxec_build::embed(); }");
        files
            .iter()
            .for_each(|(name, text)| package.write(name, text));
        package
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        // An unchanged file keeps its time, so that an unchanged package is fresh.
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            write(&path, text);
        }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["run", "--offline", "--quiet"])
            .args(arguments)
            .current_dir(&self.directory);
        cargo
            .arg("--target-dir")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedding"));
        cargo
            .env_remove("CARGO_TARGET_DIR")
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.output().expect("cargo runs")
    }

    #[track_caller]
    fn output(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{complained}");
        said.into_owned()
    }
}

const MAIN: &str = r#"
    fn main() {
        let module: &[u8] = include_bytes!(env!("WXEC_EMBEDDED_MODULE"));
        let tasks = ["wx1_count", "wx1_total"].map(|task| module.windows(9).any(|window| window == task.as_bytes()));
        println!("{} {} {:?}", env!("WXEC_EMBEDDED_TARGET"), module.starts_with(b"\0asm"), tasks);
    }
"#;

#[test]
fn a_program_carries_the_module_of_its_library() {
    let package = Package::new(
        "shipped",
        &[
            ("src/lib.rs", "mod stats;"),
            ("src/stats.rs", TASK),
            ("src/main.rs", MAIN),
        ],
    );
    assert_eq!(package.output(&[]), "lib:shipped true [true, false]\n");

    // Cargo watches this file only because `embed` said so, and only the outer build knows the
    // feature.
    let total = "#[cfg(feature = \"counting\")] #[unsafe(no_mangle)] pub extern \"C\" fn wx1_total() -> i32 { 0 }";
    package.write("src/stats.rs", &format!("{TASK}{total}"));
    assert_eq!(package.output(&[]), "lib:shipped true [true, true]\n");
    assert_eq!(
        package.output(&["--no-default-features"]),
        "lib:shipped true [true, false]\n"
    );

    // The module may have other features than the program around it.
    let script = "use wxec_build::Features;\n\
                  fn main() { wxec_build::embed_with(&Features::default().without_default()); }";
    package.write("build.rs", script);
    assert_eq!(package.output(&[]), "lib:shipped true [true, false]\n");
}

#[test]
fn a_module_that_does_not_compile_fails_the_build() {
    let broken = "#[cfg(target_family = \"wasm\")] pub fn count() -> usize { \"no number\" }";
    let package = Package::new("broken", &[("src/lib.rs", broken), ("src/main.rs", MAIN)]);

    let output = package.run(&[]);

    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let lines = [
        "package `shipped` does not compile for wasm32-wasip1",
        "error[E0308]: mismatched types",
        "src/lib.rs:1",
    ];
    assert!(
        lines.iter().all(|line| complained.contains(line)),
        "{complained}"
    );
}
