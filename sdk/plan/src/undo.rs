//! Removing what plans made.

use std::slice;

use crate::{
    action::{Action, Change},
    command::command,
    fault::Fault,
    item::{Attributes, Effect},
    look::{Entry, Kind, Look},
    prefab::Prefab,
    prefabs,
    record::{Made, MadeBy, Removal},
    run::{CLEAN_MODE, Run},
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
    if let Made::File(path)
    | Made::Line { path, .. }
    | Made::Block { path, .. }
    | Made::Setting { path, .. } = made
    {
        // The record does not know where the plan has put secrets.
        run.keep_secret(slice::from_ref(path));
    }
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
        Made::Tree { path, sign } => {
            if run.look().entry(path.join(sign))?.is_none() {
                return Ok(true);
            }
            prefabs::folder(path).absent().ensure(run)
        }
        Made::Item(removal) => run.ensure(&**removal),
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

/// A removal is a prefab that wants its item to be absent. So the prefab that made the item is no part
/// of modules that do not use it.
impl Prefab for Removal {
    /// True if it is there.
    type Seen = bool;

    fn name(&self) -> String {
        format!("no {}", self.item)
    }

    fn look(&self, look: &Look<'_>) -> Result<bool, Fault> {
        let found = look.item(&self.item, || {
            let is_there = match self.asks.split_first() {
                Some(_) => command(self.asks.clone())
                    .answer()?
                    .is_some_and(|it| it.code == Some(0) && it.stdout.contains(&self.says)),
                None => {
                    let program = self.removes.first().and_then(|words| words.first());
                    program
                        .map(|program| look.entry(program))
                        .transpose()?
                        .flatten()
                        .is_some()
                }
            };
            Ok(is_there.then(Attributes::new))
        })?;
        Ok(found.is_some())
    }

    fn plan(&self, is_there: &bool) -> Change {
        let removes = self.removes.iter().rev();
        let commands = removes.map(|words| {
            let environment = self.environment.iter();
            environment.fold(command(words.clone()), |command, (name, value)| {
                command.env(name, value)
            })
        });
        let removes = commands.reduce(|other, command| command.otherwise(other));
        let actions = removes.filter(|_| *is_there).map(|removes| {
            Action::Run(removes.effect(Effect {
                item: self.item.clone(),
                before: Some(Attributes::new()),
                after: None,
            }))
        });
        Change::of(actions)
    }
}
