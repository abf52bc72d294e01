//! Folders that archives are unpacked to: `tar` of the host does it, after its list of what is in
//! them was checked.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use wxec::{fs as host, module::Digest};

use crate::{
    command::command,
    fault::{Fault, FaultKind},
    fetch::digest_of,
};

/// An archive that is unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpack {
    pub(crate) archive: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) digest: Digest,
    /// Number of names that are left out at the beginning of each path.
    pub(crate) strip: usize,
    pub(crate) max_bytes: u64,
}

/// The file that tells which archive a folder has come from.
pub(crate) const NOTE: &str = ".wxec-archive";
/// Most files in an archive: as many as a folder that is removed may have.
const MAX_MEMBERS: usize = 100_000;

impl Unpack {
    /// The content of the file that tells of it.
    pub(crate) fn note(&self) -> String {
        format!("{} {}\n", self.digest, self.strip)
    }

    /// Unpacks it into an empty folder.
    pub(crate) fn into(&self, folder: &Path) -> Result<(), Fault> {
        let reading = |error| Fault::io("cannot read it", &self.archive)(error);
        let digest = digest_of(&self.archive).map_err(reading)?;
        if digest != self.digest {
            let message = format!("it has the sha256 {digest}, and not {}", self.digest);
            return Err(Fault::of(FaultKind::Verify, message).at(&self.archive));
        }
        let packed = packed_by(&self.archive).map_err(reading)?;
        let archive = self.archive.display().to_string();
        let tar = |verb: &str| command(["tar", verb]).args(packed).args(["-f", &archive]);
        let listed = tar("-tv")
            .args(["--numeric-owner"])
            .env("LC_ALL", "C")
            .carry_out()?;
        check_members(&listed.stdout, self.strip, self.max_bytes)
            .map_err(|fault| fault.at(&self.archive))?;
        let place = folder.display().to_string();
        let strip = self.strip.to_string();
        // The files belong to the account that the plan runs as, also if that is root.
        let unpack = tar("-x").args(["-o", "-C", &place, "--strip-components", &strip]);
        unpack.carry_out()?;
        sync_tree(folder)?;
        let note = folder.join(NOTE);
        let written = fs::write(&note, self.note()).and_then(|()| File::open(&note)?.sync_all());
        written.map_err(Fault::io("cannot write it", &note))
    }
}

/// The option of `tar` for the way an archive is compressed in, found out from how it begins: not
/// every `tar` finds it out.
fn packed_by(archive: &Path) -> io::Result<Option<&'static str>> {
    let mut begin = Vec::new();
    File::open(archive)?.take(4).read_to_end(&mut begin)?;
    Ok(match *begin {
        [0x1f, 0x8b, ..] => Some("-z"),
        [0xfd, b'7', b'z', ..] => Some("-J"),
        [b'B', b'Z', b'h', ..] => Some("-j"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("--zstd"),
        _ => None,
    })
}

/// Checks the list of what is in an archive: a line of its kind and mode, the owner, the size, the day,
/// the time and the path for each.
fn check_members(list: &str, strip: usize, max_bytes: u64) -> Result<(), Fault> {
    let (mut bytes, mut symlinks, mut folders) = (0_u64, Vec::new(), BTreeSet::new());
    for (count, line) in list.lines().enumerate() {
        let refused = |why: &str| {
            let message = format!("{why}, so it is not unpacked: {line:?}");
            Err(Fault::of(FaultKind::Refused, message))
        };
        if count >= MAX_MEMBERS {
            let message = format!("it has more than {MAX_MEMBERS} files");
            return Err(Fault::of(FaultKind::TooLarge, message));
        }
        let Some((size, path)) = fields(line) else {
            return refused("`tar` says of it what cannot be understood");
        };
        let (path, target) = match line.as_bytes()[0] {
            b'-' | b'd' => (path, None),
            b'l' => split(path, " -> "),
            b'h' => split(path, " link to "),
            _ => return refused("a device or FIFO is in it"),
        };
        let is_symlink = line.starts_with('l');
        if !stays(Path::new(""), path) || turns_back(path) {
            return refused("a path leads out of it");
        }
        let folder = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
        folders.insert(names_of(folder));
        if is_symlink {
            symlinks.push((names_of(Path::new(path)), line));
        }
        let folder: PathBuf = folder.components().skip(strip).collect();
        let from = if is_symlink { &*folder } else { Path::new("") };
        if target.is_some_and(|target| !stays(from, target) || turns_back(target)) {
            return refused("a link leads out of it");
        }
        if line.starts_with(['l', 'h']) && target.is_none() {
            return refused("a link has no target, or several that it may have");
        }
        bytes = bytes.saturating_add(size);
        if bytes > max_bytes {
            let message = format!("it unpacks to more than {max_bytes} bytes");
            return Err(Fault::of(FaultKind::TooLarge, message));
        }
    }
    let folders: BTreeSet<_> = folders
        .iter()
        .flat_map(|folder| folder.ancestors())
        .collect();
    match symlinks.iter().find(|(path, _)| folders.contains(&**path)) {
        None => Ok(()),
        Some((_, line)) => {
            let message = format!("a path leads through a link, so it is not unpacked: {line:?}");
            Err(Fault::of(FaultKind::Refused, message))
        }
    }
}

/// Returns the path without a `./` at its beginning.
fn names_of(path: &Path) -> PathBuf {
    let is_name = |name: &Component<'_>| !matches!(name, Component::CurDir);
    path.components().filter(is_name).collect()
}

/// Returns the size and the path, with the target of a link behind it.
fn fields(line: &str) -> Option<(u64, &str)> {
    let mut rest = line;
    let mut size = None;
    for place in 0..5 {
        let (field, after) = rest.trim_start_matches(' ').split_once(' ')?;
        // Numbers of an account and a group: nothing of a name can stand there.
        let is_number = |c: u8| c.is_ascii_digit() || c == b'/';
        if place == 1 && !field.bytes().all(is_number) {
            return None;
        }
        if place == 2 {
            // Devices have two numbers, and are refused.
            size = Some(field.parse().unwrap_or(0));
        }
        rest = after;
    }
    (!rest.is_empty()).then_some((size?, rest))
}

/// Splits a link. Where that can be done in several ways, there is no target.
fn split<'a>(text: &'a str, between: &str) -> (&'a str, Option<&'a str>) {
    match text.split_once(between) {
        Some((path, target)) if !target.contains(between) => (path, Some(target)),
        _ => (text, None),
    }
}

/// Returns true if `path`, from a folder on, does not lead out of where the folder begins.
fn stays(folder: &Path, path: &str) -> bool {
    // A path of an archive may begin with `./`.
    let is_name = |component: &Component<'_>| matches!(component, Component::Normal(_));
    let mut depth = folder.components().filter(is_name).count();
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// Returns true if `..` stands behind a name: where that is a symlink, it leads elsewhere.
fn turns_back(path: &str) -> bool {
    let names = Path::new(path).components();
    let mut names = names.skip_while(|name| !matches!(name, Component::Normal(_)));
    names.any(|name| name == Component::ParentDir)
}

/// Writes all that is in a folder to the disk, and refuses what is neither file, folder nor symlink.
pub(crate) fn sync_tree(folder: &Path) -> Result<(), Fault> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let listing = |error| Fault::io("cannot list it", &folder)(error);
        for entry in fs::read_dir(&folder).map_err(listing)? {
            let path = entry.map_err(listing)?.path();
            let status = host::status(&path).map_err(Fault::io("cannot look at it", &path))?;
            match status.kind {
                host::Kind::Directory => folders.push(path),
                host::Kind::File => {
                    let synced = File::open(&path).and_then(|file| file.sync_all());
                    synced.map_err(Fault::io("cannot write it to the disk", &path))?;
                }
                host::Kind::Symlink => {}
                host::Kind::Other => return Err(Fault::refused(&path, "it is a device or FIFO")),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(list: &str) -> Result<(), FaultKind> {
        check_members(list, 1, 100).map_err(|fault| fault.kind)
    }

    #[test]
    fn what_would_not_stay_inside_is_refused() {
        let good = "drwxr-xr-x 0/0               0 2026-11-28 17:23 a/\n\
                    -rw-r--r-- 0/0               3 2026-11-28 17:23 ./a/h\n\
                    lrwxrwxrwx 0/0               0 2026-11-28 17:23 a/b/l -> ../x\n\
                    hrw-r--r-- 0/0               0 2026-11-28 17:23 a/b c/f link to a/h\n";
        check(good).unwrap();
        for path in [
            "- /etc/passwd",
            "- ../x",
            "- a/../../x",
            "- a/../x",
            "l a/l -> /etc",
            "l a/l -> ../x",
            "l ./l -> ../x",
            "l a/b/l -> s/../x",
            "l a/b/l -> ../../x",
            "l a/l -> b -> ../../x",
            "l a/l",
            "h a/f link to /etc/passwd",
            "h a/f link to ../x",
            "c a/null",
            "b a/sda",
            "p a/fifo",
            "s a/socket",
            "?",
            // A line break in a name, behind which the rest looks like a line.
            "- a\n-rw-r--r-- /../../x 3 2026-11-28 17:23 a",
        ] {
            let (kind, path) = path.split_at(1);
            let line = format!("{kind}rw-r--r-- 0/0 3 2026-11-28 17:23{path}\n");
            assert_eq!(check(&line), Err(FaultKind::Refused), "{line}");
        }
        let through = "lrw-r--r-- 0/0 0 2026-11-28 17:23 ./a/s -> .\n\
                       -rw-r--r-- 0/0 0 2026-11-28 17:23 ./a/s/b/f\n";
        assert_eq!(check(through), Err(FaultKind::Refused));
        let file = "-rw-r--r-- 0/0 60 2026-11-28 17:23 a\n";
        assert_eq!(check(&file.repeat(2)), Err(FaultKind::TooLarge));
        let empty = "-rw-r--r-- 0/0 0 2026-11-28 17:23 a\n";
        assert_eq!(
            check(&empty.repeat(MAX_MEMBERS + 1)),
            Err(FaultKind::TooLarge)
        );
    }
}
