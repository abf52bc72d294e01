//! From targets to hosts.

use std::collections::{HashMap, HashSet};

use wxec_controller::{Address, AddressError, Hop, Host, Value};

use super::{
    Inventory,
    error::TargetError,
    expression::{ALL, Expression, Factor, Kind, Part, Word},
    options,
    pattern::{is_glob, matches},
    resolve::InventoryHost,
    selection::{Connecting, Selection},
    similar::similar,
};

/// A host that a word stands for.
#[derive(Debug, Clone)]
struct Chosen {
    host: Host,
    connecting: Connecting,
    /// True for a mere name that the inventory does not know.
    is_stranger: bool,
}

/// Identifies a host in sets: by its name and its address, as hosts are compared.
type Identity = (String, Address);

impl Chosen {
    fn identity(&self) -> Identity {
        (self.host.name().into(), self.host.address().clone())
    }
}

fn identities(hosts: &[Chosen]) -> HashSet<Identity> {
    hosts.iter().map(Chosen::identity).collect()
}

pub(super) fn select(inventory: &Inventory, target: &str) -> Result<Selection, TargetError> {
    let expression = Expression::parse(target)?;
    inventory.check_all(&expression)?;
    let mut counts = Vec::new();
    let mut chosen = inventory.chosen(&expression, &mut counts)?;
    if chosen.is_empty() {
        return Err(TargetError::Empty {
            target: target.into(),
            parts: counts,
        });
    }
    let strangers = inventory.strangers(&chosen);
    inventory.tell_apart(&mut chosen);
    Ok(Selection {
        strangers,
        hosts: chosen
            .into_iter()
            .map(|one| (one.host, one.connecting))
            .collect(),
    })
}

impl Inventory {
    /// Gives a host its whole address as its name, if another one that is chosen, or one of the
    /// inventory, has its short name: results and records of runs go by the name.
    fn tell_apart(&self, chosen: &mut [Chosen]) {
        let mut counts = HashMap::<String, usize>::new();
        for one in &*chosen {
            *counts.entry(one.host.name().into()).or_default() += 1;
        }
        for Chosen { host, .. } in chosen {
            let entry = self.host(host.name());
            let is_entry = entry.is_some_and(|entry| entry.address() == host.address());
            if !is_entry && (entry.is_some() || counts[host.name()] > 1) {
                *host = host.with_name(host.address().to_string());
            }
        }
    }

    /// Refuses a target that is all hosts, if that has to be narrowed here.
    fn check_all(&self, expression: &Expression) -> Result<(), TargetError> {
        let mut bare = None;
        for part in &expression.parts {
            match part {
                Part::Remove(_) => return Ok(()),
                Part::Add(factors) => match &**factors {
                    [Factor { word, .. }] if is_all(word) => bare = Some(word),
                    _ => {}
                },
            }
        }
        match (bare, &self.file) {
            (Some(word), Some(file)) if self.require_target => Err(TargetError::AllHosts {
                file: file.clone(),
                part: word.text.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Returns the hosts that the parts add and do not remove, each once.
    fn chosen(
        &self,
        expression: &Expression,
        counts: &mut Vec<String>,
    ) -> Result<Vec<Chosen>, TargetError> {
        let (mut chosen, mut seen) = (Vec::new(), HashSet::new());
        for part in &expression.parts {
            if let Part::Add(factors) = part {
                chosen.extend(self.add(factors, counts)?);
            }
        }
        chosen.retain(|one: &Chosen| seen.insert(one.identity()));
        for part in &expression.parts {
            if let Part::Remove(word) = part {
                let removed = self.taken(word, &self.counted(word, counts)?, &seen)?;
                chosen.retain(|one| !removed.contains(&one.identity()));
            }
        }
        Ok(chosen)
    }

    /// Returns the hosts that all factors have, in the order of the first that is not negated.
    fn add(
        &self,
        factors: &[Factor],
        counts: &mut Vec<String>,
    ) -> Result<Vec<Chosen>, TargetError> {
        let (mut common, mut excluded): (Option<Vec<Chosen>>, _) = (None, Vec::new());
        for Factor { is_negated, word } in factors {
            let hosts = self.counted(word, counts)?;
            if *is_negated {
                excluded.push((word, hosts));
            } else if let Some(common) = &mut common {
                self.check_known(&hosts)?;
                let hosts = identities(&hosts);
                common.retain(|one| hosts.contains(&one.identity()));
            } else {
                self.check_matching(word, &hosts)?;
                common = Some(hosts);
            }
        }
        let mut common = common.unwrap_or_default();
        let before = identities(&common);
        for (word, hosts) in excluded {
            let hosts = self.taken(word, &hosts, &before)?;
            common.retain(|one| !hosts.contains(&one.identity()));
        }
        Ok(common)
    }

    /// Refuses a name that the inventory does not have beside others that it has: no host has both.
    fn check_known(&self, hosts: &[Chosen]) -> Result<(), TargetError> {
        let mut strangers = hosts.iter().filter(|one| one.is_stranger);
        match strangers.next() {
            Some(one) if !self.hosts.is_empty() => Err(self.unknown("host", one.host.name())),
            _ => Ok(()),
        }
    }

    /// Refuses a glob that adds nothing: hosts must not be left out silently.
    fn check_matching(&self, word: &Word, hosts: &[Chosen]) -> Result<(), TargetError> {
        let Kind::Names(_) = word.kind else {
            return Ok(());
        };
        if hosts.is_empty() {
            let all = self.hosts.len();
            let reason = format!(
                "it matches none of the {all} hosts of {}",
                self.shown_file()
            );
            return Err(refused(word, reason));
        }
        Ok(())
    }

    /// Returns the `hosts` of a word, to be taken from `others`. A host that neither these nor the
    /// inventory have is most likely a typo, and the one that was meant would be worked on.
    fn taken(
        &self,
        word: &Word,
        hosts: &[Chosen],
        others: &HashSet<Identity>,
    ) -> Result<HashSet<Identity>, TargetError> {
        for one in hosts {
            let entry = self.host(one.host.name());
            let is_known = entry.is_some_and(|entry| entry.address() == one.host.address());
            if is_known || others.contains(&one.identity()) {
                continue;
            }
            self.check_known(hosts)?;
            return Err(refused(word, "it takes away a host that no other part has"));
        }
        Ok(identities(hosts))
    }

    /// Returns the hosts of a word, and notes their number for an empty selection.
    fn counted(&self, word: &Word, counts: &mut Vec<String>) -> Result<Vec<Chosen>, TargetError> {
        let hosts = self.hosts_of(word)?;
        let plural = if hosts.len() == 1 { "host" } else { "hosts" };
        counts.push(format!(
            "`{}` is {} {plural}",
            word.text.escape_debug(),
            hosts.len()
        ));
        Ok(hosts)
    }

    fn hosts_of(&self, word: &Word) -> Result<Vec<Chosen>, TargetError> {
        let needs_inventory = match &word.kind {
            Kind::Group(_) | Kind::Role(_) => true,
            Kind::Names(names) => names.iter().any(|name| is_glob(name)),
            Kind::Address => false,
        };
        if needs_inventory && self.file.is_none() {
            let part = word.text.clone();
            return Err(TargetError::NoInventory { part });
        }
        match &word.kind {
            Kind::Group(name) => self.group(name),
            Kind::Role(role) => self.role(role),
            Kind::Names(names) => {
                let hosts = names.iter().map(|name| self.named(name));
                Ok(hosts.collect::<Result<Vec<_>, _>>()?.concat())
            }
            Kind::Address => Ok(vec![self.addressed(word)?]),
        }
    }

    fn group(&self, name: &str) -> Result<Vec<Chosen>, TargetError> {
        if name == ALL {
            return Ok(self.hosts.iter().map(known).collect());
        }
        let group = self.groups.iter().find(|(group, _)| group == name);
        let (_, hosts) = group.ok_or_else(|| self.unknown("group", name))?;
        Ok(hosts.iter().map(|host| known(&self.hosts[*host])).collect())
    }

    fn role(&self, role: &str) -> Result<Vec<Chosen>, TargetError> {
        let has_role = |host: &&InventoryHost| host.roles().iter().any(|own| own == role);
        let hosts: Vec<_> = self.hosts.iter().filter(has_role).map(known).collect();
        if hosts.is_empty() {
            return Err(self.unknown("role", role));
        }
        Ok(hosts)
    }

    /// Returns the hosts that a name or a glob stands for.
    fn named(&self, name: &str) -> Result<Vec<Chosen>, TargetError> {
        if is_glob(name) {
            let matching = self.hosts.iter().filter(|host| matches(name, host.name()));
            return Ok(matching.map(known).collect());
        }
        if let Some(host) = self.host(name) {
            return Ok(vec![known(host)]);
        }
        let host = Host::new(name)?;
        if self.require_target {
            return Err(self.unknown("host", name));
        }
        Ok(vec![Chosen {
            host,
            connecting: Connecting::default(),
            is_stranger: true,
        }])
    }

    /// Returns the host at an address. Its first hop may be a host of the inventory, if it has no
    /// scheme: `root@web1`, `web1/sudo:app`.
    fn addressed(&self, word: &Word) -> Result<Chosen, TargetError> {
        let typed: Address = word.text.parse()?;
        let first = match typed.hops() {
            [Hop::Ssh(first), ..] if !word.text.starts_with("ssh:") => first,
            _ => return Ok(stranger(typed.into())),
        };
        let Some(entry) = self.host(&first.host) else {
            return Ok(stranger(typed.into()));
        };
        let login = match (&first.user, first.port) {
            (None, None) => entry.login().clone(),
            _ => with_login(entry, first).ok_or_else(|| {
                let address = entry.address();
                refused(
                    word,
                    format!("its host is reached by {address}, where no account logs in"),
                )
            })?,
        };
        let rest = &typed.hops()[1..];
        let address = join(login.hops().iter().chain(rest))?;
        let host = Host::from(address).with_name(typed.name());
        let is_same_host = rest
            .iter()
            .all(|hop| matches!(hop, Hop::Sudo(_) | Hop::Su(_) | Hop::Doas(_)));
        Ok(if is_same_host {
            with_options(host, entry)
        } else {
            stranger(host)
        })
    }

    /// Returns the names that the inventory does not have, each with one that it may be a misspelling
    /// of.
    fn strangers(&self, chosen: &[Chosen]) -> Vec<(String, Option<String>)> {
        if self.hosts.is_empty() {
            return Vec::new();
        }
        let strangers = chosen.iter().filter(|one| one.is_stranger);
        let names = strangers.map(|one| one.host.name());
        names
            .map(|name| (name.to_owned(), self.similar(name)))
            .collect()
    }

    fn similar(&self, name: &str) -> Option<String> {
        similar(name, self.hosts.iter().map(InventoryHost::name)).map(Into::into)
    }

    fn unknown(&self, kind: &'static str, name: &str) -> TargetError {
        let similar = match kind {
            "group" => similar(name, self.groups().chain([ALL])).map(|name| format!("@{name}")),
            "role" => {
                let roles = self.hosts.iter().flat_map(InventoryHost::roles);
                similar(name, roles.map(String::as_str)).map(|name| format!("@role:{name}"))
            }
            _ => self.similar(name),
        };
        TargetError::Unknown {
            file: self.file.clone().unwrap_or_default(),
            kind,
            name: name.into(),
            similar,
        }
    }

    fn shown_file(&self) -> String {
        self.file
            .as_deref()
            .map(|file| file.display().to_string())
            .unwrap_or_default()
    }
}

/// Returns true for a word that is all hosts, whatever their names.
fn is_all(word: &Word) -> bool {
    match &word.kind {
        Kind::Group(name) => name == ALL,
        Kind::Names(names) => names.iter().any(|name| name.chars().all(|c| c == '*')),
        _ => false,
    }
}

fn known(entry: &InventoryHost) -> Chosen {
    let host = Host::from(entry.address().clone()).with_name(entry.name());
    with_options(host, entry)
}

/// Gives `host` the options of `entry`.
fn with_options(host: Host, entry: &InventoryHost) -> Chosen {
    let option = |name: &str| -> Option<&Value> { Some(&entry.options().get(name)?.value) };
    let host = match options::limits(option) {
        Some(limits) => host.with_limits(limits),
        None => host,
    };
    Chosen {
        host,
        connecting: Connecting::of(entry),
        is_stranger: false,
    }
}

fn stranger(host: Host) -> Chosen {
    Chosen {
        host,
        connecting: Connecting::default(),
        is_stranger: false,
    }
}

/// Returns the address of `entry` with the account and the port of `typed`, where it has them;
/// `None` if it is not reached by ssh.
fn with_login(entry: &InventoryHost, typed: &wxec_controller::SshAddress) -> Option<Address> {
    let mut hops = entry.login().hops().to_vec();
    let Some(Hop::Ssh(last)) = hops.last_mut() else {
        return None;
    };
    last.user = typed.user.clone().or_else(|| last.user.take());
    last.port = typed.port.or(last.port);
    join(&hops).ok()
}

fn join<'a>(hops: impl IntoIterator<Item = &'a Hop>) -> Result<Address, AddressError> {
    let hops: Vec<_> = hops.into_iter().map(Hop::to_string).collect();
    hops.join("/").parse()
}

fn refused(word: &Word, reason: impl Into<String>) -> TargetError {
    TargetError::Part {
        part: word.text.clone(),
        reason: reason.into(),
    }
}
