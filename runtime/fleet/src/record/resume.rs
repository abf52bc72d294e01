//! Going on with a run: the hosts that it left, and whether work is the same.

use super::{error::RecordError, event::RunWork, run::RunRecord};
use crate::rollout::Ending;

impl RunRecord {
    /// Returns the hosts on which the work is not known to have been done, in the order of the run:
    /// those with which another run may go on. Fails if the run had not begun, because then the
    /// record does not say which hosts it would have had.
    pub fn left(&self) -> Result<Vec<&str>, RecordError> {
        if !self.has_begun {
            return Err(RecordError::NotBegun(self.header.id.clone()));
        }
        let left = self
            .hosts
            .iter()
            .filter(|host| host.ending != Some(Ending::Ok));
        Ok(left.map(|host| &*host.host).collect())
    }

    /// Returns true if the host of this name ended like that in the run. [`Ending::Failed`] stands
    /// for all ways that count as a failure.
    pub fn ended(&self, host: &str, ending: Ending) -> bool {
        let own = self.host(host).and_then(|host| host.ending);
        own.is_some_and(|own| match ending {
            Ending::Failed => own.is_failure(),
            ending => own == ending,
        })
    }

    /// Fails if the run did something else than `work`: another command, or the same with other
    /// arguments or another build of the module.
    pub fn check_same(&self, work: &RunWork) -> Result<(), RecordError> {
        let then = &self.header.work;
        let other = |was: String| {
            Err(RecordError::OtherWork {
                id: self.header.id.clone(),
                was,
            })
        };
        if (&then.command, &then.what) != (&work.command, &work.what) {
            return other(format!("{} {}", then.command, then.what));
        }
        if then.module != work.module {
            return other("with another build of the module".into());
        }
        // A record of an earlier version has none.
        match (&then.digest, &work.digest) {
            (Some(one), Some(another)) if one != another => {
                other(format!("{} with other arguments", then.what))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RunHeader;

    fn run(work: RunWork) -> RunRecord {
        RunRecord::new(RunHeader::new(work))
    }

    fn work(module: &str, digest: Option<&str>) -> RunWork {
        RunWork {
            command: "exec".into(),
            what: "sh".into(),
            module: Some(module.into()),
            target: "@web".into(),
            digest: digest.map(Into::into),
            ..RunWork::default()
        }
    }

    #[test]
    fn other_work_is_told_from_the_same() {
        let run = run(work("one", Some("ab")));
        let refused = |work: &RunWork| {
            let error = run.check_same(work).unwrap_err().to_string();
            error.split_once(" was ").unwrap().1.to_owned()
        };
        let put = RunWork {
            command: "put".into(),
            ..work("one", Some("ab"))
        };
        assert_eq!(refused(&put), "exec sh");
        assert_eq!(
            refused(&work("two", Some("ab"))),
            "with another build of the module"
        );
        assert_eq!(refused(&work("one", Some("cd"))), "sh with other arguments");
        for same in [work("one", Some("ab")), work("one", None)] {
            assert!(run.check_same(&same).is_ok());
        }
    }

    #[test]
    fn a_digest_is_of_all_words_and_their_ends() {
        let of = |words: &[&str]| RunWork::default().of_words(words).digest.unwrap();
        assert_eq!(of(&["echo", "a b"]), of(&["echo", "a b"]));
        assert_ne!(of(&["echo", "a b"]), of(&["echo", "a", "b"]));
        assert_eq!(of(&["echo"]).len(), 8);
    }
}
