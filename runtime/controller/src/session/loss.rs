//! Errors for callers whose session has ended.

/// The session ended while calls were open.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) reason: String,
    pub(crate) stderr_tail: String,
}

impl Loss {
    /// The loss to report for a question that came after the session's end.
    pub(crate) fn after_the_end() -> Self {
        Self {
            reason: SessionEnded.to_string(),
            stderr_tail: String::new(),
        }
    }
}

/// The session ended before it could answer.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the session had ended")]
pub(crate) struct SessionEnded;
