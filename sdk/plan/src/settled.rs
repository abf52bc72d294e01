//! Results of steps.

use wxec::module::Digest;

/// The result of a step that ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// The step, by its path in the plan.
    pub step: String,
    /// True if the host was changed, or in a preview would be: the last look found another state
    /// than the first one.
    pub changed: bool,
    /// Digest of the state that the last look found.
    pub digest: Digest,
    /// True in a preview that knows nothing about the step.
    pub(crate) is_unknown: bool,
}

impl Settled {
    /// The result of a step that a preview knows nothing about.
    pub(crate) fn unknown(step: String) -> Self {
        Self {
            step,
            changed: false,
            digest: Digest::of(&[]),
            is_unknown: true,
        }
    }
}
