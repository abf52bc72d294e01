//! The shadow: what actions would have left behind, for the paths they would have changed. It is
//! kept in memory and does no I/O.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use wxec::module::Digest;

use crate::{
    action::Owner,
    content::Content,
    item::{Attributes, Effect},
};

/// Predictions, which lie over the host's own files and items.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shadow {
    paths: BTreeMap<PathBuf, Option<Node>>,
    /// The predicted attributes of items; `None` for those that are absent.
    items: BTreeMap<String, Option<Attributes>>,
    /// Whether a program would have run, which may have made anything.
    is_after_programs: bool,
}

/// A predicted file, folder or symlink.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) body: Body,
    pub(crate) mode: u32,
    /// The parts that are known: a new file belongs to the account that the plan runs as, which the
    /// plan does not know.
    pub(crate) owner: Owner,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    File(Content),
    /// A file that would be fetched, with its digest if that is known.
    Fetched(Option<Digest>),
    /// A folder from an archive or a repository, with what nobody can foresee in it.
    Unpacked,
    /// A file of this size whose content is as on the host.
    HostFile(u64),
    /// A folder that the plan would make: the host's own files do not show in it.
    NewFolder,
    /// A folder of the host, with what is in it.
    HostFolder,
    Symlink(PathBuf),
    /// What a command would make, which nobody can foresee.
    Unforeseen,
}

/// The shadow's answer about a path.
pub(crate) enum Shadowed<'a> {
    /// The plan would not have changed it: ask the host.
    Host,
    Absent,
    /// Something or nothing, as an archive or a repository has it.
    Unforeseen,
    There(&'a Node),
}

impl Shadow {
    /// Returns true if nothing would have been changed.
    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.items.is_empty() && !self.is_after_programs
    }

    /// Returns the answer about `path`, which is that of its nearest predicted ancestor if it is
    /// not predicted itself.
    pub(crate) fn at(&self, path: &Path) -> Shadowed<'_> {
        if let Some(predicted) = self.paths.get(path) {
            return predicted.as_ref().map_or(Shadowed::Absent, Shadowed::There);
        }
        let mut ancestors = path.ancestors().skip(1);
        match ancestors.find_map(|ancestor| self.paths.get(ancestor)) {
            None => Shadowed::Host,
            Some(Some(node)) if matches!(node.body, Body::HostFolder) => Shadowed::Host,
            Some(Some(node)) if matches!(node.body, Body::Unforeseen) => Shadowed::There(node),
            Some(Some(node)) if matches!(node.body, Body::Unpacked) => Shadowed::Unforeseen,
            Some(_) => Shadowed::Absent,
        }
    }

    /// Predicts what is at `path`; `None` is nothing. What had been predicted below it is gone if
    /// there is nothing any more.
    pub(crate) fn set(&mut self, path: PathBuf, node: Option<Node>) {
        if node.is_none() {
            self.paths.retain(|known, _| !known.starts_with(&path));
        }
        self.paths.insert(path, node);
    }

    /// Returns what is predicted of an item, if anything is.
    pub(crate) fn item(&self, name: &str) -> Option<&Option<Attributes>> {
        self.items.get(name)
    }

    /// Predicts that a program runs.
    pub(crate) fn set_after_programs(&mut self) {
        self.is_after_programs = true;
    }

    pub(crate) fn is_after_programs(&self) -> bool {
        self.is_after_programs
    }

    /// Predicts an item.
    pub(crate) fn set_item(&mut self, effect: &Effect) {
        let Effect { item, after, .. } = effect;
        self.items.insert(item.clone(), after.clone());
    }

    /// Returns the predictions for what is in the folder at `path`: the names of what is there, and
    /// of what is not.
    pub(crate) fn names(&self, path: &Path) -> impl Iterator<Item = (&Path, bool)> {
        self.paths.iter().filter_map(move |(known, node)| {
            let name = Path::new(known.file_name()?);
            (known.parent() == Some(path)).then_some((name, node.is_some()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(body: Body) -> Option<Node> {
        Some(Node {
            body,
            mode: 0o755,
            owner: Owner::default(),
        })
    }

    #[test]
    fn what_is_below_a_removed_folder_is_absent_even_when_the_folder_is_made_again() {
        let mut shadow = Shadow::default();
        let below = Path::new("/srv/app/x");
        assert!(matches!(shadow.at(below), Shadowed::Host));

        shadow.set("/srv/app/x".into(), folder(Body::HostFolder));
        assert!(matches!(shadow.at(below), Shadowed::There(_)));
        assert!(matches!(shadow.at(&below.join("y")), Shadowed::Host));

        shadow.set("/srv/app".into(), None);
        assert!(matches!(shadow.at(below), Shadowed::Absent));
        shadow.set("/srv/app".into(), folder(Body::NewFolder));
        assert!(matches!(shadow.at(below), Shadowed::Absent));
        assert!(matches!(shadow.at(Path::new("/srv")), Shadowed::Host));
        assert!(matches!(shadow.at(Path::new("/srv/apple")), Shadowed::Host));
    }
}
