//! The file of vectors, as data.

use std::{collections::HashSet, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value as Json;

/// Vectors, in groups: the content of a file such as `vectors.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Vectors {
    /// Sentences for a reader of the file.
    pub about: String,
    /// Path of the functions, such as `conformance`.
    pub module: String,
    /// The functions, as the module has to describe them.
    pub functions: Vec<Signature>,
    /// The vectors.
    pub groups: Vec<Group>,
}

/// The description of a function.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Signature {
    /// Its name.
    pub name: String,
    /// Its parameters, in order.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// Type of its value; `()` if it has none.
    pub returns: String,
    /// True if it can fail, so that it has to name an error. The name is the SDK's own.
    #[serde(default)]
    pub fails: bool,
}

/// A parameter of a [`Signature`].
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// Vectors about one subject.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Group {
    /// The subject.
    pub name: String,
    /// Its vectors.
    pub vectors: Vec<Vector>,
}

/// One call, and what it has to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Vector {
    /// A sentence that is true if the call does what it has to.
    pub name: String,
    /// The function to call.
    pub call: String,
    /// Its arguments: a list, or an object by names.
    #[serde(default = "no_arguments")]
    pub arguments: Json,
    /// Its arguments as encoded bytes, in place of [`arguments`](Self::arguments).
    #[serde(default)]
    pub arguments_cbor: Option<String>,
    /// Grants of the call.
    #[serde(default)]
    pub grants: Granted,
    /// Limits of the call.
    #[serde(default)]
    pub limits: Limited,
    /// Time after which the caller gives up.
    #[serde(default)]
    pub cancel_after_ms: Option<u64>,
    /// How the call has to end.
    pub expect: Outcome,
    /// All that it has to print on stdout; absent if that does not matter.
    #[serde(default)]
    pub stdout: Option<String>,
    /// All that it has to print on stderr.
    #[serde(default)]
    pub stderr: Option<String>,
    /// All records that it has to log.
    #[serde(default)]
    pub log: Option<Vec<Logged>>,
}

/// Grants of a [`Vector`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Granted {
    /// Programs to run.
    pub run: Vec<String>,
    /// Paths to read.
    pub read: Vec<String>,
    /// Paths to read and change.
    pub write: Vec<String>,
}

/// Limits of a [`Vector`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limited {
    /// Deadline of the call.
    pub time_ms: Option<u64>,
    /// Linear memory of the guest.
    pub memory_bytes: Option<u64>,
}

/// A log record of a [`Vector`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Logged {
    /// Its level, such as `warn`.
    pub level: String,
    /// Its target.
    pub target: String,
    /// Its text.
    pub message: String,
}

/// The end of a call.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// It returns this value.
    Value(Json),
    /// It fails with its own error.
    Failure(Failure),
    /// It returns any value, or fails with any error.
    Ended,
    /// It refuses its arguments, with a text that contains all of these.
    BadArguments(Vec<String>),
    /// It panics with a message that contains this.
    Panic(String),
    /// It traps, and says nothing about it.
    Trap,
    /// It hits a limit.
    Limit(LimitName),
    /// It gives up for want of a grant.
    Denied(Denied),
    /// It runs until it is cancelled.
    Cancelled,
}

/// The error of a task. What is absent does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Failure {
    /// Name of its type.
    #[serde(rename = "type")]
    pub type_name: Option<String>,
    /// Its message.
    #[serde(rename = "msg")]
    pub message: Option<String>,
    /// The texts of its sources.
    pub chain: Option<Vec<String>>,
    /// The error itself.
    pub data: Option<Json>,
    /// Texts that its message contains.
    pub contains: Vec<String>,
}

/// A refusal. What is absent does not matter.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Denied {
    /// The missing grants, as options of the command line.
    pub needs: Vec<String>,
    /// Texts that the guest's message contains.
    pub contains: Vec<String>,
}

/// A limit that a call can hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LimitName {
    /// The deadline.
    Time,
    /// Linear memory.
    Memory,
}

impl Granted {
    /// Returns true if nothing is granted.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Limited {
    /// Returns true if all limits are the usual ones.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

fn no_arguments() -> Json {
    Json::Array(Vec::new())
}

impl Vectors {
    /// Returns the vectors of this version of the ABI.
    pub fn bundled() -> &'static Self {
        static BUNDLED: LazyLock<Vectors> = LazyLock::new(|| {
            Vectors::parse(include_str!("../vectors.json")).expect("a test reads the file")
        });
        &BUNDLED
    }

    /// Reads a file of vectors.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        let vectors: Self = serde_json::from_str(json)?;
        let mut names = HashSet::new();
        for group in &vectors.groups {
            for vector in &group.vectors {
                if !names.insert((&group.name, &vector.name)) {
                    let message =
                        format!("two vectors of {} are named `{}`", group.name, vector.name);
                    return Err(serde::de::Error::custom(message));
                }
            }
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation;

    #[test]
    fn each_bundled_vector_calls_a_function_and_can_be_read() {
        let vectors = Vectors::bundled();
        let mut called = HashSet::new();
        for vector in vectors.groups.iter().flat_map(|group| &group.vectors) {
            let signature = vectors.functions.iter().find(|it| it.name == vector.call);
            let signature = signature.unwrap_or_else(|| panic!("no function {}", vector.call));
            called.insert(&vector.call);
            match (&vector.arguments_cbor, &vector.arguments) {
                (Some(digits), _) => drop(notation::bytes(digits).unwrap()),
                (None, Json::Array(arguments)) => {
                    arguments
                        .iter()
                        .for_each(|it| drop(notation::argument(it).unwrap()));
                }
                (None, Json::Object(arguments)) => {
                    arguments
                        .values()
                        .for_each(|it| drop(notation::argument(it).unwrap()));
                }
                (None, other) => panic!("{}: {other}", vector.name),
            }
            if let Outcome::Value(value) = &vector.expect {
                notation::value(value).unwrap();
            }
            assert!(
                !matches!(vector.expect, Outcome::Failure(_)) || signature.fails,
                "{} fails, and its description says nothing of it",
                vector.call
            );
        }
        let described: HashSet<_> = vectors.functions.iter().map(|it| &it.name).collect();
        assert_eq!(called, described, "each function has a vector");
    }

    #[test]
    fn a_field_that_is_unknown_is_refused() {
        let error = Vectors::parse(
            r#"{"about": "", "module": "m", "functions": [], "groups": [{"name": "g", "vectors": [
                {"name": "v", "call": "f", "expect": "trap", "stdin": ""}]}]}"#,
        );
        assert!(error.unwrap_err().to_string().contains("stdin"));
    }
}
