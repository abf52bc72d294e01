//! Each way in which a build can go stale, with real builds.

use std::{fs::File, thread};

use tempfile::TempDir;

use super::*;
use crate::{
    Quiet,
    cargo::command::{Cargo, Toolchain},
    module::project::Project,
    package::unit::{Unit, package_named},
};

/// Members are `words` and `core`; `beside` is a dependency outside of the workspace, as `tests` is,
/// which is not built.
const FILES: [(&str, &str); 13] = [
    (
        "all/Cargo.toml",
        "[workspace]\nresolver = \"3\"\nmembers = [\"words\", \"members/*\"]\n",
    ),
    (
        "all/words/Cargo.toml",
        "[package]\nname = \"words\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\n[features]\nextra = []\n\
         [dependencies]\ncore-words = { path = \"../members/core\" }\nbeside = { path = \"../../beside\" }\n\
         [dev-dependencies]\nfor-tests = { path = \"../../tests\" }\n",
    ),
    (
        "all/words/src/lib.rs",
        "mod stats;\nconst TEXT: &str = include_str!(\"text.txt\");\nconst MODE: Option<&str> = option_env!(\"MODE\");\n\
         #[cfg(feature = \"extra\")]\n#[unsafe(no_mangle)]\npub extern \"C\" fn wx1_extra() {}\n\
         #[unsafe(no_mangle)]\npub extern \"C\" fn wx1_count() -> usize {\n\
         TEXT.len() + MODE.map_or(0, str::len) + stats::N + core_words::N + beside::N\n}\n",
    ),
    ("all/words/src/stats.rs", "pub const N: usize = 10_001;\n"),
    ("all/words/src/text.txt", "to be"),
    (
        "all/members/core/Cargo.toml",
        "[package]\nname = \"core-words\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    (
        "all/members/core/src/lib.rs",
        "include!(concat!(env!(\"OUT_DIR\"), \"/n.rs\"));\n",
    ),
    (
        "all/members/core/build.rs",
        "fn main() {\n\
         println!(\"cargo::rerun-if-changed=numbers\");\nprintln!(\"cargo:rerun-if-env-changed=BASE\");\n\
         let n = std::fs::read_dir(\"numbers\").unwrap().count();\n\
         let out = std::env::var(\"OUT_DIR\").unwrap();\n\
         std::fs::write(out + \"/n.rs\", format!(\"pub const N: usize = {n}00;\")).unwrap();\n}\n",
    ),
    ("all/members/core/numbers/one", "1"),
    (
        "beside/Cargo.toml",
        "[package]\nname = \"beside\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("beside/src/lib.rs", "pub const N: usize = 20_000;\n"),
    (
        "tests/Cargo.toml",
        "[package]\nname = \"for-tests\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    ),
    ("tests/src/lib.rs", ""),
];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary directory"));
        FILES
            .iter()
            .for_each(|(name, text)| place.write(name, text));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it is ours");
        fs::write(path, text).expect("it is ours");
    }

    /// A request that takes all files to be old.
    fn request(&self, features: &Features) -> Request {
        let words = ["words"];
        let mut request = Request::new(&self.path("all"), &words, features, &[]);
        request.record = Some(self.path("fresh").join(file_name(&format!("{features:?}"))));
        request.began += Duration::from_secs(3600);
        request
    }

    fn find(&self) -> Option<BuiltModule> {
        let found = self.request(&Features::default()).find()?;
        assert_eq!(found.package, "words");
        Some(found.module)
    }

    fn build(&self) -> BuiltModule {
        self.build_for(self.request(&Features::default()), &Features::default())
    }

    fn build_for(&self, request: Request, features: &Features) -> BuiltModule {
        let project = Project::around(&self.path("all")).expect("it is a workspace");
        let project = project.recorded_for(request);
        let package = package_named(&project.metadata, "words").expect("it is a member");
        let unit = Unit::of_package(package).expect("it has a target");
        let target = project
            .target_directory()
            .expect("it is not in cargo's home");
        project
            .build(package, &unit, features, &target, &Quiet)
            .expect("it builds")
    }

    /// Builds, and checks that the module is then found.
    #[track_caller]
    fn settle(&self) -> Digest {
        let built = self.build();
        let found = self.find().expect("it is recorded");
        assert_eq!((found.digest, found.compiled), (built.digest, 0));
        assert_eq!((found.path, found.source), (built.path, built.source));
        assert_eq!(found.bytes, built.bytes);
        built.digest
    }

    /// Makes a change, and checks that cargo then decides.
    #[track_caller]
    fn goes_stale(&self, what: &str, change: impl FnOnce()) -> Digest {
        change();
        assert!(self.find().is_none(), "{what}: found without cargo");
        self.settle()
    }
}

fn touch(path: &Path) {
    let file = File::options().append(true).open(path).expect("it exists");
    file.set_modified(SystemTime::now()).expect("it is ours");
}

#[test]
fn edits_of_sources() {
    let place = Place::new();
    let first = place.settle();
    let edit = |name, text| place.goes_stale(name, || place.write(name, text));

    let longer = edit("all/words/src/stats.rs", "pub const N: usize = 100_001;\n");
    assert_ne!(longer, first);
    let back = edit("all/words/src/stats.rs", "pub const N: usize = 10_001;\n");
    assert_eq!(back, first);
    assert_ne!(edit("all/words/src/text.txt", "to be or"), first);
    edit("all/members/core/src/lib.rs", "pub const N: usize = 7;\n");
    edit("beside/src/lib.rs", "pub const N: usize = 30_000;\n");
    place.goes_stale("a new module", || {
        place.write("all/words/src/new.rs", "pub const N: usize = 1;\n");
        place.write(
            "all/words/src/stats.rs",
            "#[path = \"new.rs\"] mod new;\npub const N: usize = 40_000;\n",
        );
    });
}

#[test]
fn an_edit_that_keeps_size_and_time() {
    let place = Place::new();
    place.settle();
    let path = place.path("all/words/src/stats.rs");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();

    place.write("all/words/src/stats.rs", "pub const N: usize = 10_002;\n");
    let file = File::options().append(true).open(&path).unwrap();
    file.set_modified(modified).unwrap();

    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), modified);
    assert!(place.find().is_none());
}

#[test]
fn files_that_are_new_when_the_build_begins_are_not_trusted() {
    let place = Place::new();
    let mut request = place.request(&Features::default());
    request.began = SystemTime::now();

    place.build_for(request, &Features::default());

    assert!(place.find().is_none());
}

#[test]
fn a_configuration_that_is_removed_during_the_build_leaves_doubt() {
    let place = Place::new();
    let configuration = "all/.cargo/config.toml";
    place.write(configuration, "");
    let request = place.request(&Features::default());
    fs::remove_file(place.path(configuration)).expect("it is there");
    place.build_for(request, &Features::default());
    assert!(place.find().is_none());
}

#[test]
fn manifests_lock_file_configuration_and_toolchain() {
    let place = Place::new();
    place.settle();
    for name in [
        "all/Cargo.toml",
        "all/Cargo.lock",
        "all/words/Cargo.toml",
        "all/members/core/Cargo.toml",
        "beside/Cargo.toml",
        "tests/Cargo.toml",
    ] {
        place.goes_stale(name, || touch(&place.path(name)));
    }
    let write = |name, text| place.goes_stale(name, || place.write(name, text));
    let before = place.find().unwrap().digest;
    let flags = "[target.wasm32-wasip1]\nrustflags = [\"-Clink-arg=--export-table\"]\n";
    assert_ne!(write(".cargo/config.toml", flags), before);
    write("all/.cargo/config.toml", "[net]\noffline = true\n");
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rust-toolchain.toml");
    let own = fs::read_to_string(own).expect("the workspace has one");
    write("rust-toolchain.toml", &own);
}

#[test]
fn a_nearer_workspace_and_targets_that_no_manifest_names() {
    let place = Place::new();
    place.settle();
    let appear = |name, text| {
        place.write(name, text);
        assert!(place.find().is_none(), "{name}");
        fs::remove_file(place.path(name)).unwrap();
        place.settle();
    };

    appear("all/words/build.rs", "fn main() {}");
    appear("beside/build.rs", "fn main() {}");
    appear("all/words/src/main.rs", "fn main() {}");
    appear("all/words/src/bin/other.rs", "fn main() {}");
    fs::create_dir(place.path("all/words/src/bin/several")).unwrap();
    place.settle();
    appear("all/words/src/bin/several/main.rs", "fn main() {}");
    appear("Cargo.toml", "[workspace]\n");
}

#[test]
fn a_new_member_changes_no_other() {
    let place = Place::new();
    let before = place.settle();
    let manifest = "[package]\nname = \"new\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    place.write("all/members/new/Cargo.toml", manifest);
    place.write("all/members/new/src/lib.rs", "");

    let found = place.find().map(|module| module.digest);

    assert!(found.is_none_or(|digest| digest == before));
    assert_eq!(place.build().digest, before);
    let project = Project::around(&place.path("all")).unwrap();
    assert!(package_named(&project.metadata, "new").is_ok());
}

#[test]
fn directories_and_variables_of_build_scripts() {
    let place = Place::new();
    let first = place.settle();

    let two = place.goes_stale("another file", || {
        place.write("all/members/core/numbers/two", "2")
    });
    assert_ne!(two, first);
    place.goes_stale("a deeper file", || {
        place.write("all/members/core/numbers/deep/three", "3");
    });
    place.goes_stale("its removal", || {
        fs::remove_file(place.path("all/members/core/numbers/deep/three")).unwrap();
    });
    place.goes_stale("the script itself", || {
        touch(&place.path("all/members/core/build.rs"))
    });
}

#[test]
fn variables_of_sources_scripts_and_tools() {
    let place = Place::new();
    place.settle();
    for (name, is_read) in [
        ("MODE", true),
        ("BASE", true),
        ("RUSTC_BOOTSTRAP", true),
        ("RUSTUP_TOOLCHAIN", true),
        ("CARGO_HOME", true),
        ("CARGO_NET_OFFLINE", true),
        ("CARGO_BUILD_JOBS", false),
        ("SHLVL", false),
    ] {
        let mut request = place.request(&Features::default());
        let variables = &mut request.environment.variables;
        variables.insert(name.into(), "another value".into());
        assert_eq!(request.find().is_none(), is_read, "{name}");
    }
    let mut request = place.request(&Features::default());
    request.environment.programs[0] = std::env::current_exe().unwrap();
    assert!(request.find().is_none(), "another cargo");
}

#[test]
fn the_toolchain_itself_is_watched() {
    let place = Place::new();
    place.settle();
    let request = place.request(&Features::default());
    let record = Record::load(&request.record.unwrap()).unwrap();
    let cargo = Cargo::new(place.path("all"), Toolchain::Surrounding);
    let rustc = cargo.sysroot().unwrap().join("bin/rustc");

    assert!(rustc.is_file() && record.watched.files.contains(&rustc));
}

#[test]
fn a_module_that_is_gone_or_another() {
    let place = Place::new();
    place.settle();
    let path = place.find().unwrap().path.unwrap();

    place.goes_stale("removed", || fs::remove_file(&path).unwrap());
    fs::write(&path, b"\0asm of another target").unwrap();
    assert!(place.find().is_none());
    fs::remove_dir_all(place.path("all/target")).unwrap();
    assert!(place.find().is_none());
}

#[test]
fn a_damaged_record() {
    let place = Place::new();
    place.settle();
    let path = place.request(&Features::default()).record.unwrap();
    let bytes = fs::read(&path).unwrap();

    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();

    assert!(place.find().is_none());
    place.settle();
}

#[test]
fn scripts_and_configurations_that_leave_doubt() {
    let place = Place::new();
    let is_recorded = || {
        place.build();
        place.find().is_some()
    };
    let main = |line: &str| {
        let script = format!(
            "fn main() {{ {line} std::fs::write(std::env::var(\"OUT_DIR\").unwrap() + \"/n.rs\", \"pub const N: usize = 3;\").unwrap(); }}"
        );
        place.write("all/members/core/build.rs", &script);
    };

    main("");
    assert!(!is_recorded(), "any file of the package counts");
    main("println!(\"cargo::rerun-if-changed=nowhere\");");
    assert!(!is_recorded(), "cargo runs it each time");
    main("println!(\"cargo::rerun-if-changed=build.rs\");");
    assert!(is_recorded());
    place.write(".cargo/config.toml", "[build]\nrustc = \"rustc\"\n");
    assert!(!is_recorded(), "another compiler");
    place.write(".cargo/config.toml", "# include = \"other.toml\"\n");
    assert!(!is_recorded(), "it may lead elsewhere");
}

#[test]
fn builds_of_one_file_at_once_get_the_right_bytes() {
    let place = Place::new();
    let has = |module: &BuiltModule, name: &str| {
        let mut windows = module.bytes.windows(name.len());
        windows.any(|window| window == name.as_bytes())
    };
    let work = |features: &Features| {
        for _ in 0..4 {
            let request = place.request(features);
            let module = match request.find() {
                Some(found) => found.module,
                None => place.build_for(request, features),
            };
            assert_eq!(has(&module, "wx1_extra"), !features.is_default());
        }
    };
    thread::scope(|scope| {
        for features in [Features::default(), Features::default().with("extra")] {
            scope.spawn(move || work(&features));
        }
    });
}
