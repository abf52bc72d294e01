//! `wxec new`: a project that builds and runs at once.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{base::exit_code, output::command_error::CommandError, terminal::stdout::print_line};

/// Start a project: a crate with a task, or with a plan
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder to make, whose last part is the name of the crate
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// Start with a plan, a template, and an inventory with this machine in it
    #[arg(long)]
    plan: bool,
}

const EXAMPLES: &str = "\
Examples:
  wxec new greetings
  wxec new site --plan && cd site && wxec apply here site::site --dry-run";

/// What stands for the name in the files.
const NAME: &str = "NAME";

/// A file of a project: its path and its text.
type Text = (&'static str, &'static str);

const TASK: &[Text] = &[
    ("src/lib.rs", include_str!("../new/task.rs.txt")),
    (".gitignore", "/target\n"),
];

const PLAN: &[Text] = &[
    ("src/lib.rs", include_str!("../new/plan.rs.txt")),
    (
        "templates/index.html.j2",
        include_str!("../new/index.html.j2"),
    ),
    ("wxec.toml", include_str!("../new/wxec.toml")),
    (".gitignore", "/target\n"),
];

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let folder = &args.folder;
    let name = name(folder)?;
    let (files, next) = if args.plan {
        (PLAN, format!("wxec apply here {name}::site --dry-run"))
    } else {
        (
            TASK,
            format!("wxec call local: {name}::greet you --allow-declared"),
        )
    };
    make(folder, name, args.plan, files).map_err(|(path, error)| {
        CommandError::usage(format!("cannot make {}: {error}", path.display()))
    })?;
    print_line(&format!("cd {} && {next}", folder.display()));
    Ok(exit_code::OK)
}

/// Returns the name of the crate.
fn name(folder: &Path) -> Result<&str, CommandError> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_usual) {
        return Ok(name);
    }
    let message = format!("`{}` is no name of a crate", name.escape_debug());
    Err(CommandError::usage(message).hint("it has letters, digits, `-` and `_`, a letter first"))
}

/// Makes the folder, which must not be there, and the files in it.
fn make(
    folder: &Path,
    name: &str,
    has_plan: bool,
    files: &[Text],
) -> Result<(), (PathBuf, io::Error)> {
    fs::create_dir(folder).map_err(|error| (folder.to_owned(), error))?;
    let manifest = manifest(name, has_plan);
    for (path, text) in files.iter().chain(&[("Cargo.toml", &*manifest)]) {
        let path = folder.join(path);
        let written = write(&path, &text.replace(NAME, name));
        written.map_err(|error| (path, error))?;
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file?.write_all(text.as_bytes())
}

fn manifest(name: &str, has_plan: bool) -> String {
    let (wxec, plan) = (dependency("wxec"), dependency("wxec-plan"));
    let dependencies = if has_plan {
        format!("serde = {{ version = \"1\", features = [\"derive\"] }}\n{plan}\n")
    } else {
        format!("{wxec}\n")
    };
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n\
         # A workspace of its own, also inside of another one.\n[workspace]\n"
    )
}

/// Returns the line for a crate of wxec: the sources that this command was built from if they are
/// still there, or else the published crate.
fn dependency(krate: &str) -> String {
    let sdk = concat!(env!("CARGO_MANIFEST_DIR"), "/../sdk");
    let folder = Path::new(sdk).join(krate.strip_prefix("wxec-").unwrap_or(krate));
    match fs::canonicalize(folder) {
        Ok(folder) if folder.join("Cargo.toml").exists() => {
            format!("{krate} = {{ path = {:?} }}", folder.display().to_string())
        }
        _ => format!("{krate} = \"{}\"", env!("CARGO_PKG_VERSION")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_has_its_name_everywhere() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("my-site");
        for (has_plan, files) in [(true, PLAN), (false, TASK)] {
            make(&folder, "my-site", has_plan, files).unwrap();
            for (path, _) in files {
                let text = fs::read_to_string(folder.join(path)).unwrap();
                assert!(!text.contains(NAME), "{path}: {text}");
            }
            // What is there is left as it is.
            let again = make(&folder, "my-site", has_plan, files).unwrap_err();
            assert_eq!(again.1.kind(), io::ErrorKind::AlreadyExists);
            fs::remove_dir_all(&folder).unwrap();
        }
    }

    #[test]
    fn names_are_those_of_crates() {
        assert_eq!(name(Path::new("a/my-site_2")).unwrap(), "my-site_2");
        for wrong in ["", "..", "2go", "a b", "a/é"] {
            assert!(name(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
