//! Tests of which target of which package becomes the module, and when it is built again.

use wxec_build::{
    BuildError, BuiltModule, Features, Origin, Quiet, module, module_of_folder, module_of_package,
};

use crate::fixture::{Fixture, Notes, PROGRAM, TASK, manifest};

fn contains(module: &BuiltModule, text: &str) -> bool {
    module
        .bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

#[track_caller]
fn assert_has_task(module: &BuiltModule) {
    assert!(module.bytes.starts_with(b"\0asm"));
    assert!(contains(module, "wx1_count"), "the task is not exported");
}

#[test]
fn a_library_is_built_once_and_again_when_changed() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK)]);
    let notes = Notes::default();
    let build = || module(&fixture.origin(), &notes).expect("it builds");

    let first = build();
    assert_has_task(&first);
    assert_eq!(first.compiled, 1);
    let path = first.path.as_deref().expect("cargo built it");
    assert!(
        path.ends_with("target/wxec/wasm32-wasip1/wxec/words.wasm"),
        "{}",
        path.display()
    );
    assert_eq!(
        notes.take(),
        [
            "started the module of words",
            "compiled words (1)",
            "finished the module of words (1)"
        ]
    );

    let fresh = build();
    assert_eq!((fresh.digest, fresh.compiled), (first.digest, 0));
    assert!(
        notes.take().is_empty(),
        "nothing is said when nothing is done"
    );

    fixture.write("src/lib.rs", &TASK.replace("{ 0 }", "{ 42 }"));
    let changed = build();
    assert_ne!(changed.digest, first.digest);
    assert_eq!(changed.compiled, 1);
}

#[test]
fn a_package_is_known_by_any_folder_in_it() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK)]);
    for folder in [fixture.path().to_owned(), fixture.path().join("src")] {
        let (package, built) =
            module_of_folder(&folder, &Features::default(), &Quiet).expect("it builds");
        assert_eq!(package, "words");
        assert_has_task(&built);
    }
    fixture.write("Cargo.toml", "[workspace]\nmembers = []\n");
    let error = module_of_folder(&fixture.path().join("src"), &Features::default(), &Quiet)
        .expect_err("there is no package");
    assert!(
        matches!(&error, BuildError::NotInPackage { directory } if directory.ends_with("src")),
        "{error:?}"
    );
}

#[test]
fn an_embedded_module_needs_no_cargo() {
    let origin = Origin {
        manifest_dir: "/gone",
        embedded: Some(b"\0asm"),
        ..Fixture::words(&[]).origin()
    };

    let module = module(&origin, &Quiet).expect("nothing is built");

    assert_eq!(
        (module.path, module.bytes.as_slice()),
        (None, b"\0asm".as_slice())
    );
    assert!(format!("{origin:?}").contains("embedded_bytes: Some(4)"));
}

#[test]
fn a_program_holds_tasks_beside_main() {
    let fixture = Fixture::words(&[("src/main.rs", PROGRAM)]);
    let origin = Origin {
        binary: Some("words"),
        file: "src/main.rs",
        ..fixture.origin()
    };

    assert_has_task(&module(&origin, &Quiet).expect("it builds"));
    assert_has_task(
        &module_of_package(fixture.path(), "words", &Features::default(), &Quiet)
            .expect("it builds"),
    );
}

#[test]
fn a_program_and_an_example_of_one_name_are_told_apart_by_the_file() {
    let fixture = Fixture::words(&[
        ("src/bin/hello.rs", "fn main() {}"),
        (
            "examples/hello/main.rs",
            "mod tasks;\nfn main() { tasks::wx1_count(); }",
        ),
        ("examples/hello/tasks.rs", TASK),
    ]);
    let build = |file| {
        let origin = Origin {
            binary: Some("hello"),
            crate_name: "hello",
            file,
            ..fixture.origin()
        };
        module(&origin, &Quiet).expect("it builds")
    };

    assert_has_task(&build("examples/hello/tasks.rs"));
    assert!(!contains(&build("src/bin/hello.rs"), "wx1_count"));
}

#[test]
fn the_library_of_a_package_comes_before_its_programs() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK), ("src/main.rs", "fn main() {}")]);

    assert_has_task(
        &module_of_package(
            &fixture.path().join("src"),
            "words",
            &Features::default(),
            &Quiet,
        )
        .expect("it builds"),
    );
}

#[test]
fn the_default_of_several_programs_is_built() {
    let programs = [
        ("src/bin/one.rs", PROGRAM),
        ("src/bin/two.rs", "fn main() {}"),
    ];
    let fixture = Fixture::words(&programs);

    let error = module_of_package(fixture.path(), "words", &Features::default(), &Quiet)
        .expect_err("which one?");
    assert_eq!(
        error.to_string(),
        "package `words` has no library but several programs: one, two"
    );

    fixture.write(
        "Cargo.toml",
        &manifest("words", "default-run = \"one\"\n[workspace]"),
    );
    assert_has_task(
        &module_of_package(fixture.path(), "words", &Features::default(), &Quiet)
            .expect("it builds"),
    );
}

#[test]
fn features_a_program_requires_are_on() {
    let rest = "[features]\ncounting = []\n[[bin]]\nname = \"words\"\nrequired-features = [\"counting\"]\n[workspace]";
    let fixture = Fixture::words(&[
        ("src/main.rs", PROGRAM),
        ("Cargo.toml", &manifest("words", rest)),
    ]);

    assert_has_task(
        &module_of_package(fixture.path(), "words", &Features::default(), &Quiet)
            .expect("it builds"),
    );
}

#[test]
fn features_are_chosen_as_cargo_has_them() {
    let tasks: String = ["plain", "extra", "other"]
        .map(|name| {
            format!("#[cfg(feature = \"{name}\")] #[unsafe(no_mangle)] pub extern \"C\" fn wx1_{name}() {{}}\n")
        })
        .concat();
    let rest = "[features]\ndefault = [\"plain\"]\nplain = []\nextra = []\nother = []\n[workspace]";
    let fixture = Fixture::words(&[
        ("src/lib.rs", &tasks),
        ("Cargo.toml", &manifest("words", rest)),
    ]);
    let names = ["wx1_plain", "wx1_extra", "wx1_other"];
    let default = Features::default;
    for (features, expected) in [
        (default(), [true, false, false]),
        (default().with("extra"), [true, true, false]),
        (default().with("extra other"), [true, true, true]),
        (
            default().with("words/other, extra").without_default(),
            [false, true, true],
        ),
        (default().without_default(), [false, false, false]),
        (default().with_all(), [true, true, true]),
        (default().with("default"), [true, false, false]),
    ] {
        let built =
            module_of_package(fixture.path(), "words", &features, &Quiet).expect("it builds");
        assert_eq!(
            names.map(|name| contains(&built, name)),
            expected,
            "{features:?}"
        );
        let (_, same) = module_of_folder(fixture.path(), &features, &Quiet).expect("it builds");
        assert_eq!(same.digest, built.digest);
    }
}

#[test]
fn a_profile_of_the_users_own_is_used() {
    let profile =
        "[workspace]\n[profile.wxec]\ninherits = \"release\"\nstrip = true\npanic = \"abort\"";
    let fixture = Fixture::words(&[("src/lib.rs", TASK)]);
    let named = module(&fixture.origin(), &Quiet).expect("it builds");

    fixture.write("Cargo.toml", &manifest("words", profile));
    let stripped = module(&fixture.origin(), &Quiet).expect("it builds");

    assert!(
        stripped.bytes.len() < named.bytes.len(),
        "names of functions are kept by default only"
    );
}

#[test]
fn flags_for_the_host_do_not_reach_the_module() {
    let fixture = Fixture::words(&[
        ("src/lib.rs", TASK),
        (
            ".cargo/config.toml",
            "[build]\nrustflags = [\"-Clink-arg=-fuse-ld=no-such-linker\"]\n",
        ),
    ]);
    assert_has_task(&module(&fixture.origin(), &Quiet).expect("it builds"));

    let flags = "[target.wasm32-wasip1]\nrustflags = [\"-Clink-arg=--export-table\"]\n";
    fixture.write(".cargo/config.toml", flags);
    let exporting = module(&fixture.origin(), &Quiet).expect("it builds");
    assert!(
        contains(&exporting, "__indirect_function_table"),
        "flags for the module do"
    );
}

#[test]
fn a_member_of_a_workspace_is_built_from_anywhere_in_it() {
    let fixture = Fixture::words(&[
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"tasks\"]",
        ),
        ("tasks/Cargo.toml", &manifest("my-tasks", "")),
        ("tasks/src/lib.rs", TASK),
    ]);

    let module = module_of_package(fixture.path(), "my-tasks", &Features::default(), &Quiet)
        .expect("it builds");

    assert_has_task(&module);
    let expected = fixture
        .path()
        .join("target/wxec/wasm32-wasip1/wxec/my_tasks.wasm");
    assert_eq!(module.path, expected.canonicalize().ok());
}

#[test]
fn two_builds_at_once_both_succeed() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK), ("src/main.rs", PROGRAM)]);
    let library = fixture.origin();
    let program = Origin {
        binary: Some("words"),
        file: "src/main.rs",
        ..library
    };

    std::thread::scope(|scope| {
        let builds = [library, program].map(|origin| scope.spawn(move || module(&origin, &Quiet)));
        for build in builds {
            let built: Result<BuiltModule, BuildError> = build.join().expect("no panic");
            assert_has_task(&built.expect("it builds"));
        }
    });
}
