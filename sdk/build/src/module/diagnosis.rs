//! Says why a module was not built, naming the party at fault.

use std::collections::{HashMap, HashSet, VecDeque};

use cargo_metadata::{DependencyKind, Metadata, Package, PackageId};

use crate::{
    BuildError, DependencyFailure, MODULE_TARGET,
    cargo::{
        command::Cargo,
        messages::{CompilerError, Outcome},
    },
    package::unit::{Unit, UnitKind},
};

/// Most routes shown: there may be more ways to a dependency than a person follows.
const MAX_ROUTES: usize = 4;

/// Returns the error that explains why `unit` of `package` was not built.
pub(crate) fn explain(
    cargo: &Cargo,
    package: &Package,
    unit: &Unit,
    outcome: &Outcome,
) -> BuildError {
    let has_no_std = |error: &CompilerError| error.code.as_deref() == Some("E0463");
    if outcome.errors.iter().any(has_no_std)
        && let Err(error @ BuildError::MissingStd { .. }) = cargo.std_directory(MODULE_TARGET)
    {
        return error;
    }
    if let Some(first) = outcome.errors.first() {
        let culprit = &first.package;
        let errors = outcome.errors.iter().filter(|it| it.package == *culprit);
        let rendered: String = errors.map(|error| error.rendered.as_str()).collect();
        if *culprit == package.id {
            return compile(package, &rendered);
        }
        return Graph::of(cargo, package, unit).failure(culprit, &rendered);
    }
    match failed_script(&outcome.complaint) {
        Some((name, _)) if name == package.name.as_ref() => compile(package, &outcome.complaint),
        Some((name, version)) => {
            let graph = Graph::of(cargo, package, unit);
            let culprit = graph.named(name, version).unwrap_or_else(|| PackageId {
                repr: format!("{name}@{version}"),
            });
            graph.failure(&culprit, &outcome.complaint)
        }
        None => {
            let complaint = outcome.complaint.trim();
            BuildError::Cargo {
                what: format!("the module of {}", package.name),
                detail: complaint.trim_start_matches("error: ").into(),
            }
        }
    }
}

fn compile(package: &Package, diagnostics: &str) -> BuildError {
    let diagnostics = diagnostics.trim_end().into();
    BuildError::Compile {
        package: package.name.to_string(),
        triple: MODULE_TARGET.into(),
        diagnostics,
    }
}

/// Returns name and version of the package whose build script failed, which only cargo reports, not
/// rustc.
fn failed_script(complaint: &str) -> Option<(&str, &str)> {
    let (_, rest) = complaint.split_once("failed to run custom build command for `")?;
    let (package, _) = rest.split_once('`')?;
    let (name, version) = package.split_once(" v")?;
    Some((name, version.split(' ').next().unwrap_or(version)))
}

/// Dependencies between packages in the build of the module.
struct Graph<'a> {
    root: &'a Package,
    /// `None` if cargo could not tell, as in a workspace whose lock file it would have to change.
    metadata: Option<Metadata>,
    depends_on: HashMap<PackageId, Vec<PackageId>>,
}

impl<'a> Graph<'a> {
    fn of(cargo: &Cargo, root: &'a Package, unit: &Unit) -> Self {
        let manifest = root.manifest_path.as_str();
        // The failed build has already fetched everything there is to fetch.
        let options = [
            "--offline",
            "--filter-platform",
            MODULE_TARGET,
            "--manifest-path",
            manifest,
        ];
        let metadata = cargo.metadata(&options).ok();
        let nodes = metadata
            .as_ref()
            .and_then(|metadata| metadata.resolve.as_ref())
            .map(|resolve| &resolve.nodes);
        let depends_on = nodes.into_iter().flatten().map(|node| {
            let is_built = |kind: DependencyKind| {
                kind != DependencyKind::Development
                    || (node.id == root.id && unit.kind == UnitKind::Example)
            };
            let dependencies = node
                .deps
                .iter()
                .filter(|dep| dep.dep_kinds.iter().any(|info| is_built(info.kind)));
            (
                node.id.clone(),
                dependencies
                    .map(|dependency| dependency.pkg.clone())
                    .collect(),
            )
        });
        Self {
            root,
            depends_on: depends_on.collect(),
            metadata,
        }
    }

    fn named(&self, name: &str, version: &str) -> Option<PackageId> {
        let mut packages = self.metadata.iter().flat_map(|metadata| &metadata.packages);
        let found = packages.find(|package| {
            package.name.as_ref() == name && package.version.to_string() == version
        });
        found.map(|package| package.id.clone())
    }

    fn failure(&self, culprit: &PackageId, diagnostics: &str) -> BuildError {
        let routes = self.routes(culprit);
        let (name, version) = match self.package(culprit) {
            Some(package) => (package.name.to_string(), package.version.to_string()),
            None => name_in(culprit),
        };
        let names = |route: &Vec<&PackageId>| route.iter().map(|id| self.name(id)).collect();
        BuildError::Dependency(Box::new(DependencyFailure {
            triple: MODULE_TARGET.into(),
            package: self.root.name.to_string(),
            dependency: name,
            version,
            remedy: self.remedy(&routes),
            routes: routes.iter().map(names).collect(),
            diagnostics: diagnostics.trim_end().into(),
        }))
    }

    /// Returns the shortest way to `culprit` through each direct dependency that leads there.
    fn routes<'s>(&'s self, culprit: &'s PackageId) -> Vec<Vec<&'s PackageId>> {
        let direct = self.depends_on.get(&self.root.id).into_iter().flatten();
        let routes = direct.filter_map(|first| {
            let mut route = self.shortest(first, culprit)?;
            route.insert(0, &self.root.id);
            Some(route)
        });
        let mut routes: Vec<_> = routes.collect();
        routes.sort_by_key(Vec::len);
        routes.truncate(MAX_ROUTES);
        routes
    }

    fn shortest<'s>(&'s self, from: &'s PackageId, to: &PackageId) -> Option<Vec<&'s PackageId>> {
        let mut seen = HashSet::from([&self.root.id, from]);
        let mut open = VecDeque::from([vec![from]]);
        while let Some(route) = open.pop_front() {
            let last = *route.last()?;
            if last == to {
                return Some(route);
            }
            for next in self.depends_on.get(last).into_iter().flatten() {
                if seen.insert(next) {
                    open.push_back([route.as_slice(), &[next]].concat());
                }
            }
        }
        None
    }

    /// Returns the last manifest on the way that belongs to the user, and those of its dependencies
    /// that lead to the culprit.
    fn remedy(&self, routes: &[Vec<&PackageId>]) -> Option<(std::path::PathBuf, Vec<String>)> {
        let metadata = self.metadata.as_ref()?;
        let last_edge = |route: &Vec<&PackageId>| {
            let (_, dependents) = route.split_last()?;
            let last = dependents
                .iter()
                .rposition(|id| metadata.workspace_members.contains(id))?;
            Some((route[last].clone(), self.name(route[last + 1])))
        };
        let edges: Vec<_> = routes.iter().filter_map(last_edge).collect();
        let (owner, _) = edges.first()?;
        let manifest = self.package(owner)?.manifest_path.clone().into();
        let mut dependencies: Vec<String> = Vec::new();
        for (_, dependency) in edges.iter().filter(|(other, _)| other == owner) {
            if !dependencies.contains(dependency) {
                dependencies.push(dependency.clone());
            }
        }
        Some((manifest, dependencies))
    }

    fn package(&self, id: &PackageId) -> Option<&Package> {
        self.metadata
            .iter()
            .flat_map(|metadata| &metadata.packages)
            .find(|package| package.id == *id)
    }

    fn name(&self, id: &PackageId) -> String {
        self.package(id)
            .map_or_else(|| name_in(id).0, |package| package.name.to_string())
    }
}

/// Name and version as a package id spells them: `registry+https://…#mio@1.0.2`,
/// `path+file:///…/words#0.1.0`.
fn name_in(id: &PackageId) -> (String, String) {
    let (place, fragment) = id.repr.rsplit_once('#').unwrap_or(("", &id.repr));
    match fragment.split_once('@') {
        Some((name, version)) => (name.into(), version.into()),
        None => (
            place.rsplit('/').next().unwrap_or(place).into(),
            fragment.into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_build_script_is_named() {
        let complaint = "error: failed to run custom build command for `ring v0.17.8 (/src/ring)`\n\nCaused by:\n  …";

        assert_eq!(failed_script(complaint), Some(("ring", "0.17.8")));
        assert_eq!(
            failed_script("error: no matching package named `nope` found"),
            None
        );
    }

    #[test]
    fn package_ids_of_both_spellings() {
        let name = |repr: &str| name_in(&PackageId { repr: repr.into() });

        assert_eq!(
            name("registry+https://github.com/rust-lang/crates.io-index#mio@1.0.2"),
            ("mio".into(), "1.0.2".into())
        );
        assert_eq!(
            name("path+file:///src/words#0.1.0"),
            ("words".into(), "0.1.0".into())
        );
    }
}
