//! Differences between a host and a plan, as reports show them.

use std::{fmt, path::Path};

use serde::{Deserialize, Serialize};
use wxec::module::Digest;

use crate::{content::Content, secret::HIDDEN};

/// One attribute of a path or an item, before a step and after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The path on the host, or the item, such as `package nginx`. Parts of a path that are no UTF-8
    /// are replaced.
    pub path: String,
    /// The attribute that differs.
    pub attribute: Attribute,
    /// Its value before.
    pub before: Side,
    /// Its value after.
    pub after: Side,
}

/// An attribute of a path or an item. In JSON it is its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum Attribute {
    /// Its existence, and whether it is a file, a folder or a symlink.
    Kind,
    /// The content of a file.
    Content,
    /// The permission bits, in octal.
    Mode,
    /// The owner and the group, by their numbers.
    Owner,
    /// The target of a symlink.
    Target,
    /// An attribute of an item, such as the `version` of a package.
    Named(String),
}

impl From<String> for Attribute {
    fn from(name: String) -> Self {
        match &*name {
            "kind" => Self::Kind,
            "content" => Self::Content,
            "mode" => Self::Mode,
            "owner" => Self::Owner,
            "target" => Self::Target,
            _ => Self::Named(name),
        }
    }
}

impl From<Attribute> for String {
    fn from(attribute: Attribute) -> Self {
        attribute.to_string()
    }
}

/// One side of a [`Difference`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Side {
    /// There is no such attribute.
    Absent,
    /// The value.
    Text(String),
    /// A value that is no UTF-8, or longer than [`MAX_TEXT_BYTES`].
    Bytes {
        /// Digest of the bytes.
        digest: Digest,
        /// Their number.
        length: u64,
    },
    /// A secret, or a value that a secret replaces or is replaced by.
    Hidden,
}

/// Longest text in a [`Side`]: the config files that people read are shorter, and the report of a
/// plan with a hundred of them stays below what a call may return.
pub const MAX_TEXT_BYTES: usize = 64 << 10;

impl Difference {
    pub(crate) fn new(path: &Path, attribute: Attribute, before: Side, after: Side) -> Self {
        Self::of_item(&path.display().to_string(), attribute, before, after)
    }

    pub(crate) fn of_item(item: &str, attribute: Attribute, before: Side, after: Side) -> Self {
        Self {
            path: item.to_owned(),
            attribute,
            before,
            after,
        }
    }

    /// Hides both sides, if the attribute may show a secret.
    pub(crate) fn hide(&mut self) {
        if matches!(self.attribute, Attribute::Content | Attribute::Target) {
            (self.before, self.after) = (Side::Hidden, Side::Hidden);
        }
    }
}

impl Side {
    /// Shows content.
    pub(crate) fn of(content: &Content) -> Self {
        if content.is_secret() {
            return Self::Hidden;
        }
        Self::of_bytes(content.bytes())
    }

    /// Shows bytes that are no secret.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= MAX_TEXT_BYTES => Self::Text(text.to_owned()),
            _ => Self::Bytes {
                digest: Digest::of(bytes),
                length: bytes.len() as u64,
            },
        }
    }

    pub(crate) fn mode(mode: u32) -> Self {
        Self::Text(format!("{mode:04o}"))
    }

    /// Number of bytes of text.
    pub(crate) fn text_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 0,
        }
    }

    /// Replaces text by its digest and length.
    pub(crate) fn shorten(&mut self) {
        if let Self::Text(text) = self {
            *self = Self::Bytes {
                digest: Digest::of(text.as_bytes()),
                length: text.len() as u64,
            };
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kind => "kind",
            Self::Content => "content",
            Self::Mode => "mode",
            Self::Owner => "owner",
            Self::Target => "target",
            Self::Named(name) => name,
        })
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bytes { digest, length } => write!(f, "{length} bytes {}", digest.short()),
            Self::Hidden => f.write_str(HIDDEN),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            attribute,
            before,
            after,
        } = self;
        write!(f, "{path}: {attribute}: {before} -> {after}")
    }
}
