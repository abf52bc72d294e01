//! Checkouts of git.

use std::path::PathBuf;

use serde::Serialize;

use crate::{
    action::{Action, Change},
    checkout::{Checkout, commit_of_branch, is_commit},
    fault::{Fault, FaultKind},
    look::{Kind, Look},
    prefab::Prefab,
    run::Run,
    settled::Settled,
};

/// A checkout of git. Made by [`git`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Git {
    path: PathBuf,
    url: String,
    commit: Option<String>,
    branch: Option<String>,
    has_submodules: bool,
}

/// A checkout of git: `git("/srv/app", "https://example.org/app").commit("…").ensure(run)?`.
///
/// It is at a whole [`commit`](Git::commit), or at the end of a [`branch`](Git::branch). A look reads
/// files of the repository and runs nothing, because a repository's settings can make git run
/// programs. So what was changed in a checkout at the right commit is not seen. One at another commit
/// is moved, unless it has changes that are not committed, or commits that its server had not: the
/// step fails then.
///
/// A new one is cloned beside its place and moved there. A plan needs `run = "git"` and the grant to
/// write to the folder that it stands in; it belongs to the account that the plan runs as, and git
/// refuses one that belongs to another account. The URL can be seen by all accounts of the host.
/// [`clean`](crate#clean) leaves checkouts as they are: there may be work in them.
///
/// ```no_run
/// use wxec_plan::{Fault, Run, git, plan};
///
/// /// An app, at a commit that was tested.
/// #[plan(write = "/srv", run = "git", attributes)]
/// fn app(run: &mut Run) -> Result<(), Fault> {
///     let tested = "8a4f2c1be0d94e6a5b7e3c2d1f0a9b8c7d6e5f40";
///     git("/srv/app", "https://example.org/app.git").commit(tested).ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn git(path: impl Into<PathBuf>, url: impl Into<String>) -> Git {
    Git {
        path: path.into(),
        url: url.into(),
        commit: None,
        branch: None,
        has_submodules: false,
    }
}

/// The commit in place of one that a preview does not know.
const UNFORESEEN: &str = "0000000000000000000000000000000000000000";

impl Git {
    /// Is at this commit: the 40 digits of its name, or 64 in a repository with such names. A preview
    /// of it is exact.
    pub fn commit(mut self, commit: impl Into<String>) -> Self {
        self.commit = Some(commit.into());
        self
    }

    /// Is at the end of this branch, for which the server is asked. A preview asks nothing, so it does
    /// not know whether one that is there would be moved.
    pub fn branch(mut self, branch: impl Into<String>) -> Self {
        self.branch = Some(branch.into());
        self
    }

    /// Has its submodules as well, as they are at a commit that is new here.
    pub fn submodules(mut self) -> Self {
        self.has_submodules = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        let mut commit = self.commit.clone();
        // Mistakes are told by the step itself.
        if let (Some(branch), false, Ok(())) = (&self.branch, run.is_preview(), self.check()) {
            let asked = commit_of_branch(&self.url, branch);
            commit = Some(asked.map_err(|fault| fault.at(&self.path))?);
        }
        run.ensure(&Known { git: self, commit })
    }

    fn check(&self) -> Result<(), Fault> {
        let refused = |message: String| Err(Fault::refused(&self.path, message));
        let is_plain = |c: char| c.is_ascii_graphic();
        let url = &self.url;
        if url.is_empty()
            || url.starts_with('-')
            || url.contains("::")
            || !url.chars().all(is_plain)
        {
            return refused(format!("{url:?} is no URL of a repository"));
        }
        match (&self.commit, &self.branch) {
            (None, None) => refused("a checkout has a `.commit(…)` or a `.branch(…)`".into()),
            (Some(_), Some(_)) => refused("a checkout has a commit or a branch, not both".into()),
            (Some(commit), None) if !is_commit(commit) => refused(format!(
                "{commit:?} is no whole name of a commit: that has 40 digits"
            )),
            (None, Some(branch)) if !is_branch(branch) => {
                refused(format!("{branch:?} is no name of a branch"))
            }
            _ => Ok(()),
        }
    }
}

fn is_branch(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-+#".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(is_plain)
        && !name.contains("..")
        && !name.ends_with(['/', '.'])
}

/// A checkout whose branch, outside of previews, is resolved to a commit.
struct Known<'a> {
    git: &'a Git,
    commit: Option<String>,
}

/// A path, as far as a checkout's prefab looks at it.
#[derive(Debug, PartialEq, Serialize)]
enum SeenGit {
    /// Nothing, or an empty folder.
    Free,
    /// A repository at this commit; `None` if it has none yet.
    At(Option<String>),
    /// A folder that is no repository.
    Taken,
    Other(Kind),
}

impl Known<'_> {
    /// Returns the commit that a repository is at, by its files.
    fn head(&self, look: &Look<'_>) -> Result<Option<String>, Fault> {
        let folder = self.git.path.join(".git");
        let text = |name: &str| -> Result<Option<String>, Fault> {
            let bytes = look.read(folder.join(name))?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let Some(head) = text("HEAD")? else {
            return Ok(None);
        };
        let Some(reference) = head.trim().strip_prefix("ref: ") else {
            return Ok(Some(head.trim().to_owned()).filter(|head| is_commit(head)));
        };
        if !reference.starts_with("refs/heads/") || !is_branch(reference) {
            return Ok(None);
        }
        if let Some(commit) = text(reference)? {
            return Ok(Some(commit.trim().to_owned()).filter(|commit| is_commit(commit)));
        }
        let packed = text("packed-refs")?.unwrap_or_default();
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(commit, name)| *name == reference && is_commit(commit));
        Ok(found.map(|(commit, _)| commit.to_owned()))
    }
}

impl Prefab for Known<'_> {
    type Seen = SeenGit;

    fn name(&self) -> String {
        format!("git {}", self.git.path.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenGit, Fault> {
        let path = &self.git.path;
        match look.entry(path)? {
            None => return Ok(SeenGit::Free),
            Some(entry) if entry.kind != Kind::Folder => return Ok(SeenGit::Other(entry.kind)),
            Some(_) => {}
        }
        match look.entry(path.join(".git"))? {
            Some(entry) if entry.kind == Kind::Folder => Ok(SeenGit::At(self.head(look)?)),
            None if look.names(path)?.is_none_or(|names| names.is_empty()) => Ok(SeenGit::Free),
            _ => Ok(SeenGit::Taken),
        }
    }

    fn plan(&self, seen: &SeenGit) -> Change {
        let Git {
            path, url, branch, ..
        } = self.git;
        let commit = &self.commit;
        if let Err(fault) = self.git.check() {
            return Change::refused(fault);
        }
        let checkout = || {
            Change::of([Action::Checkout(Checkout {
                path: path.clone(),
                url: url.clone(),
                commit: commit.clone(),
                branch: branch.clone(),
                has_submodules: self.git.has_submodules,
            })])
        };
        match (seen, commit) {
            (SeenGit::Other(kind), _) => Change::refused(kind.instead_of(path, "folder")),
            (SeenGit::Taken, _) => {
                let message = "there is a folder that is no checkout, it is not replaced";
                Change::refused(Fault::of(FaultKind::Refused, message).at(path))
            }
            (SeenGit::At(Some(at)), Some(wanted)) if at == wanted => Change::settled(),
            (SeenGit::At(Some(at)), None) if at == UNFORESEEN => Change::settled(),
            (SeenGit::At(_), None) => {
                let branch = branch.as_deref().unwrap_or_default();
                Change::unknown(format!(
                    "the server decides where {branch} is, and a preview asks none"
                ))
            }
            _ => checkout(),
        }
    }
}

impl Checkout {
    /// The content of `.git/HEAD` as a preview has it.
    pub(crate) fn foreseen_head(&self) -> String {
        format!("{}\n", self.commit.as_deref().unwrap_or(UNFORESEEN))
    }
}
