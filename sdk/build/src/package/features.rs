//! Features of a package that its module is built with.

use std::collections::BTreeSet;

use cargo_metadata::Package;
use serde::{Deserialize, Serialize};

use crate::BuildError;

/// Features of a package that its module is built with, as in cargo: the default features, unless
/// told otherwise.
///
/// ```
/// use wxec_build::Features;
///
/// let features = Features::default().without_default().with("metrics, tracing");
/// assert_eq!(features, Features::default().with("metrics").with("tracing").without_default());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Features {
    named: Vec<String>,
    without_default: bool,
    all: bool,
}

impl Features {
    /// Adds features: a name, or several with commas or spaces between. As in cargo,
    /// `dependency/name` is a feature of a dependency.
    pub fn with(mut self, names: &str) -> Self {
        let names = names
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|name| !name.is_empty());
        self.named.extend(names.map(str::to_owned));
        self
    }

    /// Leaves out the default features.
    pub fn without_default(self) -> Self {
        Self {
            without_default: true,
            ..self
        }
    }

    /// Adds all features of the package.
    pub fn with_all(self) -> Self {
        Self { all: true, ..self }
    }

    /// Returns true if nothing was added or left out.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Fails if a named feature does not exist in `package`.
    pub(crate) fn check(&self, package: &Package) -> Result<(), BuildError> {
        let has = |name: &str| name == DEFAULT || package.features.contains_key(name);
        let is_dependency = |name: &str| {
            let mut dependencies = package.dependencies.iter();
            dependencies.any(|it| {
                it.rename.as_ref().is_some_and(|rename| rename == name) || it.name == name
            })
        };
        let is_there = |name: &&String| match name.split_once('/') {
            Some((this, name)) if package.name.as_ref() == this => has(name),
            // Only cargo knows the features of dependencies.
            Some((dependency, _)) => is_dependency(dependency.trim_end_matches('?')),
            None => has(name),
        };
        match self.named.iter().find(|name| !is_there(name)) {
            None => Ok(()),
            Some(missing) => Err(BuildError::NoFeature {
                package: package.name.to_string(),
                feature: missing.clone(),
                features: package
                    .features
                    .keys()
                    .filter(|name| *name != DEFAULT)
                    .cloned()
                    .collect(),
            }),
        }
    }

    /// Returns the arguments for cargo. The features in `required` are on in any case.
    pub(crate) fn arguments(&self, required: &[String]) -> Vec<String> {
        let mut arguments = Vec::new();
        if self.all {
            arguments.push("--all-features".into());
        }
        if self.without_default {
            arguments.push("--no-default-features".into());
        }
        let named: Vec<&str> = required
            .iter()
            .chain(&self.named)
            .map(String::as_str)
            .collect();
        if !named.is_empty() {
            arguments.extend(["--features".into(), named.join(",")]);
        }
        arguments
    }

    /// Returns the features of `package` that are on, and those that they turn on in it.
    pub(crate) fn enabled(&self, package: &Package, required: &[String]) -> BTreeSet<String> {
        let prefix = format!("{}/", package.name);
        let mut next: Vec<&str> = required
            .iter()
            .chain(&self.named)
            .map(String::as_str)
            .collect();
        if self.all {
            next.extend(package.features.keys().map(String::as_str));
        }
        if !self.without_default {
            next.push(DEFAULT);
        }
        let mut enabled = BTreeSet::new();
        while let Some(name) = next.pop() {
            let name = name.strip_prefix(&prefix).unwrap_or(name);
            if let Some(others) = package.features.get(name)
                && enabled.insert(name.to_owned())
            {
                next.extend(others.iter().map(String::as_str));
            }
        }
        enabled
    }
}

/// The feature that lists the default features.
const DEFAULT: &str = "default";
