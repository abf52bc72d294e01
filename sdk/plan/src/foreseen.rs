//! Previews that are kept, and what is applied of them.

use std::ops::Not;

use serde::{Deserialize, Serialize};
use wxec::{cbor, module::Digest};

use crate::{
    checkout::SOME_COMMIT,
    difference::{Attribute, Difference, Side},
    fault::{Fault, FaultKind},
    report::{Report, State},
};

/// What a preview foresaw of a host, step by step, to be applied as it was shown. Made by
/// [`Report::foreseen`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foreseen(Vec<ForeseenStep>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ForeseenStep {
    name: String,
    /// Digest of the differences; `None` if they were unknown.
    change: Option<Digest>,
    /// True if a checkout may be at any commit, because the server decides.
    #[serde(default, skip_serializing_if = "Not::not")]
    at_any_commit: bool,
}

impl Report {
    /// Returns what this report of a preview foresees.
    ///
    /// ```
    /// use wxec_plan::{Fault, FaultKind, Order, Run, file};
    ///
    /// let place = tempfile::tempdir()?;
    /// let page = place.path().join("page");
    /// let plan = |run: &mut Run, ()| -> Result<(), Fault> {
    ///     file(&page).content("new").ensure(run).map(drop)
    /// };
    /// let preview = Order::new(()).preview().carry_out(plan)?;
    ///
    /// std::fs::write(&page, "by another program")?;
    /// let failed = Order::new(()).foreseen(preview.foreseen()).carry_out(plan).unwrap_err();
    /// assert_eq!(failed.fault.kind, FaultKind::Moved);
    /// assert_eq!(std::fs::read(&page)?, b"by another program");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn foreseen(&self) -> Foreseen {
        let steps = self.steps.iter().map(|step| ForeseenStep {
            name: step.name.clone(),
            change: match step.state {
                State::Unknown { .. } => None,
                _ => Some(digest_of(&step.differences)),
            },
            at_any_commit: step.differences.iter().any(is_at_any_commit),
        });
        Foreseen(steps.collect())
    }
}

impl Foreseen {
    /// Fails if a step is about to make other changes than those that were foreseen.
    pub(crate) fn check(&self, step: &str, differences: &[Difference]) -> Result<(), Fault> {
        let moved = |message: &str| Err(Fault::of(FaultKind::Moved, message));
        match self.0.iter().find(|foreseen| foreseen.name == step) {
            None => moved("the preview that is applied has no such step"),
            Some(ForeseenStep { change: None, .. }) => Ok(()),
            Some(foreseen) if foreseen.change == Some(digest_of(differences)) => Ok(()),
            Some(foreseen)
                if foreseen.at_any_commit
                    && foreseen.change == Some(digest_of(&without_commit(differences))) =>
            {
                Ok(())
            }
            Some(_) => moved(
                "the host has changed since the preview that is applied: the step would change \
                 something else",
            ),
        }
    }
}

fn is_at_any_commit(difference: &Difference) -> bool {
    is_commit(difference) && difference.after == Side::Text(SOME_COMMIT.into())
}

fn is_commit(difference: &Difference) -> bool {
    difference.attribute == Attribute::Named("commit".into())
}

/// Returns differences as a preview has them that cannot know the commit.
fn without_commit(differences: &[Difference]) -> Vec<Difference> {
    let mut differences = differences.to_vec();
    for difference in differences.iter_mut().filter(|it| is_commit(it)) {
        difference.after = Side::Text(SOME_COMMIT.into());
    }
    differences
}

fn digest_of(differences: &[Difference]) -> Digest {
    Digest::of(&cbor::encode(differences).expect("texts and numbers always encode"))
}
