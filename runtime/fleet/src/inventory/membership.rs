//! Hosts and groups of each group, through all levels of nesting.

use std::collections::{BTreeSet, HashMap};

use super::{
    declarations::{Declarations, Group, Written, within},
    error::Problem,
    pattern::{expand, is_glob, matches},
    similar::similar,
};

/// Limit for groups in groups in groups: people lose their way much earlier.
const MAX_LEVELS: usize = 64;

/// The members of all groups, by the groups' positions.
pub(super) struct Membership {
    /// Positions of the hosts, in the order of the inventory.
    pub(super) hosts: Vec<BTreeSet<usize>>,
    /// Positions of the groups inside of each group.
    pub(super) groups: Vec<BTreeSet<usize>>,
}

impl Membership {
    /// Finds the members of all groups, and notes those that are unknown or go round in a circle.
    pub(super) fn of(declared: &Declarations, problems: &mut Vec<Problem>) -> Self {
        let names = Names::of(declared);
        let mut direct = Self {
            hosts: vec![BTreeSet::new(); declared.groups.len()],
            groups: vec![BTreeSet::new(); declared.groups.len()],
        };
        for (index, group) in declared.groups.iter().enumerate() {
            for member in &group.members {
                if let Err(message) = direct.add(index, &member.value, &names) {
                    problems.push(problem(group, member, message));
                }
            }
        }
        direct.nested(&declared.groups, problems)
    }

    /// Returns the positions of the groups that each of `hosts` hosts is in.
    pub(super) fn groups_of_hosts(&self, hosts: usize) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); hosts];
        for (group, members) in self.hosts.iter().enumerate() {
            for host in members {
                groups[*host].push(group);
            }
        }
        groups
    }

    /// Adds a member to the group at `index`: `@group`, a name, a range, or a glob.
    fn add(&mut self, index: usize, member: &str, names: &Names<'_>) -> Result<(), String> {
        if let Some(group) = member.strip_prefix('@') {
            let inner = names.groups.get(group);
            self.groups[index].insert(*inner.ok_or_else(|| names.no_group(group))?);
            return Ok(());
        }
        for name in expand(member)? {
            if is_glob(&name) {
                let matching = names.hosts.iter().filter(|(host, _)| matches(&name, host));
                let before = self.hosts[index].len();
                self.hosts[index].extend(matching.map(|(_, host)| *host));
                if self.hosts[index].len() == before {
                    return Err(format!("`{name}` adds no host"));
                }
            } else {
                let host = names.hosts.get(&*name);
                self.hosts[index].insert(*host.ok_or_else(|| names.no_host(&name))?);
            }
        }
        Ok(())
    }

    /// Returns the members through all levels.
    fn nested(&self, groups: &[Group], problems: &mut Vec<Problem>) -> Self {
        let mut walk = Walk {
            direct: self,
            groups,
            problems,
            inner: vec![None; groups.len()],
        };
        for index in 0..groups.len() {
            walk.visit(index, &mut Vec::new());
        }
        let inner: Vec<_> = walk
            .inner
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        let hosts = inner.iter().enumerate().map(|(index, inner)| {
            let all = inner.iter().chain([&index]);
            all.flat_map(|group| &self.hosts[*group]).copied().collect()
        });
        Self {
            hosts: hosts.collect(),
            groups: inner,
        }
    }
}

/// A walk through the groups inside of groups.
struct Walk<'a> {
    direct: &'a Membership,
    groups: &'a [Group],
    problems: &'a mut Vec<Problem>,
    /// The groups inside of each group that was visited.
    inner: Vec<Option<BTreeSet<usize>>>,
}

impl Walk<'_> {
    /// Visits a group, which the groups on `path` lead to.
    fn visit(&mut self, index: usize, path: &mut Vec<usize>) {
        if self.inner[index].is_some() {
            return;
        }
        if let Some(start) = path.iter().position(|group| *group == index) {
            let circle = path[start..].iter().chain([&index]);
            let circle: Vec<_> = circle
                .map(|group| format!("@{}", self.groups[*group].name))
                .collect();
            return self.complain(
                index,
                format!("is a member of itself: {}", circle.join(" → ")),
            );
        }
        if path.len() == MAX_LEVELS {
            return self.complain(index, format!("is more than {MAX_LEVELS} groups deep"));
        }
        path.push(index);
        let mut all = BTreeSet::new();
        for member in &self.direct.groups[index] {
            self.visit(*member, path);
            all.insert(*member);
            all.extend(self.inner[*member].iter().flatten());
        }
        path.pop();
        self.inner[index] = Some(all);
    }

    fn complain(&mut self, index: usize, message: String) {
        let group = &self.groups[index];
        self.problems.push(Problem {
            line: group.line,
            place: within("groups", &group.name),
            message,
        });
    }
}

/// Positions of hosts and groups, by their names.
struct Names<'a> {
    hosts: HashMap<&'a str, usize>,
    groups: HashMap<&'a str, usize>,
}

impl<'a> Names<'a> {
    fn of(declared: &'a Declarations) -> Self {
        let hosts = declared.hosts.iter().map(|host| &*host.name);
        let groups = declared.groups.iter().map(|group| &*group.name);
        Self {
            hosts: hosts.zip(0..).collect(),
            groups: groups.zip(0..).collect(),
        }
    }

    fn no_group(&self, name: &str) -> String {
        let advice = similar(name, self.groups.keys().copied());
        let advice = advice.map(|similar| format!("; did you mean `@{similar}`?"));
        let name = name.escape_debug();
        format!("there is no group `{name}`{}", advice.unwrap_or_default())
    }

    fn no_host(&self, name: &str) -> String {
        let advice = if self.groups.contains_key(name) {
            format!("; the group is written `@{name}`")
        } else {
            similar(name, self.hosts.keys().copied())
                .map(|similar| format!("; did you mean `{similar}`?"))
                .unwrap_or_default()
        };
        format!("there is no host `{}`{advice}", name.escape_debug())
    }
}

fn problem(group: &Group, member: &Written<String>, message: String) -> Problem {
    Problem {
        line: member.line,
        place: within("groups", &group.name),
        message,
    }
}
