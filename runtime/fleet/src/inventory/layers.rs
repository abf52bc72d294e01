//! Settings in layers: the host's own win over those of its groups, and these over those of all
//! hosts. A group wins over one that it is a member of. Of two groups that have nothing to do with
//! each other none wins: their settings have to be the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use wxec_controller::Value;

use super::{
    declarations::{Declarations, Entry, Host, Settings},
    error::Problem,
    membership::Membership,
};

/// The value of a variable or an option, and where it comes from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// The part of the inventory that sets it.
    pub layer: Layer,
    /// The line there; `None` for what a program printed.
    pub line: Option<usize>,
}

/// A part of an inventory that has settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Layer {
    /// All hosts.
    All,
    /// A group.
    Group(Arc<str>),
    /// The host itself.
    Host,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Host => f.write_str("host"),
        }
    }
}

/// Returns the entries of one kind.
pub(super) type Kind = fn(&Settings) -> &[Entry];

/// The layers of all hosts.
pub(super) struct Layers<'a> {
    declared: &'a Declarations,
    membership: &'a Membership,
    group_names: Vec<Arc<str>>,
    /// Conflicts that were noted, each once for however many hosts.
    noted: BTreeSet<(String, usize, usize)>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(declared: &'a Declarations, membership: &'a Membership) -> Self {
        let names = declared
            .groups
            .iter()
            .map(|group| group.name.as_str().into());
        Self {
            declared,
            membership,
            group_names: names.collect(),
            noted: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Returns all settings of one kind that hold for `host`, which is in `groups`.
    pub(super) fn settings(
        &mut self,
        host: &Host,
        groups: &[usize],
        kind: Kind,
    ) -> BTreeMap<String, Setting> {
        let mut settings = BTreeMap::new();
        let declared = self.declared;
        for entry in kind(&declared.all)
            .iter()
            .filter(|entry| reaches(entry, host))
        {
            settings.insert(entry.name.clone(), setting(entry, Layer::All));
        }
        for (name, entries) in self.of_groups(host, groups, kind) {
            let (group, entry) = self.innermost(host, name, &entries);
            let layer = Layer::Group(self.group_names[group].clone());
            settings.insert(name.to_owned(), setting(entry, layer));
        }
        for entry in kind(&host.settings) {
            settings.insert(entry.name.clone(), setting(entry, Layer::Host));
        }
        settings
    }

    /// Returns the entries of the groups that a host is in, by their names.
    fn of_groups(
        &self,
        host: &Host,
        groups: &[usize],
        kind: Kind,
    ) -> BTreeMap<&'a str, Vec<(usize, &'a Entry)>> {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let own = kind(&host.settings);
        for group in groups {
            let entries = kind(&self.declared.groups[*group].settings).iter();
            let entries = entries.filter(|entry| reaches(entry, host));
            for entry in entries.filter(|entry| own.iter().all(|own| own.name != entry.name)) {
                found.entry(&*entry.name).or_default().push((*group, entry));
            }
        }
        found
    }

    /// Returns the entry of the innermost group, and notes a conflict if there are several of them.
    fn innermost(
        &mut self,
        host: &Host,
        name: &str,
        entries: &[(usize, &'a Entry)],
    ) -> (usize, &'a Entry) {
        let inner = &self.membership.groups;
        let is_outer = |group: usize| {
            entries
                .iter()
                .any(|(other, _)| inner[group].contains(other))
        };
        let mut innermost = entries.iter().filter(|(group, _)| !is_outer(*group));
        // Groups in a circle are all outer; the circle was noted already.
        let first = innermost.next().unwrap_or(&entries[0]);
        if let Some(other) = innermost.find(|(_, entry)| entry.value != first.1.value) {
            self.note(host, name, *first, *other);
        }
        *first
    }

    fn note(&mut self, host: &Host, name: &str, one: (usize, &Entry), other: (usize, &Entry)) {
        if !self.noted.insert((name.into(), one.0, other.0)) {
            return;
        }
        let shown = |(group, entry): (usize, &Entry)| {
            let line = entry.line.map(|line| format!(" (line {line})"));
            format!("@{}{}", self.group_names[group], line.unwrap_or_default())
        };
        let message = format!(
            "`{name}` differs between {} and {}, and `{}` is in both; set it for the host, or make one group a member of the other",
            shown(one),
            shown(other),
            host.name
        );
        self.problems.push(Problem {
            line: host.line,
            place: host.place.clone(),
            message,
        });
    }
}

/// Returns false if the entry says that `host` is reached through itself: the host through which
/// those of a group are reached may be in that group.
fn reaches(entry: &Entry, host: &Host) -> bool {
    entry.name != "via" || entry.value.as_text() != Some(&host.name)
}

fn setting(entry: &Entry, layer: Layer) -> Setting {
    Setting {
        value: entry.value.clone(),
        layer,
        line: entry.line,
    }
}
