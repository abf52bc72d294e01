//! Packages of Python in a virtual environment.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{
    action::{Action, Change},
    command::command,
    fault::{Fault, FaultKind},
    item::{Attributes, Effect},
    look::Look,
    prefab::Prefab,
    record::{Made, Removal},
    run::Run,
    settled::Settled,
};

/// Packages of Python in a virtual environment. Made by [`pip`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until a run ensures it"]
pub struct Pip {
    wanted: Vec<String>,
    venv: Option<PathBuf>,
    options: Vec<String>,
    is_absent: bool,
}

/// Packages of Python in a virtual environment, which is made if it is not there:
/// `pip(["flask==3.0.3", "gunicorn"]).in_venv("/srv/app/venv").ensure(run)?`.
///
/// A package has a name, and `==` with a version if it has to be that one; one that is there in
/// another version is replaced then. A look runs no Python: it reads the names of the folders that
/// tell what is installed. Names are the same as they are for Python, whatever their case and the
/// marks between their words.
///
/// A plan needs the grants to run `python3` and the `bin/pip` of the environment, by its path, and to
/// read the environment.
///
/// ```no_run
/// use wxec_plan::{Fault, Run, pip, plan};
///
/// /// An app with its packages.
/// #[plan(write = "/srv/app", run = "python3 /srv/app/venv/bin/pip")]
/// fn app(run: &mut Run) -> Result<(), Fault> {
///     pip(["flask==3.0.3", "gunicorn"]).in_venv("/srv/app/venv").ensure(run)?;
///     Ok(())
/// }
/// ```
pub fn pip<N: Into<String>>(packages: impl IntoIterator<Item = N>) -> Pip {
    Pip {
        wanted: packages.into_iter().map(Into::into).collect(),
        venv: None,
        options: Vec::new(),
        is_absent: false,
    }
}

/// The version that a preview foresees, where none is said.
const UNFORESEEN: &str = "some version";

impl Pip {
    /// Are in this environment, which has to be said.
    pub fn in_venv(mut self, path: impl Into<PathBuf>) -> Self {
        self.venv = Some(path.into());
        self
    }

    /// Adds options of `pip install`, such as `--index-url=…`.
    pub fn options<O: Into<String>>(mut self, options: impl IntoIterator<Item = O>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// Wants the packages not to be there. Those that they needed stay.
    pub fn absent(mut self) -> Self {
        self.is_absent = true;
        self
    }

    /// Sees to it in `run`.
    pub fn ensure(&self, run: &mut Run) -> Result<Settled, Fault> {
        run.ensure(self)
    }

    fn venv(&self) -> Result<&Path, Fault> {
        let refused = |message: &str| Fault::of(FaultKind::Refused, message);
        let venv = self.venv.as_deref();
        let venv = venv.ok_or_else(|| refused("packages of Python have an `.in_venv(…)`"))?;
        if !venv.is_absolute() {
            return Err(refused("the path of a virtual environment begins with `/`").at(venv));
        }
        Ok(venv)
    }

    fn item(&self, name: &str) -> String {
        let venv = self.venv.as_deref().unwrap_or_else(|| Path::new(""));
        format!("package {name} in {}", venv.display())
    }

    fn install(&self, venv: &Path, wrong: &[(&String, &SeenPip)]) -> Action {
        let pip = venv.join("bin/pip").display().to_string();
        let quiet = ["--no-input", "--disable-pip-version-check"];
        let mut command = if self.is_absent {
            command([&*pip, "uninstall", "--yes"])
                .args(quiet)
                .args(["--"])
        } else {
            let install = command([&*pip, "install"]).args(quiet);
            install.args(self.options.iter().cloned()).args(["--"])
        };
        for (wanted, seen) in wrong {
            let (_, version) = parsed(wanted).unwrap_or_default();
            let word = if self.is_absent { &seen.name } else { *wanted };
            command = command.args([word]).effect(Effect {
                item: self.item(&seen.name),
                before: seen.version.clone().map(version_attribute),
                after: (!self.is_absent)
                    .then(|| version_attribute(version.unwrap_or_else(|| UNFORESEEN.into()))),
            });
        }
        Action::Run(command)
    }

    fn is_settled(&self, wanted: &str, seen: &SeenPip) -> bool {
        let (_, version) = parsed(wanted).unwrap_or_default();
        match (&seen.version, version) {
            (found, _) if self.is_absent => found.is_none(),
            (None, _) => false,
            (Some(_), None) => true,
            (Some(found), Some(version)) => plain_version(found) == plain_version(&version),
        }
    }
}

fn version_attribute(version: String) -> Attributes {
    Attributes::from([("version".into(), version)])
}

/// Reads `name==version` or `name`, also with `[extras]` behind the name. The name is as Python
/// compares it.
fn parsed(wanted: &str) -> Option<(String, Option<String>)> {
    let (name, version) = match wanted.split_once("==") {
        Some((name, version)) => (name, Some(version)),
        None => (wanted, None),
    };
    let name = match name.split_once('[') {
        Some((name, extras)) => {
            let extras = extras.strip_suffix(']')?;
            extras
                .chars()
                .all(|c| c == ',' || is_plain(c))
                .then_some(name)?
        }
        None => name,
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    let is_version = |version: &str| {
        version.starts_with(|c: char| c.is_ascii_digit())
            && version.chars().all(|c| "+!".contains(c) || is_plain(c))
    };
    let is_right = begins && name.chars().all(is_plain) && version.is_none_or(is_version);
    is_right.then(|| (plain_name(name), version.map(Into::into)))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.".contains(c)
}

/// Returns a name as Python compares it (PEP 503): in small letters, with one `-` between words.
fn plain_name(name: &str) -> String {
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

/// Returns a version without the zeros at its end, which mean nothing.
fn plain_version(version: &str) -> String {
    let mut version = &*version.replace('_', "-").to_ascii_lowercase();
    while let Some(shorter) = version.strip_suffix(".0") {
        version = shorter;
    }
    version.to_owned()
}

/// A package as a look finds it.
#[derive(Debug, PartialEq, Serialize)]
#[doc(hidden)]
pub struct SeenPip {
    name: String,
    version: Option<String>,
}

/// Returns the names and versions of what is installed, by the folders that tell it.
fn installed(look: &Look<'_>, venv: &Path) -> Result<Vec<(String, String)>, Fault> {
    let (lib, mut found) = (venv.join("lib"), Vec::new());
    for python in look.names(&lib)?.unwrap_or_default() {
        let packages = look.names(lib.join(python).join("site-packages"))?;
        for name in packages.unwrap_or_default() {
            let stem = name
                .to_str()
                .and_then(|name| name.strip_suffix(".dist-info"));
            if let Some((name, version)) = stem.and_then(|stem| stem.rsplit_once('-')) {
                found.push((plain_name(name), version.to_owned()));
            }
        }
    }
    Ok(found)
}

impl Prefab for Pip {
    /// Whether there is an environment, and the packages that are wanted.
    type Seen = (bool, Vec<SeenPip>);

    fn name(&self) -> String {
        let no = if self.is_absent { "no " } else { "" };
        let venv = self.venv.as_deref().unwrap_or_else(|| Path::new("?"));
        format!("{no}pip {} in {}", self.wanted.join(" "), venv.display())
    }

    fn look(&self, look: &Look<'_>) -> Result<Self::Seen, Fault> {
        let venv = self.venv()?;
        let is_there = look.item(&venv_item(venv), || {
            Ok(look
                .entry(venv.join("pyvenv.cfg"))?
                .map(|_| Attributes::new()))
        })?;
        let found = installed(look, venv)?;
        let mut seen = Vec::new();
        for wanted in &self.wanted {
            let Some((name, _)) = parsed(wanted) else {
                let message =
                    format!("{wanted:?} is no package: that is `name` or `name==version`");
                return Err(Fault::of(FaultKind::Refused, message));
            };
            let version = look.item(&self.item(&name), || {
                let found = found.iter().find(|(found, _)| *found == name);
                Ok(found.map(|(_, version)| version_attribute(version.clone())))
            })?;
            let version = version.and_then(|mut version| version.remove("version"));
            seen.push(SeenPip { name, version });
        }
        Ok((is_there.is_some(), seen))
    }

    fn plan(&self, (is_there, packages): &Self::Seen) -> Change {
        let venv = match self.venv() {
            Ok(venv) => venv,
            Err(fault) => return Change::refused(fault),
        };
        let mut actions = Vec::new();
        if !is_there && !self.is_absent {
            let make = command(["python3", "-m", "venv", "--", &venv.display().to_string()]);
            actions.push(Action::Run(make.effect(Effect {
                item: venv_item(venv),
                before: None,
                after: Some(Attributes::new()),
            })));
        }
        let pairs = self.wanted.iter().zip(packages);
        let wrong: Vec<_> = pairs
            .filter(|(wanted, seen)| !self.is_settled(wanted, seen))
            .collect();
        if !wrong.is_empty() {
            actions.push(self.install(venv, &wrong));
        }
        Change::of(actions)
    }

    fn made(&self, (is_there, packages): &Self::Seen) -> Vec<Made> {
        let Some(venv) = self.venv.clone().filter(|_| !self.is_absent) else {
            return Vec::new();
        };
        if !is_there {
            let (path, sign) = (venv, "pyvenv.cfg".to_owned());
            return vec![Made::Tree { path, sign }];
        }
        let missing = packages.iter().filter(|package| package.version.is_none());
        let pip = venv.join("bin/pip").display().to_string();
        let made = |package: &SeenPip| {
            let words = [&*pip, "uninstall", "--yes", "--", &package.name];
            Made::Item(Box::new(Removal {
                item: format!("{} in {}", package.name, venv_item(&venv)),
                removes: vec![words.map(str::to_owned).into()],
                ..Removal::default()
            }))
        };
        missing.map(made).collect()
    }
}

/// The item that a virtual environment is.
fn venv_item(venv: &Path) -> String {
    format!("virtual environment {}", venv.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_and_compared_as_python_does() {
        let of = |wanted| parsed(wanted).unwrap();
        assert_eq!(of("Flask"), ("flask".into(), None));
        assert_eq!(
            of("zope.interface==5.0"),
            ("zope-interface".into(), Some("5.0".into()))
        );
        assert_eq!(of("A__b.-C[x,y]==1!2+l").0, "a-b-c");
        for wrong in [
            "",
            "-r",
            "a>=1",
            "a==",
            "a==*",
            "a b",
            "a[",
            "./a",
            "a @ file:///x",
            "a==1;x",
        ] {
            assert_eq!(parsed(wrong), None, "{wrong:?}");
        }
        assert_eq!(plain_version("1.0.0"), plain_version("1"));
        assert_ne!(plain_version("1.10"), plain_version("1.1"));
    }
}
