//! The error of a dependency that does not compile, and the hint on where to move it.

use std::{fmt, path::PathBuf};

use crate::base::names::quoted;

/// A dependency that does not compile for the target, and the packages that pull it in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DependencyFailure {
    /// The target.
    pub triple: String,
    /// The package the dependency was compiled for.
    pub package: String,
    /// The dependency that does not compile, by name.
    pub dependency: String,
    /// Its version.
    pub version: String,
    /// Ways from `package` to `dependency`, both included: one for each direct dependency that
    /// leads there.
    pub routes: Vec<Vec<String>>,
    /// The manifest to change, and which of its dependencies to move.
    pub remedy: Option<(PathBuf, Vec<String>)>,
    /// The errors of rustc or of the dependency's build script, the first 64 KiB.
    pub diagnostics: String,
}

impl DependencyFailure {
    /// Returns a hint on what would help.
    pub(crate) fn hint(&self) -> String {
        const TABLE: &str = "[target.'cfg(not(target_family = \"wasm\"))'.dependencies]";
        const CODE: &str = "#[cfg(not(target_family = \"wasm\"))]";
        let (manifest, dependencies) = match &self.remedy {
            Some((manifest, dependencies)) => {
                (manifest.display().to_string(), quoted(dependencies))
            }
            None => (
                format!("the Cargo.toml of `{}`", self.package),
                "what pulls it in".into(),
            ),
        };
        format!(
            "if no task needs it, move {dependencies} under `{TABLE}` in {manifest}, and the code that uses it behind `{CODE}`"
        )
    }
}

impl fmt::Display for DependencyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            triple,
            package,
            dependency,
            version,
            routes,
            diagnostics,
            ..
        } = self;
        write!(
            f,
            "`{dependency}` {version}, which `{package}` depends on, does not compile for {triple}"
        )?;
        for route in routes {
            write!(f, "\n  {}", route.join(" -> "))?;
        }
        write!(f, "\n{diagnostics}")
    }
}
