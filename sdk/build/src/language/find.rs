//! Decides whether a folder is a project in another language, and builds it.

use std::{fs, path::Path};

use crate::{
    BuildError, BuiltModule, Features, Progress,
    language::{
        build::build,
        project::Project,
        recipe::Language,
        settings::{FILE, Settings},
        table::{LANGUAGES, named, names},
    },
    module::find::module_of_crate,
};

/// Builds the module of a folder: of a project in another language, known by its own files, or of
/// the package whose folder `directory` is, or is in. Also returns the project's name.
///
/// A file `wxec-module.toml` states the language, or how the project is built, where the other files
/// do not tell.
pub fn module_of_folder(
    directory: &Path,
    features: &Features,
    progress: &dyn Progress,
) -> Result<(String, BuiltModule), BuildError> {
    let folder = fs::canonicalize(directory).map_err(BuildError::io("find", directory))?;
    let Some((project, language)) = find(&folder)? else {
        return module_of_crate(directory, features, progress);
    };
    if !features.is_default() {
        return Err(BuildError::NotACrate {
            project: project.name,
        });
    }
    let module = build(&project, language, progress)?;
    Ok((project.name, module))
}

/// Returns the project whose folder this is, unless it is that of a crate.
fn find(folder: &Path) -> Result<Option<(Project, &'static Language)>, BuildError> {
    let settings = Settings::read(folder)?;
    let stated = settings
        .as_ref()
        .and_then(|settings| settings.language.as_deref());
    let language = match stated {
        Some(name) => Some(named(name).ok_or_else(|| unknown(folder, name))?),
        None if folder.join("Cargo.toml").exists() => None,
        None => LANGUAGES
            .iter()
            .copied()
            .find(|language| (language.is_project)(folder)),
    };
    let Some(language) = language else {
        return match settings {
            Some(_) if !folder.join("Cargo.toml").exists() => Err(unstated(folder)),
            _ => Ok(None),
        };
    };
    Ok(Some((
        Project::new(folder, settings.unwrap_or_default()),
        language,
    )))
}

fn unknown(folder: &Path, name: &str) -> BuildError {
    BuildError::Settings {
        path: folder.join(FILE),
        reason: format!("there is no language `{name}`"),
        advice: Some(format!("there is {}", names())),
    }
}

fn unstated(folder: &Path) -> BuildError {
    BuildError::Settings {
        path: folder.join(FILE),
        reason: "it names no language, and the other files do not tell it".into(),
        advice: Some(format!("add `language = …`: one of {}", names())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the language of a folder with these files.
    fn language(files: &[(&str, &str)]) -> Result<Option<&'static str>, String> {
        let place = tempfile::tempdir().expect("a temporary directory");
        for (name, text) in files {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().expect("it is in the folder")).expect("it is ours");
            fs::write(path, text).expect("it is ours");
        }
        let found = find(place.path()).map_err(|error| error.to_string())?;
        Ok(found.map(|(_, language)| language.name))
    }

    #[test]
    fn a_language_is_known_by_the_files_of_its_projects() {
        for (file, text, expected) in [
            ("build.zig", "", Some("zig")),
            ("go.mod", "module words", Some("go")),
            ("words.c", "", Some("c")),
            ("src/words.c", "", Some("c")),
            ("src/words.cpp", "", Some("c++")),
            ("words.cc", "", Some("c++")),
            ("pyproject.toml", "", Some("python")),
            (
                "package.json",
                r#"{"devDependencies": {"assemblyscript": "1"}}"#,
                Some("assemblyscript"),
            ),
            (
                "package.json",
                r#"{"dependencies": {"wxec": "file:x"}}"#,
                Some("javascript"),
            ),
            (
                "package.json",
                r#"{"dependencies": {"left-pad": "1"}}"#,
                None,
            ),
            ("package.json", "{", None),
            ("README.md", "", None),
        ] {
            assert_eq!(language(&[(file, text)]), Ok(expected), "{file} {text}");
        }
    }

    #[test]
    fn a_crate_may_have_files_of_other_languages() {
        let files = [("Cargo.toml", ""), ("build.zig", ""), ("helper.c", "")];
        assert_eq!(language(&files), Ok(None));
        let stated = [files[0], files[1], (FILE, "language = \"zig\"")];
        assert_eq!(language(&stated), Ok(Some("zig")));
        assert_eq!(language(&[("Cargo.toml", ""), (FILE, "")]), Ok(None));
    }

    #[test]
    fn a_language_that_is_stated_is_the_one() {
        let c = ("words.c", "");
        assert_eq!(
            language(&[c, (FILE, "language = \"c++\"")]),
            Ok(Some("c++"))
        );
        assert_eq!(language(&[c, (FILE, "flags = [\"-O1\"]")]), Ok(Some("c")));
        let error = language(&[c, (FILE, "language = \"cobol\"")]).unwrap_err();
        assert!(error.ends_with("there is no language `cobol`"), "{error}");
        let error = language(&[(FILE, "flags = []")]).unwrap_err();
        assert!(error.contains("it names no language"), "{error}");
        let error = language(&[c, (FILE, "langauge = \"c\"")]).unwrap_err();
        assert!(error.contains("unknown field `langauge`"), "{error}");
    }
}
