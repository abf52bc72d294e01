//! Packages of the host's package manager.

use serde::Serialize;
use wxec::here::questions::{APK, DPKG, RPM};

use crate::{
    action::{Action, Change},
    ask::{PackageManager, package_item},
    command::{Command, command},
    fault::{Fault, FaultKind},
    item::{Attributes, Effect},
    look::Look,
    prefab::Prefab,
    record::{Made, Removal},
    run::Run,
    settled::Settled,
};

/// Packages of the host's package manager. Made by [`package`] and [`packages`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Package {
    names: Vec<String>,
    /// Names on hosts with other package managers.
    others: Vec<(PackageManager, Vec<String>)>,
    version: Option<String>,
    is_absent: bool,
    refreshes: bool,
    repairs: bool,
}

/// A package of the host's package manager: `package("nginx").ensure(run)?`.
///
/// It is installed in some version, if no [`version`](Package::version) is said; one that is there is
/// not upgraded. Config files that were changed on the host stay as they are. The package managers
/// are `apt`, `apk` and `dnf`; others are [`Unsupported`](FaultKind::Unsupported).
///
/// A plan needs `manage = "packages"`, which grants asking about packages and running the package
/// managers. The lock of another package manager is waited for, up to ten minutes.
///
/// ```no_run
/// use std::time::Duration;
/// use wxec_plan::{Fault, PackageManager, Run, package, plan};
///
/// /// A web server.
/// #[plan(manage = "packages")]
/// fn web(run: &mut Run) -> Result<(), Fault> {
///     package("apache2").on(PackageManager::Dnf, "httpd").refresh().ensure(run)?;
///     package("telnet").absent().ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn package(name: impl Into<String>) -> Package {
    packages([name])
}

/// Packages that are installed together, in one transaction.
pub fn packages<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Package {
    Package {
        names: names.into_iter().map(Into::into).collect(),
        others: Vec::new(),
        version: None,
        is_absent: false,
        refreshes: false,
        repairs: false,
    }
}

/// Seconds to wait for the lock of another package manager: an upgrade of a whole system takes some
/// minutes.
const LOCK_WAIT_S: u32 = 600;

impl Package {
    /// Has another name on hosts with this package manager.
    pub fn on(self, manager: PackageManager, name: impl Into<String>) -> Self {
        self.all_on(manager, [name])
    }

    /// Has other names on hosts with this package manager: none, where there is nothing to install.
    pub fn all_on<N: Into<String>>(
        mut self,
        manager: PackageManager,
        names: impl IntoIterator<Item = N>,
    ) -> Self {
        let names = names.into_iter().map(Into::into).collect();
        self.others.push((manager, names));
        self
    }

    /// Wants this very version, as the package manager writes it; for `dnf`, with its release or without
    /// one. It is installed also in place of a later one.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// Wants the packages not to be there. What they have written stays.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Fetches the lists of packages before it installs something. A host where nothing is missing
    /// fetches nothing.
    pub fn refresh(mut self) -> Self {
        self.refreshes = true;
        self
    }

    /// Ends what a package manager that was interrupted has begun. Without it, that is an error.
    pub fn repair(mut self) -> Self {
        self.repairs = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn names_on(&self, manager: PackageManager) -> &[String] {
        let other = self.others.iter().find(|(known, _)| *known == manager);
        other.map_or(&self.names, |(_, names)| names)
    }

    /// Returns true if the package is as wanted.
    fn is_settled(&self, manager: PackageManager, found: Option<&Attributes>) -> bool {
        match found {
            None => self.is_absent,
            Some(_) if self.is_absent => false,
            Some(found) => {
                let has = |wanted: &String| {
                    let version = found.get("version");
                    version.is_some_and(|version| is_version(manager, version, wanted))
                };
                !found.contains_key("state") && self.version.as_ref().is_none_or(has)
            }
        }
    }

    fn transaction(&self, manager: PackageManager, names: &[&SeenPackage]) -> Command {
        let is_pinned = self.version.is_some();
        let words: &[&str] = match manager {
            _ if self.is_absent => removal(manager),
            PackageManager::Apt if is_pinned => {
                &["apt-get", "install", "--yes", "--allow-downgrades"]
            }
            PackageManager::Apt => &["apt-get", "install", "--yes"],
            PackageManager::Apk => &["apk", "add"],
            PackageManager::Dnf => &["dnf", "install", "--assumeyes"],
        };
        let pinned = |name: &str| match (&self.version, manager) {
            (Some(version), _) if self.is_absent || version.is_empty() => name.to_owned(),
            (Some(version), PackageManager::Dnf) => format!("{name}-{version}"),
            (Some(version), _) => format!("{name}={version}"),
            (None, _) => name.to_owned(),
        };
        let command = with_settings(manager, command(words.iter().copied()));
        let names = names.iter();
        let (mut command, mut effects) = (command.args(["--"]), Vec::new());
        for SeenPackage { name, found } in names {
            command = command.args([pinned(name)]);
            let version = self.version.clone().unwrap_or_else(|| UNFORESEEN.into());
            let after = Attributes::from([("version".into(), version)]);
            effects.push(Effect {
                item: package_item(name),
                before: found.clone(),
                after: (!self.is_absent).then_some(after),
            });
        }
        effects.into_iter().fold(command, Command::effect)
    }

    fn refused(&self, seen: &SeenPackages) -> Option<Fault> {
        let refused = |message: String| Some(Fault::of(FaultKind::Refused, message));
        for SeenPackage { name, found } in &seen.packages {
            let has = |attribute| found.as_ref().is_some_and(|is| is.contains_key(attribute));
            if has("state") && !self.repairs {
                return refused(format!(
                    "{name} is half-installed, because a package manager was interrupted; \
                     `.repair()` ends what it began"
                ));
            }
            if has("held") && !self.is_settled(seen.manager, found.as_ref()) {
                return refused(format!("{name} is held on this host, so it is not changed"));
            }
        }
        None
    }
}

/// The version that a preview foresees, where none is said.
const UNFORESEEN: &str = "some version";

/// The command that removes packages, without their names.
fn removal(manager: PackageManager) -> &'static [&'static str] {
    match manager {
        PackageManager::Apt => &["apt-get", "remove", "--yes"],
        PackageManager::Apk => &["apk", "del"],
        PackageManager::Dnf => &["dnf", "remove", "--assumeyes"],
    }
}

/// What was made, if a package was installed.
fn made_package(manager: PackageManager, name: &str) -> Made {
    let (asks, says) = match manager {
        // The state of one that is wholly installed.
        PackageManager::Apt => (DPKG, "i \t"),
        PackageManager::Apk => (APK, ""),
        PackageManager::Dnf => (RPM, ""),
    };
    let removal = with_settings(manager, command(removal(manager).iter().copied()));
    let (words, environment) = removal.args(["--", name]).into_words();
    Made::Item(Box::new(Removal {
        item: package_item(name),
        asks: asks
            .iter()
            .copied()
            .chain([name])
            .map(str::to_owned)
            .collect(),
        says: says.into(),
        removes: vec![words],
        environment,
    }))
}

/// Adds what makes a package manager ask nothing, and wait for others.
fn with_settings(manager: PackageManager, command: Command) -> Command {
    match manager {
        PackageManager::Apt => command
            .args([
                format!("--option=DPkg::Lock::Timeout={LOCK_WAIT_S}"),
                "--option=Dpkg::Options::=--force-confdef".into(),
                "--option=Dpkg::Options::=--force-confold".into(),
            ])
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("APT_LISTCHANGES_FRONTEND", "none")
            .env("NEEDRESTART_MODE", "l"),
        PackageManager::Apk => command.args([format!("--wait={LOCK_WAIT_S}")]),
        // It waits for another `dnf`, and not for the lock of a bare `rpm`.
        PackageManager::Dnf => command.waits_for_lock(),
    }
}

fn refresh(manager: PackageManager) -> Command {
    let words: &[&str] = match manager {
        // The lock of the lists is not waited for by its own option, so it asks again.
        PackageManager::Apt => &["apt-get", "update", "--option=APT::Update::Error-Mode=any"],
        PackageManager::Apk => &["apk", "update"],
        PackageManager::Dnf => &["dnf", "makecache"],
    };
    with_settings(manager, command(words.iter().copied())).waits_for_lock()
}

/// Returns true if a version that was found is the wanted one.
fn is_version(manager: PackageManager, found: &str, wanted: &str) -> bool {
    let rest = found.strip_prefix(wanted);
    match manager {
        // The release of a package stands behind its version.
        PackageManager::Dnf => rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
        PackageManager::Apt | PackageManager::Apk => rest == Some(""),
    }
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+:@~-".contains(c);
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

/// The packages as a look finds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenPackages {
    manager: PackageManager,
    packages: Vec<SeenPackage>,
}

#[derive(Debug, Clone, Eq, Serialize)]
struct SeenPackage {
    name: String,
    found: Option<Attributes>,
}

/// A version that a preview cannot foresee is equal to any other.
impl PartialEq for SeenPackage {
    fn eq(&self, other: &Self) -> bool {
        let (Some(one), Some(two)) = (&self.found, &other.found) else {
            return self.name == other.name && self.found.is_none() == other.found.is_none();
        };
        let is_foreseen = |it: &Attributes| it.get("version").is_none_or(|it| it != UNFORESEEN);
        self.name == other.name && (one == two || !is_foreseen(one) || !is_foreseen(two))
    }
}

impl Prefab for Package {
    type Seen = SeenPackages;

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        let plural = if self.names.len() == 1 { "" } else { "s" };
        format!("{no}package{plural} {}", self.names.join(" "))
    }

    fn look(&self, look: &Look<'_>) -> Result<SeenPackages, Fault> {
        let wrong = self.names.iter().find(|name| !is_name(name));
        if wrong.is_some() || self.names.is_empty() {
            let message = wrong.map_or_else(
                || "no package is named".to_owned(),
                |wrong| format!("{wrong:?} is no name of a package"),
            );
            return Err(Fault::of(FaultKind::Refused, message));
        }
        let (manager, mut found) = look.packages(&self.names)?;
        let names = self.names_on(manager);
        if names != self.names {
            found = if names.is_empty() {
                Vec::new()
            } else {
                look.packages(names)?.1
            };
        }
        let packages = names.iter().cloned().zip(found);
        Ok(SeenPackages {
            manager,
            packages: packages
                .map(|(name, found)| SeenPackage { name, found })
                .collect(),
        })
    }

    fn plan(&self, seen: &SeenPackages) -> Change {
        if let Some(fault) = self.refused(seen) {
            return Change::refused(fault);
        }
        let packages = seen.packages.iter();
        let wrong: Vec<_> = packages
            .filter(|package| !self.is_settled(seen.manager, package.found.as_ref()))
            .collect();
        if wrong.is_empty() {
            return Change::settled();
        }
        let mut actions = Vec::new();
        let is_broken = |package: &&&SeenPackage| {
            let found = package.found.as_ref();
            found.is_some_and(|found| found.contains_key("state"))
        };
        if let Some(broken) = wrong.iter().find(is_broken) {
            let mut after = broken.found.clone().unwrap_or_default();
            after.remove("state");
            let repair = command(["dpkg", "--configure", "--pending"]);
            let repair = repair.env("DEBIAN_FRONTEND", "noninteractive");
            actions.push(Action::Run(repair.effect(Effect {
                item: package_item(&broken.name),
                before: broken.found.clone(),
                after: Some(after),
            })));
            if wrong.len() == 1 && self.version.is_none() && !self.is_absent {
                return Change::of(actions);
            }
        }
        if self.refreshes && !self.is_absent {
            actions.push(Action::Run(refresh(seen.manager)));
        }
        actions.push(Action::Run(self.transaction(seen.manager, &wrong)));
        Change::of(actions)
    }

    fn made(&self, seen: &SeenPackages) -> Vec<Made> {
        let packages = seen.packages.iter();
        let missing = packages.filter(|package| package.found.is_none() && !self.is_absent);
        missing
            .map(|package| made_package(seen.manager, &package.name))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_dnf_may_lack_its_release() {
        for (found, wanted, of_dnf, of_others) in [
            ("1.0-1", "1.0-1", true, true),
            ("1.0-1", "1.0", true, false),
            ("1.0.5-1", "1.0", false, false),
            ("1.0-1", "1.0-1.fc40", false, false),
        ] {
            let is = |manager| is_version(manager, found, wanted);
            assert_eq!(is(PackageManager::Dnf), of_dnf, "{found} {wanted}");
            assert_eq!(is(PackageManager::Apt), of_others, "{found} {wanted}");
        }
    }
}
