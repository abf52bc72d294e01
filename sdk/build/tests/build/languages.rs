//! Projects in other languages than Rust, whose tool here is a script of their own.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
};

use wxec_build::{BuildError, BuiltModule, Features, Quiet, module_of_folder};

use crate::fixture::{Notes, write};

/// States that `tool` builds the project.
const SETTINGS: &str = r#"
    language = "zig"
    build = ["./tool", "words"]
    output = "out/words.wasm"
"#;

/// Makes a module of a source and a file outside of the project, and counts its runs.
const TOOL: &str =
    "#!/bin/sh\nmkdir -p out && cat words.source ../shared >out/$1.wasm && echo run >>../runs\n";

/// A project, with what is around it.
struct Project(tempfile::TempDir);

impl Project {
    fn new(settings: &str, tool: &str) -> Self {
        let project = Self(tempfile::tempdir().expect("a temporary directory"));
        project.write("words/wxec-module.toml", settings);
        project.write("words/words.source", "one");
        project.write("words/tool", tool);
        project.write("shared", "two");
        let tool = project.0.path().join("words/tool");
        fs::set_permissions(tool, Permissions::from_mode(0o755)).expect("it is ours");
        project
    }

    fn write(&self, name: &str, text: &str) {
        write(&self.0.path().join(name), text);
    }

    fn runs(&self) -> usize {
        let runs = fs::read_to_string(self.0.path().join("runs")).unwrap_or_default();
        runs.lines().count()
    }

    fn build(&self) -> Result<BuiltModule, BuildError> {
        module_of_folder(&self.0.path().join("words"), &Features::default(), &Quiet)
            .map(|(_, module)| module)
    }

    fn error(&self) -> BuildError {
        self.build().expect_err("it cannot be built")
    }
}

#[test]
fn a_project_is_built_by_the_command_that_it_states() {
    let project = Project::new(SETTINGS, TOOL);
    let notes = Notes::default();

    let folder = project.0.path().join("words");
    let (name, module) =
        module_of_folder(&folder, &Features::default(), &notes).expect("it builds");

    assert_eq!((&*name, &*module.bytes), ("words", &b"onetwo"[..]));
    assert!(
        module
            .path
            .is_some_and(|path| path.ends_with("words/out/words.wasm"))
    );
    assert_eq!(
        notes.take(),
        [
            "started the module of words",
            "finished the module of words (1)"
        ]
    );
    let ignored = fs::read_to_string(folder.join(".wxec/.gitignore"));
    assert_eq!(ignored.expect("it was made"), "*\n");
}

#[test]
fn a_build_of_new_sources_is_not_relied_on() {
    let project = Project::new(SETTINGS, TOOL);
    for runs in 1..=3 {
        project.build().expect("it builds");
        assert_eq!(project.runs(), runs);
    }
}

#[test]
fn what_a_tool_says_is_the_error() {
    let project = Project::new(
        SETTINGS,
        "#!/bin/sh\necho 'words.source:1: no'; echo twice no >&2; exit 3\n",
    );
    let error = project.error();
    let BuildError::OtherLanguage {
        project: name,
        language,
        said,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!((&**name, *language), ("words", "Zig"));
    assert!(
        said.contains("words.source:1: no") && said.contains("twice no"),
        "{said}"
    );

    let silent = Project::new(SETTINGS, "#!/bin/sh\nexit 3\n")
        .error()
        .to_string();
    assert!(silent.ends_with("ended with exit status: 3"), "{silent}");
}

#[test]
fn a_tool_may_say_as_much_as_it_likes() {
    let project = Project::new(
        SETTINGS,
        "#!/bin/sh\nhead -c 1000000 /dev/zero | tr '\\0' x; exit 1\n",
    );
    let length = project.error().to_string().len();
    assert!((60_000..70_000).contains(&length), "{length}");
}

#[test]
fn a_tool_that_is_not_there_is_named() {
    let settings = SETTINGS.replace("./tool", "no-such-tool");
    let error = Project::new(&settings, TOOL).error();
    assert!(
        error
            .to_string()
            .starts_with("`no-such-tool`, which builds modules in Zig, cannot be run: "),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn a_build_without_a_module_is_an_error() {
    let error = Project::new(SETTINGS, "#!/bin/sh\n").error();
    let expected = "the build of `words` left no module: there is no ";
    assert!(error.to_string().starts_with(expected), "{error}");

    let settings = "language = \"zig\"\nbuild = [\"./tool\"]";
    let error = Project::new(settings, TOOL).error();
    assert!(
        error
            .to_string()
            .ends_with("`build` and `output` belong together"),
        "{error}"
    );
}

#[test]
fn features_are_for_crates() {
    let project = Project::new(SETTINGS, TOOL);
    let folder = project.0.path().join("words");
    let error = module_of_folder(&folder, &Features::default().with("extra"), &Quiet);
    let error = error.expect_err("it has no features");
    assert_eq!(
        error.to_string(),
        "`words` has no features, because it is no crate"
    );
}
