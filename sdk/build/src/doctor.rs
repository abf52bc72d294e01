//! Checks that this machine has everything that building needs.

use std::{env, path::Path};

use wxec_protocol::BUILD;

use crate::{
    BuildError, MODULE_TARGET, Work,
    base::variables::given,
    cache::directory::cache_directory,
    cargo::command::{Cargo, Toolchain},
    tools::{
        agent::{agents_here, built_agent},
        compiler::built_compiler,
        linking::c_compiler,
        source::Source,
    },
};

/// One thing that building needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The name of the thing looked for.
    pub name: &'static str,
    /// The result.
    pub status: CheckStatus,
}

/// The result of a [`Check`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckStatus {
    /// It is there.
    Ok(String),
    /// It is not there, or of no use.
    Missing {
        /// The fault that was found.
        detail: String,
        /// Advice on how to fix it.
        fix: String,
    },
}

/// Looks for all that building needs, for the workspace around the current directory, without
/// building anything.
pub fn checks() -> Vec<Check> {
    let here = Cargo::new(
        env::current_dir().unwrap_or_else(|_| "/".into()),
        Toolchain::Surrounding,
    );
    let agent = agents_here().triple();
    vec![
        Check::of("cargo", Cargo::version(here.cargo())),
        Check::of("rustc", Cargo::version(here.rustc())),
        Check::of(
            "module target",
            here.std_directory(MODULE_TARGET)
                .map(|_| MODULE_TARGET.into()),
        ),
        Check::of("agent target", agent_target(&agent)),
        Check::of("C compiler", c_compiler(&agent)),
        Check::of(
            "cache",
            cache_directory().map(|directory| directory.display().to_string()),
        ),
        Check {
            name: "agent",
            status: agent_status(&agent),
        },
        Check {
            name: "compiler",
            status: compiler_status(),
        },
    ]
}

impl Check {
    fn of(name: &'static str, outcome: Result<String, BuildError>) -> Self {
        let status = outcome.map_or_else(CheckStatus::from, CheckStatus::Ok);
        Self { name, status }
    }
}

impl From<BuildError> for CheckStatus {
    fn from(error: BuildError) -> Self {
        Self::Missing {
            detail: error.to_string(),
            fix: error.hint().unwrap_or_default(),
        }
    }
}

fn agent_target(triple: &str) -> Result<String, BuildError> {
    let source = Source::of(Work::Agent(triple))?;
    source.cargo_for(triple).map(|_| triple.into())
}

fn agent_status(triple: &str) -> CheckStatus {
    if let Some(path) = given("WXEC_STARTER").filter(|path| !Path::new(path).is_file()) {
        return ready_made(Path::new(&path));
    }
    if let Some(path) = given("WXEC_AGENT") {
        return ready_made(Path::new(&path));
    }
    let image = cache_directory()
        .ok()
        .and_then(|cache| built_agent(&cache, triple));
    image.map_or_else(not_built, |image| {
        let (size, sent) = (image.bytes / 1024, image.compressed_bytes / 1024);
        CheckStatus::Ok(format!("{triple}, {size} KiB, {sent} KiB when sent"))
    })
}

fn compiler_status() -> CheckStatus {
    if let Some(path) = given("WXEC_COMPILER") {
        return ready_made(Path::new(&path));
    }
    let compiler = cache_directory()
        .ok()
        .and_then(|cache| built_compiler(&cache));
    compiler.map_or_else(not_built, |path| {
        CheckStatus::Ok(path.display().to_string())
    })
}

fn ready_made(path: &Path) -> CheckStatus {
    if path.is_file() {
        return CheckStatus::Ok(path.display().to_string());
    }
    CheckStatus::Missing {
        detail: format!("{} is not a file", path.display()),
        fix: "name a file by WXEC_AGENT, WXEC_STARTER or WXEC_COMPILER, or unset it".into(),
    }
}

/// Status of a program that is not built yet, which is no fault.
fn not_built() -> CheckStatus {
    CheckStatus::Ok(format!(
        "not built yet for build {BUILD}: the first call does that, once, in some minutes"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_looked_for_once() {
        let checks = checks();

        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(
            names,
            [
                "cargo",
                "rustc",
                "module target",
                "agent target",
                "C compiler",
                "cache",
                "agent",
                "compiler"
            ]
        );
        assert!(
            matches!(&checks[0].status, CheckStatus::Ok(version) if version.starts_with("cargo ")),
            "{checks:?}"
        );
    }
}
