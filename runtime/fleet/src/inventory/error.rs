//! Errors of inventories and of targets.

use std::{fmt, path::PathBuf};

use wxec_controller::AddressError;

/// Mistakes that are shown of one inventory. More are as many as a person mends at once.
const MAX_SHOWN: usize = 20;

/// A mistake in an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line of the file, from 1; `None` for what a program printed.
    pub line: Option<usize>,
    /// The keys that lead there, such as `hosts.web1.address`; empty for the file as a whole.
    pub place: String,
    /// The mistake.
    pub message: String,
}

/// An inventory that is not to be used: all mistakes in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct InventoryError {
    /// The file.
    pub file: PathBuf,
    /// The mistakes, of which there is at least one, in the order of the file.
    pub problems: Vec<Problem>,
}

impl InventoryError {
    /// Returns the error for a file as a whole.
    pub(super) fn whole(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            problems: vec![Problem {
                line: None,
                place: String::new(),
                message: message.into(),
            }],
        }
    }

    fn line(&self, problem: &Problem, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = problem.line {
            write!(f, "{line}:")?;
        }
        if !problem.place.is_empty() {
            write!(f, " {}:", problem.place)?;
        }
        write!(f, " {}", problem.message)
    }
}

impl fmt::Display for InventoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = &*self.problems {
            return self.line(problem, f);
        }
        let all = self.problems.len();
        write!(f, "{} has {all} mistakes", self.file.display())?;
        for problem in self.problems.iter().take(MAX_SHOWN) {
            f.write_str("\n")?;
            self.line(problem, f)?;
        }
        if all > MAX_SHOWN {
            write!(f, "\nand {} more", all - MAX_SHOWN)?;
        }
        Ok(())
    }
}

impl std::error::Error for InventoryError {}

/// A target that names no hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// A part of the target, or all of it, is missing.
    #[error("an address is missing")]
    Missing,
    /// The target is too long.
    #[error("the target is longer than {limit} bytes")]
    TooLong {
        /// Length of the longest that is read.
        limit: usize,
    },
    /// The target names too many hosts.
    #[error("the target has more than {limit} names")]
    TooManyNames {
        /// Largest number of names.
        limit: usize,
    },
    /// A part is not a valid address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A part cannot be read.
    #[error("`{}` is no part of a target: {reason}", .part.escape_debug())]
    Part {
        /// The part.
        part: String,
        /// The reason.
        reason: String,
    },
    /// A group, a role or a pattern, and there is no inventory.
    #[error("`{}` needs an inventory, and there is none", .part.escape_debug())]
    NoInventory {
        /// The part.
        part: String,
    },
    /// The inventory has no such host, group or role.
    #[error("{} has no {kind} `{}`", .file.display(), .name.escape_debug())]
    Unknown {
        /// The inventory's file.
        file: PathBuf,
        /// `host`, `group` or `role`.
        kind: &'static str,
        /// The name.
        name: String,
        /// A name that it may be a misspelling of.
        similar: Option<String>,
    },
    /// The parts select hosts, but all of them together select none.
    #[error("`{}` selects no host: {}", .target.escape_debug(), .parts.join(", "))]
    Empty {
        /// The target.
        target: String,
        /// The parts, each with the number of hosts that it stands for.
        parts: Vec<String>,
    },
    /// The target is all hosts, and the inventory wants that to be narrowed.
    #[error("`{}` is all hosts, and {} has `require_target`", .part.escape_debug(), .file.display())]
    AllHosts {
        /// The inventory's file.
        file: PathBuf,
        /// The part.
        part: String,
    },
}

impl TargetError {
    /// Returns advice on the error, if wxec has any.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooLong { .. } | Self::TooManyNames { .. } => {
                "work on the hosts in several runs, or name a group of the inventory".into()
            }
            Self::Missing => "write `local:`, or `web1,web2` for several hosts".into(),
            Self::NoInventory { .. } => {
                "write a `wxec.toml`, or name the hosts, as in `web1,web2`".into()
            }
            Self::Unknown {
                similar,
                kind,
                name,
                ..
            } => match similar {
                Some(similar) => format!("did you mean `{similar}`?"),
                None if *kind == "host" => {
                    let name = name.escape_debug();
                    format!(
                        "`ssh:{name}` is a host of ssh's configuration; `wxec hosts` lists those of the inventory"
                    )
                }
                None => "`wxec hosts` lists what there is".into(),
            },
            Self::AllHosts { .. } => "name a group, or take some away: `@all,!web1`".into(),
            Self::Address(_) | Self::Part { .. } | Self::Empty { .. } => return None,
        })
    }
}
