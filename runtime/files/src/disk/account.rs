//! Accounts and groups, by name or number, and their homes. Only those in files are found: no directory service is
//! asked.

use std::{fs::File, io::Read, os::unix::ffi::OsStrExt};

use rustix::process::getuid;

use crate::{Failure, FailureKind, Step, path::join};

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

/// Replaces a `~` at the beginning by the home directory of this account, and `~NAME` by that of
/// the account NAME.
pub(crate) fn expand_home(path: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let Some(named) = path.strip_prefix(b"~") else {
        return Ok(path);
    };
    let (name, rest) = named.split_at(
        named
            .iter()
            .position(|byte| *byte == b'/')
            .unwrap_or(named.len()),
    );
    let home = if name.is_empty() {
        let home = std::env::var_os("HOME")
            .filter(|home| !home.is_empty())
            .map(|home| home.as_bytes().to_vec());
        home.or_else(own_home).unwrap_or_else(|| b"/".to_vec())
    } else {
        let unknown = || FailureKind::UnknownAccount(String::from_utf8_lossy(name).into_owned());
        home_of(name).ok_or_else(|| Failure::new(Step::Finding, &*path, unknown()))?
    };
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    // Keeps a final `/`, and adds one to a bare home: both name a directory.
    let end: &[u8] = if path.ends_with(b"/") || rest.is_empty() {
        b"/"
    } else {
        b""
    };
    let mut joined = join(&home, rest.strip_suffix(b"/").unwrap_or(rest));
    if !joined.ends_with(b"/") {
        joined.extend(end);
    }
    Ok(joined)
}

/// Returns the home directory of this process' account.
fn own_home() -> Option<Vec<u8>> {
    let uid = getuid().as_raw().to_string();
    home_where(|fields| fields.get(2) == Some(&uid.as_bytes()))
}

/// Returns the home directory of the account `name`.
fn home_of(name: &[u8]) -> Option<Vec<u8>> {
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

    #[test]
    fn homes_have_names() {
        let expand =
            |path: &str| expand_home(path.into()).map(|path| String::from_utf8(path).unwrap());
        // The account root exists on every system.
        for (path, expanded) in [
            ("~root", "/root/"),
            ("~root/a/b", "/root/a/b"),
            ("~root/a/", "/root/a/"),
            ("a~", "a~"),
        ] {
            assert_eq!(expand(path), Ok(expanded.into()));
        }
        assert_eq!(expand("~/a"), expand("~").map(|home| format!("{home}a")));
        for path in ["~nobody-of-that-name", "~nobody-of-that-name/a"] {
            let failure = expand(path).unwrap_err();
            assert_eq!(
                failure.kind,
                FailureKind::UnknownAccount("nobody-of-that-name".into())
            );
            assert!(failure.hint().unwrap().contains("`./~name`"));
        }
    }
}
