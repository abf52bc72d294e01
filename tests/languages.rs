//! The conformance modules of all SDKs, beside the test vectors of the guest ABI: on this machine's
//! processor, as bytecode, and on an emulated aarch64. What each language does is a line of the summary.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::Value as Json;
use tempfile::TempDir;
use wxec::{
    Module,
    build::{BuildError, Quiet},
};
use wxec_protocol::{Platform, Target};

use crate::harness::{Cli, program, skip, tell, write_script};

macro_rules! languages {
    ($($test:ident: $language:literal, $folder:literal, $module:literal;)*) => {
        $(
            #[test]
            fn $test() {
                conforms($language, $folder, $module);
            }
        )*

        /// The folders of the modules' sources.
        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

// The folder of the sources, and the module that is built in it.
languages! {
    rust_conforms: "Rust", "sdk/wxec/conformance", "";
    c_conforms: "C", "sdk/c/conformance", "build/conformance.wasm";
    cpp_conforms: "C++", "sdk/c/conformance", "build/conformance_cpp.wasm";
    zig_conforms: "Zig", "sdk/zig/conformance", "zig-out/bin/conformance.wasm";
    go_conforms: "Go", "sdk/go/conformance", "conformance.wasm";
    assemblyscript_conforms: "AssemblyScript", "sdk/assemblyscript/conformance", "conformance.wasm";
    python_conforms: "Python", "sdk/python/conformance", "conformance.wasm";
    javascript_conforms: "JavaScript", "sdk/javascript/conformance", "conformance.wasm";
}

macro_rules! own_tests {
    ($($test:ident: $folder:literal, $command:expr;)*) => {$(
        #[test]
        fn $test() {
            passes($folder, &$command);
        }
    )*};
}

// The tests that SDKs have in their own languages, of what needs no host.
own_tests! {
    the_tests_of_c_pass: "sdk/c", ["make", "check"];
    the_tests_of_zig_pass: "sdk/zig", ["zig", "build", "test"];
    the_tests_of_go_pass: "sdk/go", ["go", "test", "./..."];
    the_tests_of_python_pass: "sdk/python", ["python3", "-m", "unittest", "discover", "-s", "tests"];
    the_tests_of_javascript_pass: "sdk/javascript", ["node", "--test"];
}

#[test]
fn the_tests_of_assemblyscript_pass() {
    let folder = "sdk/assemblyscript/conformance";
    match build(folder, "conformance.wasm") {
        Ok(_) => passes(folder, &["npm", "test"]),
        Err(reason) => skip(&format!("AssemblyScript: {reason}")),
    }
}

fn passes(folder: &str, command: &[&str]) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(top().join(folder))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => return skip(&format!("{}: {error}", command[0])),
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
}

#[test]
fn each_sdk_has_its_test() {
    for entry in fs::read_dir(top().join("sdk")).unwrap() {
        let folder = entry.unwrap().path().join("conformance");
        let folder = folder.strip_prefix(top()).unwrap();
        assert!(
            !top().join(folder).exists() || FOLDERS.iter().any(|it| folder == Path::new(it)),
            "{} has no test",
            folder.display()
        );
    }
}

/// Returns what it must only as long as it is not given a number, and in the first call of an instance.
const WRONG: &str = r#"(module
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\18\2a")
    (func (export "wx1_conformance::or_default") (result i32)
        (call $output_write (i32.const 0) (i32.const 2))
        (i32.store8 (i32.const 1) (i32.const 43))
        (i32.const 0))
    (func (export "wx1_conformance::trap") (result i32) unreachable))"#;

#[test]
fn a_module_that_differs_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.wasm");
    fs::write(&path, wat::parse_str(WRONG).unwrap()).unwrap();
    let ended = Cli::new(["-q", "inspect", "--conformance", path.to_str().unwrap()]).run();
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    for (name, result) in [
        ("adds", "not offered\n"),
        ("may be null if they are optional", "ok\n"),
        (
            "of an option come as they are",
            "differs\n      end expected  the value 5\n      end found     the value 42\n",
        ),
        (
            "a text for an option of a number",
            "differs\n      end expected  a refusal of the arguments with `number`\n      \
             end found     the value 42\n",
        ),
        ("a trap is a trap", "ok\n"),
        (
            "arguments: may be left out if they are optional",
            "differs\n      end expected  the value 42\n      end found     the value 43\n",
        ),
    ] {
        let lines = format!("\n  {name:56}  {result}");
        assert!(ended.stdout.contains(&lines), "{lines}{}", ended.stdout);
    }

    fs::write(&path, wat::parse_str("(module)").unwrap()).unwrap();
    let ended = Cli::new(["-q", "inspect", "--conformance", path.to_str().unwrap()]).run();
    assert_eq!(ended.exit_code, Some(2), "{ended:?}");
    assert_eq!(
        ended.stderr,
        "error: wrong has no function of `conformance`, so there is nothing to compare\n"
    );
}

/// Length of the longest module that is run on slow machines: an interpreter takes minutes there.
const MAX_SLOW_BYTES: u64 = 4 << 20;

fn conforms(language: &str, folder: &str, module: &str) {
    let module = match build(folder, module) {
        Ok(module) => module,
        Err(reason) => return skip(&format!("{language}: {reason}")),
    };
    let is_slow = fs::metadata(&module).unwrap().len() > MAX_SLOW_BYTES;
    let mut differences = Vec::new();
    for (machine, agent) in machines() {
        let agent = match agent {
            Ok(Some(_)) if is_slow => Err("the module is an interpreter, which takes minutes"),
            Ok(agent) => Ok(agent),
            Err(reason) => Err(&**reason),
        };
        match agent {
            Ok(agent) => differences.extend(compare(language, &module, machine, agent.as_deref())),
            Err(reason) => skip(&format!("{language} on {machine}: {reason}")),
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Files that tell how a folder is built, with the command.
const BUILDS: [(&str, &[&str]); 4] = [
    ("build", &["./build"]),
    ("Makefile", &["make"]),
    ("build.zig", &["zig", "build"]),
    ("package.json", &["npm", "run", "build"]),
];

/// Builds what is in a folder, and returns the path of `module` in it; or the reason why that cannot
/// be built here. Fails the test if the sources are at fault.
fn build(folder: &str, module: &str) -> Result<PathBuf, String> {
    /// One build at a time: two languages share a folder.
    static BUILDING: Mutex<()> = Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    let sources = top().join(folder);
    if !sources.exists() {
        return Err(format!("there is no {folder}"));
    }
    if sources.join("Cargo.toml").exists() {
        let module = Module::from_folder(&sources).unwrap();
        return Ok(module.path().expect("a built module has a path").into());
    }
    let mut builds = BUILDS.iter();
    let build = builds.find(|(file, _)| sources.join(file).is_file());
    let (_, command) = build.unwrap_or_else(|| panic!("{folder} has no command that builds it"));
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(&sources)
        // Scripts are loaded into their interpreter by it.
        .env("WXEC", program())
        .output()
        .map_err(|error| format!("{}: {error}", command[0]))?;
    if !output.status.success() {
        return Err(lack(&output).unwrap_or_else(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            panic!("{folder}: {}: {said}", command.join(" "))
        }));
    }
    Ok(sources.join(module))
}

/// Returns what a build said, if it failed because this machine lacks a toolchain.
fn lack(output: &Output) -> Option<String> {
    /// Exit code of a shell that does not find a program.
    const NOT_FOUND: i32 = 127;
    /// Exit code of a test that cannot run, by the convention of automake.
    const SKIPPED: i32 = 77;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    // `make` has an exit code of its own.
    let is_lack = matches!(output.status.code(), Some(NOT_FOUND | SKIPPED))
        || said.contains("Error 127")
        || said.contains("Error 77");
    is_lack.then(|| last.unwrap_or("no toolchain").trim().to_owned())
}

/// An agent that takes the place of the one for this machine, or the reason why there is none.
type Agent = Result<Option<PathBuf>, String>;

/// Returns the machines to run on. The first one is this machine.
fn machines() -> &'static [(&'static str, Agent); 3] {
    static MACHINES: OnceLock<[(&str, Agent); 3]> = OnceLock::new();
    MACHINES.get_or_init(|| {
        [
            ("this processor", Ok(None)),
            ("bytecode", bytecode().map(Some)),
            ("aarch64", aarch64().map(Some)),
        ]
    })
}

/// Makes an agent that may not make code executable, so that guests run as bytecode.
fn bytecode() -> Result<PathBuf, String> {
    // `prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN)`.
    const NO_NEW_CODE: &str = "syscall(`uname -m` =~ /x86_64/ ? 157 : 167, 65, 1, 0, 0, 0) == 0 \
         or die \"no PR_SET_MDWE: $!\\n\"; exec @ARGV or die;";
    runs(&["perl", "-e", NO_NEW_CODE, "true"])?;
    let image = wxec_build::agent(&Platform::here(), &Quiet).unwrap();
    Ok(script(
        "bytecode",
        &format!(
            "exec perl -e '{NO_NEW_CODE}' '{}' \"$@\"",
            image.path.display()
        ),
    ))
}

/// Makes an agent for aarch64, in an emulator.
fn aarch64() -> Result<PathBuf, String> {
    const QEMU: &str = "qemu-aarch64-static";
    runs(&[QEMU, "--version"])?;
    let platform = Platform::new("aarch64", "linux");
    let image = match wxec_build::agent(&platform, &Quiet) {
        Ok(image) => image,
        Err(error @ (BuildError::MissingStd { .. } | BuildError::NoCCompiler { .. })) => {
            return Err(error.to_string());
        }
        Err(error) => panic!("{error}"),
    };
    // Takes longer to build than a call waits.
    let target = Target {
        platform,
        ..Target::here()
    };
    wxec_build::compiler(&target, &Quiet).unwrap();
    // Without its arguments, by which the agent would become itself under another title: the
    // emulator cannot do that.
    Ok(script(
        "aarch64",
        &format!("exec {QEMU} '{}'", image.path.display()),
    ))
}

/// Returns an error if a command cannot be run here.
fn runs(command: &[&str]) -> Result<(), String> {
    let output = Command::new(command[0]).args(&command[1..]).output();
    let output = output.map_err(|error| format!("{}: {error}", command[0]))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let is_done = output.status.success();
    is_done
        .then_some(())
        .ok_or_else(|| format!("{}: {}", command[0], said.trim()))
}

/// Writes a script that stands for an agent.
fn script(name: &str, text: &str) -> PathBuf {
    static DIRECTORY: OnceLock<TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| tempfile::tempdir().unwrap());
    let path = directory.path().join(name);
    write_script(&path, &format!("#!/bin/sh\n{text}\n"));
    path
}

/// Compares a module with the vectors. Returns the differences, in words.
fn compare(language: &str, module: &Path, machine: &str, agent: Option<&Path>) -> Vec<String> {
    let module = module.to_str().unwrap();
    let mut command = Cli::new(["-q", "inspect", "--conformance", "--format", "json", module]);
    if let Some(agent) = agent {
        command = command.env("WXEC_AGENT", agent);
    }
    let ended = command.run();
    let report: Json = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("{language} on {machine}: {error}: {ended:?}"));
    let mut groups = BTreeMap::<&str, [usize; 3]>::new();
    let mut differences = Vec::new();
    for vector in report["vectors"].as_array().unwrap() {
        let text = |key: &str| vector[key].as_str().unwrap();
        let group = groups.entry(text("group")).or_default();
        match text("result") {
            "ok" => group[0] += 1,
            "not offered" => group[1] += 1,
            _ => {
                group[2] += 1;
                let (group, name) = (text("group"), text("name"));
                let what = &vector["differences"];
                differences.push(format!("{language} on {machine}: {group}: {name}: {what}"));
            }
        }
    }
    let groups = groups.iter().map(|(group, [same, absent, differ])| {
        let all = same + absent + differ;
        match (absent, differ) {
            (0, 0) => format!("{group} {all}"),
            (_, 0) => format!("{group} {same} of {all}"),
            _ => format!("{group} {same} of {all}, {differ} differ"),
        }
    });
    let groups: Vec<_> = groups.collect();
    tell(&format!("{language} on {machine}: {}", groups.join("; ")));
    assert_eq!(
        ended.exit_code,
        Some(i32::from(!differences.is_empty())),
        "{ended:?}"
    );
    differences
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
