//! Options that an inventory may set for hosts: their names, and their values.

use std::time::Duration;

use wxec_controller::{Address, Hop, Limits, Value};

use super::quantity::{parse_duration, parse_size};

/// Checks a value. The error says what it has to be.
type Check = fn(&Value) -> Result<(), String>;

/// All options by their whole names, each with its check.
const OPTIONS: [(&str, Check); 10] = [
    ("via", is_text),
    ("become", is_account),
    ("cache_agent", is_truth),
    ("connect_timeout", is_time),
    ("limits.timeout", is_time),
    ("limits.memory", is_size),
    ("limits.output", is_size),
    ("limits.fuel", is_positive),
    ("limits.open_files", is_count),
    ("limits.children", is_count),
];

/// Returns true if `name` is an option.
pub(super) fn is_known(name: &str) -> bool {
    OPTIONS.iter().any(|(known, _)| *known == name)
}

/// Returns the names of the options in `group`, which is `limits.` or empty, without that.
pub(super) fn names(group: &str) -> impl Iterator<Item = &'static str> {
    OPTIONS
        .iter()
        .filter_map(move |(name, _)| name.strip_prefix(group))
        .filter(|name| !name.contains('.'))
}

/// Checks the value of the option `name`.
pub(super) fn check(name: &str, value: &Value) -> Result<(), String> {
    let option = OPTIONS.iter().find(|(known, _)| *known == name);
    option.map_or(Ok(()), |(_, check)| check(value))
}

fn is_text(value: &Value) -> Result<(), String> {
    match value {
        Value::Text(text) if !text.is_empty() => Ok(()),
        _ => Err("has to be a text".into()),
    }
}

fn is_truth(value: &Value) -> Result<(), String> {
    value
        .as_bool()
        .map(drop)
        .ok_or_else(|| "has to be true or false".into())
}

fn is_time(value: &Value) -> Result<(), String> {
    time(value).map(drop)
}

fn is_size(value: &Value) -> Result<(), String> {
    size(value).map(drop)
}

fn is_positive(value: &Value) -> Result<(), String> {
    match number(value) {
        Some(1..) => Ok(()),
        _ => Err("has to be a number above 0".into()),
    }
}

fn is_count(value: &Value) -> Result<(), String> {
    match number(value).map(u32::try_from) {
        Some(Ok(_)) => Ok(()),
        _ => Err("has to be a number".into()),
    }
}

fn is_account(value: &Value) -> Result<(), String> {
    account(value).map(drop)
}

fn number(value: &Value) -> Option<u64> {
    value.as_integer().and_then(|number| number.try_into().ok())
}

fn time(value: &Value) -> Result<Duration, String> {
    parse_duration(value.as_text().unwrap_or_default())
}

fn size(value: &Value) -> Result<u64, String> {
    match number(value) {
        Some(bytes @ 1..) => Ok(bytes),
        _ => parse_size(value.as_text().unwrap_or_default()),
    }
}

/// Reads the account to become: true for root by sudo, the name of one by sudo, or a hop of sudo, su
/// or doas. `None` is the account that logs in.
pub(super) fn account(value: &Value) -> Result<Option<String>, String> {
    let wanted = || {
        "has to be true, the name of an account, or `sudo:`, `su:` or `doas:` with one".to_owned()
    };
    let text = match value {
        Value::Bool(false) => return Ok(None),
        Value::Bool(true) => "sudo:".to_owned(),
        Value::Text(text) if text.contains(':') => text.clone(),
        Value::Text(text) if !text.is_empty() => format!("sudo:{text}"),
        _ => return Err(wanted()),
    };
    let address: Address = text.parse().map_err(|_| wanted())?;
    match address.hops() {
        [Hop::Sudo(_) | Hop::Su(_) | Hop::Doas(_)] => Ok(Some(text)),
        _ => Err(wanted()),
    }
}

/// Returns the limits that options set, over the usual ones; `None` if they set none.
pub(super) fn limits<'a>(option: impl Fn(&str) -> Option<&'a Value>) -> Option<Limits> {
    let usual = Limits::default();
    let limits = Limits {
        deadline_ms: option("limits.timeout")
            .and_then(|value| u64::try_from(time(value).ok()?.as_millis()).ok()),
        memory_bytes: option("limits.memory")
            .and_then(|value| size(value).ok())
            .unwrap_or(usual.memory_bytes),
        output_bytes: option("limits.output")
            .and_then(|value| size(value).ok())
            .unwrap_or(usual.output_bytes),
        fuel: option("limits.fuel").and_then(number),
        open_files: option("limits.open_files")
            .and_then(|value| number(value)?.try_into().ok())
            .unwrap_or(usual.open_files),
        children: option("limits.children")
            .and_then(|value| number(value)?.try_into().ok())
            .unwrap_or(usual.children),
        ..usual.clone()
    };
    (limits != usual).then_some(limits)
}

/// Returns the time for reaching a hop, if options set it.
pub(super) fn connect_timeout(value: &Value) -> Option<Duration> {
    time(value).ok()
}
