//! The record of a host's transfers, for programs.

use wxec::{
    call::Value,
    transfer::{TransferError, TransferErrorKind, Transferred},
};

/// Returns the record of what was transferred, and of what failed.
pub(crate) fn record(done: &Transferred, errors: &[TransferError]) -> Value {
    let entry = |key: &str, value: Value| (Value::from(key), value);
    let sha256 = done.sha256.clone().map_or(Value::Null, Value::from);
    let mut record = vec![
        entry("files", done.files.into()),
        entry("bytes", done.bytes.into()),
        entry("resumed_bytes", done.resumed_bytes.into()),
        entry("skipped", done.skipped.into()),
        entry("deleted", done.deleted.into()),
        entry("sha256", sha256),
        entry(
            "warnings",
            Value::Array(
                done.warnings
                    .iter()
                    .map(|text| text.as_str().into())
                    .collect(),
            ),
        ),
    ];
    if !errors.is_empty() {
        record.push(entry(
            "errors",
            Value::Array(errors.iter().flat_map(texts).map(Value::from).collect()),
        ));
    }
    Value::Map(record)
}

/// Returns the error's message, or one message for each path that was left out.
fn texts(error: &TransferError) -> Vec<String> {
    match &error.kind {
        TransferErrorKind::Incomplete { rest, .. } => {
            let more = (rest.more > 0).then(|| format!("{} more", rest.more));
            rest.left_out
                .iter()
                .map(ToString::to_string)
                .chain(more)
                .collect()
        }
        kind => vec![kind.to_string()],
    }
}
