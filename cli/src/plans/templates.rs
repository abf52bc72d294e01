//! Templates of a plan: those of its module, and those that an operator has put in their place.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use wxec::{inventory::distrusted, module::Plan};
use wxec_plan::config::{Template, Templates};

use crate::output::command_error::CommandError;

/// Longest template that is read: as long as all records of a module.
const MAX_BYTES: u64 = 1 << 20;

/// The folder of templates beside an inventory.
const FOLDER: &str = "plans";

/// A folder in which files may stand in place of templates.
#[derive(Debug, PartialEq)]
pub(crate) struct Folder {
    path: PathBuf,
    /// True if it was only found, so that another account may have filled it.
    is_found: bool,
}

/// Returns the folders of templates, the first ones first.
pub(crate) fn folders(typed: &[PathBuf], inventory: Option<&Path>) -> Vec<Folder> {
    let beside = inventory.and_then(Path::parent).map(|folder| Folder {
        path: folder.join(FOLDER),
        is_found: true,
    });
    let typed = typed.iter().map(|path| Folder {
        path: path.clone(),
        is_found: false,
    });
    typed.chain(beside).collect()
}

/// Reads the templates of the plan that is called `name`: of each, the first file in `folders`, or
/// else the plan's own text.
pub(crate) fn read(plan: &Plan, name: &str, folders: &[Folder]) -> Result<Templates, CommandError> {
    let mut templates = Vec::new();
    for own in &plan.templates {
        // A module of another language may say anything.
        let is_inside = !own
            .name
            .split('/')
            .any(|part| ["", ".", ".."].contains(&part));
        let places = folders
            .iter()
            .map(|folder| (folder, folder.path.join(name).join(&own.name)))
            .filter(|_| is_inside);
        let mut template = Template {
            name: own.name.clone(),
            text: own.text.clone(),
            place: None,
        };
        for (folder, place) in places {
            let read = file(&place, folder.is_found).map_err(|error| {
                let message = format!("cannot read the template {}: {error}", place.display());
                CommandError::usage(message)
            })?;
            if let Some(text) = read {
                (template.text, template.place) = (text, Some(place));
                break;
            }
        }
        templates.push(template);
    }
    Templates::new(templates).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        CommandError::usage(faults.join("; "))
    })
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
    use wxec::module::PlanTemplate;

    use super::*;

    #[test]
    fn the_first_file_stands_in_place_of_the_text() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| Folder {
            path: place.path().join(name),
            is_found: false,
        };
        for (file, text) in [
            ("one/web/b.j2", "one"),
            ("two/web/b.j2", "two"),
            ("two/web/c.j2", "c"),
        ] {
            let file = place.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        let plan = Plan {
            templates: ["a.j2", "b.j2", "c.j2", "../two/web/b.j2"]
                .map(|name| PlanTemplate {
                    name: name.into(),
                    text: "own".into(),
                })
                .into(),
            ..Plan::default()
        };
        let folders = [folder("none"), folder("one"), folder("two")];
        let templates = read(&plan, "web", &folders).unwrap();
        let rendered = templates.render(None, &(), "", None).unwrap();
        let texts: Vec<_> = rendered.iter().map(|it| it.text.trim_end()).collect();
        assert_eq!(texts, ["own", "one", "c", "own"]);

        fs::create_dir_all(place.path().join("none/web/a.j2")).unwrap();
        let refused = read(&plan, "web", &folders).unwrap_err().to_string();
        assert!(refused.contains("it is no regular file"), "{refused}");
    }

    #[test]
    fn templates_beside_the_inventory_come_last() {
        let typed = [PathBuf::from("mine")];
        let found = folders(&typed, Some(Path::new("/srv/wxec.toml")));
        let paths: Vec<_> = found.iter().map(|folder| &*folder.path).collect();
        assert_eq!(paths, [Path::new("mine"), Path::new("/srv/plans")]);
        assert_eq!(folders(&typed, None).len(), 1);
    }

    #[test]
    fn a_found_template_that_others_may_have_written_is_refused() {
        use std::os::unix::fs::PermissionsExt;

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
