//! The record of a project's last build, by which a module whose sources have not changed is found
//! without its tools.

use std::{fs, io, path::PathBuf, time::SystemTime};

use serde::{Deserialize, Serialize};
use wxec_protocol::Digest;

use crate::{
    BuiltModule,
    language::{project::Project, recipe::Language},
    module::fresh::{Environment, SETTLED, Watched},
};

/// A build, and the state of all that it was made of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    module: PathBuf,
    digest: Digest,
    watched: Watched,
    /// The tools.
    programs: Vec<PathBuf>,
    state: Digest,
}

impl Record {
    /// Returns the module of the last build, if nothing has changed since.
    pub(crate) fn find(project: &Project, language: &Language) -> Option<BuiltModule> {
        let record: Self = serde_json::from_slice(&fs::read(path(project)).ok()?).ok()?;
        // A copy of a project has a record of the original.
        if !record.module.starts_with(&project.folder) {
            return None;
        }
        let environment = Environment::of_tools_named(language.variables, record.programs);
        if record.watched.state(&environment)?.digest != record.state {
            return None;
        }
        let bytes = fs::read(&record.module).ok()?;
        let digest = Digest::of(&bytes);
        (digest == record.digest).then_some(BuiltModule {
            path: Some(record.module),
            bytes,
            digest,
            compiled: 0,
            source: None,
        })
    }

    /// Records a build that began at this time, unless something changed shortly before it, or
    /// since: a file may be edited while or after a tool reads it, and a change has to show in its
    /// times.
    pub(crate) fn keep(
        project: &Project,
        language: &Language,
        began: SystemTime,
        module: &BuiltModule,
        (mut watched, programs): (Watched, Vec<PathBuf>),
    ) -> Option<()> {
        watched.variables = language.variables.iter().map(|&name| name.into()).collect();
        let environment = Environment::of_tools_named(language.variables, programs.clone());
        let state = watched.state(&environment)?;
        if state.newest + SETTLED >= began {
            return None;
        }
        let record = Self {
            module: module.path.clone()?,
            digest: module.digest,
            watched,
            programs,
            state: state.digest,
        };
        record.store(project).ok()
    }

    /// Stores the record. A reader sees all of it or nothing.
    fn store(&self, project: &Project) -> io::Result<()> {
        let (path, bytes) = (path(project), serde_json::to_vec(self)?);
        let temporary = path.with_extension("new");
        fs::write(&temporary, bytes)?;
        fs::rename(temporary, path)
    }
}

fn path(project: &Project) -> PathBuf {
    project.built().join("record.json")
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path, time::Duration};

    use super::*;
    use crate::language::{settings::Settings, table::named};

    /// A project that was built, with a file outside of it.
    struct Built {
        place: tempfile::TempDir,
        project: Project,
    }

    impl Built {
        fn new() -> Self {
            let place = tempfile::tempdir().expect("a temporary directory");
            let folder = place.path().join("words");
            let settings = Settings {
                output: Some("out/words.wasm".into()),
                ..Settings::default()
            };
            let project = Project::new(&folder, settings);
            let built = Self { place, project };
            for file in [
                "words/words.c",
                "words/.wxec/words.wasm",
                "words/.git/HEAD",
                "outside.h",
            ] {
                built.write(file, "as it was");
            }
            built
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.place.path().join(file);
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is ours");
            fs::write(path, text).expect("it is ours");
        }

        fn language() -> &'static Language {
            named("c").expect("there is C")
        }

        /// Records a build that began at this time.
        fn keep(&self, began: SystemTime) -> Option<()> {
            let path = self.project.module();
            let bytes = fs::read(&path).expect("it is there");
            let module = BuiltModule {
                path: Some(path),
                digest: Digest::of(&bytes),
                bytes,
                compiled: 1,
                source: None,
            };
            let watched = Watched {
                trees: BTreeSet::from([self.project.folder.clone()]),
                files: BTreeSet::from([self.place.path().join("outside.h")]),
                left_out: self.project.no_sources().collect(),
                ..Watched::default()
            };
            let tool = Path::new("/bin/sh").to_owned();
            Record::keep(
                &self.project,
                Self::language(),
                began,
                &module,
                (watched, vec![tool]),
            )
        }

        fn is_found(&self) -> bool {
            Record::find(&self.project, Self::language()).is_some()
        }
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_change_of_anything_that_a_module_is_made_of_is_seen() {
        for file in [
            "words/words.c",
            "words/new.c",
            "words/src/out/new.c",
            "outside.h",
            "words/.wxec/words.wasm",
        ] {
            let built = Built::new();
            assert!(!built.is_found(), "nothing is recorded");
            built.keep(later()).expect("the files are old");
            assert!(built.is_found());
            built.write(file, "changed");
            assert!(!built.is_found(), "{file}");
        }
    }

    #[test]
    fn a_change_of_anything_else_is_none() {
        let built = Built::new();
        built.keep(later()).expect("the files are old");
        for file in [
            "words/.git/HEAD",
            "words/node_modules/x/index.js",
            "words/out/words.o",
            "words/zig-out/x",
            "else.h",
        ] {
            built.write(file, "changed");
            assert!(built.is_found(), "{file}");
        }
    }

    #[test]
    fn a_build_that_began_just_after_an_edit_is_not_recorded() {
        let built = Built::new();
        assert_eq!(built.keep(SystemTime::now()), None);
        assert!(!built.is_found());
    }
}
