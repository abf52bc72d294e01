//! The files of new projects, which this program carries.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The files of a folder, each with its path and its text, and the folder's name.
type Files = (&'static str, &'static [File]);

/// A file of a project: its path and its text.
pub(crate) type File = (&'static str, &'static str);

include!(concat!(env!("OUT_DIR"), "/projects.rs"));

/// Stands for the name of the project, in files and in their paths.
pub(crate) const NAME: &str = "NAME";

/// Stands for its name as an identifier.
const IDENTIFIER: &str = "IDENT";

/// Returns the files of a project in a language.
pub(crate) fn template(language: &str) -> &'static [File] {
    named(TEMPLATES, language)
}

/// Returns the files of an SDK. There are none if this program was built without it.
pub(crate) fn sdk(name: &str) -> &'static [File] {
    named(SDKS, name)
}

fn named(all: &'static [Files], name: &str) -> &'static [File] {
    let found = all.iter().find(|(known, _)| *known == name);
    found.map_or(&[], |(_, files)| files)
}

/// Makes a folder, which must not be there, and those that it is to be in.
pub(crate) fn make_folder(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    if let Some(around) = folder.parent() {
        fs::create_dir_all(around).map_err(|error| (around.to_owned(), error))?;
    }
    fs::create_dir(folder).map_err(|error| (folder.to_owned(), error))
}

/// Writes files of a project to a folder, with its name in them.
pub(crate) fn write_named(
    folder: &Path,
    name: &str,
    files: &[(&str, &str)],
) -> Result<(), (PathBuf, io::Error)> {
    let with_name = |text: &str| {
        let text = text.replace(NAME, name);
        text.replace(IDENTIFIER, &name.replace('-', "_"))
    };
    for (path, text) in files {
        write(&folder.join(with_name(path)), &with_name(text))?;
    }
    Ok(())
}

/// Writes files to a folder as they are.
pub(crate) fn write_all(folder: &Path, files: &[File]) -> Result<(), (PathBuf, io::Error)> {
    let mut files = files.iter();
    files.try_for_each(|(path, text)| write(&folder.join(path), text))
}

fn write(path: &Path, text: &str) -> Result<(), (PathBuf, io::Error)> {
    let written = || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        file?.write_all(text.as_bytes())
    };
    written().map_err(|error| (path.to_owned(), error))
}
