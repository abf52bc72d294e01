//! Hosts of an earlier run, chosen by how they ended there: `failed@last`.

use std::str::FromStr;

use serde::{
    Deserialize,
    de::{
        IntoDeserializer,
        value::{Error as ValueError, StrDeserializer},
    },
};
use wxec::{
    Host,
    fleet::Ending,
    history::{RunFolder, RunHeader, RunRecord, RunWork},
};

use crate::output::command_error::CommandError;

/// Hosts that ended in one way in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Only {
    ending: Ending,
    run: String,
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, run) = text
            .split_once('@')
            .ok_or("write a way to end and a run, such as `failed@last`")?;
        let word: StrDeserializer<'_, ValueError> = word.into_deserializer();
        let ending = Ending::deserialize(word)
            .map_err(|error| error.to_string().replace("variant", "way to end"))?;
        Ok(Self {
            ending,
            run: run.into(),
        })
    }
}

impl Only {
    /// Returns those of `hosts` that ended in this way.
    pub(crate) fn of(&self, hosts: Vec<Host>) -> Result<Vec<Host>, CommandError> {
        let run = read(&self.run)?;
        let is_one = |ending: Option<Ending>| match self.ending {
            // In any way that counts as a failure.
            Ending::Failed => ending.is_some_and(Ending::is_failure),
            wanted => ending == Some(wanted),
        };
        let chosen = choose(&run, hosts, is_one);
        if chosen.is_empty() {
            let (ending, id) = (self.ending, &run.header.id);
            return Err(
                CommandError::usage(format!("no host here was {ending} in run {id}"))
                    .hint(format!("`wxec history {id}` shows how each ended")),
            );
        }
        Ok(chosen)
    }
}

/// An earlier run that is gone on with.
#[derive(Debug)]
pub(crate) struct Resumed(RunRecord);

impl Resumed {
    /// Reads the run that `words` name.
    pub(crate) fn read(words: &str) -> Result<Self, CommandError> {
        read(words).map(Self)
    }

    /// Returns those of `hosts` that were not done in that run.
    pub(crate) fn of(&self, hosts: Vec<Host>) -> Result<Vec<Host>, CommandError> {
        let chosen = choose(&self.0, hosts, |ending| ending != Some(Ending::Ok));
        if chosen.is_empty() {
            let id = &self.0.header.id;
            return Err(CommandError::usage(format!(
                "run {id} has nothing left to do on these hosts"
            )));
        }
        Ok(chosen)
    }

    /// Returns the name of that run. Fails if it did something else than `work`, unless
    /// `with_new`.
    pub(crate) fn with(self, work: &RunWork, with_new: bool) -> Result<String, CommandError> {
        let RunHeader { id, work: then, .. } = self.0.header;
        let refuse = |what: String| {
            let error = CommandError::usage(format!("run {id} {what}"));
            Err(error.hint("resume it with what it did, or with the new work by `--with-new`"))
        };
        if !with_new && (&then.command, &then.what) != (&work.command, &work.what) {
            return refuse(format!("was {} {}", then.command, then.what));
        }
        if !with_new && then.module != work.module {
            return refuse("was with another build of the module".into());
        }
        Ok(id)
    }
}

fn read(words: &str) -> Result<RunRecord, CommandError> {
    let folder = RunFolder::of_user()?;
    Ok(RunRecord::read(&folder, &folder.find(words)?)?)
}

/// Returns those of `hosts` that the run had, and that ended there in such a way.
fn choose(
    run: &RunRecord,
    mut hosts: Vec<Host>,
    is_one: impl Fn(Option<Ending>) -> bool,
) -> Vec<Host> {
    hosts.retain(|host| {
        run.host(host.name())
            .is_some_and(|host| is_one(host.ending))
    });
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_end_and_a_run_are_read() {
        let read = |text: &str| text.parse::<Only>();
        assert_eq!(
            read("lost@20261128"),
            Ok(Only {
                ending: Ending::Lost,
                run: "20261128".into()
            })
        );
        assert!(read("failed").unwrap_err().contains("`failed@last`"));
        assert!(
            read("sad@last")
                .unwrap_err()
                .starts_with("unknown way to end `sad`, expected one of `ok`, `failed`")
        );
    }
}
