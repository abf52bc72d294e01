//! Mistakes in the settings of a plan.

use std::fmt;

use super::{layers::Origin, reference::ReferenceFault};

/// Most names that a mistake lists: as many as fit two lines.
const MAX_LISTED: usize = 16;

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
    /// A reference stands for what is no secret of the plan.
    NotSecret,
    /// The plan has no such setting.
    Unknown {
        /// The setting that it may be a misspelling of.
        similar: Option<String>,
        /// All settings beside it.
        known: Vec<String>,
    },
    /// The plan needs this setting.
    Missing {
        /// Its kind in words.
        wanted: String,
    },
    /// The value is of another kind.
    Wrong {
        /// Its kind in words.
        found: &'static str,
        /// The kind that it has to be of.
        wanted: String,
    },
    /// The plan calls a setting by the name of the host's facts.
    Reserved,
    /// The plan's type does not take the settings, for this reason.
    Refused(String),
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
            Self::NotSecret => f.write_str(
                "is no secret of the plan, and would be shown: its type has to be `Secret<…>`",
            ),
            Self::Unknown { similar, known } => {
                f.write_str("there is no such setting; ")?;
                match similar {
                    Some(similar) => write!(f, "did you mean `{similar}`?"),
                    None if known.is_empty() => f.write_str("the plan takes none"),
                    None if known.len() > MAX_LISTED => {
                        write!(f, "there are {}, …", known[..MAX_LISTED].join(", "))
                    }
                    None => write!(f, "there are {}", known.join(", ")),
                }
            }
            Self::Missing { wanted } => write!(f, "is missing, and has to be {wanted}"),
            Self::Wrong { found, wanted } => write!(f, "is {found}, and has to be {wanted}"),
            Self::Reserved => f.write_str(
                "the plan has a setting of this name, which is that of the host's facts: \
                 give it another one in the plan",
            ),
            Self::Refused(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for Mistake {}
