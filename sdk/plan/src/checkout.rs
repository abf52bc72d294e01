//! Checkouts of git: `git` of the host makes and moves them.

use std::path::{Path, PathBuf};

use crate::{
    command::{Answer, Command, command},
    fault::{Fault, FaultKind},
};

/// A checkout that is made, or moved to another commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    pub(crate) path: PathBuf,
    pub(crate) url: String,
    /// `None` if a preview cannot know it.
    pub(crate) commit: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) has_submodules: bool,
}

/// The commit in the differences of a preview that cannot know it.
pub(crate) const SOME_COMMIT: &str = "some commit";

/// Settings for all commands. A repository's own settings and hooks can make git run programs, and
/// nothing may wait for a server or a password for ever.
const SETTINGS: [&str; 6] = [
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.fsync=all",
    "protocol.ext.allow=never",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
];

/// Returns a command of git, without the words that say what it does.
fn git() -> Command {
    let settings = SETTINGS.iter().flat_map(|setting| ["-c", setting]);
    let ssh = "ssh -o BatchMode=yes -o ConnectTimeout=60 -o ServerAliveInterval=15";
    command(["git"])
        .args(settings)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_SSH_COMMAND", ssh)
        .env("LC_ALL", "C")
}

/// Asks the server for the commit that a branch is at.
pub(crate) fn commit_of_branch(url: &str, branch: &str) -> Result<String, Fault> {
    let reference = format!("refs/heads/{branch}");
    let answer = git().args(["ls-remote", "--exit-code", "--", url, &reference]);
    let answer = answer.carry_out()?;
    let lines = answer
        .stdout
        .lines()
        .filter_map(|line| line.split_once('\t'));
    let mut found = lines.filter(|(_, name)| *name == reference);
    match found.next() {
        Some((commit, _)) if is_commit(commit) => Ok(commit.to_owned()),
        _ => {
            let message = format!("{url} has no branch {branch}");
            Err(Fault::of(FaultKind::Missing, message))
        }
    }
}

/// Returns true for the whole name of a commit.
pub(crate) fn is_commit(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(is_digit)
}

impl Checkout {
    /// Makes it in a folder that is not there.
    pub(crate) fn make(&self, folder: &Path) -> Result<(), Fault> {
        let place = folder.display().to_string();
        let clone = ["clone", "--quiet", "--no-checkout", "--", &self.url, &place];
        git().args(clone).carry_out()?;
        self.switch(folder)
    }

    /// Moves the one that is there, unless that would lose something.
    pub(crate) fn update(&self) -> Result<(), Fault> {
        let path = &self.path;
        let changed = Self::at(path, &["status", "--porcelain"])?.stdout;
        if let Some(first) = changed.lines().next() {
            let message = format!("it has changes that are not committed, such as `{first}`");
            return Err(Fault::refused(path, message));
        }
        let ahead = ["rev-list", "--max-count=1", "HEAD", "--not", "--remotes"];
        if !Self::at(path, &ahead)?.stdout.trim().is_empty() {
            let message = "it has commits that its server had not";
            return Err(Fault::refused(path, message));
        }
        Self::at(path, &["remote", "set-url", "--", "origin", &self.url])?;
        Self::at(path, &["fetch", "--quiet", "--prune", "--", "origin"])?;
        self.switch(path)
    }

    fn switch(&self, folder: &Path) -> Result<(), Fault> {
        let commit = self.commit.as_deref().unwrap_or_default();
        let has_it = ["cat-file", "-e", &format!("{commit}^{{commit}}")];
        if Self::at(folder, &has_it).is_err() {
            // It may be on none of the branches.
            Self::at(folder, &["fetch", "--quiet", "--", "origin", commit])?;
        }
        match &self.branch {
            Some(branch) => Self::at(folder, &["checkout", "--quiet", "-B", branch, commit, "--"])?,
            None => Self::at(folder, &["checkout", "--quiet", "--detach", commit, "--"])?,
        };
        if self.has_submodules {
            let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
            Self::at(folder, &update)?;
        }
        Ok(())
    }

    fn at(folder: &Path, words: &[&str]) -> Result<Answer, Fault> {
        let folder = folder.display().to_string();
        let command = git().args(["-C", &folder]).args(words.iter().copied());
        command.carry_out()
    }
}
