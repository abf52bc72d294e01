//! TARGET:PATH: hosts, and a path there; and paths here beside them.

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use wxec::inventory::outside_brackets;

use crate::output::command_error::CommandError;

/// Returns true if a path here stands for standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns true if a path on a host names a directory to put things into.
pub(crate) fn names_directory(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(last, b"" | b"." | b"..") || (path.starts_with(b"~") && !path.contains(&b'/'))
}

/// Splits `TARGET:PATH`: the path begins after the first colon that is followed by `/`, `.` or `~`,
/// else after the last colon. Colons in brackets belong to the address.
fn split(text: &str) -> Result<(String, PathBuf), CommandError> {
    let (mut first, mut last) = (None, None);
    for (index, _) in outside_brackets(text).filter(|(_, c)| *c == ':') {
        last = Some(index);
        if first.is_none() && text[index + 1..].starts_with(['/', '.', '~']) {
            first = last;
        }
    }
    let Some(at) = first.or(last) else {
        return Err(without_colon(text));
    };
    let (target, path) = (&text[..at], &text[at + 1..]);
    // Ways in that need no value after their colon may share it with the path.
    let bare = target
        .rsplit(['/', ',', '&', '!'])
        .next()
        .unwrap_or_default();
    let colon = if ["local", "sudo", "su", "doas"].contains(&bare.trim()) {
        ":"
    } else {
        ""
    };
    let path = if path.is_empty() { "." } else { path };
    Ok((format!("{target}{colon}"), path.into()))
}

/// Returns the error for text without a colon: a word is most likely a host without its path, and a
/// path lacks its host.
fn without_colon(text: &str) -> CommandError {
    let shown = text.escape_debug();
    if text.is_empty() || text.starts_with(['/', '.', '~']) {
        let message = format!("`{shown}` names no host");
        return CommandError::usage(message).hint("write TARGET:PATH, as in `web1:/etc/motd`");
    }
    let message = format!("`{shown}` has no path behind a colon");
    CommandError::usage(message).hint(format!(
        "write `{shown}:PATH` if it is a host; `{shown}:` is its home"
    ))
}

/// Splits `remote`, the operand of `put` or `get` on a host. The error points to `other`, the
/// opposite command, if the user seems to have swapped `remote` and `here`.
pub(crate) fn split_beside(
    remote: &str,
    here: &Path,
    other: &str,
) -> Result<(String, PathBuf), CommandError> {
    let here_text = here.to_string_lossy();
    split(remote).map_err(|error| {
        if !is_remote(here) {
            return error;
        }
        CommandError::usage(format!(
            "`{}` names no host, and `{here_text}` may",
            remote.escape_debug()
        ))
        .hint(format!("the other direction is `wxec {other}`"))
    })
}

/// Returns true if a local path looks like one on a host: there is no such file here, and a target
/// stands before a colon.
pub(crate) fn is_remote(here: &Path) -> bool {
    let text = here.to_string_lossy();
    let is_plain = text.starts_with(['/', '.', '~']);
    !is_plain
        && fs::symlink_metadata(here).is_err()
        && split(&text).is_ok_and(|(target, _)| !target.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_where_people_expect_it() {
        for (text, target, path) in [
            ("web1:/etc/motd", "web1", "/etc/motd"),
            ("web1:notes.txt", "web1", "notes.txt"),
            ("web1:", "web1", "."),
            ("web1:~/a:b", "web1", "~/a:b"),
            ("web1:./a:b", "web1", "./a:b"),
            ("ssh:h:2222:/x", "ssh:h:2222", "/x"),
            ("deploy@h:2222:x", "deploy@h:2222", "x"),
            ("ssh:[::1]:22:/x", "ssh:[::1]:22", "/x"),
            ("local:/x", "local:", "/x"),
            ("local::x", "local:", "x"),
            ("local:x", "local:", "x"),
            ("web1/sudo:/etc/motd", "web1/sudo:", "/etc/motd"),
            ("web1/sudo::/etc/motd", "web1/sudo:", "/etc/motd"),
            ("web1/sudo:app:/etc/motd", "web1/sudo:app", "/etc/motd"),
            ("web1,web2:/x", "web1,web2", "/x"),
            ("@role:web & !web1:x", "@role:web & !web1", "x"),
            ("@role:web:", "@role:web", "."),
            ("web[1-9],!local:/x", "web[1-9],!local:", "/x"),
            ("docker:web:/x", "docker:web", "/x"),
            (
                r#"exec:["sh","-c","a:/b]"]:/x"#,
                r#"exec:["sh","-c","a:/b]"]"#,
                "/x",
            ),
        ] {
            assert_eq!(
                split(text).unwrap(),
                (target.to_owned(), PathBuf::from(path)),
                "{text}"
            );
        }
        assert_eq!(
            split("/etc/motd").unwrap_err().to_string(),
            "`/etc/motd` names no host; write TARGET:PATH, as in `web1:/etc/motd`"
        );
    }

    #[test]
    fn paths_of_directories_look_like_that() {
        for path in ["/srv/", ".", "..", "a/..", "~", "~app", "~/"] {
            assert!(names_directory(Path::new(path)), "{path}");
        }
        for path in ["/srv", "a", "~app/x", "a.", "..a"] {
            assert!(!names_directory(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_host_without_a_path_and_operands_the_wrong_way_round_are_told() {
        assert_eq!(
            split("web1").unwrap_err().to_string(),
            "`web1` has no path behind a colon; write `web1:PATH` if it is a host; `web1:` is its home"
        );
        let wrong =
            split_beside("notes.txt", Path::new("web1:/etc/motd"), "get SRC DST").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "`notes.txt` names no host, and `web1:/etc/motd` may; the other direction is `wxec get SRC DST`"
        );
        assert!(
            split_beside("web1", Path::new("notes.txt"), "get")
                .unwrap_err()
                .to_string()
                .starts_with("`web1` has")
        );
        assert_eq!(
            split_beside("web1:x", Path::new("a:b"), "get").unwrap().0,
            "web1"
        );
        for (path, expected) in [
            ("web1:x", true),
            ("./web1:x", false),
            ("/a:b", false),
            (":x", false),
            ("x", false),
        ] {
            assert_eq!(is_remote(Path::new(path)), expected, "{path}");
        }
    }
}
