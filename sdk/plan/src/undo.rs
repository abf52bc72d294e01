//! Removing what plans made.

use crate::{
    fault::Fault,
    look::{Entry, Kind},
    prefabs,
    record::{Made, MadeBy},
    run::{CLEAN_MODE, Run},
    unpack::NOTE,
};

/// Removes what earlier runs made, the last first, if the run is in the mode for it.
pub(crate) fn clean(run: &mut Run) -> Result<(), Fault> {
    if run.mode() == CLEAN_MODE {
        undo_all(run, CLEAN_MODE, run.made())
    } else {
        Ok(())
    }
}

/// Finds what earlier runs in this mode made and this one did not ask for, and removes it if `removes`
/// says so.
pub(crate) fn prune(run: &mut Run, removes: bool) -> Result<(), Fault> {
    let mut left = run.made();
    left.retain(|made| made.mode == run.mode() && !run.has_taken(&made.step));
    if removes {
        return undo_all(run, "prune", left);
    }
    run.tell_left(left);
    Ok(())
}

fn undo_all(run: &mut Run, name: &str, made: Vec<MadeBy>) -> Result<(), Fault> {
    if made.is_empty() {
        return Ok(());
    }
    run.step(name, |run| {
        for MadeBy { made, .. } in made.into_iter().rev() {
            if undo(&made, run)? {
                run.note_unmade(made)?;
            }
        }
        Ok(())
    })
}

/// Removes a thing in `run`, unless something else has come to depend on it. Returns whether it is
/// gone.
fn undo(made: &Made, run: &mut Run) -> Result<bool, Fault> {
    match made {
        Made::File(path) => prefabs::file(path).absent().ensure(run),
        Made::Symlink(path) => prefabs::symlink(path, "-").absent().ensure(run),
        Made::Folder(path) => {
            let look = run.look();
            let is_folder = |entry: Entry| entry.kind == Kind::Folder;
            let is_empty = match look.entry(path)?.filter(|entry| is_folder(*entry)) {
                Some(_) => look.names(path)?.is_none_or(|names| names.is_empty()),
                None => true,
            };
            if !is_empty {
                let name = format!("no folder {}", path.display());
                run.skip(&name, "it is not empty")?;
                return Ok(false);
            }
            prefabs::folder(path).absent().ensure(run)
        }
        Made::Package(name) => prefabs::package(name).absent().ensure(run),
        Made::AuthorizedKey { path, key } => {
            let key = prefabs::authorized_key("/", key).in_file(path);
            key.absent().ensure(run)
        }
        Made::Archive(path) => {
            if run.look().entry(path.join(NOTE))?.is_none() {
                return Ok(true);
            }
            prefabs::archive("-", path).absent().ensure(run)
        }
        Made::Venv(path) => prefabs::folder(path).absent().ensure(run),
        Made::Pip { venv, name } => {
            let package = prefabs::pip([name]).in_venv(venv);
            package.absent().ensure(run)
        }
        Made::User(name) => prefabs::user(name).absent().ensure(run),
        Made::Group(name) => prefabs::group(name).absent().ensure(run),
        Made::Enabled(name) => {
            if run.look().unit(name)?.is_none() {
                return Ok(true);
            }
            prefabs::unit(name).disabled().stopped().ensure(run)
        }
        Made::Line { path, text } => prefabs::line(path, text.clone()).absent().ensure(run),
        Made::Block {
            path,
            name,
            comment,
        } => {
            let block = prefabs::block(path, name, "").comment(comment);
            block.absent().ensure(run)
        }
        Made::Setting {
            path,
            key,
            section,
            separator,
        } => {
            let setting = prefabs::setting(path, key, "").separator(separator);
            let setting = match section {
                Some(section) => setting.in_section(section),
                None => setting,
            };
            setting.absent().ensure(run)
        }
    }
    .map(|_| true)
}
