//! The environment that a cargo would run in.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::{
    base::variables::given,
    cargo::{
        command::{Cargo, Toolchain, find_in_path},
        environment::passing,
    },
};

/// Variables that change how fast a build is, and nothing else.
const WITHOUT_EFFECT: [&str; 2] = ["CARGO_BUILD_JOBS", "CARGO_MAKEFLAGS"];

/// Variables and programs.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(super) variables: BTreeMap<String, OsString>,
    /// The cargo and rustc that would be started, which may be rustup's. This stands for `PATH`,
    /// which differs from shell to shell.
    pub(super) programs: Vec<PathBuf>,
}

impl Environment {
    pub(super) fn current(directory: &Path) -> Self {
        let cargo = Cargo::new(directory, Toolchain::Surrounding);
        let programs = [cargo.cargo(), cargo.rustc()];
        let programs = programs.iter().map(|command| command.get_program());
        Self {
            variables: passing().collect(),
            programs: programs.filter_map(find_in_path).collect(),
        }
    }

    /// Returns the environment of a build by other tools: these variables, where they are set, and
    /// these programs.
    pub(crate) fn of_tools_named(variables: &[&str], programs: Vec<PathBuf>) -> Self {
        let value = |name: &&str| Some(((*name).to_owned(), given(name)?));
        Self {
            variables: variables.iter().filter_map(value).collect(),
            programs,
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    /// Returns the names of those variables that cargo, rustc and rustup read themselves.
    pub(super) fn of_tools(&self) -> impl Iterator<Item = &str> {
        let names = self.variables.keys().map(String::as_str);
        names.filter(|name| {
            let is_tools = ["CARGO", "RUSTC", "RUSTUP"]
                .iter()
                .any(|prefix| name.starts_with(prefix));
            (is_tools || *name == "HOME") && !WITHOUT_EFFECT.contains(name)
        })
    }
}
