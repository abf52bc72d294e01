//! `wxec inspect`: prints what a module says of itself. Runs none of its functions, unless the module
//! is to be compared with the test vectors of the guest ABI.

use std::collections::BTreeMap;

use clap::ValueEnum;
use serde_json::{Value as Json, json};
use wxec::{Module, module::Function};

use crate::{
    args::{feature_args::FeatureArgs, module_name::ModuleSource},
    base::{exit_code, quantity::show_size, verbosity::Verbosity},
    module::{
        capabilities::{self, Capability},
        conformance,
        functions::inside_crate,
        load::load,
    },
    output::command_error::CommandError,
    terminal::stdout::print_line,
};

/// Show a module's functions, the grants they want, its size and digest; run none of them
///
/// A function wants what it declares, and `wxec call --allow-declared` grants that. Anything else
/// that the module can ask for is refused unless it is granted.
///
/// MODULE is a package of the cargo workspace here, or the folder of a project in any language, which
/// are built as needed, a .wasm file, or a module that wxec ships (`facts`). A module that describes
/// its functions only by an export is asked for them in a sandbox here.
///
/// With `--conformance`, MODULE is the conformance module of an SDK. Its functions are called on
/// this machine, in the sandbox, and compared with the test vectors of the guest ABI; sdk/abi has
/// both. Exits with 1 if anything differs.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A package, a folder such as `./words`, or a path to a .wasm file
    module: String,
    /// Print in this format
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Call the module's functions here, and compare them with the test vectors of the guest ABI
    #[arg(long)]
    conformance: bool,
    #[command(flatten)]
    features: FeatureArgs,
}

/// The format to print in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
}

const EXAMPLES: &str = "\
Examples:
  wxec inspect words
  wxec inspect ./words.wasm --format json
  wxec inspect --conformance ./conformance.wasm";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let module = load(
        &ModuleSource::parse(&args.module),
        &args.features.features(),
        verbosity,
    )?;
    if args.conformance {
        return conformance::run(&module, args.format == Format::Json, verbosity);
    }
    let text = match args.format {
        Format::Text => text(&module),
        Format::Json => json(&module).to_string(),
    };
    print_line(&text);
    Ok(exit_code::OK)
}

fn text(module: &Module) -> String {
    let size = show_size(module.size() as u64);
    let mut lines = vec![
        format!("module  {}", module.name()),
        format!("size    {} ({size})", module.size()),
        format!("digest  {}", module.digest()),
    ];
    let path = module.path();
    lines.extend(path.map(|path| format!("path    {}", path.display())));

    lines.extend(["".into(), "functions".into()]);
    lines.extend(functions(module));

    let capabilities = capabilities::of_imports(module.imports());
    if !capabilities.is_empty() {
        lines.extend(["".into(), "can ask to".into()]);
        let row = |it: &Capability| (it.can, it.options.to_owned());
        lines.extend(columns(&capabilities.iter().map(row).collect::<Vec<_>>()));
    }

    lines.extend(["".into(), "imports".into()]);
    let imports = imports(module).into_iter();
    let imports: Vec<_> = imports
        .map(|(from, names)| (from, names.join(" ")))
        .collect();
    lines.extend(columns(&imports));
    if imports.is_empty() {
        lines.push("  none".into());
    }
    lines.join("\n")
}

/// Returns the lines about functions.
fn functions(module: &Module) -> Vec<String> {
    let mut lines = Vec::new();
    for function in module.functions() {
        lines.push(format!("  {}", signature(module, function)));
        let doc = function.doc.lines();
        lines.extend(doc.map(|line| format!("      {line}").trim_end().to_owned()));
        if let Some(plan) = &function.plan {
            lines.push(format!("      plan, modes {}", plan.modes.join(" ")));
        }
        if !function.wants.is_none() {
            lines.push(format!("      wants {}", flags(function).join(" ")));
        }
    }
    lines.extend(undescribed(module).map(|name| format!("  {name} (not described)")));
    if module.exports().next().is_none() {
        lines.push("  none".into());
    }
    lines
}

/// Returns a line for each row, with the second column aligned.
fn columns<'a>(rows: &'a [(&str, String)]) -> impl Iterator<Item = String> + 'a {
    let width = rows.iter().map(|(first, _)| first.len()).max();
    let width = width.unwrap_or_default();
    rows.iter()
        .map(move |(first, second)| format!("  {first:width$}  {second}"))
}

/// Returns the function as its source has it, with the name that `wxec call` takes.
fn signature(module: &Module, function: &Function) -> String {
    let whole = function.to_string();
    format!(
        "{}{}",
        name(module, function),
        whole.strip_prefix(&function.path).unwrap_or_default()
    )
}

/// Returns the name that `wxec call` takes. Modules that are named like keywords lose their `r#`,
/// as functions do.
fn name(module: &Module, function: &Function) -> String {
    inside_crate(module, &function.path).replace("r#", "")
}

/// Returns the options that grant everything the function declares.
fn flags(function: &Function) -> Vec<String> {
    function
        .wants
        .needs()
        .map(|need| need.to_string())
        .collect()
}

fn undescribed(module: &Module) -> impl Iterator<Item = &str> {
    module.exports().filter(|export| {
        module
            .functions()
            .iter()
            .all(|function| function.path != *export)
    })
}

/// Groups the names of imports by the module that they come from.
fn imports(module: &Module) -> BTreeMap<&str, Vec<&str>> {
    let mut imports = BTreeMap::<_, Vec<_>>::new();
    for import in module.imports() {
        let (from, name) = import.split_once('.').unwrap_or((import, ""));
        imports.entry(from).or_default().push(name);
    }
    imports.values_mut().for_each(|names| names.sort_unstable());
    imports
}

fn json(module: &Module) -> Json {
    let function = |function: &Function| {
        let parameters = function
            .parameters
            .iter()
            .map(|parameter| json!({"name": parameter.name, "type": parameter.type_name}));
        let mut described = json!({
            "name": name(module, function),
            "path": function.path,
            "doc": function.doc,
            "parameters": parameters.collect::<Vec<_>>(),
            "returns": function.returns,
            "error": function.error,
            "wants": function.wants,
        });
        if let Some(plan) = &function.plan {
            described["plan"] = json!({"modes": plan.modes, "roles": plan.roles});
        }
        described
    };
    json!({
        "module": module.name(),
        "path": module.path(),
        "size": module.size(),
        "digest": module.digest().to_string(),
        "functions": module.functions().iter().map(function).collect::<Vec<_>>(),
        "undescribed": undescribed(module).collect::<Vec<_>>(),
        "can_ask": capabilities::of_imports(module.imports()).iter().map(|it| it.name).collect::<Vec<_>>(),
        "imports": imports(module),
    })
}
