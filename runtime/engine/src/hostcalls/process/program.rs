//! Resolves the program that a guest means, and the directory in which it is to run.

use std::{
    env,
    ffi::OsStr,
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf, absolute},
};

use rustix::fs::{Access, access};
use wxec_protocol::{ANY, Grants, Need, abi::ProcessStart, questions};

use super::super::reply::Denial;
use crate::limits::refusal::Refusal;

/// Directories to look for programs in, if the agent's environment does not say.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program that a guest may run.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// A name, to be found in the agent's `PATH`, which the guest cannot change.
    Named(String),
    /// A path, as granted. A relative path begins in the agent's directory, not in the one the
    /// guest gives the process.
    At(PathBuf),
    /// A path whose last part is a granted name. It is granted if a search for that name finds the
    /// same file.
    ///
    /// The last part must be the name: programs such as busybox are one file with many names, and
    /// do what the name says.
    Perhaps(PathBuf, String),
}

/// Length of the longest path that Linux accepts. A path also has to fit into the fault of a call
/// that was refused it.
const MAX_PATH_BYTES: usize = 4096;

impl Program {
    /// Returns the program that a guest means, if it may be granted. Nothing is looked up yet.
    pub(super) fn wanted(question: &ProcessStart, grants: &Grants) -> Result<Self, Denial> {
        let program = &*question.program;
        if program.is_empty() || program.contains('\0') || program.len() > MAX_PATH_BYTES {
            let message =
                "a program has a name or a path, without zeros, and of no more than 4096 bytes";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
        }
        if covers(grants, program, question) {
            return Ok(if program.contains('/') {
                Self::At(program.into())
            } else {
                Self::Named(program.into())
            });
        }
        let name = Path::new(program).file_name().and_then(OsStr::to_str);
        match name.filter(|name| program.starts_with('/') && covers(grants, name, question)) {
            Some(name) => Ok(Self::Perhaps(program.into(), name.into())),
            None => Err(
                Refusal::Denied(match questions::topic_of(program, &question.args) {
                    Some(topic) => Need::Ask(topic.into()),
                    None => Need::Run(program.into()),
                })
                .into(),
            ),
        }
    }

    /// Finds the program's file.
    pub(super) fn find(&self) -> Result<PathBuf, Denial> {
        self.find_in(&env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into()))
    }

    fn find_in(&self, path: &OsStr) -> Result<PathBuf, Denial> {
        match self {
            Self::Named(name) => Ok(search(name, path)?),
            Self::At(program) => Ok(absolute(program)?),
            Self::Perhaps(program, name) => match search(name, path) {
                Ok(found) if is_same_file(&found, program) => Ok(found),
                _ => Err(Refusal::Denied(Need::Run(program.display().to_string())).into()),
            },
        }
    }
}

/// Returns true if `program` is granted, by itself, with its first arguments, or as a question. In the
/// last two cases the guest chooses neither variables nor the directory: both could make it another
/// program.
fn covers(grants: &Grants, program: &str, question: &ProcessStart) -> bool {
    let is_plain = question.env.is_empty() && !question.clear_env && question.cwd.is_none();
    let is_whole = grants
        .run
        .iter()
        .any(|granted| granted == ANY || granted == program);
    let covers_words = || {
        let arguments = &question.args;
        grants.covers_command(program, arguments) || grants.covers_question(program, arguments)
    };
    is_whole || is_plain && covers_words()
}

/// Looks for a program in a `PATH`. Skips relative directories, which depend on where the agent was
/// started.
fn search(name: &str, path: &OsStr) -> io::Result<PathBuf> {
    let directories = env::split_paths(path).filter(|directory| directory.is_absolute());
    directories
        .map(|directory| directory.join(name))
        .find(|program| program.is_file() && access(program, Access::EXEC_OK).is_ok())
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no program `{name}` is on the host's PATH"),
            )
        })
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) else {
        return false;
    };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Returns the directory that a guest means by `path`: one that it may read, unless it may run
/// everything. The grant is needed because a program's work depends on the files around it.
pub(super) fn directory(path: &str, grants: &Grants) -> Result<PathBuf, Denial> {
    let denied = || Denial::from(Refusal::Denied(Need::Read(path.into())));
    if path.len() > MAX_PATH_BYTES {
        return Err(io::Error::from(io::ErrorKind::InvalidFilename).into());
    }
    if !path.starts_with('/') {
        let message = "the directory of a process is an absolute path: the guest is in none itself";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message).into());
    }
    let below = |root: &str| Some(path.strip_prefix(root.trim_end_matches('/'))?.to_owned());
    let granted = grants
        .paths
        .iter()
        .filter_map(|grant| Some((grant, below(&grant.guest_path)?)));
    let innermost = granted
        .filter(|(_, rest)| rest.is_empty() || rest.starts_with('/'))
        .min_by_key(|(_, rest)| rest.len());
    let Some((grant, rest)) = innermost else {
        let all = grants.run.iter().any(|granted| granted == ANY);
        return if all { Ok(path.into()) } else { Err(denied()) };
    };
    // Symbolic links and `..` may lead out of what is granted.
    let root = Path::new(&grant.path).canonicalize()?;
    let directory = root.join(rest.trim_start_matches('/')).canonicalize()?;
    if directory.starts_with(&root) {
        Ok(directory)
    } else {
        Err(denied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(program: &str, granted: &str) -> Option<Program> {
        let question = ProcessStart {
            program: program.into(),
            ..ProcessStart::default()
        };
        Program::wanted(&question, &Grants::none().run(granted)).ok()
    }

    fn found(program: &str, granted: &str) -> Option<PathBuf> {
        wanted(program, granted)?
            .find_in(OsStr::new("relative:/nowhere:/usr/bin:/bin"))
            .ok()
    }

    #[test]
    fn programs_are_granted_as_they_are_spelled() {
        assert_eq!(
            wanted("apt-get", "apt-get"),
            Some(Program::Named("apt-get".into()))
        );
        assert_eq!(
            wanted("./tool", "./tool"),
            Some(Program::At("./tool".into()))
        );
        assert_eq!(
            wanted("/opt/tool", "/opt/tool"),
            Some(Program::At("/opt/tool".into()))
        );
        assert_eq!(
            wanted("anything", ANY),
            Some(Program::Named("anything".into()))
        );
        for (program, granted) in [
            ("apt", "apt-get"),
            ("apt-get ", "apt-get"),
            ("x/../apt-get", "apt-get"),
            ("./apt-get", "apt-get"),
            ("apt-get", "/usr/bin/apt-get"),
            ("./../opt/tool", "/opt/tool"),
            ("", ANY),
            ("a\0b", ANY),
        ] {
            assert_eq!(wanted(program, granted), None, "{program} {granted}");
        }
    }

    #[test]
    fn first_arguments_are_granted_without_a_choice_of_surroundings() {
        let grants = Grants::none().run("systemctl restart nginx");
        let plain = ProcessStart {
            program: "systemctl".into(),
            args: vec!["restart".into(), "nginx".into()],
            ..ProcessStart::default()
        };
        let is_granted = |question: ProcessStart| Program::wanted(&question, &grants).is_ok();
        let (by_path, env) = (
            "/usr/bin/systemctl".into(),
            ("LD_PRELOAD".into(), Some("/x".into())),
        );
        assert!(is_granted(plain.clone()));
        assert!(is_granted(ProcessStart {
            program: by_path,
            ..plain.clone()
        }));
        assert!(!is_granted(ProcessStart {
            args: vec!["stop".into()],
            ..plain.clone()
        }));
        assert!(!is_granted(ProcessStart {
            env: vec![env],
            ..plain.clone()
        }));
        assert!(!is_granted(ProcessStart {
            clear_env: true,
            ..plain.clone()
        }));
        assert!(!is_granted(ProcessStart {
            cwd: Some("/".into()),
            ..plain
        }));
    }

    #[test]
    fn a_path_is_granted_by_a_name_that_is_found_there() {
        let sh = found("sh", "sh").unwrap();
        assert!(sh.is_absolute());
        assert_eq!(
            found("/bin/sh", "sh"),
            Some(sh.clone()),
            "what is run is what was found"
        );
        assert_eq!(found("/usr/../bin/sh", "sh"), Some(sh.clone()));
        assert_eq!(found("/etc/sh", "sh"), None);
        // The same file under another name may do something else.
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(sh, directory.path().join("ls")).unwrap();
        let link = directory.path().join("ls").display().to_string();
        assert_eq!(found(&link, "sh"), None);
        assert_eq!(found(&link, "ls"), None, "another file of the same name");
    }

    #[test]
    fn relative_programs_begin_where_the_agent_does() {
        let here = env::current_dir().unwrap();
        assert_eq!(found("./tool", "./tool"), Some(here.join("tool")));
        assert_eq!(found("no-such-program", ANY), None);
    }

    #[test]
    fn directories_are_granted_and_links_do_not_lead_out() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(path.join("granted/below")).unwrap();
        std::os::unix::fs::symlink("/", path.join("granted/out")).unwrap();
        let grants = Grants::none().dir(path.join("granted").display().to_string(), "/work", false);

        assert_eq!(directory("/work", &grants).ok(), Some(path.join("granted")));
        assert_eq!(
            directory("/work/below", &grants).ok(),
            Some(path.join("granted/below"))
        );
        for outside in [
            "/work/out",
            "/work/below/../..",
            "/workshop",
            "/",
            "work",
            "/work/none",
        ] {
            assert!(directory(outside, &grants).is_err(), "{outside}");
        }
        assert_eq!(
            directory("/", &Grants::none().run(ANY)).ok(),
            Some("/".into())
        );
    }
}
