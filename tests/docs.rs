//! README.md, CONTRIBUTING.md, docs and the page of the guest ABI: each command block is run as it stands there, on machines
//! of the harness, and its output is compared. The Rust blocks are doctests of the crates `wxec` and `wxec-plan`.
//!
//! In a block, a line that begins with `$ ` is a command, and the lines below it are its output on
//! stdout and stderr. `…` stands for any text within a line, and a line of `…` alone for any number
//! of lines. A block of TOML is the inventory of its page. Commands succeed, unless a line begins with `error: `. Commands of a page share a
//! directory.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::harness::{Network, program};

/// Commands that only have to exist: running them here would run these tests, or build for many
/// minutes.
const NOT_RUN: [&str; 7] = [
    "tests/run",
    "tests/bench",
    "tests/bless",
    "fuzz/run",
    ".ci/run",
    "cargo install --path cli",
    "cargo test -p wxec-protocol",
];

/// Pages must not grow for ever, or be read only in part: README is to stay a page and a half.
const README_LINES: usize = 150;

macro_rules! pages {
    ($($test:ident: $page:literal,)*) => {
        $(
            #[test]
            fn $test() {
                run($page);
            }
        )*

        const PAGES: &[&str] = &[$($page),*];
    };
}

pages! {
    the_readme_does_what_it_says: "README.md",
    contributors_commands_are_there: "CONTRIBUTING.md",
    addresses_are_reached_as_described: "docs/addresses.md",
    channels_work_as_described: "docs/channels.md",
    the_command_line_works_as_described: "docs/command-line.md",
    files_travel_as_described: "docs/files.md",
    fleets_work_as_described: "docs/fleets.md",
    grants_work_as_described: "docs/grants.md",
    runs_are_recorded_as_described: "docs/history.md",
    hosts_are_selected_as_described: "docs/inventory.md",
    other_languages_work_as_described: "docs/languages.md",
    performance_is_measured_as_described: "docs/performance.md",
    plans_stand_beside_other_tools: "docs/plans-compared.md",
    the_guide_to_plans_runs_on_no_host: "docs/plans-guide.md",
    plans_set_hosts_up_as_described: "docs/plans.md",
    programs_run_as_described: "docs/programs.md",
    other_tools_use_rsh_as_described: "docs/rsh.md",
    tasks_are_built_as_described: "docs/tasks.md",
    the_guest_abi_is_tested_as_described: "sdk/abi/README.md",
}

#[test]
fn each_page_has_its_test() {
    let mut pages: Vec<_> = fs::read_dir(top().join("docs"))
        .unwrap()
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()))
        .filter(|path| path.ends_with(".md"))
        .collect();
    pages.sort();
    assert_eq!(
        pages,
        PAGES
            .iter()
            .filter(|page| page.starts_with("docs/"))
            .copied()
            .collect::<Vec<_>>()
    );
    assert!(
        fs::read_to_string(top().join("README.md"))
            .unwrap()
            .lines()
            .count()
            <= README_LINES
    );
}

/// Links between the pages lead somewhere.
#[test]
fn links_between_pages_lead_somewhere() {
    let more = ["ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"];
    for page in PAGES.iter().chain(&more) {
        let path = top().join(page);
        let text = fs::read_to_string(&path).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let target = link.split('#').next().unwrap();
            let found = link.contains("://") || path.parent().unwrap().join(target).exists();
            assert!(found, "{page}: no {link}");
        }
    }
}

/// A command of a page, with its output.
pub(crate) struct Step {
    pub(crate) line: usize,
    pub(crate) command: String,
    pub(crate) output: Vec<String>,
}

impl Step {
    /// Returns true if what was printed is as the page says.
    pub(crate) fn is_like(&self, printed: &str) -> bool {
        let expected = in_order(self.output.iter().map(String::as_str));
        let lines = in_order(printed.lines().map(str::trim_end));
        is_like(&expected, &lines)
    }

    pub(crate) fn is_failure(&self) -> bool {
        let mut lines = self.output.iter();
        lines.any(|line| line.starts_with("error: "))
    }
}

#[track_caller]
fn run(page: &str) {
    let text = fs::read_to_string(top().join(page)).unwrap();
    let steps = steps(&text);
    let is_not_run = |step: &Step| {
        NOT_RUN
            .iter()
            .any(|command| step.command.starts_with(command))
    };
    let (not_run, steps): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_not_run);
    for step in not_run {
        let program = step.command.split(' ').next().unwrap();
        assert!(
            program == "cargo" || top().join(program).is_file(),
            "{page}:{}: no {program}",
            step.line
        );
    }
    if steps.is_empty() {
        return;
    }
    let Some(network) = Network::start([Duration::ZERO; 2]) else {
        return;
    };
    let directory = directory(page);
    if let Some(inventory) = text.split("```toml\n").nth(1) {
        let inventory = inventory.split("```").next().unwrap();
        fs::write(directory.join("wxec.toml"), inventory).unwrap();
    }
    for step in steps {
        // Scripts of the repository are run from its top, as readers do.
        let is_script = top()
            .join(step.command.split(' ').next().unwrap())
            .is_file();
        let (printed, succeeded) =
            printed(&step, if is_script { top() } else { &directory }, &network);
        assert!(
            succeeded != step.is_failure() && step.is_like(&printed),
            "{page}:{}: $ {}\n{printed}",
            step.line,
            step.command
        );
    }
}

fn steps(text: &str) -> Vec<Step> {
    steps_in(text, "console")
}

/// Returns the commands in the blocks of this kind, with their output.
pub(crate) fn steps_in(text: &str, kind: &str) -> Vec<Step> {
    let fence = format!("```{kind}");
    let mut steps: Vec<Step> = Vec::new();
    let mut is_inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            is_inside = line == fence;
        } else if let (true, Some(command)) = (is_inside, line.strip_prefix("$ ")) {
            steps.push(Step {
                line: number,
                command: command.to_owned(),
                output: Vec::new(),
            });
        } else if is_inside {
            steps
                .last_mut()
                .expect("a block begins with a command")
                .output
                .push(line.trim_end().to_owned());
        }
    }
    steps
}

/// Makes a directory with the files that the pages use. It is inside of this workspace, so that
/// packages of the workspace are found.
fn directory(page: &str) -> PathBuf {
    let directory = top().join("target/tmp/docs").join(page.replace('/', "-"));
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(directory.join("site")).unwrap();
    fs::write(directory.join("site/index.html"), "<h1>a site</h1>\n").unwrap();
    fs::write(directory.join("site.conf"), "listen 80\n").unwrap();
    fs::write(directory.join("motd"), "hello\n").unwrap();
    fs::write(directory.join("hello.wasm"), wat::parse_str(HELLO).unwrap()).unwrap();
    directory
}

/// Prints `hello`.
const HELLO: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\10\00\00\00\06\00\00\00")
    (data (i32.const 16) "hello\n")
    (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;

fn printed(step: &Step, directory: &Path, network: &Network) -> (String, bool) {
    let path = env::var("PATH").unwrap();
    let wxec = program();
    let output = Command::new("bash")
        .args(["-c", &format!("exec 2>&1\n{}", step.command)])
        .current_dir(directory)
        .envs(network.sshd().client_environment())
        // Runs of other pages are none of this page's.
        .env("WXEC_STATE", directory.join("state"))
        .env(
            "PATH",
            format!("{}:{path}", wxec.parent().unwrap().display()),
        )
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

/// Drops the lines about builds, which depend on earlier runs. Sorts the lines of hosts, because
/// hosts that answer at once do so in any order.
fn in_order<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const OF_BUILDS: [&str; 5] = [
        "building ",
        "built ",
        "compiling ",
        "compiled ",
        "waiting for another ",
    ];
    let mut lines: Vec<_> = lines
        .filter(|line| !OF_BUILDS.iter().any(|start| line.starts_with(start)))
        .collect();
    if lines.iter().all(|line| line.starts_with(['[', '{', '…'])) {
        lines.sort_by_key(|line| (line.starts_with('…'), *line));
    }
    lines
}

/// Returns true if lines are as expected, where `…` stands for anything.
fn is_like(expected: &[&str], lines: &[&str]) -> bool {
    match expected.split_first() {
        None => lines.is_empty(),
        Some((&"…", rest)) => (0..=lines.len()).any(|skipped| is_like(rest, &lines[skipped..])),
        Some((first, rest)) => lines
            .split_first()
            .is_some_and(|(line, lines)| line_is_like(first, line) && is_like(rest, lines)),
    }
}

fn line_is_like(expected: &str, line: &str) -> bool {
    match expected.split_once('…') {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            (0..=line.len())
                .filter(|at| line.is_char_boundary(*at))
                .any(|at| line_is_like(rest, &line[at..]))
        }),
    }
}

#[test]
fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
    assert!(is_like(&["a…c", "…", "z"], &["abc", "x", "y", "z"]));
    assert!(is_like(&["…"], &[]));
    assert!(!is_like(&["a…c"], &["abd"]));
    assert!(!is_like(&["a"], &["a", "b"]));
    assert!(!is_like(&["…", "z"], &["z", "y"]));
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Each test that SECURITY.md names exists.
#[test]
fn the_test_of_each_threat_exists() {
    let mut sources = String::new();
    for folder in ["runtime", "sdk", "cli", "tests"] {
        read_sources(&top().join(folder), &mut sources);
    }
    let text = fs::read_to_string(top().join("SECURITY.md")).unwrap();
    let names: Vec<_> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.contains("::") && !name.ends_with('*'))
        .map(|name| name.rsplit("::").next().unwrap())
        .collect();
    assert!(names.len() > 150, "only {} were found", names.len());
    for name in names {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "there is no test {name}"
        );
    }
}

fn read_sources(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_sources(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
