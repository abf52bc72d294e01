//! Settings in layers: the host's own win over those of its groups and roles, and these over those of
//! all hosts. A group wins over one that it is a member of. Of two groups that have nothing to do with
//! each other none wins, nor of a group and a role: their settings have to be the same.

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
    /// The keys that lead to it, such as `web` and `port`.
    pub path: Vec<String>,
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
    /// A role.
    Role(Arc<str>),
    /// The host itself.
    Host,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Role(name) => write!(f, "role {name}"),
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
    /// Those of groups, and behind them those of roles.
    shared: Vec<Layer>,
    /// Conflicts that were noted, each once for however many hosts.
    noted: BTreeSet<(String, usize, usize)>,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(declared: &'a Declarations, membership: &'a Membership) -> Self {
        let groups = declared.groups.iter();
        let groups = groups.map(|group| Layer::Group(group.name.as_str().into()));
        let roles = declared.roles.iter();
        let roles = roles.map(|role| Layer::Role(role.name.as_str().into()));
        Self {
            declared,
            membership,
            shared: groups.chain(roles).collect(),
            noted: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Returns all settings of one kind that hold for `host`, which is in `groups` and has `roles`.
    pub(super) fn settings(
        &mut self,
        host: &Host,
        groups: &[usize],
        roles: &[String],
        kind: Kind,
    ) -> BTreeMap<String, Setting> {
        let mut settings = BTreeMap::new();
        let shared = self.shared(groups, roles);
        let declared = self.declared;
        for entry in kind(&declared.all)
            .iter()
            .filter(|entry| reaches(entry, host))
        {
            set(&mut settings, entry, Layer::All);
        }
        for (name, entries) in self.of_shared(host, &shared, kind) {
            let (group, entry) = self.innermost(host, name, &entries);
            let layer = self.shared[group].clone();
            set(&mut settings, entry, layer);
        }
        for entry in kind(&host.settings) {
            set(&mut settings, entry, Layer::Host);
        }
        settings
    }

    /// Returns the positions of the shared layers of a host.
    fn shared(&self, groups: &[usize], roles: &[String]) -> Vec<usize> {
        let has = |layer: &Layer| matches!(layer, Layer::Role(name) if roles.iter().any(|role| **role == **name));
        let roles = (0..self.shared.len()).filter(|index| has(&self.shared[*index]));
        groups.iter().copied().chain(roles).collect()
    }

    fn settings_of(&self, shared: usize) -> &'a Settings {
        let declared = self.declared;
        match declared.groups.get(shared) {
            Some(group) => &group.settings,
            None => &declared.roles[shared - declared.groups.len()].settings,
        }
    }

    /// Returns the entries of the shared layers of a host, by their names.
    fn of_shared(
        &self,
        host: &Host,
        shared: &[usize],
        kind: Kind,
    ) -> BTreeMap<&'a str, Vec<(usize, &'a Entry)>> {
        let mut found: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let own = kind(&host.settings);
        for group in shared {
            let entries = kind(self.settings_of(*group)).iter();
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
                .any(|(other, _)| inner.get(group).is_some_and(|inner| inner.contains(other)))
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
            let name = match &self.shared[group] {
                Layer::Role(name) => format!("role:{name}"),
                layer => layer.to_string().replace("group ", ""),
            };
            format!("@{name}{}", line.unwrap_or_default())
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

/// Sets a value in place of that of the layers below. Where one of both is a table and the other is
/// none, all of the table gives way.
fn set(settings: &mut BTreeMap<String, Setting>, entry: &Entry, layer: Layer) {
    settings.retain(|name, _| !(is_within(name, &entry.name) || is_within(&entry.name, name)));
    let setting = Setting {
        value: entry.value.clone(),
        path: entry.path.clone(),
        layer,
        line: entry.line,
    };
    settings.insert(entry.name.clone(), setting);
}

/// Returns true if `name` is that of a value in the table `table`.
fn is_within(name: &str, table: &str) -> bool {
    name.strip_prefix(table)
        .is_some_and(|rest| rest.starts_with('.'))
}
