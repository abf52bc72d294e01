//! `wxec new`: a project that builds and runs at once.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::builder::PossibleValuesParser;

use crate::{
    base::exit_code,
    output::command_error::CommandError,
    project::{
        files::{File, make_folder, sdk, template, write_all, write_named},
        language::{self, Language, RUST},
    },
    terminal::stdout::print_line,
};

/// Start a project with a task, or with a plan
///
/// A project in another language than Rust has the sources of its SDK in its folder `wxec`, and
/// needs no network to be built, where the language's own tools need none.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder to make, whose last part is the name of the project
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// The language of the project
    #[arg(long, value_name = "LANGUAGE", default_value = RUST, value_parser = PossibleValuesParser::new(language::options()))]
    lang: String,
    /// Start with a plan, a template, and an inventory with this machine in it
    #[arg(long)]
    plan: bool,
}

const EXAMPLES: &str = "\
Examples:
  wxec new greetings
  wxec new greetings --lang go && wxec call local: ./greetings::greet you
  wxec new site --plan && cd site && wxec apply here site::site --dry-run";

const TASK: &[File] = &[
    ("src/lib.rs", include_str!("../new/task.rs.txt")),
    (".gitignore", "/target\n"),
];

const PLAN: &[File] = &[
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
    let made = match Language::named(&args.lang) {
        Some(_) if args.plan => {
            let message = "plans are written in Rust, and in no other language";
            return Err(CommandError::usage(message).hint("leave `--lang` out"));
        }
        Some(language) => {
            check_sdk(language)?;
            make_other(folder, name, language)
        }
        None => make(folder, name, args.plan),
    };
    let next = made.map_err(|(path, error)| {
        CommandError::usage(format!("cannot make {}: {error}", path.display()))
    })?;
    print_line(&next);
    Ok(exit_code::OK)
}

/// Returns the name of the project.
fn name(folder: &Path) -> Result<&str, CommandError> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default();
    let is_usual = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_usual) {
        return Ok(name);
    }
    let message = format!("`{}` is no name of a project", name.escape_debug());
    Err(CommandError::usage(message).hint("it has letters, digits, `-` and `_`, a letter first"))
}

/// Refuses a language whose SDK this program does not carry.
fn check_sdk(language: &Language) -> Result<(), CommandError> {
    match language.sdk {
        Some(name) if sdk(name).is_empty() => {
            let message = format!(
                "this wxec was built without its SDK for `{}`",
                language.option
            );
            Err(CommandError::usage(message).hint("build it from wxec's whole source"))
        }
        _ => Ok(()),
    }
}

/// Makes a project in another language than Rust. Returns a command that calls its task.
fn make_other(
    folder: &Path,
    name: &str,
    language: &Language,
) -> Result<String, (PathBuf, io::Error)> {
    make_folder(folder)?;
    write_named(folder, name, template(language.templates))?;
    if let Some(name) = language.sdk {
        write_all(&folder.join("wxec"), sdk(name))?;
    }
    let shown = folder.display().to_string();
    // A name without a `/` would be a package of a cargo workspace.
    let module = if shown.contains('/') {
        shown.clone()
    } else {
        format!("./{shown}")
    };
    let first = language
        .first
        .map_or_else(String::new, |first| format!("(cd {shown} && {first}) && "));
    Ok(format!("{first}wxec call local: {module}::greet you"))
}

/// Makes a crate. Returns a command that runs it.
fn make(folder: &Path, name: &str, has_plan: bool) -> Result<String, (PathBuf, io::Error)> {
    let (files, next) = if has_plan {
        (PLAN, format!("wxec apply here {name}::site --dry-run"))
    } else {
        (
            TASK,
            format!("wxec call local: {name}::greet you --allow-declared"),
        )
    };
    make_folder(folder)?;
    write_named(folder, name, files)?;
    write_named(folder, name, &[("Cargo.toml", &manifest(name, has_plan))])?;
    Ok(format!("cd {} && {next}", folder.display()))
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
    use crate::project::{files::NAME, language::LANGUAGES};

    /// Returns all files below a folder.
    fn files(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        entries
            .flat_map(|path| {
                if path.is_dir() {
                    files(&path)
                } else {
                    vec![path]
                }
            })
            .collect()
    }

    #[test]
    fn a_project_has_its_name_everywhere() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("my-site");
        let crates = [true, false].map(|has_plan| {
            make(&folder, "my-site", has_plan).map(|_| {
                fs::rename(&folder, place.path().join(format!("crate-{has_plan}"))).unwrap()
            })
        });
        assert!(crates.iter().all(Result::is_ok));
        for language in LANGUAGES {
            make_other(&folder, "my-site", language).unwrap();
            fs::remove_dir_all(folder.join("wxec")).ok();
            fs::rename(&folder, place.path().join(language.option)).unwrap();
        }
        let files = files(place.path());
        assert!(files.len() > 12);
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            assert!(
                !text.contains(NAME) && !text.contains("IDENT"),
                "{path:?}: {text}"
            );
        }
    }

    #[test]
    fn what_is_there_is_left_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        let again = make(place.path(), "my-site", false).unwrap_err();
        assert_eq!(again.1.kind(), io::ErrorKind::AlreadyExists);
        let again = make_other(place.path(), "my-site", &LANGUAGES[0]).unwrap_err();
        assert_eq!(again.1.kind(), io::ErrorKind::AlreadyExists);
        assert!(files(place.path()).is_empty());
    }

    #[test]
    fn each_language_has_its_files_and_its_sdk() {
        let sdks = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sdk");
        for language in LANGUAGES {
            assert!(!template(language.templates).is_empty(), "{language:?}");
            if let Some(name) = language.sdk.filter(|name| sdks.join(name).is_dir()) {
                assert!(!sdk(name).is_empty(), "{language:?}");
            }
        }
    }

    #[test]
    fn the_next_step_is_told() {
        let place = tempfile::tempdir().unwrap();
        let next = |option: &str| {
            let folder = place.path().join("in/a/folder").join(option);
            let shown = folder.display().to_string();
            let next = make_other(&folder, option, Language::named(option).unwrap()).unwrap();
            next.replace(&shown, "DIR")
        };
        assert_eq!(next("c"), "wxec call local: DIR::greet you");
        assert_eq!(
            next("as"),
            "(cd DIR && npm install) && wxec call local: DIR::greet you"
        );
    }

    #[test]
    fn names_are_those_of_crates() {
        assert_eq!(name(Path::new("a/my-site_2")).unwrap(), "my-site_2");
        for wrong in ["", "..", "2go", "a b", "a/é"] {
            assert!(name(Path::new(wrong)).is_err(), "{wrong}");
        }
    }
}
