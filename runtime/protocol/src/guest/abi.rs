//! Names and records of the guest ABI `wxec_v1`: a module's exports, imports and description of
//! itself.
//!
//! A task is an export `wx1_NAME: () -> i32` that pulls its input and pushes its output through
//! imports of module [`IMPORTS`]. Its [`Function`] record is in the custom section [`SECTION`], or
//! is pushed by the export [`DESCRIBE`] in languages that cannot write sections.
//!
//! Arguments, values, errors and items are CBOR. [`cbor`] documents how serde's data model maps to
//! CBOR, `Some(None)` included, and the readable form, which a task need not support.
//! [`encode_item`](crate::encode_item) documents the format of items.
//!
//! Capability calls are imports by which a guest asks its host for something. They take a question,
//! as CBOR or as plain numbers, and return a number that is not negative, or [`REFUSED`]. The rest of
//! the answer is the reply, which the guest reads with `reply_len` and `reply_read`.
//!
//! sdk/abi/README.md describes the ABI as a whole, for authors of an SDK in any language. The engine
//! has the imports (`hostcalls`), `sdk/wxec/src/guest` calls them.

mod file;
mod net;
mod process;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::{
    file::{FileAction, FileCall, FileKind, FileStatus},
    net::{MAX_SELECTED, NetAddresses, NetConnect, NetConnected, NetLookup, StreamSelect},
    process::{ProcessEnd, ProcessStart, ProcessStarted, StdioKind},
};
use crate::{Grants, Need, guest::cbor};

/// Name of the import module.
pub const IMPORTS: &str = "wxec_v1";
/// Prefix of every task's export name; the rest is the task's name, such as
/// `words::stats::lengths`.
pub const EXPORT_PREFIX: &str = "wx1_";
/// Custom section that holds one record per task: a `u32` length, little endian, then that many
/// bytes of CBOR, the array `[module path, function]` of a text and a [`Function`].
pub const SECTION: &str = "wxec.fn.v1";
/// Export that writes the concatenated records to its output, for languages without custom
/// sections.
pub const DESCRIBE: &str = "wx1__describe";

/// Prefix of the name of a function that a plan's module may have beside the plan: `_config::`, and the
/// plan's path. It takes the plan's config, or none. For none, its value is what the config has to be
/// like; for one, its value is that config as the plan will see it, with what it has by default.
pub const CONFIG_PREFIX: &str = "_config::";

/// Longest records of one module: 10,000 tasks of 100 bytes.
pub const MAX_SECTION_BYTES: usize = 1 << 20;

/// Result code of a task's export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The output is the CBOR of the task's value.
    Ok = 0,
    /// The error output is the CBOR of a [`TaskFailure`].
    Failed = 1,
    /// The arguments did not fit; the error output is a text with the reason.
    BadArguments = 2,
    /// The guest's SDK failed, for instance to encode a value; the error output is a text with the
    /// reason.
    Internal = 3,
}

impl Status {
    /// Converts the number that an export returned.
    pub fn from_code(code: i32) -> Option<Self> {
        [Self::Ok, Self::Failed, Self::BadArguments, Self::Internal]
            .into_iter()
            .find(|status| *status as i32 == code)
    }
}

/// A task's failure as its guest describes it: for callers that do not share its error type, and
/// for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// Full name of the error's type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The error as text.
    #[serde(rename = "msg")]
    pub message: String,
    /// The texts of its sources, outermost first.
    #[serde(default)]
    pub chain: Vec<String>,
    /// The error itself as CBOR, if its type is serialisable.
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
    pub data: Option<Vec<u8>>,
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.chain
            .iter()
            .try_for_each(|source| write!(f, ": {source}"))
    }
}

impl std::error::Error for TaskFailure {}

/// A guest's description of its panic: the CBOR given to the import `panic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panic {
    /// The panic's message.
    #[serde(rename = "msg")]
    pub message: String,
    /// Source file, if known.
    #[serde(default)]
    pub file: Option<String>,
    /// Line in the file, counted from 1.
    #[serde(default)]
    pub line: u32,
    /// Column in the line, counted from 1.
    #[serde(default)]
    pub column: u32,
}

/// The end of a program that exited by itself: the CBOR that its call returns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code.
    pub code: i32,
    /// The needs of its last refusal, unless it succeeded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<Need>,
}

/// Reason why the host refused a guest's request: the CBOR reply to a capability call that returned
/// [`REFUSED`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// Kind of error, by its name in Rust's `ErrorKind`: `NotFound`, `PermissionDenied`,
    /// `TimedOut`.
    pub kind: String,
    /// The error as text for people.
    #[serde(rename = "msg")]
    pub message: String,
    /// The missing grant, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub need: Option<Need>,
}

/// Returned by a capability call that the host refused. All other results are not negative.
pub const REFUSED: i32 = -1;

/// The argument of `call_stream` for the last stream of the call, on which a task sends the items
/// it returns.
pub const LAST_STREAM: i32 = -1;

/// The question of the import `host_call`, beside the arguments: to call a task of the guest's own
/// module on another host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// Address of the host, as seen from the guest's own.
    pub address: String,
    /// Name of the task, such as `words::count`.
    pub function: String,
    /// Time limit of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// Returned by `host_call` when the task returned: the reply is its value.
pub const CALL_RETURNED: i32 = 0;
/// Returned by `host_call` when there is no value: the reply is a
/// [`CallErrorKind`](crate::CallErrorKind) of a [`TaskFailure`].
pub const CALL_FAILED: i32 = 1;

/// One task, described by its module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Full path, crate first, such as `words::stats::lengths`. The record does not contain it; the
    /// reader joins the record's module path and `name`.
    #[serde(skip)]
    pub path: String,
    /// Name of the function alone.
    pub name: String,
    /// Its doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub doc: String,
    /// Its parameters, in order.
    #[serde(default, rename = "params")]
    pub parameters: Vec<Parameter>,
    /// Type of its value, as written in the source; `()` if it has none. For an alias of `Result`,
    /// `Alias::Ok`.
    #[serde(default, rename = "ret")]
    pub returns: String,
    /// Type of its error, if it can fail; for an alias of `Result`, `Alias::Err`.
    #[serde(default, rename = "err", skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its declared needs.
    #[serde(default, skip_serializing_if = "Wants::is_none")]
    pub wants: Wants,
    /// True if it takes arguments in the [readable form](crate::guest::cbor#the-readable-form).
    #[serde(default, skip_serializing_if = "is_false")]
    pub readable: bool,
    /// Its description as a plan, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
}

/// A [`Function`] that is a plan: it sets up the host that it runs on, and takes one argument, the
/// order to do so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The modes that it has, such as `install`; `*` is any.
    pub modes: Vec<String>,
    /// The roles of the hosts that it is for. None is any host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Its templates, which the controller renders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<PlanTemplate>,
    /// True if it may cut its own connection, or restart its host: its controller connects again then,
    /// and goes on.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cuts_link: bool,
}

/// A template of a [`Plan`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanTemplate {
    /// Its name, such as `app.conf.j2`.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Declared needs of a [`Function`]: a caller may grant them, and learns before the call which ones
/// it did not grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wants {
    /// Paths to read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<String>,
    /// Paths to read and change.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub write: Vec<String>,
    /// Programs to run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub run: Vec<String>,
    /// Variables of the agent's environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Places in the network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub net: Vec<String>,
    /// Hosts to call tasks on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host: Vec<String>,
    /// Topics to ask the host about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    /// Facts about the host.
    #[serde(skip_serializing_if = "is_false")]
    pub facts: bool,
    /// Changing mode and owner of the files that it may change.
    #[serde(skip_serializing_if = "is_false")]
    pub attributes: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Wants {
    /// Returns true if it needs nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns each thing that it needs.
    pub fn needs(&self) -> impl Iterator<Item = Need> {
        let each = |list: &[String], need: fn(String) -> Need| {
            list.iter().cloned().map(need).collect::<Vec<_>>()
        };
        [
            each(&self.read, Need::Read),
            each(&self.write, Need::Write),
            each(&self.run, Need::Run),
            each(&self.env, Need::Env),
            each(&self.net, Need::Net),
            each(&self.host, Need::Host),
            each(&self.ask, Need::Ask),
            self.facts.then_some(Need::Facts).into_iter().collect(),
            self.attributes
                .then_some(Need::Attributes)
                .into_iter()
                .collect(),
        ]
        .into_iter()
        .flatten()
    }

    /// Returns grants for exactly these needs.
    pub fn grants(&self) -> Grants {
        self.needs()
            .fold(Grants::none(), |grants, need| match need {
                Need::Read(path) => grants.read(path),
                Need::Write(path) => grants.write(path),
                Need::Run(program) => grants.run(program),
                Need::Env(name) => grants.env(name),
                Need::Net(place) => grants.net(place),
                Need::Host(address) => grants.host(address),
                Need::Ask(topic) => grants.ask(topic),
                Need::Attributes => grants.attributes(),
                _ => grants.facts(),
            })
    }
}

/// One parameter of a [`Function`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type, as written in the source.
    #[serde(rename = "ty")]
    pub type_name: String,
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.path)?;
        for (i, parameter) in self.parameters.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{}: {}", parameter.name, parameter.type_name)?;
        }
        f.write_str(")")?;
        match (&*self.returns, &self.error) {
            ("" | "()", None) => Ok(()),
            (value, None) => write!(f, " -> {value}"),
            // Shows an alias of `Result` by its name; the alias covers both types.
            (value, Some(error))
                if value
                    .strip_suffix("::Ok")
                    .is_some_and(|alias| error.strip_suffix("::Err") == Some(alias)) =>
            {
                write!(f, " -> {}", value.trim_end_matches("::Ok"))
            }
            (value, Some(error)) => write!(f, " -> Result<{value}, {error}>"),
        }
    }
}

/// Reason why a module's records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The records are longer than [`MAX_SECTION_BYTES`].
    #[error("the descriptors take {0} bytes, more than the {MAX_SECTION_BYTES} allowed")]
    TooLong(usize),
    /// A record's length points past the end.
    #[error("descriptor {0} is cut short")]
    CutShort(usize),
    /// A record does not decode as a [`Function`].
    #[error("descriptor {index} cannot be decoded: {source}")]
    Decode {
        /// The record, counted from 0.
        index: usize,
        /// The decoding error.
        source: cbor::DecodeError,
    },
}

/// Reads the concatenated records of a module, from its section [`SECTION`] or its export
/// [`DESCRIBE`].
pub fn functions(mut records: &[u8]) -> Result<Vec<Function>, RecordError> {
    if records.len() > MAX_SECTION_BYTES {
        return Err(RecordError::TooLong(records.len()));
    }
    let mut functions = Vec::new();
    while !records.is_empty() {
        let index = functions.len();
        let (length, rest) = records
            .split_first_chunk()
            .ok_or(RecordError::CutShort(index))?;
        let length = u32::from_le_bytes(*length) as usize;
        let (record, rest) = rest
            .split_at_checked(length)
            .ok_or(RecordError::CutShort(index))?;
        let (module, mut function): (String, Function) =
            cbor::decode(record).map_err(|source| RecordError::Decode { index, source })?;
        function.path = if module.is_empty() {
            function.name.clone()
        } else {
            format!("{module}::{}", function.name)
        };
        functions.push(function);
        records = rest;
    }
    Ok(functions)
}

/// Writes one record: the inverse of [`functions`] for a single function.
pub fn record(module: &str, function: &Function) -> Vec<u8> {
    let body = cbor::encode(&(module, function)).expect("texts and lists always encode");
    let length = u32::try_from(body.len()).expect("a record is far below 4 GiB");
    [&length.to_le_bytes(), &*body].concat()
}
