//! Puts the module of a package into the package itself, from its `build.rs`.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use crate::{
    BuildError, Features, StderrProgress,
    base::variables::given,
    cargo::dep_info::DepInfo,
    module::project::Project,
    package::unit::{Unit, UnitKind, package_in},
};

/// Builds the module of the package whose `build.rs` calls this, and makes `#[remote]` put it into
/// the program, which then needs neither cargo nor its source where it runs.
///
/// ```no_run
/// // all that build.rs has to do
/// wxec_build::embed();
/// ```
///
/// The module is that of the library, or of the only program of a package without one, with the
/// features the package is being built with. Tasks in other targets of the package are still built
/// when they are first called. A module that does not compile fails the build with rustc's errors
/// and a hint.
///
/// `#[remote]` finds the module by its environment: `WXEC_EMBEDDED_MODULE` is the path of the
/// module, and `WXEC_EMBEDDED_TARGET` the target it was built from: `lib:` or `bin:` and the
/// crate's name.
///
/// Does nothing if the package is itself being compiled for WebAssembly, on docs.rs, or with
/// `WXEC_EMBED=0` in the environment, for builds that must be quick.
pub fn embed() {
    let features = env::var("CARGO_CFG_FEATURE").unwrap_or_default();
    embed_with(&Features::default().without_default().with(&features));
}

/// Like [`embed`], but the module has these features, independent of those the package is being
/// built with.
///
/// ```no_run
/// // The tasks need less than the program around them.
/// wxec_build::embed_with(&wxec_build::Features::default().without_default().with("tasks"));
/// ```
#[expect(
    clippy::print_stdout,
    reason = "a build script speaks to cargo on its standard output"
)]
pub fn embed_with(features: &Features) {
    println!("cargo::rerun-if-env-changed=WXEC_EMBED");
    println!("cargo::rerun-if-changed=build.rs");
    let target = env::var("TARGET").unwrap_or_default();
    if target.starts_with("wasm")
        || given("DOCS_RS").is_some()
        || given("WXEC_EMBED").is_some_and(|value| value == "0")
    {
        return;
    }
    match build(features) {
        Ok(directives) => directives
            .iter()
            .for_each(|directive| println!("cargo::{directive}")),
        Err(error) => {
            let hint = error.hint().map(|hint| format!("hint: {hint}"));
            let text = format!(
                "cannot embed the module: {error}\n{}",
                hint.unwrap_or_default()
            );
            text.lines()
                .for_each(|line| println!("cargo::error={line}"));
        }
    }
}

/// Builds the module and returns the directives for cargo.
fn build(features: &Features) -> Result<Vec<String>, BuildError> {
    let variable = |name: &'static str| env::var_os(name).map(PathBuf::from).unwrap_or_default();
    let (directory, out) = (variable("CARGO_MANIFEST_DIR"), variable("OUT_DIR"));
    let directory = fs::canonicalize(&directory).map_err(BuildError::io("find", &directory))?;

    let project = Project::around(&directory)?;
    let package = package_in(
        &project.metadata,
        &directory,
        &env::var("CARGO_PKG_NAME").unwrap_or_default(),
    )?;
    let unit = Unit::of_package(package)?;
    let target = target_root(&out).join("wxec");
    let module = project.build(package, &unit, features, &target, &StderrProgress)?;

    let crate_name = unit.name.replace('-', "_");
    let path = out.join(format!("{crate_name}.wasm"));
    fs::write(&path, &module.bytes).map_err(BuildError::io("write", &path))?;
    let kind = if unit.kind == UnitKind::Library {
        "lib"
    } else {
        "bin"
    };
    let mut directives = vec![
        format!("rustc-env=WXEC_EMBEDDED_MODULE={}", path.display()),
        format!("rustc-env=WXEC_EMBEDDED_TARGET={kind}:{crate_name}"),
    ];
    let dependency_file = module.path.map(|path| path.with_extension("d"));
    let dependencies = dependency_file.and_then(|path| fs::read_to_string(path).ok());
    let root = project.metadata.workspace_root.as_std_path();
    let watched = watched(&dependencies.unwrap_or_default(), root, &target);
    let watched = watched.iter().map(|path| path.display());
    directives.extend(watched.map(|path| format!("rerun-if-changed={path}")));
    Ok(directives)
}

/// Returns the target directory that `out`, an `OUT_DIR`, is in: cargo marks it as a cache. Folders
/// below it may be shared with builds at run time. Without a mark, returns `out`.
fn target_root(out: &Path) -> &Path {
    out.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .unwrap_or(out)
}

/// Returns the files whose change requires a new build: the sources in cargo's dependency file,
/// which are those of the package and of the local packages it depends on; their manifests; and the
/// lock file, which stands for all others.
fn watched(dependency_file: &str, root: &Path, target: &Path) -> BTreeSet<PathBuf> {
    let mut watched = BTreeSet::from([root.join("Cargo.toml"), root.join("Cargo.lock")]);
    for source in DepInfo::parse(dependency_file)
        .sources
        .into_iter()
        .filter(|source| !source.starts_with(target))
    {
        let manifests = source.ancestors().map(|folder| folder.join("Cargo.toml"));
        watched.extend(manifests.skip(1).find(|manifest| manifest.is_file()));
        watched.insert(source);
    }
    // A missing file would make cargo run the script each time.
    watched.retain(|path| path.exists());
    watched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_watched_with_their_manifests_and_generated_ones_are_not() {
        let place = tempfile::tempdir().expect("a temporary directory");
        let root = place.path();
        for file in [
            "Cargo.toml",
            "Cargo.lock",
            "core/Cargo.toml",
            "core/src/lib.rs",
            "target/wxec/out/generated.rs",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it can be created");
            fs::write(path, "").expect("it can be written");
        }
        let file = format!(
            "x.wasm: {0}/core/src/lib.rs {0}/target/wxec/out/generated.rs {0}/gone.rs",
            root.display()
        );

        let watched = watched(&file, root, &root.join("target"));

        let expected = [
            "Cargo.lock",
            "Cargo.toml",
            "core/Cargo.toml",
            "core/src/lib.rs",
        ];
        assert_eq!(
            watched,
            expected.iter().map(|name| root.join(name)).collect()
        );
    }
}
