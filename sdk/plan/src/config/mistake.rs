//! Mistakes in the settings of a plan.

use std::fmt;

use super::{layers::Origin, reference::ReferenceFault};

/// A mistake in the settings of a plan.
#[derive(Debug)]
#[non_exhaustive]
pub struct Mistake {
    /// The setting, such as `tls.port`; empty for the config as a whole.
    pub name: String,
    /// The place where it stands; `None` if it is missing.
    pub origin: Option<Origin>,
    /// The mistake.
    pub kind: MistakeKind,
}

/// A kind of [`Mistake`].
#[derive(Debug)]
#[non_exhaustive]
pub enum MistakeKind {
    /// A secret cannot be read.
    Reference {
        /// The reference.
        place: String,
        /// The reason.
        fault: ReferenceFault,
    },
}

/// Begins with the file and the line, or with the layer.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Origin { layer, file, line }) = &self.origin {
            match (file, line) {
                (Some(file), Some(line)) => write!(f, "{}:{line}: ", file.display())?,
                (Some(file), None) => write!(f, "{}: ", file.display())?,
                _ => write!(f, "{layer}: ")?,
            }
        }
        if !self.name.is_empty() {
            write!(f, "{}: ", self.name)?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for MistakeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reference { place, fault } => write!(f, "no secret at `{place}`: {fault}"),
        }
    }
}

impl std::error::Error for Mistake {}
