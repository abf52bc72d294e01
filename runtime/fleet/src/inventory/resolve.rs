//! From declarations to hosts: with their groups and roles, their settings, and their addresses.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wxec_controller::{Address, AddressError, MAX_HOPS};

use super::{
    declarations::{Declarations, Host as Declared, Settings, within},
    error::Problem,
    layers::{Kind, Layers, Setting},
    membership::Membership,
    options,
    similar::similar,
};

/// A host of an inventory.
#[derive(Debug, Clone)]
pub struct InventoryHost {
    name: String,
    address: Address,
    /// The address without the account to become.
    login: Address,
    groups: Vec<String>,
    roles: Vec<String>,
    variables: BTreeMap<String, Setting>,
    options: BTreeMap<String, Setting>,
}

impl InventoryHost {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its address, with the hosts before it and the account to become.
    pub fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn login(&self) -> &Address {
        &self.login
    }

    /// Returns the groups it is in, in the order of the inventory.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Returns its roles: its own, and those of its groups.
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Returns its variables by their names, each from the innermost layer that has it. Those in a
    /// table have names such as `web.port`, and layers of their own.
    ///
    /// ```no_run
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::inventory::Inventory;
    ///
    /// let inventory = Inventory::find().wait()?;
    /// let web1 = inventory.host("web1").expect("it is in there");
    /// let port: u16 = web1.variables()["port"].value.deserialized()?;
    /// println!("{port} comes from {}", web1.variables()["port"].layer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn variables(&self) -> &BTreeMap<String, Setting> {
        &self.variables
    }

    /// Returns the options for reaching it and for its calls, by their whole names, such as
    /// `limits.memory`.
    pub fn options(&self) -> &BTreeMap<String, Setting> {
        &self.options
    }
}

/// Finds the hosts that are declared, and the members of each group. Notes every mistake; the hosts
/// are complete only without any.
pub(super) fn resolve(
    declared: &Declarations,
    problems: &mut Vec<Problem>,
) -> (Vec<InventoryHost>, Vec<BTreeSet<usize>>) {
    let membership = Membership::of(declared, problems);
    let mut layers = Layers::new(declared, &membership);
    let groups = membership.groups_of_hosts(declared.hosts.len());
    let hosts = declared.hosts.iter().zip(&groups);
    let roles: Vec<_> = hosts
        .map(|(host, groups)| roles(declared, host, groups))
        .collect();
    check_roles(declared, &roles, problems);
    let mut settings = |index: usize, kind: Kind| {
        layers.settings(&declared.hosts[index], &groups[index], &roles[index], kind)
    };
    let options: Vec<_> = (0..declared.hosts.len())
        .map(|index| settings(index, |settings| &settings.options))
        .collect();
    let mut ways = Ways::new(&declared.hosts, &options);
    let mut hosts = Vec::new();
    for (index, host) in declared.hosts.iter().enumerate() {
        let variables = settings(index, |settings| &settings.variables);
        let Some((login, address)) = ways.addresses(index) else {
            continue;
        };
        hosts.push(InventoryHost {
            name: host.name.clone(),
            address,
            login,
            groups: groups[index]
                .iter()
                .map(|group| declared.groups[*group].name.clone())
                .collect(),
            roles: roles[index].clone(),
            variables,
            options: options[index].clone(),
        });
    }
    problems.append(&mut ways.problems);
    problems.append(&mut layers.problems);
    (hosts, membership.hosts)
}

/// Notes roles that have settings and that no host has.
fn check_roles(declared: &Declarations, roles: &[Vec<String>], problems: &mut Vec<Problem>) {
    let known = || roles.iter().flatten();
    for role in &declared.roles {
        if known().all(|known| *known != role.name) {
            let advice = similar(&role.name, known().map(String::as_str));
            let advice = advice.map(|similar| format!("; did you mean `{similar}`?"));
            problems.push(Problem {
                line: role.line,
                place: within("roles", &role.name),
                message: format!("no host has this role{}", advice.unwrap_or_default()),
            });
        }
    }
}

fn roles(declared: &Declarations, host: &Declared, groups: &[usize]) -> Vec<String> {
    let of_groups = groups.iter().map(|group| &declared.groups[*group].settings);
    let layers = [&declared.all].into_iter().chain(of_groups);
    let mut roles: Vec<String> = Vec::new();
    for role in layers
        .chain([&host.settings])
        .flat_map(|settings: &Settings| &settings.roles)
    {
        if !roles.contains(&role.value) {
            roles.push(role.value.clone());
        }
    }
    roles
}

/// The ways to all hosts, some of which lead through others.
struct Ways<'a> {
    hosts: &'a [Declared],
    options: &'a [BTreeMap<String, Setting>],
    by_name: HashMap<&'a str, usize>,
    noted: BTreeSet<(Option<usize>, String)>,
    problems: Vec<Problem>,
}

impl<'a> Ways<'a> {
    fn new(hosts: &'a [Declared], options: &'a [BTreeMap<String, Setting>]) -> Self {
        let names = hosts.iter().map(|host| &*host.name);
        Self {
            hosts,
            options,
            by_name: names.zip(0..).collect(),
            noted: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Returns the address of the account that logs in on a host, and that of the account to
    /// become. Notes the mistake if there is none.
    fn addresses(&mut self, index: usize) -> Option<(Address, Address)> {
        match self
            .login(index)
            .and_then(|login| self.with_account(index, login))
        {
            Ok(addresses) => Some(addresses),
            Err(Mistake { line, message }) => {
                // Hosts of one range, and those behind one host, have the same mistake.
                if self.noted.insert((line, message.clone())) {
                    self.problems.push(Problem {
                        line,
                        place: self.hosts[index].place.clone(),
                        message,
                    });
                }
                None
            }
        }
    }

    fn with_account(&self, index: usize, login: Address) -> Result<(Address, Address), Mistake> {
        let setting = self.options[index].get("become");
        let account =
            setting.and_then(|setting| Some((setting, options::account(&setting.value).ok()??)));
        let address = match account {
            Some((setting, account)) => parse(&format!("{login}/{account}"), setting.line)?,
            None => login.clone(),
        };
        Ok((login, address))
    }

    /// Joins the addresses of the hosts on the way to a host, and its own.
    fn login(&self, index: usize) -> Result<Address, Mistake> {
        let mut hops = vec![self.own(index)?];
        let (mut path, mut last) = (vec![index], index);
        let mut line = self.hosts[index].line;
        while let Some((via, setting)) = self.via(last) {
            line = setting.line;
            // A longer address is refused below.
            if path.len() > MAX_HOPS {
                break;
            }
            let Some(next) = self.by_name.get(via).copied() else {
                hops.push(self.outside(via, line)?.to_string());
                break;
            };
            if path.contains(&next) {
                return Err(self.circle(&path, next));
            }
            hops.push(self.own(next)?);
            path.push(next);
            last = next;
        }
        hops.reverse();
        parse(&hops.join("/"), line)
    }

    fn via(&self, index: usize) -> Option<(&'a str, &'a Setting)> {
        let setting = self.options[index].get("via")?;
        Some((setting.value.as_text()?, setting))
    }

    fn circle(&self, path: &[usize], next: usize) -> Mistake {
        let line = self.via(path[0]).and_then(|(_, setting)| setting.line);
        let names = path.iter().chain([&next]);
        let names: Vec<_> = names.map(|host| &*self.hosts[*host].name).collect();
        let message = format!("its `via` leads round in a circle: {}", names.join(" → "));
        Mistake { line, message }
    }

    /// Returns the address of a host that is not in the inventory. A mere name is more likely a typo.
    fn outside(&self, via: &str, line: Option<usize>) -> Result<Address, Mistake> {
        if via.contains([':', '/', '@']) {
            return parse(via, line);
        }
        let advice = similar(via, self.by_name.keys().copied()).map_or_else(
            || format!("write `ssh:{via}` for one of ssh's configuration"),
            |similar| format!("did you mean `{similar}`?"),
        );
        let via = via.escape_debug();
        let message = format!("`via` is no host of this inventory: `{via}`; {advice}");
        Err(Mistake { line, message })
    }

    fn own(&self, index: usize) -> Result<String, Mistake> {
        let host = &self.hosts[index];
        let (address, line) = match &host.address {
            Some(written) => (written.value.replace("{host}", &host.name), written.line),
            None => (format!("ssh:{}", host.name), host.line),
        };
        parse(&address, line).map(|address| address.to_string())
    }
}

/// The reason why a host has no address, and its line.
struct Mistake {
    line: Option<usize>,
    message: String,
}

fn parse(address: &str, line: Option<usize>) -> Result<Address, Mistake> {
    address.parse().map_err(|error: AddressError| Mistake {
        line,
        message: error.to_string(),
    })
}
