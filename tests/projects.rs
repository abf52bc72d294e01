//! Modules in other languages than Rust, as users have them: folders, new projects, modules that
//! describe themselves by an export, and programs that know nothing of wxec.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;
use wxec::{
    CallErrorKind, Grants, Host, Limits, Module,
    call::{LimitKind, Need},
    module::{Function, Parameter, Wants},
};
use wxec_protocol::abi;

use crate::harness::{Cli, Ended, Sshd, kill, program as program_of_wxec, skip};

/// A folder of files, in which commands are run.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Runs the command here.
    fn wxec(&self, arguments: &[&str]) -> Ended {
        let arguments = ["-q"].iter().chain(arguments);
        Cli::new(arguments).directory(self.0.path()).run()
    }
}

#[track_caller]
fn fails(ended: &Ended, code: i32, message: &str) {
    assert_eq!(ended.exit_code, Some(code), "{ended:?}");
    assert!(ended.stderr.contains(message), "{message}: {ended:?}");
}

// Programs that know nothing of wxec.

/// A program that does what its first argument says.
fn program() -> PathBuf {
    let module = Module::from_package(env!("CARGO_MANIFEST_DIR"), "commands").unwrap();
    module.path().unwrap().to_owned()
}

const TASKS: &str = r#"
[[task]]
signature = "words::same(text: String, n: i64, data: Bytes, more: Option<f64>) -> Value"
doc = "Gives its arguments back."
argv = ["cat"]

[[task]]
signature = "words() -> Vec<String>"
argv = ["arguments", "a b", "--flag"]

[[task]]
signature = "name() -> String"
argv = ["name"]

[[task]]
signature = "complain()"
argv = ["complain", "bitterly"]

[[task]]
signature = "leave() -> Result<(), ExitCode>"
argv = ["exit", "3"]

[[task]]
signature = "hostname() -> String"
argv = ["cat", "/etc/hostname"]

[[task]]
signature = "release() -> Value"
argv = ["cat", "/etc/os-release"]
wants.read = ["/etc/os-release"]

[[task]]
signature = "forever()"
argv = ["yes"]
"#;

/// A program, and the file that states its tasks.
fn place() -> Place {
    let program = fs::read(program()).unwrap();
    Place::new()
        .with("prog.wasm", program)
        .with("prog.tasks.toml", TASKS)
}

#[test]
fn a_program_is_called_as_any_task() {
    let place = place();
    let call = |arguments: &[&str]| place.wxec(&[&["call", "local:"], arguments].concat());
    call(&["./prog.wasm::same", "a word", "3", "foo", "1"]).is(r#"["a word",3,"Zm9v",1.0]"#);
    call(&["./prog.wasm::words::same", "x", "3", "foo"]).is(r#"["x",3,"Zm9v"]"#);
    let named = r#"{"text": "to be", "n": 1, "data": "Zm9v"}"#;
    call(&["prog.wasm::same", "--args", named]).is(r#"{"text":"to be","n":1,"data":"Zm9v"}"#);
    call(&["prog.wasm::words"]).is(r#"["a b","--flag"]"#);

    let ended = call(&["prog.wasm::complain"]);
    ended.is("null");
    assert_eq!(ended.stderr, "bitterly\n");
    let ended = place.wxec(&[
        "call",
        "local:,exec:[\"env\"]",
        "prog.wasm::words",
        "--format",
        "json",
    ]);
    ended.is(r#"{"local":["a b","--flag"],"exec:[\"env\"]":["a b","--flag"]}"#);
}

#[test]
fn its_arguments_are_checked_and_its_tasks_are_shown() {
    let place = place();
    let call = |arguments: &[&str]| place.wxec(&[&["call", "local:"], arguments].concat());
    fails(
        &call(&["prog.wasm::same", "x", "y", "z"]),
        2,
        r#"argument `n` of words::same wants an i64, not "y""#,
    );
    fails(
        &call(&["prog.wasm::same"]),
        2,
        "words::same takes 3 to 4 arguments, not 0",
    );
    fails(&call(&["prog.wasm::wrods"]), 2, "did you mean `words`?");

    let ended = place.wxec(&["inspect", "prog.wasm"]);
    for line in [
        "  same(text: String, n: i64, data: Bytes, more: Option<f64>) -> Value",
        "      Gives its arguments back.",
        "  leave() -> Result<(), ExitCode>",
        "      wants --allow-read=/etc/os-release",
    ] {
        assert!(
            ended.stdout.lines().any(|shown| shown == line),
            "{line}: {ended:?}"
        );
    }
}

#[test]
fn a_program_that_fails_is_a_task_that_fails() {
    let place = place();
    let call = |arguments: &[&str]| place.wxec(&[&["call", "local:"], arguments].concat());
    fails(
        &call(&["prog.wasm::leave"]),
        1,
        "local: the task failed: exit code 3",
    );
    fails(
        &call(&["prog.wasm::name"]),
        1,
        "stdout is no JSON: expected value at line 1",
    );
    fails(
        &call(&["prog.wasm::hostname"]),
        4,
        "not granted: needs --allow-read=/etc/hostname",
    );
    fails(
        &call(&["prog.wasm::release"]),
        4,
        "or --allow-declared to grant all",
    );
    fails(
        &call(&["prog.wasm::release", "--allow-declared"]),
        1,
        "stdout is no JSON",
    );
    fails(
        &call(&["prog.wasm::forever", "--output", "1MiB"]),
        1,
        "output",
    );
}

#[test]
fn mistakes_in_the_file_of_tasks_are_told() {
    let place = place().with("prog.tasks.toml", "[[task]]\nsignature = \"f(x)\"");
    fails(
        &place.wxec(&["inspect", "prog.wasm"]),
        2,
        "prog.tasks.toml cannot be read: `f(x)` is no signature such as",
    );
    let library = wat::parse_str("(module)").unwrap();
    let place = Place::new()
        .with("lib.wasm", library)
        .with("lib.tasks.toml", TASKS);
    fails(
        &place.wxec(&["inspect", "lib.wasm"]),
        2,
        "lib is no program: it exports no `_start`",
    );
}

#[test]
fn programs_are_called_from_programs_with_types() {
    let module = Module::from_program("prog", fs::read(program()).unwrap(), TASKS).unwrap();
    assert_eq!(module.function("same").unwrap().returns, "Value");
    let bound = Host::new("local:").unwrap().bind(&module);
    let words: Vec<String> = bound.call("words", &()).wait().unwrap();
    assert_eq!(words, ["a b", "--flag"]);
    let arguments = ("x", -1_i64, wxec::Bytes::from_static(b"\xff"), None::<f64>);
    let same: (String, i64, wxec::Bytes, Option<f64>) =
        bound.call("same", &arguments).wait().unwrap();
    assert_eq!(
        same,
        ("x".into(), -1, wxec::Bytes::from_static(b"\xff"), None)
    );
    bound.call::<()>("complain", &()).wait().unwrap();

    let error = bound.call::<u8>("words", &()).wait().unwrap_err();
    assert!(matches!(error.kind, CallErrorKind::Decode(_)), "{error:?}");
    let error = bound.call::<()>("leave", &()).wait().unwrap_err();
    assert!(
        matches!(&error.kind, CallErrorKind::Failed(failure) if failure.type_name == "exit code 3"),
        "{error:?}"
    );
    let error = bound.call::<()>("release", &()).wait().unwrap_err();
    let wanted = [Need::Read("/etc/os-release".into())];
    assert!(
        matches!(&error.kind, CallErrorKind::Denied { needs, .. } if *needs == wanted),
        "{error:?}"
    );
    let error = bound
        .call::<()>("hostname", &())
        .grant(Grants::none().read("/etc/hostname"));
    assert!(
        error
            .wait()
            .unwrap_err()
            .to_string()
            .contains("stdout is no JSON")
    );
    let limits = Limits {
        output_bytes: 1 << 20,
        ..Limits::default()
    };
    let error = bound
        .call::<()>("forever", &())
        .limits(limits)
        .wait()
        .unwrap_err();
    assert!(
        matches!(error.kind, CallErrorKind::Limit { which: LimitKind::Output, limit, .. } if limit == 1 << 20),
        "{error:?}"
    );
}

// Modules that describe themselves by an export.

/// A module with the task `hand::same`, which its export describes. `other` makes it another module.
fn describing(other: &str) -> Vec<u8> {
    let same = Function {
        path: String::new(),
        name: "same".into(),
        doc: "Gives back its argument.".into(),
        parameters: vec![Parameter {
            name: "it".into(),
            type_name: "Option<i8>".into(),
        }],
        returns: "Option<i8>".into(),
        error: None,
        wants: Wants::default(),
        readable: false,
        plan: None,
    };
    let record = abi::record("hand", &same);
    let escaped: String = record.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module
            (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
            (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 1024) "{escaped}")
            (func (export "wx1_hand::same") (result i32)
                (call $output_write (i32.const 0)
                    (call $input_read (i32.const 1) (i32.const 0) (i32.const 1024)))
                (i32.const 0))
            (func (export "wx1__describe") (result i32)
                (call $output_write (i32.const 1024) (i32.const {}))
                (i32.const 0))
            (@custom "other" "{other}"))"#,
        record.len()
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_module_is_asked_for_what_its_export_describes() {
    let place = Place::new().with("hand.wasm", describing("a_module_is_asked"));
    let ended = place.wxec(&["inspect", "hand.wasm"]);
    for line in [
        "  same(it: Option<i8>) -> Option<i8>",
        "      Gives back its argument.",
    ] {
        assert!(
            ended.stdout.lines().any(|shown| shown == line),
            "{line}: {ended:?}"
        );
    }
    place
        .wxec(&["call", "local:", "hand.wasm::same", "7"])
        .is("7");
    place
        .wxec(&["call", "local:", "hand.wasm::same", "null"])
        .is("null");
    fails(
        &place.wxec(&["call", "local:", "hand.wasm::same", "200"]),
        2,
        "argument `it` of hand::same wants an Option<i8>, not 200",
    );
    fails(
        &place.wxec(&["call", "local:", "hand.wasm::same", "1", "2"]),
        2,
        "takes 0 to 1 arguments",
    );
    assert!(
        place
            .wxec(&["build", "hand.wasm"])
            .stdout
            .starts_with("path    hand.wasm\n")
    );
}

#[test]
fn a_description_is_kept_by_the_modules_digest() {
    let module = Module::from_bytes("hand", describing("it is kept")).unwrap();
    assert_eq!(module.functions(), []);
    module.describe().wait().unwrap();
    assert_eq!(module.functions().len(), 1);

    let kept = wxec::build::cache_directory().unwrap();
    let kept = kept.join("descriptions").join(module.digest().to_string());
    assert!(kept.is_file(), "{}", kept.display());
    let again = Module::from_bytes("again", describing("it is kept")).unwrap();
    again.describe().wait().unwrap();
    assert_eq!(
        (again.functions(), again.artifacts_compiled()),
        (module.functions(), 0)
    );

    // What cannot be read counts as missing.
    fs::write(&kept, b"\xff\xff\xff\xff").unwrap();
    let again = Module::from_bytes("again", describing("it is kept")).unwrap();
    again.describe().wait().unwrap();
    assert_eq!(again.functions(), module.functions());
}

#[test]
fn a_module_that_cannot_describe_itself_says_why() {
    let module = |body: &str| {
        let text = format!(
            r#"(module (func (export "wx1_hand::f") (result i32) (i32.const 0))
                (func (export "wx1__describe") (result i32) {body}))"#
        );
        Place::new().with("hand.wasm", wat::parse_str(text).unwrap())
    };
    let ended = module("unreachable").wxec(&["inspect", "hand.wasm"]);
    fails(
        &ended,
        2,
        "hand cannot tell its functions: the task trapped: ",
    );
    let ended = module("(i32.const 2)").wxec(&["inspect", "hand.wasm"]);
    fails(
        &ended,
        2,
        "hand cannot tell its functions: the arguments do not fit",
    );
    // It may have nothing to say.
    let ended = module("(i32.const 0)").wxec(&["inspect", "hand.wasm"]);
    assert!(
        ended.stdout.contains("  hand::f (not described)"),
        "{ended:?}"
    );
}

// Folders.

#[test]
fn a_folder_that_states_its_command_is_called_by_its_name() {
    let settings = "language = \"zig\"\nbuild = [\"./tool\"]\noutput = \"out/words.wasm\"\n";
    let place = Place::new()
        .with("words/wxec-module.toml", settings)
        .with("words/words.source", describing("a folder"))
        .with(
            "words/tool",
            "#!/bin/sh\necho built >&2\nmkdir -p out && cp words.source out/words.wasm\n",
        );
    let tool = place.0.path().join("words/tool");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();

    let ended = place.wxec(&["call", "local:", "./words::hand::same", "7"]);
    ended.is("7");
    assert_eq!(ended.stderr, "", "a tool that succeeds has nothing to say");
    place
        .wxec(&["call", "local:", "./words::same", "7"])
        .is("7");
    assert!(
        place
            .wxec(&["inspect", "./words"])
            .stdout
            .starts_with("module  words\n")
    );
    let ended = Cli::new(["build"])
        .directory(place.0.path().join("words"))
        .run();
    assert!(ended.stdout.contains("words/out/words.wasm\n"), "{ended:?}");
    assert!(
        ended.stderr.contains("building the module of words\n"),
        "{ended:?}"
    );

    let place = place.with(
        "words/tool",
        "#!/bin/sh\necho 'words.source:1: no'; exit 1\n",
    );
    fails(
        &place.wxec(&["call", "local:", "./words::same", "7"]),
        2,
        "error: `words` does not build (Zig)\nwords.source:1: no\n",
    );
    fails(
        &place.wxec(&["build", "./words", "--features", "x"]),
        2,
        "`words` has no features, because it is no crate",
    );
}

#[test]
fn a_server_that_a_tool_leaves_behind_is_not_waited_for() {
    let settings = "language = \"zig\"\nbuild = [\"./tool\"]\noutput = \"out/words.wasm\"\n";
    let place = Place::new()
        .with("words/wxec-module.toml", settings)
        .with("words/words.source", describing("left alone"))
        .with(
            "words/tool",
            "#!/bin/sh\nsleep 60 &\necho $! >server\nmkdir -p out && cp words.source out/words.wasm\n",
        );
    let tool = place.0.path().join("words/tool");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    place
        .wxec(&["call", "local:", "./words::same", "7"])
        .is("7");
    let server = fs::read_to_string(place.0.path().join("words/server")).unwrap();
    let server = Pid::from_raw(server.trim().parse().unwrap()).unwrap();
    assert!(test_kill_process(server).is_ok(), "it was waited for");
    kill(server);
}

/// A bit more than the time after which an edit shows in the times of files.
const SETTLED: Duration = Duration::from_millis(2_200);

#[test]
fn a_copy_of_a_project_is_a_project_of_its_own() {
    let settings = "language = \"zig\"\nbuild = [\"cp\", \"words.source\", \"words.wasm\"]\n\
        output = \"words.wasm\"\n";
    let place = Place::new()
        .with("words/wxec-module.toml", settings)
        .with("words/words.source", describing("the original"));
    let call = ["call", "local:", "./words::same", "7"];
    place.wxec(&call).is("7");
    // A build soon after an edit is not recorded, and the first one made files beside the sources.
    thread::sleep(SETTLED);
    place.wxec(&call).is("7");
    let record = place.0.path().join("words/.wxec/record.json");
    assert!(record.exists(), "it is found without its tool");

    let mut copy = Command::new("cp");
    let copy = copy.args(["-a", "words", "copy"]).current_dir(&place.0);
    assert!(copy.status().unwrap().success());
    let place = place.with("copy/words.source", "no module");
    let ended = place.wxec(&["call", "local:", "./copy::same", "7"]);
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    place.wxec(&call).is("7");
}

/// A task in C without an SDK.
const C: &str = r#"
#include "host.h"

__attribute__((export_name("wx1_hand::same"))) int same(void)
{
    char buffer[64] = "";
    output_write(buffer + 1, input_read(1, buffer + 1, 63));
    return 0;
}
"#;

const HEADER: &str = r#"
#define HOST(name) __attribute__((import_module("wxec_v1"), import_name(name)))
HOST("input_read") int input_read(int from, void *to, int length);
HOST("output_write") void output_write(const void *bytes, int length);
"#;

#[test]
fn a_folder_of_c_becomes_a_module() {
    if !Path::new("/usr/lib/wasm32-wasi/crt1-reactor.o").exists() {
        return skip("there is no wasi-libc");
    }
    let place = Place::new()
        .with("hand/hand.c", C)
        .with("hand/include/host.h", HEADER);
    place
        .wxec(&["call", "local:", "./hand::hand::same", "7"])
        .is("7");
    let place = place.with("hand/hand.c", C.replace("return 0", "return nothing"));
    fails(
        &place.wxec(&["build", "./hand"]),
        2,
        "use of undeclared identifier 'nothing'",
    );
}

#[test]
fn a_tool_that_is_missing_is_named_with_its_language() {
    let place = Place::new()
        .with("words/build.zig", "")
        .with("words2/go.mod", "");
    let build = |folder: &str| {
        let build = Cli::new(["build", folder]).directory(place.0.path());
        build.env("PATH", "/nowhere").run()
    };
    fails(
        &build("./words"),
        2,
        "`zig`, which builds modules in Zig, is not in PATH; install Zig",
    );
    fails(
        &build("./words2"),
        2,
        "`go`, which builds modules in Go, is not in PATH; install Go 1.24",
    );
}

// New projects.

/// Starts a project in a language, and calls its task.
fn starts(language: &str, tool: &[&str]) {
    if !is_here(tool) {
        return skip(&format!("there is no {}", tool.join(" ")));
    }
    let place = Place::new();
    let ended = place.wxec(&["new", "my-words", "--lang", language]);
    if ended.stderr.contains("without its SDK") {
        return skip("this wxec has no such SDK");
    }
    let call = "wxec call local: ./my-words::greet you";
    if language == "as" {
        ended.is(&format!("(cd my-words && npm install) && {call}"));
        let folder = place.0.path().join("my-words");
        let mut npm = Command::new("npm");
        let installed = npm.arg("install").current_dir(folder).output().unwrap();
        if !installed.status.success() {
            return skip("npm cannot install AssemblyScript here");
        }
    } else {
        ended.is(call);
    }
    place
        .wxec(&["call", "local:", "./my-words::greet", "you"])
        .is(r#""Hello, you!""#);
    fails(
        &place.wxec(&["call", "local:", "./my-words::greet"]),
        2,
        "::greet takes 1 argument, not 0",
    );
    let ended = place.wxec(&["inspect", "./my-words"]);
    assert!(
        ended.stdout.contains("  greet(name: String) -> String\n"),
        "{ended:?}"
    );
    assert!(ended.stdout.contains("reets someone."), "{ended:?}");
}

/// Returns true if one of these programs is in `PATH`, or beside wxec.
fn is_here(programs: &[&str]) -> bool {
    let wxec = program_of_wxec();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let mut folders = folders.iter().map(PathBuf::as_path).chain(wxec.parent());
    folders.any(|folder| {
        programs
            .iter()
            .any(|program| folder.join(program).is_file())
    })
}

#[test]
fn a_new_project_in_c_builds_and_runs_at_once() {
    starts("c", &["clang"]);
}

#[test]
fn a_panic_in_c_names_the_file_as_its_author_does() {
    const PANIC: &str = "#include <wxec.h>\n\nWXEC_TASK(\"it\", ends, \"Ends.\", (void))\n{\n    \
        WXEC_PANIC(\"no\");\n}\n";
    if !is_here(&["clang"]) {
        return skip("there is no clang");
    }
    let place = Place::new();
    place.wxec(&["new", "it", "--lang", "c"]);
    let place = place.with("it/it.c", PANIC);
    fails(
        &place.wxec(&["call", "local:", "./it::ends"]),
        1,
        "error: local: the task panicked at it.c:5: no\n",
    );
}

#[test]
fn a_new_project_in_cpp_builds_and_runs_at_once() {
    if !Path::new("/usr/lib/wasm32-wasi/libc++.a").exists()
        && !Path::new("/usr/lib/wasm32-wasi/c++").exists()
    {
        return skip("there is no libc++ for WASI");
    }
    starts("cpp", &["clang++"]);
}

#[test]
fn a_new_project_in_zig_builds_and_runs_at_once() {
    starts("zig", &["zig", "python-zig"]);
}

#[test]
fn a_new_project_in_go_builds_and_runs_at_once() {
    starts("go", &["go"]);
}

#[test]
fn a_new_project_in_assemblyscript_builds_and_runs_at_once() {
    starts("as", &["npm"]);
}

#[test]
fn a_new_project_in_python_builds_and_runs_at_once() {
    starts("python", &["wxec-scripts"]);
}

#[test]
fn a_new_project_in_javascript_builds_and_runs_at_once() {
    starts("js", &["wxec-scripts"]);
}

// The guests: the same tasks in each language.

/// Compares the tasks of a guest with those of `guests/words`, on this machine and on a fleet over
/// ssh.
fn counts_words(language: &str, tool: &[&str]) {
    if !is_here(tool) {
        return skip(&format!("there is no {}", tool.join(" ")));
    }
    let Some(sshd) = Sshd::start() else {
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../guests")
        .join(language);
    let module = folder.to_str().unwrap();
    let call = |target: &str, task: &str, arguments: &[&str]| {
        let function = format!("{module}::{task}");
        let words = ["-q", "call", target, &function].into_iter();
        Cli::new(words.chain(arguments.iter().copied()))
            .hosts(&sshd)
            .run()
    };
    let text = "to be or not to be à bientôt";
    call("local:", "words::count", &[text]).is("8");
    call("local:", "words::top", &[text, "2"]).is(r#"[["be",2],["to",2]]"#);
    // The order of a map is its language's.
    let lengths = call("local:", "words::stats::lengths", &[text]);
    let lengths: serde_json::Value = serde_json::from_str(&lengths.stdout).unwrap();
    assert_eq!(lengths, serde_json::json!({"1": 1, "2": 5, "3": 1, "7": 1}));
    let more = ["--timeout", "5m", "--format", "json", text];
    let fleet = call("many1,many2,many3", "words::count", &more);
    // Hosts answer in any order.
    let counts: serde_json::Value = serde_json::from_str(&fleet.stdout).unwrap();
    let wanted = serde_json::json!({"many1": 8, "many2": 8, "many3": 8});
    assert_eq!(counts, wanted, "{fleet:?}");
}

macro_rules! counts_words {
    ($($test:ident: $language:literal, $tool:expr;)*) => {$(
        #[test]
        fn $test() {
            counts_words($language, &$tool);
        }
    )*};
}

counts_words! {
    words_are_counted_in_rust: "words", ["cargo"];
    words_are_counted_in_c: "c", ["clang"];
    words_are_counted_in_cpp: "cpp", ["clang++"];
    words_are_counted_in_zig: "zig", ["zig", "python-zig"];
    words_are_counted_in_go: "go", ["go"];
    words_are_counted_in_assemblyscript: "assemblyscript", ["npm"];
    words_are_counted_in_python: "python", ["wxec-scripts"];
    words_are_counted_in_javascript: "javascript", ["wxec-scripts"];
}
