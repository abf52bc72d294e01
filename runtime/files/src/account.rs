//! Accounts and groups, by name or number. Only those in files are found: no directory service is
//! asked.

use std::{fs::File, io::Read};

use rustix::process::getuid;

use crate::FailureKind;

/// `/etc/passwd` and `/etc/group` may have many lines.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Returns the number of an account.
pub(crate) fn user(name: &str) -> Result<u32, FailureKind> {
    number("/etc/passwd", name)
}

/// Returns the number of a group.
pub(crate) fn group(name: &str) -> Result<u32, FailureKind> {
    number("/etc/group", name)
}

/// Returns the home directory of this process' account.
pub(crate) fn home() -> Option<Vec<u8>> {
    let uid = getuid().as_raw().to_string();
    home_where(|fields| fields.get(2) == Some(&uid.as_bytes()))
}

/// Returns the home directory of the account `name`.
pub(crate) fn home_of(name: &[u8]) -> Option<Vec<u8>> {
    home_where(|fields| fields.first() == Some(&name))
}

fn home_where(is_it: impl Fn(&[&[u8]]) -> bool) -> Option<Vec<u8>> {
    let lines = read("/etc/passwd");
    let mut entries = lines
        .split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b':').collect::<Vec<_>>());
    let entry = entries.find(|fields| is_it(fields))?;
    entry
        .get(5)
        .map(|home| home.to_vec())
        .filter(|home| !home.is_empty())
}

/// Looks up a number. Both files have the name first and its number third.
fn number(file: &str, name: &str) -> Result<u32, FailureKind> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let lines = read(file);
    let mut entries = lines
        .split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b':'));
    let entry = entries
        .find_map(|mut fields| (fields.next()? == name.as_bytes()).then(|| fields.nth(1))?);
    let number = entry.and_then(|number| std::str::from_utf8(number).ok()?.parse().ok());
    number.ok_or_else(|| FailureKind::UnknownAccount(name.into()))
}

fn read(file: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(file) {
        let _ = file.take(MAX_FILE_BYTES).read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_names_and_numbers() {
        assert_eq!(
            (user("root"), group("root"), user("1234")),
            (Ok(0), Ok(0), Ok(1234))
        );
        for name in ["nobody-of-that-name", "", "-1", "4294967296"] {
            assert_eq!(user(name), Err(FailureKind::UnknownAccount(name.into())));
        }
    }
}
