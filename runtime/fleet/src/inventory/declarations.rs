//! Declarations of an inventory, read from its tree. Every mistake is noted with its place, and
//! reading goes on behind it.

use wxec_controller::Value;

use super::{
    error::Problem,
    node::{Content, Key, Node},
    options,
    pattern::expand,
    similar::similar,
};

/// Limit for the hosts of an inventory: far more than one controller works on.
const MAX_HOSTS: usize = 100_000;

/// Declarations of an inventory.
#[derive(Debug, Default)]
pub(super) struct Declarations {
    pub(super) require_target: bool,
    pub(super) all: Settings,
    pub(super) groups: Vec<Group>,
    /// Settings of roles. Hosts and groups say which hosts have a role.
    pub(super) roles: Vec<Role>,
    pub(super) hosts: Vec<Host>,
}

/// Settings of all hosts, of a group, or of a host.
#[derive(Debug, Default, Clone)]
pub(super) struct Settings {
    pub(super) roles: Vec<Written<String>>,
    pub(super) variables: Vec<Entry>,
    /// Options by their whole names, such as `limits.memory`.
    pub(super) options: Vec<Entry>,
}

/// A name and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) path: Vec<String>,
    pub(super) value: Value,
    pub(super) line: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) line: Option<usize>,
    pub(super) members: Vec<Written<String>>,
    pub(super) settings: Settings,
}

#[derive(Debug)]
pub(super) struct Role {
    pub(super) name: String,
    pub(super) line: Option<usize>,
    pub(super) settings: Settings,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) line: Option<usize>,
    /// The key that declares it, which may be a range.
    pub(super) place: String,
    pub(super) address: Option<Written<String>>,
    pub(super) settings: Settings,
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct Written<T> {
    pub(super) value: T,
    pub(super) line: Option<usize>,
}

/// Reads the tree of a whole inventory. The declarations are complete only without problems.
pub(super) fn read(root: &Node) -> (Declarations, Vec<Problem>) {
    let mut reader = Reader::default();
    let mut read = Declarations::default();
    for (key, node) in reader.table("", root) {
        match &*key.text {
            "require_target" => read.require_target = reader.truth("require_target", node),
            "all" => read.all = reader.settings("all", node, &[]),
            "groups" => read.groups = reader.groups(node),
            "roles" => read.roles = reader.settings_of_roles(node),
            "hosts" => read.hosts = reader.hosts(node),
            _ => {
                let known = ["require_target", "all", "groups", "roles", "hosts"];
                reader.unknown("", key, &known);
            }
        }
    }
    (read, reader.problems)
}

#[derive(Default)]
struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn problem(&mut self, line: Option<usize>, place: &str, message: impl Into<String>) {
        self.problems.push(Problem {
            line,
            place: place.into(),
            message: message.into(),
        });
    }

    fn unknown(&mut self, place: &str, key: &Key, known: &[&str]) {
        let advice = similar(&key.text, known.iter().copied()).map_or_else(
            || format!("there are {}", known.join(", ")),
            |similar| format!("did you mean `{similar}`?"),
        );
        let message = format!("unknown key; {advice}");
        self.problem(key.line, &within(place, &key.text), message);
    }

    fn is_not(&mut self, place: &str, node: &Node, wanted: &str) {
        let message = format!("is {}, and has to be {wanted}", node.kind());
        self.problem(node.line, place, message);
    }

    fn table<'a>(&mut self, place: &str, node: &'a Node) -> &'a [(Key, Node)] {
        if let Content::Table(entries) = &node.content {
            return entries;
        }
        self.is_not(place, node, "a table");
        &[]
    }

    fn truth(&mut self, place: &str, node: &Node) -> bool {
        if let Content::Single(Value::Bool(truth)) = node.content {
            return truth;
        }
        self.is_not(place, node, "true or false");
        false
    }

    fn text(&mut self, place: &str, node: &Node) -> Option<Written<String>> {
        if let Content::Single(Value::Text(text)) = &node.content {
            let (value, line) = (text.clone(), node.line);
            return Some(Written { value, line });
        }
        self.is_not(place, node, "a text");
        None
    }

    fn texts(&mut self, place: &str, node: &Node) -> Vec<Written<String>> {
        let Content::List(nodes) = &node.content else {
            self.is_not(place, node, "a list of texts");
            return Vec::new();
        };
        nodes
            .iter()
            .filter_map(|node| self.text(place, node))
            .collect()
    }

    /// Reads a name, such as those of hosts, groups and roles.
    fn name(&mut self, place: &str, name: &str, line: Option<usize>) -> bool {
        let is_usual = |c: char| c.is_alphanumeric() || "._-".contains(c);
        let reason = match name.chars().find(|c| !is_usual(*c)) {
            _ if name.is_empty() => "a name is empty".to_owned(),
            Some(c) => format!("a name cannot contain `{}`", c.escape_debug()),
            None if name.starts_with('-') => "a name cannot start with `-`".to_owned(),
            None => return true,
        };
        self.problem(line, place, reason);
        false
    }

    /// Reads the settings in a table. Keys in `also` are the caller's.
    fn settings(&mut self, place: &str, node: &Node, also: &[&'static str]) -> Settings {
        let mut read = Settings::default();
        for (key, node) in self.table(place, node) {
            let here = within(place, &key.text);
            match &*key.text {
                "roles" => read.roles = self.roles(&here, node),
                "vars" => read.variables = self.variables(&here, node),
                "limits" => self.options(&here, "limits.", node, &mut read.options),
                name if options::is_known(name) => {
                    self.option(&here, name, node, &mut read.options)
                }
                name if also.contains(&name) => {}
                _ => {
                    let own = ["roles", "vars", "limits"].into_iter();
                    let known = also.iter().copied().chain(own).chain(options::names(""));
                    self.unknown(place, key, &known.collect::<Vec<_>>());
                }
            }
        }
        read
    }

    fn roles(&mut self, place: &str, node: &Node) -> Vec<Written<String>> {
        let mut roles = self.texts(place, node);
        roles.retain(|role| self.name(place, &role.value, role.line));
        roles
    }

    fn variables(&mut self, place: &str, node: &Node) -> Vec<Entry> {
        let mut read = Vec::new();
        for (key, node) in self.table(place, node) {
            self.holdable(&within(place, &key.text), node);
            leaves(&[&key.text], key.line, node, &mut read);
        }
        read
    }

    /// Refuses null anywhere in a variable: TOML has none, so both forms would differ.
    fn holdable(&mut self, place: &str, node: &Node) {
        match &node.content {
            Content::Single(Value::Null) => {
                self.problem(node.line, place, "has no value that a variable can hold");
            }
            Content::Single(_) => {}
            Content::List(nodes) => nodes.iter().for_each(|node| self.holdable(place, node)),
            Content::Table(entries) => entries
                .iter()
                .for_each(|(key, node)| self.holdable(&within(place, &key.text), node)),
        }
    }

    fn options(&mut self, place: &str, group: &str, node: &Node, read: &mut Vec<Entry>) {
        for (key, node) in self.table(place, node) {
            let name = format!("{group}{}", key.text);
            if options::is_known(&name) {
                self.option(&within(place, &key.text), &name, node, read);
            } else {
                self.unknown(place, key, &options::names(group).collect::<Vec<_>>());
            }
        }
    }

    fn option(&mut self, place: &str, name: &str, node: &Node, read: &mut Vec<Entry>) {
        let value = node.to_value();
        match options::check(name, &value) {
            Ok(()) => read.push(Entry {
                name: name.into(),
                path: name.split('.').map(Into::into).collect(),
                value,
                line: node.line,
            }),
            Err(wanted) => self.problem(node.line, place, wanted),
        }
    }

    fn groups(&mut self, node: &Node) -> Vec<Group> {
        let mut read = Vec::new();
        for (key, node) in self.table("groups", node) {
            let place = within("groups", &key.text);
            if !self.name(&place, &key.text, key.line) {
                continue;
            }
            if key.text == "all" {
                self.problem(key.line, &place, "`@all` is the group of all hosts already");
            }
            read.push(self.group(&place, key, node));
        }
        read
    }

    /// Reads a group: a list of its members, or a table with settings beside them.
    fn group(&mut self, place: &str, key: &Key, node: &Node) -> Group {
        let (members, settings) = match &node.content {
            Content::Table(entries) => {
                let settings = self.settings(place, node, &["members"]);
                let members = entries.iter().find(|(key, _)| key.text == "members");
                let members = members
                    .map(|(_, node)| self.texts(&within(place, "members"), node))
                    .unwrap_or_default();
                (members, settings)
            }
            Content::List(_) => (self.texts(place, node), Settings::default()),
            Content::Single(_) => {
                self.is_not(place, node, "a list of hosts and groups, or a table");
                <_>::default()
            }
        };
        Group {
            name: key.text.clone(),
            line: key.line,
            members,
            settings,
        }
    }

    fn settings_of_roles(&mut self, node: &Node) -> Vec<Role> {
        let mut read = Vec::new();
        for (key, node) in self.table("roles", node) {
            let place = within("roles", &key.text);
            if !self.name(&place, &key.text, key.line) {
                continue;
            }
            let settings = self.settings(&place, node, &[]);
            if let Some(role) = settings.roles.first() {
                let message = "a role has no roles; give them to a host or a group";
                self.problem(role.line, &within(&place, "roles"), message);
            }
            read.push(Role {
                name: key.text.clone(),
                line: key.line,
                settings,
            });
        }
        read
    }

    fn hosts(&mut self, node: &Node) -> Vec<Host> {
        let mut read: Vec<Host> = Vec::new();
        let mut known = std::collections::HashMap::new();
        for (key, node) in self.table("hosts", node) {
            let place = within("hosts", &key.text);
            let settings = self.settings(&place, node, &["address"]);
            let address = self.address(&place, node);
            for name in self.host_names(&place, key) {
                if read.len() >= MAX_HOSTS {
                    let message = format!("there are more than {MAX_HOSTS} hosts");
                    self.problem(key.line, &place, message);
                    return read;
                }
                if let Some(line) = known.insert(name.clone(), key.line) {
                    let line = line
                        .map(|line| format!(" in line {line}"))
                        .unwrap_or_default();
                    let message = format!("`{name}` is declared{line} already");
                    self.problem(key.line, &place, message);
                    continue;
                }
                read.push(Host {
                    line: key.line,
                    place: place.clone(),
                    address: address.clone(),
                    settings: settings.clone(),
                    name,
                });
            }
        }
        read
    }

    fn host_names(&mut self, place: &str, key: &Key) -> Vec<String> {
        let mut names = match expand(&key.text) {
            Ok(names) => names,
            Err(reason) => {
                self.problem(key.line, place, reason);
                return Vec::new();
            }
        };
        // Names of one range differ only in digits, so one complaint is enough.
        if names
            .first()
            .is_none_or(|name| !self.name(place, name, key.line))
        {
            names.clear();
        }
        names
    }

    fn address(&mut self, place: &str, node: &Node) -> Option<Written<String>> {
        let Content::Table(entries) = &node.content else {
            return None;
        };
        let (_, node) = entries.iter().find(|(key, _)| key.text == "address")?;
        self.text(&within(place, "address"), node)
    }
}

/// Adds the values of a variable: one, or those of a table with each a name such as `web.port`.
fn leaves(path: &[&str], line: Option<usize>, node: &Node, read: &mut Vec<Entry>) {
    match &node.content {
        Content::Table(entries) if !entries.is_empty() => {
            for (key, node) in entries {
                leaves(&[path, &[&key.text]].concat(), key.line, node, read);
            }
        }
        _ => read.push(Entry {
            name: path
                .iter()
                .fold(String::new(), |name, key| within(&name, key)),
            path: path.iter().map(ToString::to_string).collect(),
            value: node.to_value(),
            line,
        }),
    }
}

/// Returns the place of `key` in the table at `place`, as TOML writes it.
pub(super) fn within(place: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let dot = if place.is_empty() { "" } else { "." };
    if !key.is_empty() && key.chars().all(is_bare) {
        format!("{place}{dot}{key}")
    } else {
        format!("{place}{dot}\"{}\"", key.escape_debug())
    }
}
