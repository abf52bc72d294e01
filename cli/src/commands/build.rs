//! `wxec build`: a package's module, checked and ready to be carried elsewhere.

use wxec::Module;

use crate::{
    args::{feature_args::FeatureArgs, misplaced, module_name::ModuleSource},
    base::{exit_code, verbosity::Verbosity},
    module::load::load,
    output::command_error::CommandError,
    terminal::{stderr::say, stdout::print_line},
};

/// Build a module, check it, and print its path, size and digest
///
/// A folder without a Cargo.toml is a project in another language, known by its own files (`go.mod`,
/// `build.zig`, `package.json`, C sources …) or by a `wxec-module.toml`; see docs/languages.md.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A package of the cargo workspace here, or the folder of a package or of a project in another
    /// language [default: that of this directory]
    #[arg(value_name = "PKG")]
    package: Option<String>,
    #[command(flatten)]
    features: FeatureArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec build
  wxec build words
  wxec build ./words-in-go
  wxec build words --no-default-features --features extra";

/// Beginnings of the imports that hosts offer to modules.
const OFFERED: [&str; 2] = ["wxec_v1.", "wasi_snapshot_preview1."];

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let features = args.features.features();
    let module = match ModuleSource::parse(args.package.as_deref().unwrap_or(".")) {
        ModuleSource::Package(package) if misplaced::function_for_module(&package).is_none() => {
            Module::from_package_with(".", &package, &features)?
        }
        source => load(&source, &features, Verbosity::Quiet)?,
    };
    check(&module)?;
    let path = module
        .path()
        .map_or_else(|| "(in memory)".into(), |path| path.display().to_string());
    let text = format!(
        "path    {path}\nsize    {}\ndigest  {}",
        module.size(),
        module.digest()
    );
    print_line(&text);
    Ok(exit_code::OK)
}

/// Refuses a module that no host can run. Warns about a module without a function to call.
fn check(module: &Module) -> Result<(), CommandError> {
    let strange = module
        .imports()
        .iter()
        .find(|import| !OFFERED.iter().any(|offered| import.starts_with(offered)));
    if let Some(import) = strange {
        let message = format!("{} imports `{import}`, which no host offers", module.name());
        return Err(CommandError::usage(message)
            .hint("see which dependency is not meant for wasm32-wasip1"));
    }
    if module.exports().next().is_none() {
        say(&format!(
            "warning: {} has no function to call; in Rust, mark one with #[remote]",
            module.name()
        ));
    }
    Ok(())
}
