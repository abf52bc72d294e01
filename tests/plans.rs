//! Plans as tasks: on the host, with its sandbox.

use std::{fs, path::Path};

use plans::Site;
use wxec::{CallErrorKind, Host, inventory::Inventory};
use wxec_plan::{Order, Report, Secret, State};

use crate::harness::{Cli, Ended};

/// A folder at a place that the plans may write to.
fn place() -> tempfile::TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

fn local() -> Host {
    Host::new("local:").unwrap()
}

fn states(report: &Report) -> Vec<&State> {
    report.steps.iter().map(|step| &step.state).collect()
}

const KEY: &str = "canary-51c2";

#[test]
fn a_plan_is_previewed_carried_out_and_settled() {
    let (place, host) = (place(), local());
    let config = Site {
        top: place.path().to_owned(),
        key: Secret::new(KEY.to_owned()),
    };
    let order = || Order::new(config.clone()).unrecorded();

    let foreseen = plans::site::on(&host, order().preview()).wait().unwrap();
    assert!(fs::read_dir(place.path()).unwrap().next().is_none());
    let done = plans::site::on(&host, order()).wait().unwrap();
    let differences = |report: &Report| {
        let steps = report.steps.iter().map(|step| step.differences.clone());
        steps.collect::<Vec<_>>()
    };
    assert_eq!(differences(&foreseen), differences(&done));
    assert!(!format!("{foreseen:?} {done:?}").contains(KEY));
    assert_eq!(
        foreseen.summary(),
        "8 steps: 7 would change, 1 unknown (site/key: No such file or directory (os error 44), before the changes above)"
    );
    assert_eq!(done.summary(), "8 steps: 7 changed, 1 ok");

    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("current/key"), KEY);
    assert_eq!(
        read("conf/site.ini"),
        "[web]\nport=443\n# mine\n# BEGIN db\n[db]\nport=5432\n# END db\n"
    );
    let mode = |name: &str| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(place.path().join(name)).unwrap().mode() & 0o7777
    };
    assert_eq!((mode("conf"), mode("conf/key")), (0o755, 0o600));

    let again = plans::site::on(&host, order()).wait().unwrap();
    assert_eq!(again.summary(), "8 steps: 8 ok");
}

#[test]
fn a_preview_cannot_write_even_if_its_plan_does() {
    let (place, host) = (place(), local());
    let path = place.path().join("file");
    let preview = plans::liar::on(&host, Order::new(path.clone()).unrecorded().preview()).wait();
    let error = preview.unwrap_err();
    assert!(error.to_string().contains("not permitted"), "{error}");
    assert!(!path.exists());
    plans::liar::on(&host, Order::new(path.clone()).unrecorded())
        .wait()
        .unwrap();
    assert_eq!(fs::read_to_string(path).unwrap(), "written");

    // By name as well, whatever is granted.
    let by_name = place.path().join("by-name");
    let order = format!(r#"{{"preview": true, "config": "{}"}}"#, by_name.display());
    let ended = Cli::new(["-q", "call", "local:", "plans::liar", &order, "-A"]).run();
    assert_eq!(ended.exit_code, Some(4), "{ended:?}");
    assert!(!by_name.exists());
}

#[test]
fn the_error_of_a_plan_has_the_steps_before_it() {
    let (place, host) = (place(), local());
    fs::create_dir_all(place.path().join("conf/site.ini")).unwrap();
    let order = Order::new(Site {
        top: place.path().to_owned(),
        key: Secret::new(KEY.to_owned()),
    })
    .unrecorded();
    let error = plans::site::on(&host, order).wait().unwrap_err();
    let CallErrorKind::Task(failed) = error.kind else {
        panic!("{error}");
    };
    let path = place.path().join("conf/site.ini").display().to_string();
    assert_eq!(failed.fault.step, format!("site/file {path}"));
    assert_eq!(states(&failed.report), [&State::Ok, &State::Changed]);
}

#[test]
fn plans_are_called_and_described_on_the_command_line() {
    let place = place();
    let path = place.path().join("greeting");
    let call = |order: &str| {
        let path = path.display();
        let order = format!(r#"{{{order} "config": {{"path": "{path}", "name": "you"}}}}"#);
        let arguments = [
            "-q",
            "call",
            "local:",
            "plans::greeting",
            &order,
            "--allow-declared",
        ];
        let state = place.path().join("state");
        let ended = Cli::new(arguments).env("WXEC_STATE", state).run();
        assert_eq!(ended.exit_code, Some(0), "{ended:?}");
        serde_json::from_str::<Report>(&ended.stdout).unwrap()
    };
    assert_eq!(
        call(r#""preview": true,"#).summary(),
        "1 step: 1 would change"
    );
    assert!(!path.exists());
    assert_eq!(call("").summary(), "1 step: 1 changed");
    assert_eq!(fs::read_to_string(&path).unwrap(), "Hello, you!\n");
    assert_eq!(call(r#""mode": "clean","#).summary(), "1 step: 1 changed");
    assert!(!Path::new(&path).exists());
    assert_eq!(call(r#""mode": "update","#).summary(), "1 step: 1 skipped");
}

/// An inventory with two hosts, whose greetings differ.
fn inventory(place: &Path) -> String {
    let [one, two] = ["one", "two"].map(|name| place.join(name).display().to_string());
    let text = format!(
        "all.vars.greeting.name = 'all'\n\
         hosts.one = {{ address = 'local:', vars.greeting.path = '{one}' }}\n\
         hosts.two = {{ address = 'local:', vars.greeting = {{ path = '{two}', name = 'two' }} }}\n"
    );
    let file = place.join("wxec.toml");
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn cli(place: &Path, words: &[&str]) -> Ended {
    let inventory = inventory(place);
    let place = place.join("state");
    Cli::new(
        ["-q"]
            .iter()
            .chain(words)
            .chain(&["--inventory", &inventory]),
    )
    .env("WXEC_STATE", place)
    .run()
}

#[test]
fn hosts_are_set_up_by_a_plan_with_settings_of_the_inventory() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let run = |words: &[&str]| cli(place.path(), &[words, &["plans::greeting"]].concat());

    let preview = run(&["apply", "--dry-run", "one,two"]);
    assert_eq!(preview.exit_code, Some(0), "{preview:?}");
    for line in [
        "[one]     +Hello, all!",
        "[two]     +Hello, two!",
        "[two] 1 step: 1 would change",
    ] {
        assert!(
            preview.stdout.lines().any(|printed| printed == line),
            "{preview:?}"
        );
    }
    assert!(!path("one").exists() && !path("two").exists());
    assert_eq!(run(&["validate", "one,two"]).exit_code, Some(1));

    // Without a terminal nobody is asked, and nothing is changed.
    let asked = run(&["apply", "one"]);
    assert_eq!(asked.exit_code, Some(2), "{asked:?}");
    assert!(
        asked.stderr.contains("--yes") && !path("one").exists(),
        "{asked:?}"
    );

    let applied = run(&["apply", "-y", "one,two"]);
    assert_eq!(applied.exit_code, Some(0), "{applied:?}");
    assert_eq!(fs::read_to_string(path("one")).unwrap(), "Hello, all!\n");
    assert_eq!(fs::read_to_string(path("two")).unwrap(), "Hello, two!\n");
    let settled = run(&["validate", "one,two"]);
    assert_eq!(
        (settled.exit_code, settled.stderr.as_str()),
        (Some(0), ""),
        "{settled:?}"
    );
    assert_eq!(
        run(&["apply", "-y", "--set", "name=you", "one"]).exit_code,
        Some(0)
    );
    assert_eq!(fs::read_to_string(path("one")).unwrap(), "Hello, you!\n");
    let drift = run(&["apply", "--dry-run", "--expect-none", "one"]);
    assert_eq!(drift.exit_code, Some(1), "{drift:?}");
    assert!(
        drift
            .stdout
            .contains("    -Hello, you!\n    +Hello, all!\n"),
        "{drift:?}"
    );

    let cleaned = run(&[
        "apply", "-y", "--mode", "clean", "--batch", "1,rest", "one,two",
    ]);
    assert_eq!(cleaned.exit_code, Some(0), "{cleaned:?}");
    assert!(!path("one").exists() && !path("two").exists());
    let history = Cli::new(["history", "last"])
        .env("WXEC_STATE", path("state"))
        .run();
    assert!(
        history.stdout.contains("apply plans::greeting (clean)"),
        "{history:?}"
    );
}

#[test]
fn a_plan_that_is_applied_wrongly_is_refused_before_anything_is_changed() {
    let place = place();
    let refused = |words: &[&str]| {
        let ended = cli(place.path(), words);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        ended.stderr
    };
    let no_plan = refused(&["apply", "-y", "one", "words::count"]);
    assert!(no_plan.contains("is a function, and no plan"), "{no_plan}");
    let no_mode = refused(&["apply", "-y", "one", "plans::greeting", "--mode", "up"]);
    assert!(
        no_mode.contains("no mode `up`; it has install"),
        "{no_mode}"
    );
    let unknown = refused(&["apply", "-y", "one", "plans::greeting", "--set", "nmae=x"]);
    assert_eq!(
        unknown,
        "error: --set: nmae: there is no such setting; did you mean `name`? [one]\n"
    );
    assert!(!place.path().join("one").exists());
}

#[test]
fn plans_and_their_settings_are_listed_with_the_layers_they_come_from() {
    let place = place();
    let settings = cli(
        place.path(),
        &[
            "plan",
            "config",
            "one",
            "plans::greeting",
            "--set",
            "more.a=[1]",
        ],
    );
    let path = place.path().join("one").display().to_string();
    settings.is(&format!(
        "more.a = [1]  (--set)\nname = \"all\"  (all, line 1)\npath = \"{path}\"  (host, line 2)"
    ));
    let listed = Cli::new(["-q", "plan", "list", "plans"]).run();
    assert!(
        listed
            .stdout
            .contains("plans::greeting\n    Greets in a file.\n    modes install\n"),
        "{listed:?}"
    );
}

#[test]
fn a_plan_that_failed_on_a_host_is_gone_on_with_there_and_with_the_same_settings() {
    let place = place();
    let run = |words: &[&str]| {
        let apply = ["apply", "-y", "two,one", "plans::greeting"];
        cli(place.path(), &[&apply, words].concat())
    };
    // A folder in the file's place.
    let folder = place.path().join("two");
    fs::create_dir(&folder).unwrap();
    let failed = run(&[]);
    assert_eq!(failed.exit_code, Some(1), "{failed:?}");
    assert!(
        failed
            .stderr
            .contains("[two] error: the task failed: step `greeting/file "),
        "{failed:?}"
    );
    assert!(
        failed.stdout.contains("[one] 1 step: 1 changed"),
        "{failed:?}"
    );

    fs::remove_dir(&folder).unwrap();
    let other = run(&["--resume", "last", "--set", "name=you"]);
    assert_eq!(other.exit_code, Some(2), "{other:?}");
    assert!(other.stderr.contains("with other arguments"), "{other:?}");
    let resumed = run(&["--resume", "last"]);
    assert_eq!(resumed.exit_code, Some(0), "{resumed:?}");
    assert!(
        resumed.stdout.contains("[two] 1 step: 1 changed"),
        "{resumed:?}"
    );
    assert!(!resumed.stdout.contains("[one]"), "{resumed:?}");
}

#[test]
fn a_program_that_prints_an_inventory_is_run_once() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let path = |name: &str| place.path().join(name);
    let (program, runs) = (path("inventory"), path("runs"));
    let script = format!(
        "#!/bin/sh\necho run >>{}\necho '{{\"hosts\": {{\"made\": {{\"address\": \"local:\"}}}}}}'\n",
        runs.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let greeting = format!("path={}", path("greeting").display());
    let words = [
        "-q",
        "apply",
        "--dry-run",
        "made",
        "plans::greeting",
        "--set",
        "name=you",
    ];
    let inventory = ["--set", &greeting, "--inventory", program.to_str().unwrap()];
    let ended = Cli::new([&words[..], &inventory].concat()).run();
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    assert_eq!(fs::read_to_string(runs).unwrap(), "run\n");
}

/// Returns the names of files below `folder` that have `text` in them.
fn with_text(folder: &Path, text: &str) -> Vec<String> {
    let found = std::process::Command::new("grep")
        .args(["-rlF", text])
        .arg(folder)
        .output()
        .unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found.lines().map(str::to_owned).collect()
}

#[test]
fn secrets_are_read_where_the_inventory_says_and_shown_nowhere() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    fs::write(path("secret"), format!("{KEY}\n")).unwrap();
    let text = format!(
        "hosts.one = {{ address = 'local:', vars.site = {{ top = '{}', \
         key = {{ secret = 'file:secret' }} }} }}\n",
        path("site").display()
    );
    fs::write(path("wxec.toml"), text).unwrap();
    fs::create_dir(path("site")).unwrap();
    let run = |words: &[&str]| {
        let inventory = path("wxec.toml").display().to_string();
        let more = ["one", "plans::site", "--inventory", &inventory];
        let ended = Cli::new([words, &more].concat())
            .env("WXEC_STATE", path("state"))
            .run();
        assert!(!format!("{ended:?}").contains(KEY), "{ended:?}");
        ended
    };
    let shown = run(&["-q", "plan", "config"]);
    assert!(
        shown
            .stdout
            .starts_with("key = {\"secret\":\"file:secret\"}  (host, line 1)\n"),
        "{shown:?}"
    );
    assert_eq!(run(&["-vv", "apply", "--dry-run"]).exit_code, Some(0));
    let applied = run(&["-vv", "apply", "-y"]);
    assert_eq!(applied.exit_code, Some(0), "{applied:?}");
    assert_eq!(fs::read_to_string(path("site/current/key")).unwrap(), KEY);
    assert_eq!(with_text(&path("state"), KEY), [""; 0]);
    assert_eq!(with_text(&path("state"), "file:secret"), [""; 0]);

    fs::remove_file(path("secret")).unwrap();
    let missing = run(&["-q", "apply", "--dry-run"]);
    let named = format!(
        "{}:1: key: no secret at `file:secret`",
        path("wxec.toml").display()
    );
    assert_eq!(missing.exit_code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains(&named), "{missing:?}");
}

#[test]
fn all_mistakes_in_settings_are_told_before_anything_connects() {
    let place = place();
    let file = place.path().join("wxec.toml");
    // These hosts do not exist, so a command that connects ends otherwise.
    let text = "[hosts]\none = { address = 'ssh:one.invalid' }\ntwo = { address = 'ssh:two.invalid' }\n\
                [groups.web]\nmembers = ['one', 'two']\nvars.greeting.nmae = 'all'\n\
                [hosts.three]\naddress = 'ssh:three.invalid'\n\
                vars.greeting = { path = 7, name = { secret = 'env:NONE' } }\n";
    fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let run = |words: &[&str], more: &[&str]| {
        let more = [&["plans::greeting", "--inventory", &file][..], more].concat();
        Cli::new([&["-q"], words, &more].concat()).run()
    };
    let mistakes = format!(
        "error: the settings have 5 mistakes\n\
         {file}:6: nmae: there is no such setting; did you mean `name`? [one,two]\n\
         path: is missing, and has to be a text [one,two]\n\
         name: is missing, and has to be a text [one,two]\n\
         {file}:9: name: is no secret of the plan, and would be shown: its type has to be \
         `Secret<…>` [three]\n\
         {file}:9: path: is a number, and has to be a text [three]\n"
    );
    for words in [
        &["plan", "check", "*"][..],
        &["apply", "-y", "*"],
        &["apply", "--dry-run", "*"],
        &["validate", "*"],
    ] {
        let ended = run(words, &[]);
        assert_eq!(ended.exit_code, Some(2), "{ended:?}");
        assert_eq!(ended.stderr, mistakes, "{words:?}");
    }
    let fine = run(
        &["plan", "check", "three"],
        &["--set", "path=7", "--set", "name=you"],
    );
    fine.is("1 host: no mistakes");
}

#[test]
fn the_type_of_a_plan_checks_what_its_schema_cannot_say() {
    let place = place();
    let run = |settings: &[&str]| {
        let words = ["plan", "check", "local:", "plans::picky", "--set"];
        cli(place.path(), &[&words, settings].concat())
    };
    run(&["even=2"]).is("1 host: no mistakes");
    let odd = run(&["even=3"]);
    assert_eq!(odd.exit_code, Some(2), "{odd:?}");
    assert_eq!(odd.stderr, "error: --set: even: 3 is odd [local]\n");
    // An error of the plan's own type could quote a secret.
    let secret = run(&["even=2", "--set", "key=canary"]);
    assert_eq!(
        secret.stderr,
        "error: --set: key: is a text, and has to be a number from 0 to 65535 [local]\n"
    );
}

#[test]
fn a_plan_is_shown_with_its_settings_and_their_schema() {
    let shown = Cli::new(["-q", "plan", "show", "plans::picky"]).run();
    shown.is(
        "plans::picky\n    Takes what fits.\n    modes install\n    settings\n        \
              even   number from 0 to 255\n        \
              key    secret number from 0 to 65535, optional\n        \
              level  \"quiet\" or \"loud\", optional",
    );
    let schema = Cli::new(["-q", "plan", "show", "plans::picky", "--schema"]).run();
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    assert_eq!(schema["title"], "plans::picky");
    assert_eq!(schema["required"], serde_json::json!(["even"]));
    assert_eq!(schema["properties"]["even"]["maximum"], 255);
    let listed = Cli::new(["-q", "inspect", "plans"]).run();
    assert!(!listed.stdout.contains("_config"), "{listed:?}");
}

/// Returns the words that set up a page in `place`.
fn page(place: &Path) -> [String; 6] {
    let top = format!("top={}", place.display());
    [
        "--set",
        &top,
        "--set",
        "title=A page",
        "--set",
        &format!("key={KEY}"),
    ]
    .map(str::to_owned)
}

#[test]
fn templates_are_rendered_with_what_a_config_has_by_default() {
    let place = place();
    let words = page(place.path());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let run = |more: &[&str]| {
        let start = ["-q", "apply", "local:", "plans::page"];
        let ended = Cli::new([&start, &words[..], more].concat())
            .env("WXEC_STATE", place.path().join("state"))
            .run();
        assert!(!format!("{ended:?}").contains(KEY), "{ended:?}");
        ended
    };
    let preview = run(&["--dry-run"]);
    assert!(preview.stdout.contains("+name = two\n"), "{preview:?}");
    let applied = run(&["-y"]);
    assert_eq!(applied.exit_code, Some(0), "{applied:?}");
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(
        read("page.conf"),
        "title = A page\nmode = install\nname = one\nname = two\n"
    );
    assert_eq!(read("key.conf"), format!("key = {KEY}\n"));
    assert_eq!(with_text(&place.path().join("state"), KEY), [""; 0]);

    // An operator's own text, and a mistake in it.
    let own = place.path().join("own");
    fs::create_dir_all(own.join("page")).unwrap();
    let file = own.join("page/page.conf.j2");
    fs::write(&file, "# {{ title | upper }}\n").unwrap();
    let folder = own.display().to_string();
    assert_eq!(run(&["-y", "--templates", &folder]).exit_code, Some(0));
    assert_eq!(read("page.conf"), "# A PAGE\n");
    fs::write(&file, "\n# {{ titel }}\n").unwrap();
    let wrong = run(&["-y", "--templates", &folder]);
    assert_eq!(wrong.exit_code, Some(2), "{wrong:?}");
    assert_eq!(
        wrong.stderr,
        format!(
            "error: template {}, line 2: `titel` is not defined; did you mean `title`?\n",
            file.display()
        )
    );
}

#[test]
fn templates_beside_the_inventory_stand_in_place_of_those_of_the_plan() {
    let place = place();
    let folder = place.path().join("plans/page");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("page.conf.j2"), "ours\n").unwrap();
    let words = page(place.path());
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let applied = cli(
        place.path(),
        &[&["apply", "-y", "local:", "plans::page"], &words[..]].concat(),
    );
    assert_eq!(applied.exit_code, Some(0), "{applied:?}");
    assert_eq!(
        fs::read_to_string(place.path().join("page.conf")).unwrap(),
        "ours\n"
    );
}

#[test]
fn templates_are_given_the_facts_of_the_host_they_are_for() {
    let place = place();
    let path = place.path().join("card");
    let setting = format!("path={}", path.display());
    let words = ["apply", "-y", "local:", "plans::card", "--set", &setting];
    let applied = cli(place.path(), &words);
    assert_eq!(applied.exit_code, Some(0), "{applied:?}");
    assert!(
        applied.stdout.contains("2 steps: 1 changed, 1 ok"),
        "{applied:?}"
    );

    // In code the facts are given.
    let host = local();
    let order = || Order::new(plans::Card { path: path.clone() }).unrecorded();
    let facts = host.facts().wait().unwrap();
    let report = plans::card::on(&host, order().target(facts))
        .wait()
        .unwrap();
    assert_eq!(report.summary(), "2 steps: 2 ok");
    let without = plans::card::on(&host, order()).wait().unwrap_err();
    let named = "template card.j2, line 1: `target.arch` is not defined: the order has no facts";
    assert!(without.to_string().contains(named), "{without}");
}

#[test]
fn templates_are_rendered_in_code_as_well() {
    let (place, host) = (place(), local());
    let order = || {
        Order::new(plans::Page {
            top: place.path().to_owned(),
            title: "In code".into(),
            names: Vec::new(),
            key: Secret::new(KEY.to_owned()),
        })
        .unrecorded()
    };
    let report = plans::page::on(&host, order()).wait().unwrap();
    assert_eq!(report.summary(), "2 steps: 2 changed");
    assert!(!format!("{report:?} {:?}", order()).contains(KEY));
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    assert_eq!(read("page.conf"), "title = In code\nmode = install\n");
    assert_eq!(read("key.conf"), format!("key = {KEY}\n"));
    let own = wxec_plan::config::Template {
        name: "page.conf.j2".into(),
        text: "{{ names | length }}".into(),
        place: None,
    };
    plans::page::on(&host, order().template(own))
        .wait()
        .unwrap();
    assert_eq!(read("page.conf"), "0\n");
}

#[test]
fn a_plan_is_applied_to_a_fleet_with_the_settings_of_each_host() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    cli(
        place.path(),
        &["plan", "check", "one,two", "plans::greeting"],
    )
    .is("2 hosts: no mistakes");
    let inventory = Inventory::from_file(path("wxec.toml")).wait().unwrap();
    let fleet = inventory.select("one,two").unwrap();
    let apply = || {
        plans::greeting::apply(&fleet)
            .inventory(&inventory)
            .order(Order::unrecorded)
    };
    let foreseen = apply().preview().wait().unwrap();
    assert_eq!(foreseen.successes().count(), 2);
    assert!(!path("one").exists());

    fs::write(path("two"), "of another program").unwrap();
    let foreseen = foreseen.successes();
    let foreseen = foreseen.map(|(host, report)| (host, report.foreseen()));
    let applied = apply().foreseen(foreseen).wait().unwrap();
    let done: Vec<_> = applied.successes().map(|(host, _)| host).collect();
    assert_eq!(done, ["one"]);
    assert_eq!(fs::read_to_string(path("one")).unwrap(), "Hello, all!\n");
    let (host, error) = applied.failures().next().unwrap();
    assert!(
        host == "two" && matches!(&error.kind, CallErrorKind::Task(_)),
        "{error}"
    );

    // A later setting wins, and the rules of the fleet hold.
    fs::remove_file(path("one")).unwrap();
    fs::create_dir(path("one")).unwrap();
    let by_one = fleet.clone().batches("1".parse().unwrap());
    let stopped = plans::greeting::apply(&by_one)
        .inventory(&inventory)
        .set("name", "you")
        .order(Order::unrecorded)
        .wait()
        .unwrap();
    assert_eq!(stopped.stopped().unwrap().not_started.len(), 1);
    assert_eq!(
        fs::read_to_string(path("two")).unwrap(),
        "of another program"
    );
    fleet.close().wait();
}

#[test]
fn templates_of_a_fleet_are_given_the_facts_of_each_host() {
    let place = place();
    let path = place.path().join("card");
    let fleet = wxec::Fleet::new(["local:"]).unwrap();
    let apply = || {
        plans::card::apply(&fleet)
            .set("path", path.display().to_string())
            .order(Order::unrecorded)
    };
    let outcomes = apply().wait().unwrap().into_result().unwrap();
    assert_eq!(outcomes[0].1.summary(), "2 steps: 1 changed, 1 ok");

    // A file of the operator stands in place of the template.
    let folder = place.path().join("mine/card");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("card.j2"), "{{ target.cpu }}\n").unwrap();
    let own = apply().templates(place.path().join("mine")).preview();
    let refused = own.check().unwrap_err().to_string();
    assert!(refused.contains("did you mean `cpus`?"), "{refused}");
    fleet.close().wait();
}

/// A text in forms in which it could be found.
fn forms(text: &str) -> Vec<String> {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let list: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
    // Whatever stands before it and behind, one of these is a part of the whole.
    let base64 = (0..3).map(|before| {
        let padded = [&vec![b' '; before], text.as_bytes()].concat();
        let whole = (before * 8).div_ceil(6)..padded.len() * 8 / 6;
        base64(&padded)[whole].to_owned()
    });
    [text.into(), hex, list.join(", "), list.join(",")]
        .into_iter()
        .chain(base64)
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        let all = (0..3).fold(0u32, |all, at| {
            all << 8 | u32::from(*three.get(at).unwrap_or(&0))
        });
        let digit = |at: u32| char::from(DIGITS[(all >> (18 - 6 * at) & 63) as usize]);
        (0..4).map(digit).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

/// Returns all files below a folder, but those of this name.
fn files(folder: &Path, but: &[&str]) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let all = entries.flat_map(|entry| {
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), but)
        } else {
            vec![entry.path()]
        }
    });
    all.filter(|path| !but.iter().any(|name| path.ends_with(name)))
        .collect()
}

/// A secret goes where the plan puts it, and is printed, logged and recorded nowhere.
#[test]
fn a_secret_is_found_nowhere_but_where_a_plan_puts_it() {
    let place = place();
    let top = place.path().join("top");
    fs::create_dir(&top).unwrap();
    let forms = forms(KEY);
    let hidden = |what: &str, bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        for form in &forms {
            assert!(!text.contains(form), "{what} has {form}: {text}");
        }
    };
    let settings = [
        format!("top={}", top.display()),
        r#"key={"secret":"env:CANARY"}"#.into(),
    ];
    let run = |words: &[&str], how: &str| {
        let how = format!("how={how}");
        let set = [&*settings[0], &settings[1], &how];
        let set = set.iter().flat_map(|set| ["--set", set]);
        let words = words.iter().copied();
        let words = words.chain(["local:", "plans::leak"]).chain(set);
        let ended = Cli::new(words.collect::<Vec<_>>())
            .env("CANARY", KEY)
            .env("WXEC_STATE", place.path().join("state"))
            .run();
        hidden(how.as_str(), ended.stdout.as_bytes());
        hidden(how.as_str(), ended.stderr.as_bytes());
        for path in files(&top, &["key", "conf"])
            .iter()
            .chain(&files(place.path(), &["key", "conf"]))
        {
            hidden(&path.display().to_string(), &fs::read(path).unwrap());
        }
        ended.exit_code
    };
    assert_eq!(run(&["plan", "check"], "not"), Some(0));
    assert_eq!(run(&["plan", "config"], "not"), Some(0));
    assert_eq!(run(&["plan", "diff"], "not"), Some(1));
    assert_eq!(run(&["apply", "-n", "-vvv"], "not"), Some(0));
    for how in ["command", "line", "panic"] {
        assert_eq!(run(&["apply", "-y", "-vvv"], how), Some(1), "{how}");
    }
    assert_eq!(
        run(&["apply", "-y", "-vvv", "--format", "ndjson"], "not"),
        Some(0)
    );
    assert!(fs::read_to_string(top.join("conf")).unwrap().contains(KEY));
    // What was there before is a secret as well.
    fs::write(top.join("key"), format!("old {KEY}")).unwrap();
    fs::write(top.join("conf"), format!("old {KEY}")).unwrap();
    for format in ["json", "cbor"] {
        assert_eq!(run(&["apply", "-n", "--format", format], "not"), Some(0));
    }
    assert_eq!(run(&["plan", "diff", "-v"], "not"), Some(1));
    assert_eq!(run(&["apply", "-y", "-v", "--only", "*"], "not"), Some(2));
    assert_eq!(run(&["apply", "-y", "-v"], "not"), Some(0));
    assert_eq!(run(&["plan", "history"], "not"), Some(0));
    assert_eq!(
        run(&["apply", "-y", "-v", "--mode", "clean"], "not"),
        Some(0)
    );
    // The test would find it.
    hidden_in_vain(&forms);
}

/// Each form is one that a text can have.
fn hidden_in_vain(forms: &[String]) {
    for padding in ["", " ", "  "] {
        let encoded = base64(format!("{padding}{KEY}  ").as_bytes());
        assert!(forms.iter().any(|form| encoded.contains(form)), "{encoded}");
    }
}

#[test]
fn steps_are_told_as_they_are_taken() {
    let place = place();
    for (words, state) in [
        (&["apply", "--dry-run"][..], "would-change"),
        (&["apply", "-y"], "changed"),
        (&["validate"], "ok"),
    ] {
        let more = ["one,two", "plans::greeting", "--format", "ndjson"];
        let told = cli(place.path(), &[words, &more].concat());
        assert_eq!(told.exit_code, Some(0), "{told:?}");
        let lines = told.stdout.lines();
        let lines: Vec<serde_json::Value> = lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for host in ["one", "two"] {
            let of_host = lines.iter().filter(|line| line["host"] == host);
            let steps = of_host.clone().filter(|line| line["event"] == "step");
            let states: Vec<_> = steps.map(|line| line["state"].as_str()).collect();
            assert_eq!(states, [None, Some(state)], "{told:?}");
            let mut ended = of_host.filter(|line| line["event"] == "ended");
            let ended = ended.next().unwrap();
            assert_eq!(ended["value"]["steps"][0]["state"], state, "{told:?}");
        }
    }
    let runs = fs::read_dir(place.path().join("state/runs")).unwrap();
    assert_eq!(runs.count(), 1, "previews are not recorded");
}

#[test]
fn what_differs_is_told_as_by_diff() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let diff = |words: &[&str]| {
        cli(
            place.path(),
            &[&["plan", "diff"], words, &["plans::greeting"]].concat(),
        )
    };
    fs::write(path("one"), "Hello, you!\n").unwrap();
    let differs = diff(&["one"]);
    let one = path("one").display().to_string();
    assert_eq!(differs.exit_code, Some(1), "{differs:?}");
    assert_eq!(
        differs.stdout,
        format!("--- {one}\n+++ {one}\n@@ -1 +1 @@\n-Hello, you!\n+Hello, all!\n")
    );
    fs::write(path("one"), "Hello, all!\n").unwrap();
    diff(&["one"]).is("");
    fs::write(path("two"), "Hello, two!\n").unwrap();
    diff(&["one,two"]).is("");
    // What differs in the same is told once.
    let same = format!("path={}", path("three").display());
    let same = diff(&["one,two", "--set", &same, "--set", "name=you"]);
    assert_eq!(same.stdout.matches("+Hello, you!").count(), 1, "{same:?}");
    assert!(same.stdout.starts_with("[one,two] --- /dev/null\n"));
    assert!(!path("three").exists());
}

#[test]
fn a_path_that_a_plan_does_not_declare_is_told_so_in_a_preview() {
    let place = place();
    let preview = |plan: &str, setting: &str| {
        let words = ["apply", "--dry-run", "local:", plan, "--set", setting];
        let ended = cli(place.path(), &[&words[..], &["--set", "name=you"]].concat());
        assert_eq!(ended.exit_code, Some(4), "{ended:?}");
        ended.stderr
    };
    let undeclared = preview("plans::greeting", "path=/opt/greeting");
    assert!(
        undeclared.contains("the plan has to declare it in `#[plan(…)]`"),
        "{undeclared}"
    );
    assert!(!undeclared.contains("beside prefabs"), "{undeclared}");
}

#[test]
fn a_module_without_plans_says_so() {
    let listed = Cli::new(["-q", "plan", "list", "words"]).run();
    assert_eq!(
        (listed.exit_code, &*listed.stdout, &*listed.stderr),
        (
            Some(0),
            "",
            "words has no plans; `#[plan]` makes a function one\n"
        )
    );
}

#[test]
fn a_new_project_with_a_plan_is_applied_at_once() {
    let place = place();
    let name = format!("site-{}", std::process::id());
    let project = place.path().join(&name);
    let made = Cli::new(["new", "--plan", &name])
        .directory(place.path())
        .run();
    made.is(&format!(
        "cd {name} && wxec apply here {name}::site --dry-run"
    ));
    // With the versions that this test was compiled with, no dependency is missing.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, project.join("Cargo.lock")).unwrap();
    let run = |words: &[&str]| {
        let plan = format!("{name}::site");
        let words = [&["-q"], words, &["here", &plan]].concat();
        Cli::new(words)
            .directory(&project)
            .env("CARGO_NET_OFFLINE", "true")
            .env(
                "CARGO_TARGET_DIR",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/new"),
            )
            .env("WXEC_STATE", place.path().join("state"))
            .run()
    };
    run(&["plan", "check"]).is("1 host: no mistakes");
    let preview = run(&["apply", "--dry-run"]);
    assert!(preview.stdout.contains("+<p>It works.</p>"), "{preview:?}");
    let applied = run(&["apply", "-y"]);
    assert!(
        applied.stdout.ends_with("2 steps: 2 changed\n"),
        "{applied:?}"
    );
    let page = Path::new("/tmp").join(&name).join("index.html");
    let text = fs::read_to_string(page).unwrap();
    assert_eq!(text, format!("<h1>{name}</h1>\n<p>It works.</p>\n"));
    let cleaned = run(&["apply", "-y", "--mode", "clean"]);
    assert!(
        cleaned.stdout.ends_with("2 steps: 2 changed\n"),
        "{cleaned:?}"
    );
    assert!(!Path::new("/tmp").join(&name).exists());
}

#[test]
fn a_host_keeps_a_record_of_a_plan() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let run = |words: &[&str]| cli(place.path(), &[words, &["one", "plans::greeting"]].concat());
    let none = run(&["plan", "history"]);
    assert!(none.stdout.contains("has never run here"), "{none:?}");

    assert_eq!(run(&["apply", "-y"]).exit_code, Some(0));
    assert_eq!(run(&["apply", "-y", "--mode", "update"]).exit_code, Some(2));
    let history = run(&["plan", "history"]);
    let lines: Vec<_> = history.stdout.lines().collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("1  ") && lines[0].ends_with("  1 changed"),
        "{history:?}"
    );
    let folder = path("state/plans/plans::greeting");
    assert!(folder.join("record").exists());

    // A preview changes nothing about it, nor does a run without a record.
    let before = fs::read(folder.join("record")).unwrap();
    assert_eq!(
        run(&["apply", "--dry-run", "--mode", "clean"]).exit_code,
        Some(0)
    );
    assert_eq!(run(&["apply", "-y", "--no-record"]).exit_code, Some(0));
    assert_eq!(fs::read(folder.join("record")).unwrap(), before);

    // What the plan does not have any more is told, and removed on demand.
    let moved = path("moved").display().to_string();
    let moved = format!("path={moved}");
    let left = run(&["apply", "-y", "--set", &moved]);
    assert!(left.stdout.contains("left by an earlier run"), "{left:?}");
    assert!(path("one").exists());
    let pruned = run(&["apply", "-y", "--prune", "--set", &moved]);
    assert_eq!(pruned.exit_code, Some(0), "{pruned:?}");
    assert!(!path("one").exists() && path("moved").exists());

    fs::write(folder.join("record"), "damaged").unwrap();
    let damaged = run(&["apply", "-y"]);
    assert_eq!(damaged.exit_code, Some(1), "{damaged:?}");
    assert!(damaged.stderr.contains("--repair-record"), "{damaged:?}");
    assert_eq!(run(&["apply", "-y", "--repair-record"]).exit_code, Some(0));
}

#[test]
fn a_preview_is_applied_as_it_was_shown_or_not_at_all() {
    let place = place();
    let path = |name: &str| place.path().join(name);
    let run = |words: &[&str]| {
        cli(
            place.path(),
            &[&["apply", "one,two", "plans::greeting"], words].concat(),
        )
    };
    let preview = run(&["--dry-run", "--format", "json"]);
    assert_eq!(preview.exit_code, Some(0), "{preview:?}");
    let file = path("preview.json").display().to_string();
    fs::write(&file, &preview.stdout).unwrap();

    fs::write(path("two"), "of another program").unwrap();
    let applied = run(&["-y", "--preview", &file]);
    assert_eq!(applied.exit_code, Some(1), "{applied:?}");
    assert_eq!(fs::read_to_string(path("one")).unwrap(), "Hello, all!\n");
    assert_eq!(
        fs::read_to_string(path("two")).unwrap(),
        "of another program"
    );
    assert!(
        applied
            .stderr
            .contains("the host has changed since the preview"),
        "{applied:?}"
    );
    let wrong = run(&["-y", "--preview", "/nowhere"]);
    assert_eq!(wrong.exit_code, Some(2), "{wrong:?}");
}
