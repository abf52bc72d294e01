//! The sources of a module, and the search in them for a task that the module lacks.

use std::{mem, path::PathBuf};

use cargo_metadata::{Package, Target, TargetKind};
use serde::{Deserialize, Serialize};

use crate::{
    AbsenceReason, AbsentTask, Features,
    absent::{
        configuration::Configuration,
        search::{Found, Search},
    },
    cargo::command::{Cargo, Toolchain},
    package::unit::{Unit, UnitKind},
};

/// Source of a module: a package, and the target of it that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSource {
    manifest: PathBuf,
    unit: Unit,
    features: Features,
}

/// The files of a package, and how they are compiled.
struct Sources {
    folder: PathBuf,
    crate_name: String,
    built: Root,
    /// The first files of the package's other targets.
    others: Vec<PathBuf>,
    configuration: Configuration,
}

/// A target of the package.
struct Root {
    /// Name for messages, as in "not part of the library".
    what: String,
    /// Its first file.
    file: PathBuf,
}

/// A function that may be the wanted one.
struct Candidate {
    /// True if it has the wanted path.
    is_exact: bool,
    reason: AbsenceReason,
    found: Found,
}

impl PackageSource {
    pub(crate) fn of(package: &Package, unit: &Unit, features: &Features) -> Self {
        Self {
            manifest: package.manifest_path.clone().into(),
            unit: unit.clone(),
            features: features.clone(),
        }
    }

    /// Explains why the module has no task `function`, which is named by its path inside the crate
    /// or with the crate's name before it. Returns `None` if the sources do not tell. Asks cargo
    /// for the package's targets.
    pub fn why_absent(&self, function: &str) -> Option<AbsentTask> {
        let cargo = Cargo::new(self.manifest.parent()?, Toolchain::Surrounding);
        let metadata = cargo.metadata(&["--no-deps"]).ok()?;
        let is_ours = |package: &&Package| package.manifest_path == self.manifest;
        let package = metadata.packages.iter().find(is_ours)?;
        Sources::of(package, &self.unit, &self.features).why_absent(function)
    }
}

impl Sources {
    fn of(package: &Package, unit: &Unit, features: &Features) -> Self {
        let is_build_script = |target: &Target| target.kind.contains(&TargetKind::CustomBuild);
        let others = package
            .targets
            .iter()
            .filter(|target| !unit.is(target) && !is_build_script(target));
        Self {
            folder: package
                .manifest_path
                .parent()
                .map_or_else(PathBuf::new, Into::into),
            crate_name: unit.name.replace('-', "_"),
            built: Root::of(package, unit),
            others: others
                .map(|target| target.src_path.clone().into())
                .collect(),
            configuration: Configuration::new(features.enabled(package, &unit.required_features)),
        }
    }

    fn why_absent(&self, function: &str) -> Option<AbsentTask> {
        let plain = function.replace("r#", "");
        let wanted = plain
            .strip_prefix(&format!("{}::", self.crate_name))
            .unwrap_or(&plain);
        let best = self.candidates(wanted)?.into_iter();
        let best = best.filter(Candidate::fits);
        // The first of those that fit equally well.
        let Candidate { reason, found, .. } =
            best.min_by_key(|it| (!it.found.is_marked, !it.is_exact))?;
        let file = found.file.strip_prefix(&self.folder);
        Some(AbsentTask {
            file: file.unwrap_or(&found.file).into(),
            path: found.path,
            line: found.line,
            reason,
        })
    }

    /// Returns the functions with the name of `wanted` that are no tasks of the module: those of
    /// the built target, of other targets, and of files that no `mod` names.
    fn candidates(&self, wanted: &str) -> Option<Vec<Candidate>> {
        let name = wanted.rsplit("::").next().filter(|name| !name.is_empty())?;
        let candidate = |found: Found, reason| Candidate {
            is_exact: found.path == wanted || (wanted == name && found.is_marked),
            reason,
            found,
        };
        let mut search = Search::new(name);

        search.root(&self.built.file);
        let own = mem::take(&mut search.found);
        self.others.iter().for_each(|other| search.root(other));
        let elsewhere = mem::take(&mut search.found);
        search.folder(&self.folder.join("src"));
        let unnamed = mem::take(&mut search.found);

        let mut candidates: Vec<_> = own
            .into_iter()
            .filter_map(|found| {
                let reason = self.excluded(&found)?;
                Some(candidate(found, reason))
            })
            .collect();
        let other_target = || AbsenceReason::OtherTarget(self.built.what.clone());
        let marked = |found: &Found| found.is_marked;
        let elsewhere = elsewhere.into_iter().filter(marked);
        candidates.extend(elsewhere.map(|found| candidate(found, other_target())));
        let unnamed = unnamed.into_iter().filter(marked);
        candidates.extend(unnamed.map(|found| candidate(found, AbsenceReason::NoMod)));
        Some(candidates)
    }

    /// Returns the reason why a function of the built target is not a task of the module, or `None`
    /// if it is one.
    fn excluded(&self, found: &Found) -> Option<AbsenceReason> {
        self.configuration
            .excludes(&found.conditions)
            .or_else(|| (!found.is_marked).then_some(AbsenceReason::NotMarked))
    }
}

impl Root {
    fn of(package: &Package, unit: &Unit) -> Self {
        let what = match unit.kind {
            UnitKind::Library => "the library".into(),
            UnitKind::Program => format!("the program `{}`", unit.name),
            UnitKind::Example => format!("the example `{}`", unit.name),
        };
        let target = package.targets.iter().find(|target| unit.is(target));
        let file = target.map_or_else(PathBuf::new, |target| target.src_path.clone().into());
        Self { what, file }
    }
}

impl Candidate {
    /// Returns true if it can be the wanted function. A path found outside of the built target is
    /// only that inside of the file, so it need not be exact.
    fn fits(&self) -> bool {
        let is_outside = matches!(
            self.reason,
            AbsenceReason::NoMod | AbsenceReason::OtherTarget(_)
        );
        self.is_exact || (self.found.is_marked && is_outside)
    }
}
