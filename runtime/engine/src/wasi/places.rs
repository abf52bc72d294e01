//! Resolves a guest's paths: which of them were granted, and in which directory each is looked up.
//!
//! Guests in WASI have no root: they find each path through the directory with the longest matching
//! name among those opened for them beforehand. A granted directory is such a *preopen*. A granted
//! file cannot be one, so its directory is opened as well, at a number that the guest may not use,
//! and only the file's name is ever looked up there. One more preopen, named `/`, catches all other
//! paths: they are refused, and the refusal names the grant that they need.
//!
//! wasmtime-wasi keeps every lookup inside its directory, in spite of symbolic links and `..`. It
//! does not lend its descriptors, so for guests that use host calls about files each directory is
//! opened once more, as a *root*.

use std::{fs::File, io, ops::Range, os::unix::fs::OpenOptionsExt, path::Path, sync::Arc};

use rustix::fs::OFlags;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder, p1::types::Errno};
use wxec_protocol::PathGrant;

/// Preopens follow stdin, stdout and stderr.
const FIRST_PREOPEN: u32 = 3;

/// Directory that stands for `/` among the preopens. No path is ever looked up in it; if one were
/// after all, the directory holds nothing of worth.
const PLACEHOLDER: &str = "/proc/self/fdinfo";

/// The granted part of a host's files, for one guest.
#[derive(Debug, Default)]
pub(crate) struct Places {
    granted: Vec<Place>,
    /// The preopen named `/`, which catches the paths that no other preopen does.
    root: Option<u32>,
    root_closed: bool,
    /// File descriptors of the directories of granted files.
    hidden: Range<u32>,
    /// The same directories, for host calls.
    roots: Vec<Root>,
}

/// A directory that was opened for a guest, for host calls.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    fd: u32,
    pub(crate) directory: Arc<File>,
    pub(crate) write: bool,
}

#[derive(Debug)]
struct Place {
    /// The guest's path, normalised: no `/` at either end, and empty for `/` itself.
    guest_path: String,
    write: bool,
    leads_to: LeadsTo,
}

#[derive(Debug, Clone, PartialEq)]
enum LeadsTo {
    Directory {
        fd: u32,
    },
    File(FileIn),
    /// The path does not exist, or cannot be opened.
    Nothing(Errno),
}

/// A granted file: a name in a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileIn {
    directory: u32,
    name: String,
    /// True if the file existed when the call began.
    is_there: bool,
}

/// Place where one path is to be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) fd: u32,
    pub(crate) path: String,
    /// True if it is granted by its own name: it is no symbolic link, and may be a device.
    pub(crate) is_named: bool,
}

/// Reason why a path is not looked up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoSpot {
    /// Not granted; holds the normalised path.
    Denied(String),
    Failed(Errno),
}

impl Places {
    /// Opens what is granted. Blocks, as the host's files may be on a network.
    pub(crate) fn open(
        builder: &mut WasiCtxBuilder,
        grants: &[PathGrant],
        with_roots: bool,
    ) -> Self {
        let mut next = FIRST_PREOPEN;
        let mut roots = Vec::new();
        let mut open = |path: &Path, name: &str, write: bool| -> Result<u32, Errno> {
            let perms = if write {
                FsPerms::ReadWrite
            } else {
                FsPerms::ReadOnly
            };
            builder.preopened_dir(path, name, perms).map_err(|error| {
                match error.downcast_ref::<io::Error>() {
                    Some(error) => errno(error),
                    None => Errno::Io,
                }
            })?;
            let fd = next;
            next += 1;
            if with_roots {
                roots.push(Root::open(fd, path, write).map_err(|error| errno(&error))?);
            }
            Ok(fd)
        };

        let is_directory = |grant: &&PathGrant| Path::new(&grant.path).is_dir();
        // Grants add up: a grant to write includes reading, so drop the grant to read the same
        // path.
        let wanted = grants.iter().filter(|grant| !is_said_better(grant, grants));
        let (directories, files): (Vec<_>, Vec<_>) = wanted.partition(is_directory);
        let place = |grant: &PathGrant, leads_to| {
            let guest_path = normalise(&grant.guest_path);
            Place {
                guest_path,
                write: grant.write,
                leads_to,
            }
        };
        let mut granted: Vec<_> = directories
            .into_iter()
            .map(|grant| {
                let fd = stays_inside(grant, grants)
                    .and_then(|()| open(grant.path.as_ref(), &grant.guest_path, grant.write));
                place(
                    grant,
                    fd.map_or_else(LeadsTo::Nothing, |fd| LeadsTo::Directory { fd }),
                )
            })
            .collect();
        let all_is_granted = granted.iter().any(|place| place.guest_path.is_empty());
        let root = if all_is_granted && files.is_empty() {
            None
        } else {
            open(PLACEHOLDER.as_ref(), "/", false).ok()
        };
        let mut hidden = 0..0;
        for grant in files {
            let found = stays_inside(grant, grants).and_then(|()| {
                let (directory, name, is_there) = directory_of(grant.path.as_ref())?;
                let directory = open(&directory, "", grant.write)?;
                hidden = if hidden.is_empty() {
                    directory..directory + 1
                } else {
                    hidden.start..directory + 1
                };
                Ok(LeadsTo::File(FileIn {
                    directory,
                    name,
                    is_there,
                }))
            });
            granted.push(place(grant, found.unwrap_or_else(LeadsTo::Nothing)));
        }
        // Put the longest name first, because `find` takes the first match; of equal names the one
        // that may be written.
        granted.sort_by_key(|place| std::cmp::Reverse((place.guest_path.len(), place.write)));
        Self {
            granted,
            root,
            root_closed: false,
            hidden,
            roots,
        }
    }

    /// Returns the root of a path that was found in `fd`.
    pub(crate) fn root(&self, fd: u32) -> Option<&Root> {
        self.roots.iter().find(|root| root.fd == fd)
    }

    /// Returns true if `fd` is the preopen named `/`.
    pub(crate) fn is_root(&self, fd: u32) -> bool {
        self.root == Some(fd)
    }

    /// Returns true if the guest may name `fd`.
    pub(crate) fn may_name(&self, fd: u32) -> bool {
        !(self.hidden.contains(&fd) || self.is_root(fd) && self.root_closed)
    }

    /// Closes the preopen `/`. Its number is never used again, or another file would be taken for
    /// it.
    pub(crate) fn close_root(&mut self) {
        self.root_closed = true;
    }

    /// Returns the place where to look up `path`, which the guest found to be below `/`.
    pub(crate) fn find(&self, path: &str) -> Result<Spot, NoSpot> {
        let normalised = normalise(path);
        let is_directory = path.ends_with(['/', '.']) && !normalised.ends_with('.');
        for place in &self.granted {
            let Some(rest) = below(&place.guest_path, &normalised) else {
                continue;
            };
            match &place.leads_to {
                LeadsTo::Directory { fd } => {
                    let path = if rest.is_empty() { "." } else { rest };
                    let slash = if is_directory && !rest.is_empty() {
                        "/"
                    } else {
                        ""
                    };
                    return Ok(Spot {
                        fd: *fd,
                        path: format!("{path}{slash}"),
                        is_named: false,
                    });
                }
                LeadsTo::Nothing(errno) => return Err(NoSpot::Failed(*errno)),
                LeadsTo::File(file) if !rest.is_empty() || is_directory => {
                    // A missing file may have been meant to be a directory.
                    return Err(NoSpot::Failed(if file.is_there {
                        Errno::Notdir
                    } else {
                        Errno::Noent
                    }));
                }
                LeadsTo::File(FileIn {
                    directory, name, ..
                }) => {
                    return Ok(Spot {
                        fd: *directory,
                        path: name.clone(),
                        is_named: true,
                    });
                }
            }
        }
        Err(NoSpot::Denied(format!("/{normalised}")))
    }

    /// Returns the full path, for people, of `path` in a granted directory or the preopen `/`;
    /// otherwise `path` itself.
    pub(crate) fn spell(&self, fd: u32, path: &str) -> String {
        let granted = self
            .granted
            .iter()
            .find(|place| place.leads_to == LeadsTo::Directory { fd });
        match granted {
            Some(place) => format!("/{}", normalise(&format!("{}/{path}", place.guest_path))),
            None if self.is_root(fd) => format!("/{}", normalise(path)),
            None => path.to_owned(),
        }
    }
}

impl Root {
    fn open(fd: u32, path: &Path, write: bool) -> io::Result<Self> {
        let flags = (OFlags::PATH | OFlags::DIRECTORY).bits().cast_signed();
        let mut options = File::options();
        let directory = options.read(true).custom_flags(flags).open(path)?;
        Ok(Self {
            fd,
            directory: Arc::new(directory),
            write,
        })
    }
}

/// Returns true if another grant allows the same and more.
fn is_said_better(grant: &PathGrant, grants: &[PathGrant]) -> bool {
    let same = |other: &PathGrant| other.path == grant.path && other.guest_path == grant.guest_path;
    !grant.write && grants.iter().any(|other| other.write && same(other))
}

/// Refuses a path that leads out of a grant to write around it: an earlier call could have put a
/// symbolic link there.
fn stays_inside(grant: &PathGrant, grants: &[PathGrant]) -> Result<(), Errno> {
    let path = Path::new(&grant.path);
    let around = grants
        .iter()
        .filter(|other| other.write && Path::new(&other.path) != path);
    for root in around
        .map(|other| Path::new(&other.path))
        .filter(|root| path.starts_with(root))
    {
        // A path that cannot be resolved cannot be opened either.
        if let (Ok(root), Ok(path)) = (std::fs::canonicalize(root), std::fs::canonicalize(path))
            && !path.starts_with(root)
        {
            return Err(Errno::Acces);
        }
    }
    Ok(())
}

/// Returns the directory that really holds a file, the file's name there, and whether the file
/// exists; it need not.
fn directory_of(path: &Path) -> Result<(std::path::PathBuf, String, bool), Errno> {
    let found = std::fs::canonicalize(path);
    let is_there = found.is_ok();
    let real = match found {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let directory = parent.unwrap_or_else(|| Path::new("."));
            let name = path.file_name().ok_or(Errno::Noent)?;
            std::fs::canonicalize(directory)
                .map_err(|error| errno(&error))?
                .join(name)
        }
        Err(error) => return Err(errno(&error)),
    };
    let name = real
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or(Errno::Ilseq)?
        .to_owned();
    Ok((
        real.parent().ok_or(Errno::Noent)?.to_owned(),
        name,
        is_there,
    ))
}

fn errno(error: &io::Error) -> Errno {
    match error.kind() {
        io::ErrorKind::NotFound => Errno::Noent,
        io::ErrorKind::PermissionDenied => Errno::Acces,
        io::ErrorKind::NotADirectory => Errno::Notdir,
        _ => Errno::Io,
    }
}

/// Normalises a path for comparison: no empty parts, no `.`, and no `..` (each removes the part
/// before it).
fn normalise(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the part of `path` that is below `root`, if there is one; both are normalised.
fn below<'a>(root: &str, path: &'a str) -> Option<&'a str> {
    match path.strip_prefix(root)? {
        "" => Some(""),
        rest if root.is_empty() => Some(rest),
        rest => rest.strip_prefix('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(granted: &[(&str, LeadsTo)]) -> Places {
        let mut granted: Vec<_> = granted
            .iter()
            .map(|(path, leads_to)| Place {
                guest_path: normalise(path),
                write: false,
                leads_to: leads_to.clone(),
            })
            .collect();
        granted.sort_by_key(|place| std::cmp::Reverse(place.guest_path.len()));
        Places {
            granted,
            root: Some(9),
            root_closed: false,
            hidden: 10..12,
            roots: Vec::new(),
        }
    }

    fn file(directory: u32, name: &str) -> LeadsTo {
        LeadsTo::File(FileIn {
            directory,
            name: name.into(),
            is_there: true,
        })
    }

    fn spot(fd: u32, path: &str, is_named: bool) -> Result<Spot, NoSpot> {
        Ok(Spot {
            fd,
            path: path.into(),
            is_named,
        })
    }

    #[test]
    fn a_path_is_looked_up_in_the_longest_granted_one() {
        let places = places(&[
            ("/srv", LeadsTo::Directory { fd: 3 }),
            ("/srv/app/", LeadsTo::Directory { fd: 4 }),
            ("/etc/os-release", file(10, "real")),
        ]);
        assert_eq!(places.find("srv"), spot(3, ".", false));
        assert_eq!(places.find("srv/"), spot(3, ".", false));
        assert_eq!(places.find("srv/a/b/"), spot(3, "a/b/", false));
        assert_eq!(places.find("srv/app/x"), spot(4, "x", false));
        assert_eq!(
            places.find("srv/application"),
            spot(3, "application", false)
        );
        assert_eq!(places.find("etc//./os-release"), spot(10, "real", true));
        assert_eq!(places.find("srv/../etc/os-release"), spot(10, "real", true));
    }

    #[test]
    fn everything_else_is_denied_by_its_normal_name() {
        let places = places(&[
            ("/etc/os-release", file(10, "real")),
            ("/gone", LeadsTo::Nothing(Errno::Noent)),
        ]);
        for (path, named) in [
            ("etc/passwd", "/etc/passwd"),
            ("etc", "/etc"),
            ("", "/"),
            ("etc/os-release/../shadow", "/etc/shadow"),
        ] {
            assert_eq!(
                places.find(path),
                Err(NoSpot::Denied(named.into())),
                "{path}"
            );
        }
        for path in ["etc/os-release/", "etc/os-release/.", "etc/os-release/x"] {
            assert_eq!(
                places.find(path),
                Err(NoSpot::Failed(Errno::Notdir)),
                "{path}"
            );
        }
        assert_eq!(places.find("gone/x"), Err(NoSpot::Failed(Errno::Noent)));
    }

    #[test]
    fn guests_name_neither_the_directories_of_files_nor_a_closed_root() {
        let mut places = places(&[]);
        assert!(
            places.may_name(3)
                && places.may_name(9)
                && !places.may_name(10)
                && !places.may_name(11)
        );
        places.close_root();
        assert!(!places.may_name(9) && places.is_root(9));
    }
}
