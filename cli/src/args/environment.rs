//! Environment variables as given by `--env`.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

/// Checks `NAME=VALUE`, or `NAME` for the variable's value in this environment.
pub(crate) fn variable<T: AsRef<OsStr>>(text: T) -> Result<T, String> {
    if split(text.as_ref()).0.is_empty() {
        return Err("a variable has a name: write NAME=VALUE, or NAME for its value here".into());
    }
    Ok(text)
}

/// Returns the variables to set. A bare `NAME` copies the variable from this environment, and is
/// left out if the variable is not set here.
pub(crate) fn variables(texts: &[impl AsRef<OsStr>]) -> Vec<(OsString, OsString)> {
    let variable = |text: &OsStr| match split(text) {
        (name, Some(value)) => Some((name.to_owned(), value.to_owned())),
        (name, None) => Some((name.to_owned(), std::env::var_os(name)?)),
    };
    texts
        .iter()
        .filter_map(|text| variable(text.as_ref()))
        .collect()
}

/// The name, and the value if there is one.
fn split(text: &OsStr) -> (&OsStr, Option<&OsStr>) {
    let bytes = text.as_bytes();
    match bytes.iter().position(|byte| *byte == b'=') {
        Some(at) => (
            OsStr::from_bytes(&bytes[..at]),
            Some(OsStr::from_bytes(&bytes[at + 1..])),
        ),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_name() {
        for text in ["", "=", "=x", "==x"] {
            assert!(
                variable(text)
                    .unwrap_err()
                    .starts_with("a variable has a name"),
                "{text}"
            );
        }
        for text in ["NAME", "NAME=", "NAME=a=b"] {
            assert_eq!(variable(text), Ok(text));
        }
    }

    #[test]
    fn a_value_is_given_or_that_of_here() {
        let texts = [
            &b"A=b=c"[..],
            b"B=",
            b"PATH",
            b"WXEC_NO_SUCH_VARIABLE",
            b"C=\xff",
        ]
        .map(OsStr::from_bytes);
        let path = std::env::var_os("PATH").expect("tests have a PATH");
        let variables = variables(&texts);
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        let expected = [
            (&b"A"[..], &b"b=c"[..]),
            (b"B", b""),
            (b"PATH", path.as_bytes()),
            (b"C", b"\xff"),
        ];
        assert_eq!(variables, expected);
    }
}
