//! Names of the parts that cut transfers leave, as far as this end can tell.

use wxec_files::{MIN_PART_BYTES, Source, names_directory, part_name};

/// Returns the name of the part of `file`, which was on its way from `source` to `path` on a host.
/// Returns `None` if the file is too small to leave one.
pub(super) fn name_there(source: &Source, path: &[u8], file: &str, size: u64) -> Option<String> {
    if size < MIN_PART_BYTES {
        return None;
    }
    let mut target = String::from_utf8_lossy(path).into_owned();
    if let Source::Path(source) = source {
        let source = String::from_utf8_lossy(source);
        if names_directory(path) {
            let own = source.trim_end_matches('/').rsplit('/').next();
            target = join(&target, own.unwrap_or_default());
        }
        let inner = file.strip_prefix(&*source)?.trim_start_matches('/');
        if !inner.is_empty() {
            target = join(&target, inner);
        }
    }
    Some(name_of(&target))
}

/// Returns the name of the part of a file.
pub(super) fn name_of(target: &str) -> String {
    let part = |name: &str| String::from_utf8_lossy(&part_name(name.as_bytes())).into_owned();
    match target.rsplit_once('/') {
        Some((directory, name)) => format!("{directory}/{}", part(name)),
        None => part(target),
    }
}

fn join(directory: &str, name: &str) -> String {
    format!("{}/{name}", directory.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_lies_beside_its_file() {
        assert_eq!(name_of("/srv/disk.img"), "/srv/.disk.img.wxec-part");
        assert_eq!(name_of("disk.img"), ".disk.img.wxec-part");
    }

    #[test]
    fn a_part_of_a_tree_lies_in_the_targets_tree() {
        let source = Source::Path(b"a/site".to_vec());
        let name =
            |path: &str, file: &str| name_there(&source, path.as_bytes(), file, MIN_PART_BYTES);
        for path in ["/srv/site", "/srv/"] {
            let expected = "/srv/site/img/.disk.wxec-part";
            assert_eq!(name(path, "a/site/img/disk").as_deref(), Some(expected));
        }
        assert_eq!(
            name("/srv/x", "a/site").as_deref(),
            Some("/srv/.x.wxec-part")
        );
        assert_eq!(name_there(&source, b"/srv/x", "a/site", 1), None);
    }
}
