//! Paths and names: those that users write, those that the other end sends, and those of temporary
//! files. Does no I/O.

use std::{
    ffi::OsStr,
    hash::{BuildHasher, Hasher, RandomState},
    os::unix::ffi::OsStrExt,
    path::Path,
};

use wxec_protocol::Digest;

/// The longest path Linux takes in one piece.
pub(crate) const MAX_PATH_BYTES: usize = 4096;

/// The longest name that Linux' file systems take.
const MAX_NAME_BYTES: usize = 255;

/// Bytes of a file's name that go into the name of its temporary file; this leaves room for the
/// rest.
const MAX_STEM_BYTES: usize = 160;

const PART: &[u8] = b".wxec-part";
const TEMPORARY: &[u8] = b".wxec-tmp-";

/// Returns true if a path names a directory to put something into, under its own name: the path
/// ends with `/`, or its last name is `.` or `..`, or it is a home directory.
///
/// ```
/// use wxec_files::names_directory;
///
/// assert!(names_directory(b"/srv/") && names_directory(b".") && names_directory(b"../.."));
/// assert!(names_directory(b"~") && names_directory(b"~app") && !names_directory(b"~app/x"));
/// assert!(!names_directory(b"/srv/www") && !names_directory(b"a..") && !names_directory(b""));
/// ```
pub fn names_directory(path: &[u8]) -> bool {
    (path.starts_with(b"~") && !path.contains(&b'/'))
        || (!path.is_empty()
            && matches!(
                path.rsplit(|byte| *byte == b'/').next(),
                Some(b"" | b"." | b"..")
            ))
}

/// Returns the name of the unfinished content of a large file `name`, in the same directory. The
/// part stays there when the link is cut, for the next transfer to go on with.
///
/// ```
/// assert_eq!(wxec_files::part_name(b"disk.img"), b".disk.img.wxec-part");
/// ```
pub fn part_name(name: &[u8]) -> Vec<u8> {
    let mut part = hidden(name);
    part.extend(PART);
    part
}

/// Returns a name for content that no transfer resumes.
pub(crate) fn temporary_name(name: &[u8]) -> Vec<u8> {
    let mut temporary = hidden(name);
    temporary.extend(TEMPORARY);
    // The keys of hash tables are random.
    temporary.extend(format!("{:016x}", RandomState::new().build_hasher().finish()).bytes());
    temporary
}

/// Returns true if it may be a temporary file that another transfer is writing.
pub(crate) fn is_temporary(name: &[u8]) -> bool {
    name.starts_with(b".")
        && name
            .windows(TEMPORARY.len())
            .any(|window| window == TEMPORARY)
}

fn hidden(name: &[u8]) -> Vec<u8> {
    let mut hidden = vec![b'.'];
    if name.len() <= MAX_STEM_BYTES {
        hidden.extend(name);
    } else {
        hidden.extend(&name[..MAX_STEM_BYTES - 17]);
        hidden.push(b'-');
        hidden.extend(&Digest::of(name).to_string().as_bytes()[..16]);
    }
    hidden
}

/// Returns true if it is a valid name of an entry in a directory.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= MAX_NAME_BYTES
        && !name.iter().any(|byte| b"/\0".contains(byte))
}

/// Returns true if these are names joined by `/`.
pub(crate) fn is_inner_path(path: &[u8]) -> bool {
    path.len() < MAX_PATH_BYTES && path.split(|byte| *byte == b'/').all(is_name)
}

/// Returns `name` in the directory `path`.
pub(crate) fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    match path {
        b"" => name.to_vec(),
        _ if name.is_empty() => path.to_vec(),
        _ if path.ends_with(b"/") => [path, name].concat(),
        _ => [path, b"/", name].concat(),
    }
}

/// Splits a path into the directory and the name in it. There is no name in `/`, and none in
/// `a/..`.
pub(crate) fn split(path: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let path = os(path);
    let name = path.file_name()?.as_bytes().to_vec();
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    Some((directory.as_os_str().as_bytes().to_vec(), name))
}

/// Makes a `Path` of bytes.
pub(crate) fn os(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_the_other_end_lead_nowhere_else() {
        assert!(
            is_inner_path(b"a")
                && is_inner_path(b"a/b c/\xff")
                && is_inner_path(b"...")
                && is_inner_path(b"..a/b..")
        );
        for path in [
            &b""[..],
            b"/",
            b"/a",
            b"a/",
            b"a//b",
            b"..",
            b"a/..",
            b"../a",
            ".".as_bytes(),
            b"a/./b",
            b"a\0",
            &[b'a'; 256],
        ] {
            assert!(!is_inner_path(path), "{}", String::from_utf8_lossy(path));
        }
    }

    #[test]
    fn names_of_what_is_not_whole_are_short_enough() {
        for length in [1, 160, 161, 255] {
            let name = vec![b'a'; length];
            assert!(part_name(&name).len() <= 255 && temporary_name(&name).len() <= 255);
        }
        assert_ne!(part_name(&[b'a'; 200]), part_name(&[b'a'; 201]));
        assert_ne!(temporary_name(b"a"), temporary_name(b"a"));
        assert!(is_temporary(&temporary_name(b"a")) && !is_temporary(&part_name(b"a")));
    }

    #[test]
    fn a_path_has_a_directory_and_a_name() {
        let split = |path: &str| {
            let text = |bytes| String::from_utf8(bytes).unwrap();
            split(path.as_bytes()).map(|(directory, name)| (text(directory), text(name)))
        };
        assert_eq!(split("/a/b"), Some(("/a".into(), "b".into())));
        assert_eq!(split("b"), Some((".".into(), "b".into())));
        assert_eq!(split("a/b/"), Some(("a".into(), "b".into())));
        assert_eq!((split("/"), split(".."), split("a/..")), (None, None, None));
    }
}
