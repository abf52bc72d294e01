//! Questions about packages and units, which programs of the host answer. A preview may ask them as
//! well: their arguments are fixed, and change nothing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use wxec::here::questions::{APK, DPKG, RPM, SYSTEMCTL};

use crate::{
    command::{Answer, command},
    fault::{Fault, FaultKind},
    item::Attributes,
    look::Look,
};

/// The package manager of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PackageManager {
    /// `apt` of Debian, Ubuntu and their kin.
    Apt,
    /// `apk` of Alpine.
    Apk,
    /// `dnf` of Fedora, Red Hat and their kin.
    Dnf,
}

impl Look<'_> {
    /// Returns the host's package manager, and the attributes of each of these packages, or `None`
    /// for one that is not installed. Needs `ask = "packages"`, as a plan that may `manage` them has.
    ///
    /// The attributes are `version`, `held` where it is to stay as it is, and `state` where it is
    /// not wholly installed.
    pub fn packages(
        &self,
        names: &[String],
    ) -> Result<(PackageManager, Vec<Option<Attributes>>), Fault> {
        let (manager, mut installed) = installed(names)?;
        let item = |name: &String| {
            let read = || Ok(installed.remove(&**name));
            self.item(&package_item(name), read)
        };
        let packages: Result<_, Fault> = names.iter().map(item).collect();
        Ok((manager, packages?))
    }

    /// Returns the attributes of a unit of systemd, or `None` if there is no such unit. Needs
    /// `ask = "units"`, as a plan that may `manage` them has.
    ///
    /// The attributes are `load` (`loaded`, `masked`…), `active` (`active`, `inactive`, `failed`…),
    /// `enabled` (`enabled`, `disabled`, `static`…), and `stale` where systemd has to read its files
    /// again.
    pub fn unit(&self, name: &str) -> Result<Option<Attributes>, Fault> {
        self.item(&unit_item(name), || read_unit(name))
    }
}

/// The item that a package is.
pub(crate) fn package_item(name: &str) -> String {
    format!("package {name}")
}

/// The item that a unit is.
pub(crate) fn unit_item(name: &str) -> String {
    format!("unit {name}")
}

/// Asks a question. Returns `None` if the host does not have the program.
pub(crate) fn ask(fixed: &[&str], names: &[&str]) -> Result<Option<Answer>, Fault> {
    command(fixed.iter().chain(names).copied()).answer()
}

fn installed(names: &[String]) -> Result<(PackageManager, HashMap<String, Attributes>), Fault> {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    if let Some(answer) = ask(&DPKG, &names)? {
        // Exit code 1: some of them are not known.
        let found = if matches!(answer.code, Some(0 | 1)) {
            answer.stdout.lines().filter_map(of_dpkg).collect()
        } else {
            return Err(failed("dpkg-query", &answer));
        };
        return Ok((PackageManager::Apt, found));
    }
    if let Some(answer) = ask(&APK, &names)? {
        let found = names.iter().filter_map(|name| of_apk(name, &answer.stdout));
        return Ok((PackageManager::Apk, found.collect()));
    }
    if let Some(answer) = ask(&RPM, &names)? {
        // Busybox has another program of this name, which knows no such options.
        let is_answer = |line: &str| line.contains('\t') || line.ends_with("is not installed");
        if !answer.stdout.is_empty() && answer.stdout.lines().all(is_answer) {
            let found = answer.stdout.lines().filter_map(of_rpm).collect();
            return Ok((PackageManager::Dnf, found));
        }
    }
    let message = "the host has none of the package managers apt, apk and dnf";
    Err(Fault::of(FaultKind::Unsupported, message))
}

/// Reads a line of `dpkg-query`: the name, what is wanted and what is so in a letter each, the
/// version.
fn of_dpkg(line: &str) -> Option<(String, Attributes)> {
    let mut fields = line.split('\t');
    let (name, state, version) = (fields.next()?, fields.next()?, fields.next()?);
    let mut letters = state.chars();
    let (wanted, is) = (letters.next()?, letters.next()?);
    let mut attributes = Attributes::new();
    match is {
        // Not installed, or no more than its config files.
        'n' | 'c' => return None,
        'i' => {}
        _ => drop(attributes.insert("state".into(), "half-installed".into())),
    }
    if wanted == 'h' {
        attributes.insert("held".into(), "yes".into());
    }
    attributes.insert("version".into(), version.into());
    Some((name.to_owned(), attributes))
}

/// Finds a package in the answer of `apk`, which has a line `NAME-VERSION` for each.
fn of_apk(name: &str, answer: &str) -> Option<(String, Attributes)> {
    let mut lines = answer.lines();
    let version = lines.find_map(|line| {
        let version = line.trim().strip_prefix(name)?.strip_prefix('-')?;
        version
            .starts_with(|c: char| c.is_ascii_digit())
            .then_some(version)
    })?;
    let attributes = Attributes::from([("version".into(), version.into())]);
    Some((name.to_owned(), attributes))
}

fn of_rpm(line: &str) -> Option<(String, Attributes)> {
    // Others say that a package is not installed.
    let (name, version) = line.split_once('\t')?;
    let attributes = Attributes::from([("version".into(), version.into())]);
    Some((name.to_owned(), attributes))
}

fn read_unit(name: &str) -> Result<Option<Attributes>, Fault> {
    let no_systemd = || {
        let message = "the host has no systemd that runs, so it has no units";
        Fault::of(FaultKind::Unsupported, message)
    };
    let answer = ask(&SYSTEMCTL, &[name])?.ok_or_else(no_systemd)?;
    if answer.code != Some(0) {
        let has_no_bus = ["not been booted", "Failed to connect"];
        return Err(
            if has_no_bus.iter().any(|text| answer.stderr.contains(text)) {
                no_systemd()
            } else {
                failed("systemctl", &answer)
            },
        );
    }
    Ok(of_systemctl(&answer.stdout))
}

/// Reads the properties of a unit, a line `Name=value` each.
fn of_systemctl(answer: &str) -> Option<Attributes> {
    let mut attributes = Attributes::new();
    for (property, value) in answer.lines().filter_map(|line| line.split_once('=')) {
        let name = match property {
            "LoadState" if value == "not-found" => return None,
            "LoadState" => "load",
            "ActiveState" => "active",
            "UnitFileState" => "enabled",
            "NRestarts" => "restarts",
            "NeedDaemonReload" if value == "yes" => "stale",
            _ => continue,
        };
        attributes.insert(name.into(), value.into());
    }
    Some(attributes)
}

pub(crate) fn failed(program: &str, answer: &Answer) -> Fault {
    let message = format!("`{program}` cannot tell: {}", answer.stderr.trim());
    Fault::of(FaultKind::Command, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_managers_are_understood() {
        let of = |line| of_dpkg(line).map(|(name, attributes)| format!("{name} {attributes:?}"));
        assert_eq!(
            of("dash\tii \t0.5.12-2").unwrap(),
            r#"dash {"version": "0.5.12-2"}"#
        );
        assert_eq!(
            of("dash\thi \t1").unwrap(),
            r#"dash {"held": "yes", "version": "1"}"#
        );
        assert_eq!(
            of("dash\tiU \t1").unwrap(),
            r#"dash {"state": "half-installed", "version": "1"}"#
        );
        assert_eq!(of("dash\trc \t1"), None);
        assert_eq!(of("dash\tun \t"), None);

        let answer = "nginx-mod-http-js-1.22\nnginx-1.26.2-r0\n";
        let (_, nginx) = of_apk("nginx", answer).unwrap();
        assert_eq!(nginx["version"], "1.26.2-r0");
        assert_eq!(of_apk("nginx-mod", answer), None);

        assert_eq!(of_rpm("bash\t5.2-1").unwrap().1["version"], "5.2-1");
        assert_eq!(of_rpm("package nothere is not installed"), None);
    }

    #[test]
    fn a_unit_is_understood() {
        let answer = "Id=a.service\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n\
                      NeedDaemonReload=no\nNRestarts=2\n";
        let unit = of_systemctl(answer).unwrap();
        assert_eq!((&*unit["active"], &*unit["enabled"]), ("active", "enabled"));
        assert!(!unit.contains_key("stale"));
        assert_eq!(
            of_systemctl("LoadState=not-found\nActiveState=inactive\n"),
            None
        );
    }
}
