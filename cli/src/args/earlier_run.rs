//! Hosts of an earlier run, chosen by how they ended there: `failed@last`.

use std::{collections::HashSet, str::FromStr};

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
    history::{RunFolder, RunRecord, RunWork},
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
    pub(crate) fn of(&self, mut hosts: Vec<Host>) -> Result<Vec<Host>, CommandError> {
        let run = read(&self.run)?;
        hosts.retain(|host| run.ended(host.name(), self.ending));
        if hosts.is_empty() {
            let (ending, id) = (self.ending, &run.header.id);
            return Err(
                CommandError::usage(format!("no host here was {ending} in run {id}"))
                    .hint(format!("`wxec history {id}` shows how each ended")),
            );
        }
        Ok(hosts)
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
    pub(crate) fn of(&self, mut hosts: Vec<Host>) -> Result<Vec<Host>, CommandError> {
        let left: HashSet<_> = self.0.left()?.into_iter().collect();
        hosts.retain(|host| left.contains(host.name()));
        if hosts.is_empty() {
            let id = self.id();
            return Err(CommandError::usage(format!(
                "run {id} has nothing left to do on these hosts"
            )));
        }
        Ok(hosts)
    }

    /// Fails if that run did something else than `work`.
    pub(crate) fn check_same(&self, work: &RunWork) -> Result<(), CommandError> {
        let same = self.0.check_same(work);
        same.map_err(|error| {
            CommandError::from(error)
                .hint("resume it with what it did, or with the new work by `--with-new`")
        })
    }

    /// Returns the name of that run.
    pub(crate) fn id(&self) -> &str {
        &self.0.header.id
    }
}

fn read(words: &str) -> Result<RunRecord, CommandError> {
    let folder = RunFolder::of_user()?;
    Ok(RunRecord::read(&folder, &folder.find(words)?)?)
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
