//! Crates in a temporary directory.

use std::{cell::RefCell, fs, path::Path};

use tempfile::TempDir;
use wxec_build::{Origin, Progress, ProgressEvent};

/// A task, as the macro would export it.
pub(crate) const TASK: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn wx1_count() -> i32 { 0 }\n";

/// A program with a task beside `main`.
pub(crate) const PROGRAM: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn wx1_count() -> i32 { 0 }\nfn main() { println!(\"hello\"); }\n";

pub(crate) struct Fixture {
    place: TempDir,
}

impl Fixture {
    /// A workspace of the one package `words`, with `files` besides its manifest.
    pub(crate) fn words(files: &[(&str, &str)]) -> Self {
        let fixture = Self {
            place: tempfile::tempdir().expect("a temporary directory"),
        };
        fixture.write("Cargo.toml", &manifest("words", "[workspace]"));
        fixture.with(files)
    }

    pub(crate) fn with(self, files: &[(&str, &str)]) -> Self {
        files.iter().for_each(|(name, text)| self.write(name, text));
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        write(&self.path().join(name), text);
    }

    pub(crate) fn path(&self) -> &Path {
        self.place.path()
    }

    /// Returns the place where a task of the library `words` would say it stands.
    pub(crate) fn origin(&self) -> Origin {
        let manifest_dir = self
            .path()
            .to_str()
            .expect("a temporary directory is UTF-8")
            .to_owned();
        Origin {
            package: "words",
            version: "0.1.0",
            manifest_dir: manifest_dir.leak(),
            binary: None,
            crate_name: "words",
            file: "src/lib.rs",
            embedded: None,
        }
    }
}

pub(crate) fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{rest}\n")
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a file is in a folder"))
        .expect("the folder can be created");
    fs::write(path, text).expect("the file can be written");
}

/// Records the reports, but for those about waiting: the cargos of other tests may hold the lock of
/// the package cache at any moment.
#[derive(Default)]
pub(crate) struct Notes(RefCell<Vec<String>>);

impl Notes {
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

impl Progress for Notes {
    fn report(&self, event: ProgressEvent<'_>) {
        if matches!(event, ProgressEvent::Waiting { .. }) {
            return;
        }
        self.0.borrow_mut().push(match event {
            ProgressEvent::Started { work } => format!("started {work}"),
            ProgressEvent::Compiled {
                crate_name, count, ..
            } => format!("compiled {crate_name} ({count})"),
            ProgressEvent::Finished { work, compiled, .. } => {
                format!("finished {work} ({compiled})")
            }
            other => format!("{other:?}"),
        });
    }
}
