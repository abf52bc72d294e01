//! Errors when there is no module, and their hints.

use wxec_build::{BuildError, Features, Origin, Quiet, module, module_of_package};

use crate::fixture::{Fixture, TASK, manifest};

fn hint(error: &BuildError) -> String {
    error.hint().unwrap_or_default()
}

#[test]
fn a_feature_that_is_not_there_is_named_with_those_that_are() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK)]);
    let complaint = |features: &str| {
        let features = Features::default().with(features);
        let error = module_of_package(fixture.path(), "words", &features, &Quiet)
            .expect_err("there is no such feature");
        (error.to_string(), error.hint().expect("there is one"))
    };
    let said = |name: &str, hint: &str| {
        (
            format!("package `words` has no feature `{name}`"),
            hint.to_owned(),
        )
    };

    assert_eq!(complaint("extra"), said("extra", "it has none at all"));
    fixture.write(
        "Cargo.toml",
        &manifest(
            "words",
            "[features]\ndefault = []\nextra = []\nmore = []\n[workspace]",
        ),
    );
    assert_eq!(
        complaint("extra,mroe"),
        said("mroe", "there is `extra`, `more`")
    );
    assert_eq!(
        complaint("words/mroe"),
        said("words/mroe", "there is `extra`, `more`")
    );
    assert_eq!(
        complaint("serde/derive"),
        said("serde/derive", "there is `extra`, `more`")
    );
}

#[test]
fn a_source_that_is_gone() {
    let origin = Origin {
        manifest_dir: "/gone/words",
        ..Fixture::words(&[]).origin()
    };

    let error = module(&origin, &Quiet).expect_err("there is nothing");

    // The user may see nothing but what `println!("{e}")` shows.
    let text = error.to_string();
    assert!(
        text.starts_with("the source of `words`, ") && text.contains("is not at /gone/words; "),
        "{text}"
    );
    assert!(
        text.ends_with("call `wxec_build::embed()` in its build.rs"),
        "{text}"
    );
}

#[test]
fn a_folder_without_a_workspace() {
    let place = tempfile::tempdir().expect("a temporary directory");

    let error = module_of_package(place.path(), "words", &Features::default(), &Quiet)
        .expect_err("there is nothing");

    assert_eq!(
        error.to_string(),
        format!("no Cargo.toml in {}", place.path().display())
    );
    // A user who typed a name wants no advice about a program's build.
    assert!(
        hint(&error).contains("`./words.wasm`") && !hint(&error).contains("embed"),
        "{error:?}"
    );
}

#[test]
fn a_manifest_cargo_refuses() {
    let fixture = Fixture::words(&[("Cargo.toml", "[package]\nname = 7\n")]);

    let error = module(&fixture.origin(), &Quiet).expect_err("it is no manifest");

    assert!(
        error.to_string().contains("invalid type: integer `7`"),
        "{error}"
    );
}

#[test]
fn a_misspelt_package() {
    let fixture = Fixture::words(&[("src/lib.rs", TASK)]);

    let error = module_of_package(fixture.path(), "wrods", &Features::default(), &Quiet)
        .expect_err("it is misspelt");

    assert!(
        error
            .to_string()
            .starts_with("no package `wrods` in the workspace "),
        "{error}"
    );
    assert_eq!(hint(&error), "there is `words`");
}

#[test]
fn a_task_in_a_test() {
    let fixture = Fixture::words(&[("src/lib.rs", "")]);
    let origin = Origin {
        crate_name: "remote",
        file: "tests/remote.rs",
        ..fixture.origin()
    };

    let error = module(&origin, &Quiet).expect_err("a test is no module");

    assert_eq!(
        error.to_string(),
        "tasks of `remote` (tests/remote.rs) cannot be built: it is a test or benchmark of package `words`"
    );
    assert_eq!(hint(&error), "move the tasks into the library of `words`");
}

#[test]
fn a_program_that_was_renamed() {
    let fixture = Fixture::words(&[("src/main.rs", "fn main() {}")]);
    let origin = Origin {
        binary: Some("wordy"),
        crate_name: "wordy",
        file: "src/main.rs",
        ..fixture.origin()
    };

    let error = module(&origin, &Quiet).expect_err("it has another name now");

    assert_eq!(
        error.to_string(),
        "no program or example `wordy` in package `words`"
    );
}

#[test]
fn an_error_in_the_users_code() {
    let fixture = Fixture::words(&[("src/lib.rs", "pub fn count() -> usize { \"no number\" }")]);

    let error = module(&fixture.origin(), &Quiet).expect_err("it does not compile");

    let BuildError::Compile {
        package,
        diagnostics,
        ..
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(package, "words");
    assert!(
        diagnostics.starts_with("error[E0308]: mismatched types"),
        "{diagnostics}"
    );
    assert!(diagnostics.contains("--> src/lib.rs:1:27"), "{diagnostics}");
}

#[test]
fn thousands_of_errors_are_cut() {
    let text: String = (0..3000)
        .map(|i| format!("pub fn f{i}() -> usize {{ \"no number\" }}\n"))
        .collect();
    let fixture = Fixture::words(&[("src/lib.rs", &text)]);

    let error = module(&fixture.origin(), &Quiet).expect_err("it does not compile");

    let length = error.to_string().len();
    assert!((32 * 1024..=65 * 1024).contains(&length), "{length}");
}

#[test]
fn a_dependency_that_wants_the_host() {
    let app = Fixture::words(&[
        (
            "Cargo.toml",
            "[workspace]\nresolver = \"3\"\nmembers = [\"words\"]\nexclude = [\"vendor\"]",
        ),
        (
            "words/Cargo.toml",
            &manifest(
                "words",
                "[dependencies]\nruntime = { path = \"../vendor/runtime\" }",
            ),
        ),
        ("words/src/lib.rs", TASK),
        (
            "vendor/runtime/Cargo.toml",
            &manifest("runtime", "[dependencies]\nmetal = { path = \"../metal\" }"),
        ),
        ("vendor/runtime/src/lib.rs", "pub use metal::poll;"),
        ("vendor/metal/Cargo.toml", &manifest("metal", "")),
        (
            "vendor/metal/src/lib.rs",
            "#[cfg(target_family = \"wasm\")] compile_error!(\"metal needs an epoll\");\npub fn poll() {}",
        ),
    ]);

    let error = module_of_package(app.path(), "words", &Features::default(), &Quiet)
        .expect_err("metal does not compile");

    let BuildError::Dependency(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!(
        (failure.dependency.as_str(), failure.version.as_str()),
        ("metal", "0.1.0")
    );
    assert_eq!(failure.routes, [["words", "runtime", "metal"]]);
    assert_eq!(
        failure.remedy,
        Some((app.path().join("words/Cargo.toml"), vec!["runtime".into()]))
    );
    assert!(
        error.to_string().starts_with(
            "`metal` 0.1.0, which `words` depends on, does not compile for wasm32-wasip1\n  \
             words -> runtime -> metal\nerror: metal needs an epoll\n"
        ),
        "{error}"
    );
    assert_eq!(
        hint(&error),
        format!(
            "if no task needs it, move `runtime` under `[target.'cfg(not(target_family = \"wasm\"))'.dependencies]` in \
             {}/words/Cargo.toml, and the code that uses it behind `#[cfg(not(target_family = \"wasm\"))]`",
            app.path().display()
        )
    );
}

#[test]
fn a_dependency_whose_build_script_wants_the_host() {
    let app = Fixture::words(&[
        (
            "Cargo.toml",
            &manifest(
                "words",
                "[dependencies]\ncrypto = { path = \"vendor/crypto\" }\n[workspace]\nexclude = [\"vendor\"]",
            ),
        ),
        ("src/lib.rs", TASK),
        ("vendor/crypto/Cargo.toml", &manifest("crypto", "")),
        ("vendor/crypto/src/lib.rs", ""),
        (
            "vendor/crypto/build.rs",
            "fn main() { panic!(\"no C compiler for wasm\") }",
        ),
    ]);

    let error = module(&app.origin(), &Quiet).expect_err("crypto does not compile");

    let BuildError::Dependency(failure) = &error else {
        panic!("{error}")
    };
    assert_eq!(failure.dependency, "crypto");
    assert_eq!(failure.routes, [["words", "crypto"]]);
    assert!(
        failure.diagnostics.contains("no C compiler for wasm"),
        "{error}"
    );
}

#[test]
fn a_member_that_is_nowhere() {
    let dependency = "[dependencies]\nnope = { path = \"nope\" }\n[workspace]";
    let fixture = Fixture::words(&[
        ("src/lib.rs", TASK),
        ("Cargo.toml", &manifest("words", dependency)),
    ]);

    let error = module(&fixture.origin(), &Quiet).expect_err("nope is missing");

    assert!(matches!(error, BuildError::Workspace { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("failed to load manifest for dependency `nope`"),
        "{error}"
    );
}

#[test]
fn a_version_that_is_nowhere() {
    let dependencies = "[dependencies]\ncrypto = { path = \"vendor/crypto\", version = \"2\" }\n[workspace]\nexclude = [\"vendor\"]";
    let fixture = Fixture::words(&[
        ("src/lib.rs", TASK),
        ("Cargo.toml", &manifest("words", dependencies)),
        ("vendor/crypto/Cargo.toml", &manifest("crypto", "")),
        ("vendor/crypto/src/lib.rs", ""),
    ]);

    let error = module(&fixture.origin(), &Quiet).expect_err("there is only 0.1.0");

    let BuildError::Cargo { what, detail } = &error else {
        panic!("{error}")
    };
    assert_eq!(what, "the module of words");
    assert!(
        detail.starts_with("failed to select a version for the requirement `crypto = \"^2\"`"),
        "{detail}"
    );
}
