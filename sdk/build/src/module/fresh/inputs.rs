//! All that a build was made of, as cargo, rustc and build scripts tell it.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use cargo_metadata::{Artifact, BuildScript, Metadata, Package};

use super::watched::Watched;
use crate::{
    BuiltModule,
    base::variables::home,
    cargo::{command::Cargo, dep_info::DepInfo, messages::Outcome},
};

/// Files by which a directory, or one above it, tells cargo and rustup what to do.
const SURROUNDINGS: [&str; 5] = [
    "Cargo.toml",
    ".cargo/config",
    ".cargo/config.toml",
    "rust-toolchain",
    "rust-toolchain.toml",
];

/// A successful build of a request.
pub(crate) struct Build<'a> {
    pub(crate) cargo: &'a Cargo,
    pub(crate) metadata: &'a Metadata,
    pub(crate) package: &'a Package,
    pub(crate) outcome: &'a Outcome,
    pub(crate) module: &'a BuiltModule,
}

/// Collects inputs. Each method returns `None` where it is in doubt.
pub(super) struct Inputs<'a> {
    pub(super) watched: Watched,
    build: &'a Build<'a>,
    root: &'a Path,
    /// Directories of downloaded packages, whose files cargo does not look at again either.
    immutable: Vec<PathBuf>,
}

impl<'a> Inputs<'a> {
    /// Collects what files tell of `build`, whose cargo worked in `directory`.
    pub(super) fn of(build: &'a Build<'a>, directory: &Path) -> Option<Self> {
        let cargo_home = home("CARGO_HOME", ".cargo")?;
        let mut inputs = Self {
            watched: Watched::default(),
            build,
            root: build.metadata.workspace_root.as_std_path(),
            immutable: ["registry", "git"].map(|name| cargo_home.join(name)).into(),
        };
        inputs.add_surroundings(surroundings(directory)?)?;
        inputs.add_packages()?;
        inputs.add_targets(build.package)?;
        for artifact in &build.outcome.artifacts {
            inputs.add_crate(artifact)?;
        }
        for script in &build.outcome.scripts {
            inputs.add_script(script)?;
        }
        Some(inputs)
    }

    /// Adds what only cargo and rustc can tell, each in a process of its own.
    pub(super) fn ask_tools(&mut self) -> Option<()> {
        let sysroot = self.build.cargo.sysroot().ok()?;
        let programs = ["cargo", "rustc"].map(|name| sysroot.join("bin").join(name));
        self.watched.files.extend(programs);
        let lock = fs::read_to_string(self.lock()).ok()?;
        if !has_others(&lock, self.build.metadata) {
            return Some(());
        }
        let all = self.build.cargo.metadata(&["--offline"]).ok()?;
        let mut local = all.packages.iter().filter(|it| it.source.is_none());
        local.try_for_each(|package| self.add_manifest(package.manifest_path.as_std_path()))
    }

    fn add_surroundings(&mut self, files: Vec<PathBuf>) -> Option<()> {
        let configurations = files
            .iter()
            .filter(|file| file.file_stem().is_some_and(|stem| stem == "config") && file.is_file());
        for configuration in configurations {
            is_self_contained(&fs::read_to_string(configuration).ok()?).then_some(())?;
        }
        self.watched.files.extend(files);
        Some(())
    }

    /// Adds the manifests of the workspace and of the packages that were built.
    fn add_packages(&mut self) -> Option<()> {
        let root = self.root;
        self.watched
            .files
            .extend([root.join("Cargo.toml"), self.lock()]);
        let members = self.build.metadata.packages.iter();
        let members = members.map(|package| &package.manifest_path);
        let built = self.build.outcome.artifacts.iter();
        let built = built.map(|artifact| &artifact.manifest_path);
        let mut manifests = members.chain(built);
        manifests.try_for_each(|manifest| self.add_manifest(manifest.as_std_path()))
    }

    /// Adds a manifest, those above it from which it may inherit, and the place of a build script
    /// that needs no mention in it.
    fn add_manifest(&mut self, manifest: &Path) -> Option<()> {
        if self.is_immutable(manifest) {
            return Some(());
        }
        let folder = manifest.parent()?;
        if !folder.starts_with(self.root) {
            // It may name a workspace that is not above it.
            let text = fs::read_to_string(manifest).ok()?;
            (!text.lines().any(names_a_workspace)).then_some(())?;
        }
        let above = folder.ancestors().map(|folder| folder.join("Cargo.toml"));
        self.watched.files.extend(above);
        self.watched.files.insert(folder.join("build.rs"));
        Some(())
    }

    fn lock(&self) -> PathBuf {
        self.root.join("Cargo.lock")
    }

    /// Adds the folders in which cargo finds targets that a manifest does not name: they decide
    /// which one is the module.
    fn add_targets(&mut self, package: &Package) -> Option<()> {
        let folder = package.manifest_path.parent()?.as_std_path();
        let several = ["src/bin", "examples"].map(|name| folder.join(name));
        for parent in several.iter().filter(|parent| parent.is_dir()) {
            for entry in fs::read_dir(parent).ok()? {
                let path = entry.ok()?.path();
                self.watched.files.extend(path.is_dir().then_some(path));
            }
        }
        self.watched.files.insert(folder.join("src"));
        self.watched.files.extend(several);
        Some(())
    }

    /// Adds the files and variables that a crate was compiled from.
    fn add_crate(&mut self, artifact: &Artifact) -> Option<()> {
        let info = DepInfo::parse(&fs::read_to_string(dep_info_of(artifact)?).ok()?);
        let package = artifact.manifest_path.parent()?.as_std_path();
        // Cargo starts rustc here, and names the crate's first file from there.
        let is_below = artifact.target.src_path.starts_with(self.root);
        let base = if is_below { self.root } else { package };
        for source in info.sources {
            self.add_existing(base.join(source))?;
        }
        self.watched.variables.extend(info.variables);
        Some(())
    }

    /// Adds what a build script has named on its output.
    fn add_script(&mut self, script: &BuildScript) -> Option<()> {
        let output = script.out_dir.parent()?.join("output");
        let output = fs::read(output).ok()?;
        let output = String::from_utf8_lossy(&output);
        let mut artifacts = self.build.outcome.artifacts.iter();
        let artifact = artifacts.find(|it| it.package_id == script.package_id)?;
        let package = artifact.manifest_path.parent()?.as_std_path();
        let files = instructions(&output, "rerun-if-changed=");
        let variables = instructions(&output, "rerun-if-env-changed=");
        let is_local = script.package_id.repr.starts_with("path+");
        if is_local && files.is_empty() && variables.is_empty() {
            // It is run again for a change of any file of its package.
            return None;
        }
        for file in files {
            self.add_existing(package.join(file))?;
        }
        let variables = variables.into_iter().map(str::to_owned);
        self.watched.variables.extend(variables);
        Some(())
    }

    /// Adds a file, or a directory with all below it. A missing one makes cargo build each time.
    fn add_existing(&mut self, path: PathBuf) -> Option<()> {
        if self.is_immutable(&path) {
            return Some(());
        }
        if fs::metadata(&path).ok()?.is_dir() {
            self.watched.trees.insert(path);
        } else {
            self.watched.files.insert(path);
        }
        Some(())
    }

    fn is_immutable(&self, path: &Path) -> bool {
        self.immutable.iter().any(|folder| path.starts_with(folder))
    }
}

/// Returns true if a configuration leads to no other file, and to no other rustc than the
/// toolchain's.
fn is_self_contained(configuration: &str) -> bool {
    let is_compiler = |rest: &str| !rest.starts_with('-');
    !configuration.contains("include") && !configuration.split("rustc").skip(1).any(is_compiler)
}

/// Returns true if a lock file has local packages that are no members of the workspace.
fn has_others(lock: &str, metadata: &Metadata) -> bool {
    let members: HashSet<&str> = metadata
        .packages
        .iter()
        .map(|it| it.name.as_ref())
        .collect();
    let mut local = lock
        .split("[[package]]")
        .skip(1)
        .filter(|package| !package.contains("\nsource = "));
    local.any(|package| {
        let name = package
            .lines()
            .find_map(|line| line.strip_prefix("name = "));
        !name.is_some_and(|name| members.contains(name.trim_matches('"')))
    })
}

/// Returns the values of a build script's instructions of one kind.
fn instructions<'o>(output: &'o str, name: &str) -> Vec<&'o str> {
    let value = |line: &'o str| {
        let instruction = line.strip_prefix("cargo:")?;
        let instruction = instruction.strip_prefix(':').unwrap_or(instruction);
        instruction.strip_prefix(name)
    };
    output.lines().filter_map(value).collect()
}

/// Returns the file in which rustc told what it read for `artifact`. It is beside the file that
/// rustc wrote; cargo may have linked that to another place, and to a name without a hash.
fn dep_info_of(artifact: &Artifact) -> Option<PathBuf> {
    let file = artifact.filenames.first()?.as_std_path();
    let folder = file.parent()?;
    let name = artifact.target.name.replace('-', "_");
    let stem = file.file_stem()?.to_str()?;
    let stem = stem.strip_prefix("lib").unwrap_or(stem);
    if is_hashed(stem, &name) {
        return Some(folder.join(format!("{stem}.d")));
    }
    let mut candidates = hashed(folder, &name);
    candidates.extend(hashed(&folder.join("deps"), &name));
    candidates
        .extend(Some(folder.join("deps").join(format!("{name}.d"))).filter(|it| it.is_file()));
    if candidates.len() > 1 {
        let inode = fs::metadata(file).ok()?.ino();
        candidates.retain(|candidate| {
            let beside = candidate.with_extension(file.extension().unwrap_or_default());
            fs::metadata(beside).is_ok_and(|metadata| metadata.ino() == inode)
        });
    }
    candidates.pop().filter(|_| candidates.is_empty())
}

/// Returns the files `NAME-HASH.d` in a folder.
fn hashed(folder: &Path, name: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = paths.map(|entry| entry.path());
    let is_wanted = |path: &PathBuf| {
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        path.extension().is_some_and(|it| it == "d") && stem.is_some_and(|it| is_hashed(it, name))
    };
    paths.filter(is_wanted).collect()
}

/// Returns true if `stem` is `name` with a hash of 16 digits behind it.
fn is_hashed(stem: &str, name: &str) -> bool {
    let hash = stem
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|it| it.is_ascii_hexdigit()))
}

/// Returns the files outside of packages, there or not, that tell cargo and rustup what to do in
/// `directory`.
fn surroundings(directory: &Path) -> Option<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = directory
        .ancestors()
        .flat_map(|folder| SURROUNDINGS.map(|name| folder.join(name)))
        .collect();
    let cargo_home = home("CARGO_HOME", ".cargo")?;
    files.extend(["config", "config.toml"].map(|name| cargo_home.join(name)));
    files.push(home("RUSTUP_HOME", ".rustup")?.join("settings.toml"));
    Some(files)
}

/// Returns those of the [surroundings] that are there.
pub(super) fn surroundings_present(directory: &Path) -> Option<Vec<PathBuf>> {
    let mut files = surroundings(directory)?;
    files.retain(|file| file.exists());
    Some(files)
}

/// Returns true for a manifest's line that says in which folder the package's workspace is.
fn names_a_workspace(line: &str) -> bool {
    let value = line.trim_start().strip_prefix("workspace");
    let value = value.and_then(|rest| rest.trim_start().strip_prefix('='));
    value.is_some_and(|value| value.trim_start().starts_with(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_elsewhere_is_recognised_however_it_is_written() {
        for line in [
            "workspace = \"../all\"",
            "workspace=\"..\"",
            "  workspace  = '..'",
        ] {
            assert!(names_a_workspace(line), "{line}");
        }
        for line in [
            "[workspace]",
            "version.workspace = true",
            "workspace = true",
            "workspaces = \"a\"",
        ] {
            assert!(!names_a_workspace(line), "{line}");
        }
    }
}
