//! The manifest of a tree: all that a preview must not change.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Content, mode, owner, inode and times of all that is in a tree.
pub(crate) type Manifest = BTreeMap<PathBuf, String>;

/// Returns the manifest of a tree, which is the same only if nothing was written.
pub(crate) fn manifest(top: &Path) -> Manifest {
    walk(top, &|found| {
        format!(
            "inode {} modified {}.{} changed {}.{}",
            found.ino(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec()
        )
    })
}

/// Returns what people see of a tree: no inodes and times.
pub(crate) fn visible(top: &Path) -> Manifest {
    walk(top, &|_| String::new())
}

fn walk(top: &Path, more: &dyn Fn(&fs::Metadata) -> String) -> Manifest {
    let (mut manifest, mut left) = (Manifest::new(), vec![top.to_owned()]);
    while let Some(path) = left.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        let content = if found.is_file() {
            format!("{:?}", fs::read(&path).unwrap())
        } else if found.is_symlink() {
            format!("{:?}", fs::read_link(&path).unwrap())
        } else {
            String::new()
        };
        if found.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
        let (mode, uid, gid) = (found.mode(), found.uid(), found.gid());
        let line = format!("{mode:o} {uid}:{gid} {} {content}", more(&found));
        manifest.insert(path, line);
    }
    manifest
}
