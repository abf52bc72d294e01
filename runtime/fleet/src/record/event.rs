//! The lines of a run's record. The first is its header, then come its events.
//!
//! A reader ignores lines and fields that it does not know, so that both may be added. Whatever
//! changes the meaning of one that exists raises [`SCHEMA`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use wxec_protocol::Hasher;

use crate::rollout::Event;

/// Version of the lines.
pub const SCHEMA: u32 = 1;

/// Hexadecimal digits of a command's digest. So few tell commands apart, but fit too many arguments
/// for a secret among these to be found by trying.
const DIGEST_DIGITS: usize = 8;

/// The beginning of a record: the work, and its hosts as they were asked for. It holds no arguments and
/// no values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunHeader {
    /// Version of the lines.
    pub schema: u32,
    /// Name of the run.
    pub id: String,
    /// Time of its beginning, in UTC, as in RFC 3339.
    #[cfg_attr(test, schemars(with = "String"))]
    pub began: Timestamp,
    /// Version of wxec.
    pub wxec: String,
    /// User and machine that began it: `user@machine`.
    pub by: String,
    /// Its work.
    #[serde(flatten)]
    pub work: RunWork,
}

/// The work of a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunWork {
    /// Name of the command: `call`, `put`.
    pub command: String,
    /// Function, program or files: `words::count`, `uptime`.
    pub what: String,
    /// SHA-256 of the module, in hexadecimal, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Beginning of the SHA-256 of the whole command, where `what` is a part of it: tells whether
    /// another command is the same. Too short to tell much about an argument.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The hosts as they were asked for: a target expression.
    pub target: String,
    /// Batches and limits in words, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Name of the run that this one resumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumes: Option<String>,
}

impl RunWork {
    /// Adds the digest of a command of these words, which are not kept.
    pub fn of_words<W: AsRef<[u8]>>(self, words: impl IntoIterator<Item = W>) -> Self {
        let mut hasher = Hasher::default();
        for word in words {
            let word = word.as_ref();
            // With lengths, `a b` is another word than `a` and `b`.
            hasher.update(&(word.len() as u64).to_le_bytes());
            hasher.update(word);
        }
        let mut digest = hasher.finish().to_string();
        digest.truncate(DIGEST_DIGITS);
        Self {
            digest: Some(digest),
            ..self
        }
    }
}

/// A line after the header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub(super) enum RunLine {
    /// Something has happened.
    Event(Event),
    /// The program has ended. Without this line, it was killed.
    Exit {
        /// Its exit code.
        exit_code: u8,
    },
    /// A line of a later version.
    Unknown(serde_json::Map<String, serde_json::Value>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::{Ending, EventKind};

    #[test]
    fn an_event_is_one_flat_object() {
        let event = RunLine::Event(Event {
            at_ms: 1234,
            kind: EventKind::Ended {
                host: "web1".into(),
                ending: Ending::Skipped,
                error: None,
            },
        });
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"at_ms":1234,"event":"ended","host":"web1","ending":"skipped","error":null}"#
        );
        assert_eq!(serde_json::from_str::<RunLine>(&text).unwrap(), event);
    }

    #[test]
    fn what_a_later_version_adds_is_ignored() {
        let read = |text| serde_json::from_str::<RunLine>(text);
        assert!(matches!(
            read(r#"{"at_ms":3,"event":"moon","phase":3}"#),
            Ok(RunLine::Unknown(_))
        ));
        assert!(matches!(
            read(r#"{"at_ms":3,"event":"connected","host":"a","phase":3}"#),
            Ok(RunLine::Event(_))
        ));
        assert!(read("3").is_err());
    }

    /// Compares the schema with that in the documentation; `WXEC_BLESS=1` writes it anew.
    #[test]
    fn the_schema_in_the_documentation_is_that_of_the_lines() {
        const KEPT: &str = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/run-record.schema.json"
        );
        /// Those of records have neither `value` nor items.
        #[derive(schemars::JsonSchema)]
        #[serde(untagged)]
        #[schemars(title = "A line of a run, in its record or as it is printed meanwhile")]
        #[expect(dead_code, reason = "its schema alone is wanted")]
        enum AnyLine {
            Known(crate::record::LiveLine<'static, serde_json::Value>),
            /// A line of a later version.
            Unknown(serde_json::Map<String, serde_json::Value>),
        }
        let schema = schemars::schema_for!(AnyLine);
        let schema = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("WXEC_BLESS").is_some() {
            std::fs::write(KEPT, &schema).unwrap();
        }
        assert_eq!(schema, std::fs::read_to_string(KEPT).unwrap());
    }
}
