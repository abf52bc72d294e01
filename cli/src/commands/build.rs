//! `wxec build`: a package's module, checked and ready to be carried elsewhere.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value as Json;
use wxec::Module;

use crate::{
    command_error::CommandError,
    exit_code,
    output::{print_line, say},
};

/// Build a package's module, check it, and print its path, size and digest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A package of the cargo workspace here [default: the one of this directory]
    #[arg(value_name = "PKG")]
    package: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  wxec build
  wxec build words";

/// What hosts offer to modules.
const OFFERED: [&str; 2] = ["wxec_v1.", "wasi_snapshot_preview1."];

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let package = args.package.clone().map_or_else(package_here, Ok)?;
    let module = Module::from_package(".", &package)?;
    check(&module)?;
    let path = module.path().map_or_else(|| "(in memory)".into(), |path| path.display().to_string());
    let text = format!("path    {path}\nsize    {}\ndigest  {}", module.size(), module.digest());
    print_line(&text);
    Ok(exit_code::OK)
}

/// Refuses a module that no host can run; warns of one that is of no use.
fn check(module: &Module) -> Result<(), CommandError> {
    let strange = module.imports().iter().find(|import| !OFFERED.iter().any(|offered| import.starts_with(offered)));
    if let Some(import) = strange {
        let message = format!("{} imports `{import}`, which no host offers", module.name());
        return Err(CommandError::usage(message).hint("see which dependency is not meant for wasm32-wasip1"));
    }
    if module.exports().next().is_none() {
        say(&format!("warning: {} has no function to call; mark one with #[remote]", module.name()));
    }
    Ok(())
}

/// The package whose folder this directory is in.
fn package_here() -> Result<String, CommandError> {
    let missing = || CommandError::usage("this directory is in no package").hint("name one: `wxec build PKG`");
    let arguments = ["metadata", "--no-deps", "--format-version=1"];
    let output = Command::new("cargo").args(arguments).output().map_err(|error| {
        CommandError::usage(format!("cannot run `cargo`: {error}")).hint("install Rust: https://rustup.rs")
    })?;
    let metadata: Json = serde_json::from_slice(&output.stdout).map_err(|_| missing())?;
    let here = std::env::current_dir().map_err(|_| missing())?;
    let packages = metadata["packages"].as_array().ok_or_else(missing)?.iter();
    let around = packages.filter_map(|package| {
        let folder: PathBuf = Path::new(package["manifest_path"].as_str()?).parent()?.into();
        here.starts_with(&folder).then_some((folder.components().count(), package["name"].as_str()?))
    });
    let (_, name) = around.max().ok_or_else(missing)?;
    Ok(name.into())
}
