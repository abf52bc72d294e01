//! Files that an operator has put in place of a plan's templates.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use wxec::inventory::distrusted;

use super::templates::{Template, TemplateFault};

/// Longest template that is read: as long as all records of a module.
const MAX_BYTES: u64 = 1 << 20;

/// The folder of templates beside an inventory.
const FOLDER: &str = "plans";

/// A folder in which files may stand in place of templates: `DIR/PLAN/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateFolder {
    path: PathBuf,
    /// True if it was only found, so that another account may have filled it.
    is_found: bool,
}

impl TemplateFolder {
    /// Takes a folder that somebody has named.
    pub fn named(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            is_found: false,
        }
    }

    /// Returns the folder beside the file of an inventory. A file in it is refused if another account
    /// may have written it.
    pub fn beside(inventory: &Path) -> Option<Self> {
        let folder = inventory.parent()?;
        Some(Self {
            path: folder.join(FOLDER),
            is_found: true,
        })
    }
}

impl Template {
    /// Returns what stands in place of this template of the plan that is called `plan`: the first file
    /// in `folders`, or else the template itself.
    pub fn replaced(self, plan: &str, folders: &[TemplateFolder]) -> Result<Self, TemplateFault> {
        // A module of another language may say anything.
        let is_inside = !self
            .name
            .split('/')
            .any(|part| ["", ".", ".."].contains(&part));
        for folder in folders.iter().filter(|_| is_inside) {
            let place = folder.path.join(plan).join(&self.name);
            match file(&place, folder.is_found) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    return Ok(Self {
                        text,
                        place: Some(place),
                        ..self
                    });
                }
                Err(error) => {
                    return Err(TemplateFault {
                        name: self.name,
                        place: Some(place),
                        line: None,
                        reason: format!("cannot be read: {error}"),
                    });
                }
            }
        }
        Ok(self)
    }
}

/// Reads a file, if it is there. One that was only found is refused if others may have written it,
/// as an inventory is.
fn file(path: &Path, is_found: bool) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(error),
        // A pipe would never end.
        Ok(found) if !found.is_file() => return Err(io::Error::other("it is no regular file")),
        Ok(_) => {}
    }
    if is_found && let Some(reason) = distrusted(path)? {
        let message = format!("it {reason}; name its folder with --templates if it is to be used");
        return Err(io::Error::other(message));
    }
    let mut text = String::new();
    File::open(path)?
        .take(MAX_BYTES + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        let message = format!("it is longer than {MAX_BYTES} bytes");
        return Err(io::Error::other(message));
    }
    Ok(Some(text))
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_file_stands_in_place_of_the_text() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| TemplateFolder::named(place.path().join(name));
        for (file, text) in [
            ("one/web/b.j2", "one"),
            ("two/web/b.j2", "two"),
            ("two/web/c.j2", "c"),
        ] {
            let file = place.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let folders = [folder("none"), folder("one"), folder("two")];
        let read = |name: &str| {
            let own = Template {
                name: name.into(),
                text: "own".into(),
                place: None,
            };
            own.replaced("web", &folders)
        };
        let names = ["a.j2", "b.j2", "c.j2", "../two/web/b.j2"];
        let texts = names.map(|name| read(name).unwrap().text);
        assert_eq!(texts, ["own", "one", "c", "own"]);

        fs::create_dir_all(place.path().join("none/web/a.j2")).unwrap();
        let refused = read("a.j2").unwrap_err().to_string();
        assert!(refused.contains("it is no regular file"), "{refused}");
    }

    #[test]
    fn a_found_template_that_others_may_have_written_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a.j2");
        fs::write(&path, "text").unwrap();
        assert_eq!(file(&path, true).unwrap().as_deref(), Some("text"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(file(&path, false).unwrap().as_deref(), Some("text"));
        let refused = file(&path, true).unwrap_err().to_string();
        assert!(
            refused.starts_with("it can be written by every"),
            "{refused}"
        );
    }
}
