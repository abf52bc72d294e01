//! Machines that plans set up: real packages, units and accounts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    docs::steps_in,
    harness::{Cli, Debian, Ended, Namespaces, needs, program, skip},
};

/// Makes a repository with two versions of the package `wxec-hello`, and one of `wxec-broken`, whose
/// setting up fails as long as there is no `/srv/ready`. It is the only one that the machine knows.
const REPOSITORY: &str = r#"
mkdir -p /srv/repo; cd /srv/repo; : >Packages
add() {
    mkdir -p tree/DEBIAN
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: me <me@localhost>\nDescription: a test\n' \
        $1 $2 >tree/DEBIAN/control
    mkdir -p tree/usr/share/$1; echo $2 >tree/usr/share/$1/version
    [ ! "$3" ] || { printf '#!/bin/sh\n%s\n' "$3" >tree/DEBIAN/postinst; chmod 755 tree/DEBIAN/postinst; }
    dpkg-deb --root-owner-group --build tree $1-$2.deb >/dev/null; rm -r tree
    dpkg-deb --field $1-$2.deb >>Packages
    printf 'Filename: ./%s-%s.deb\nSize: %s\nSHA256: %s\n\n' $1 $2 "$(stat -c %s $1-$2.deb)" \
        "$(sha256sum <$1-$2.deb | cut -c-64)" >>Packages
}
add wxec-hello 1.0; add wxec-hello 2.0; add wxec-broken 1.0 '[ -e /srv/ready ]'
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/repo ./' >/etc/apt/sources.list
"#;

/// All that a preview must not change.
const MANIFEST: &str = "find /etc /srv /usr/share/wxec-hello /var/lib/dpkg /var/lib/apt /var/lib/wxec -xdev \
    -printf '%p %m %u %s %T@ %C@\\n' 2>/dev/null | sort; systemctl list-units --all --plain | grep hello || :";

fn apply(address: &str, plan: &str, words: &[&str]) -> Ended {
    let all = ["-q", "apply", "-y", address, plan].into_iter();
    Cli::new(all.chain(words.iter().copied())).run()
}

fn preview(address: &str, plan: &str, words: &[&str]) -> Ended {
    let all = ["-q", "apply", "--dry-run", address, plan].into_iter();
    Cli::new(all.chain(words.iter().copied())).run()
}

/// The last line of a report.
#[track_caller]
fn summary(ended: &Ended) -> &str {
    assert_eq!(ended.exit_code, Some(0), "{ended:?}");
    ended.stdout.lines().last().unwrap_or_default()
}

#[track_caller]
fn failed(ended: &Ended, why: &str) {
    assert_eq!(ended.exit_code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains(why), "{ended:?}");
}

#[test]
fn a_server_is_set_up_and_restarted_once_for_each_change() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    machine.said(REPOSITORY);
    let address = machine.address();
    let word = |word: &str| format!("word={word}");
    let server = |word: &str| apply(&address, "plans::server", &["--set", word]);
    let log = || machine.said("cat /srv/log");

    let before = machine.said(MANIFEST);
    let foreseen = preview(&address, "plans::server", &["--set", &word("one")]);
    assert_eq!(machine.said(MANIFEST), before);
    assert_eq!(
        summary(&foreseen),
        "4 steps: 3 would change, 1 unknown (server/unit hello.service: there is no unit hello.service)"
    );

    let first = server(&word("one"));
    assert_eq!(summary(&first), "5 steps: 4 changed, 1 ok");
    assert_eq!(log(), "one\n");
    assert_eq!(
        machine.said("dpkg-query -Wf '${Version}' wxec-hello"),
        "2.0"
    );
    let running = "systemctl is-enabled hello; systemctl is-active hello; pidof -s sleep";
    let before = machine.said(running);
    assert_eq!(summary(&server(&word("one"))), "5 steps: 5 ok");
    assert_eq!(machine.said(running), before);

    let foreseen = preview(&address, "plans::server", &["--set", &word("two")]);
    assert_eq!(summary(&foreseen), "5 steps: 3 ok, 2 would change");
    assert_eq!(summary(&server(&word("two"))), "5 steps: 3 ok, 2 changed");
    assert_eq!(summary(&server(&word("two"))), "5 steps: 5 ok");
    assert_eq!(log(), "one\ntwo\n");

    // The old program goes on until the new one works; the restart stays owed.
    let broken = [&word("two"), "program=exec false"];
    let broken = ["--set", broken[0], "--set", broken[1]];
    failed(&apply(&address, "plans::server", &broken), "hello.service");
    failed(&apply(&address, "plans::server", &broken), "hello.service");
    assert_eq!(summary(&server(&word("two"))), "5 steps: 3 ok, 2 changed");

    let cleaned = apply(
        &address,
        "plans::server",
        &["--mode", "clean", "--set", "word=x"],
    );
    assert_eq!(cleaned.exit_code, Some(0), "{cleaned:?}");
    let left = "ls /etc/hello.conf /etc/systemd/system/hello.service /usr/share/wxec-hello || :";
    assert_eq!(machine.said(left), "");
    assert_eq!(machine.said("systemctl is-active hello || :"), "inactive\n");
}

#[test]
fn packages_of_apt() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    machine.said(REPOSITORY);
    let address = machine.address();
    let installed = |words: &[&str]| {
        let words: Vec<_> = words.iter().flat_map(|word| ["--set", word]).collect();
        apply(&address, "plans::installed", &words)
    };
    let hello = r#"names=["wxec-hello"]"#;
    let version = || machine.said("dpkg-query -Wf '${Version}' wxec-hello");

    assert_eq!(
        summary(&installed(&[hello, "version=1.0"])),
        "1 step: 1 changed"
    );
    assert_eq!(version(), "1.0");
    assert_eq!(summary(&installed(&[hello])), "1 step: 1 ok");
    assert_eq!(
        summary(&installed(&[hello, "version=2.0"])),
        "1 step: 1 changed"
    );
    assert_eq!(
        summary(&installed(&[hello, "version=1.0"])),
        "1 step: 1 changed"
    );
    assert_eq!(version(), "1.0");

    machine.said("apt-mark hold wxec-hello");
    failed(&installed(&[hello, "version=2.0"]), "wxec-hello is held");
    failed(&installed(&[hello, "absent=true"]), "wxec-hello is held");
    assert_eq!(summary(&installed(&[hello])), "1 step: 1 ok");
    machine.said("apt-mark unhold wxec-hello");

    let both = r#"names=["wxec-hello", "no-such-package"]"#;
    failed(
        &installed(&[both]),
        "Unable to locate package no-such-package",
    );
    failed(
        &installed(&[r#"names=["--help"]"#]),
        "is no name of a package",
    );

    // A package manager that was interrupted.
    let broken = r#"names=["wxec-broken"]"#;
    failed(&installed(&[broken]), "wxec-broken");
    failed(&installed(&[broken]), "`.repair()` ends what it began");
    machine.said("touch /srv/ready");
    assert_eq!(
        summary(&installed(&[broken, "repair=true"])),
        "1 step: 1 changed"
    );
    assert_eq!(summary(&installed(&[broken])), "1 step: 1 ok");

    // Other package managers hold their locks for a while.
    for lock in ["/var/lib/apt/lists/lock", "/var/lib/dpkg/lock-frontend"] {
        assert_eq!(
            summary(&installed(&[hello, "absent=true"])),
            "1 step: 1 changed"
        );
        let hold = format!(
            "python3 -c 'import fcntl,time; f=open(\"{lock}\",\"w\"); fcntl.lockf(f,fcntl.LOCK_EX); \
             open(\"/srv/held\",\"w\"); time.sleep(3)' >/dev/null 2>&1 &
             while [ ! -e /srv/held ]; do sleep .02; done; rm /srv/held"
        );
        machine.said(&hold);
        assert_eq!(summary(&installed(&[hello])), "1 step: 1 changed", "{lock}");
    }
}

#[test]
fn units_of_systemd() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    let address = machine.address();
    let unit = |name: &str, text: &str| {
        machine.said(&format!(
            "cat >/etc/systemd/system/{name}.service <<'EOF'\n{text}\nEOF\nsystemctl daemon-reload"
        ));
    };
    let up = |name: &str, is_up: bool| {
        let (name, is_up) = (format!("name={name}"), format!("up={is_up}"));
        apply(&address, "plans::up", &["--set", &name, "--set", &is_up])
    };
    let install = "[Install]\nWantedBy=basic.target";
    unit(
        "fine",
        &format!("[Service]\nExecStart=/bin/sleep 100000\n{install}"),
    );
    assert_eq!(summary(&up("fine", true)), "1 step: 1 changed");
    assert_eq!(summary(&up("fine", true)), "1 step: 1 ok");
    // A changed file is read again.
    machine.said("echo '# more' >>/etc/systemd/system/fine.service");
    assert_eq!(summary(&up("fine", true)), "1 step: 1 changed");
    assert_eq!(summary(&up("fine", false)), "1 step: 1 changed");
    assert_eq!(summary(&up("fine", false)), "1 step: 1 ok");

    let last_words = "[Service]\nExecStart=/bin/sh -c 'sleep .3; echo last words; exit 3'";
    unit("dies", &format!("{last_words}\n{install}"));
    let died = up("dies", true);
    failed(&died, "dies.service does not stay up after it is started");
    assert!(died.stderr.contains("status=3"), "{died:?}");
    unit(
        "again",
        &format!("{last_words}\nRestart=always\nRestartSec=50ms\n{install}"),
    );
    failed(&up("again", true), "again.service");

    unit("plain", "[Service]\nExecStart=/bin/sleep 100000");
    failed(&up("plain", true), "no [Install] section");
    machine.said("rm /etc/systemd/system/fine.service; systemctl mask fine");
    failed(&up("fine", true), "fine.service is masked");
    unit(
        "wrong",
        "[Service]\nExecStart=no/path\n[Install]\nWantedBy=basic.target",
    );
    failed(&up("wrong", true), "wrong.service");
    failed(&up("nowhere", true), "there is no unit nowhere.service");
}

#[test]
fn a_host_without_package_manager_and_systemd_says_so() {
    let Some(namespaces) = Namespaces::start() else {
        return;
    };
    let address = format!("nsenter:{}", namespaces.pid().as_raw_nonzero());
    let no_manager = apply(&address, "plans::installed", &["--set", "names=[\"x\"]"]);
    failed(&no_manager, "none of the package managers apt, apk and dnf");
    let no_systemd = apply(
        &address,
        "plans::up",
        &["--set", "name=x", "--set", "up=true"],
    );
    failed(&no_systemd, "no systemd that runs");
}

/// A plan that tries everything, as root, in a preview: nothing of the machine differs afterwards.
#[test]
fn a_preview_changes_nothing_whatever_its_plan_tries() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    machine.said(REPOSITORY);
    machine.said("apt-get update >/dev/null; echo there >/srv/there; mkdir /srv/empty");
    let address = machine.address();
    let state = || {
        machine.said(MANIFEST) + &machine.said("cat /srv/there; ps -eo comm --no-headers | sort")
    };
    let before = state();
    let tried = preview(&address, "plans::liar_of_all_trades", &[]);
    assert_eq!(tried.exit_code, Some(0), "{tried:?}");
    assert_eq!(state(), before);
    let lines: Vec<_> = tried.stdout.lines().collect();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("package wxec-hello: would change")),
        "{tried:?}"
    );
    assert!(!tried.stdout.contains("these worked"), "{tried:?}");

    // The same plan does them when it is applied: the test could fail.
    let applied = apply(&address, "plans::liar_of_all_trades", &[]);
    assert_eq!(applied.exit_code, Some(1), "{applied:?}");
    assert!(
        applied.stderr.contains("these worked: write, "),
        "{applied:?}"
    );
}

#[test]
fn an_account_gets_its_groups_its_key_and_its_job() {
    let Some(machine) = Debian::boot() else {
        return;
    };
    let address = machine.address();
    // The hash of a canary.
    let hash = "$6$salt$CANARYVdaNcSXZ6HJkVfZs3CjCXa.2hPJ7E5Yq6oZkxzRVyqF0";
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPKbWbMkmEpjSbEjQr1vYbE1Y9cHnfkzRd8E2o4o8d1v me";
    let settings = [
        "name=mia".to_owned(),
        r#"groups=["web","ops"]"#.into(),
        format!("hash={hash}"),
        format!("key={key}"),
    ];
    let words: Vec<_> = settings
        .iter()
        .flat_map(|setting| ["--set", setting])
        .collect();
    let foreseen = preview(&address, "plans::account", &words);
    assert_eq!(foreseen.exit_code, Some(0), "{foreseen:?}");
    assert_eq!(machine.said("id mia 2>/dev/null || echo none"), "none\n");

    let applied = apply(&address, "plans::account", &words);
    assert_eq!(summary(&applied), "6 steps: 6 changed");
    assert_eq!(machine.said("id -Gn mia"), "mia web ops\n");
    assert_eq!(machine.said("stat -c '%U %G %a' /srv/mia"), "mia mia 750\n");
    assert!(machine.said("getent shadow mia").contains(hash));
    assert_eq!(
        machine.said("stat -c '%U %a' /home/mia/.ssh/authorized_keys"),
        "mia 600\n"
    );
    let job = machine.said("cat /etc/cron.d/plans-test");
    assert!(
        job.contains("*/5 * * * * mia date +\\%s >>/srv/dates\n"),
        "{job}"
    );
    assert!(!format!("{foreseen:?}{applied:?}").contains("CANARY"));
    assert_eq!(
        summary(&apply(&address, "plans::account", &words)),
        "6 steps: 6 ok"
    );

    machine.said("usermod --append --groups games mia; usermod --shell /bin/bash mia");
    let mended = apply(&address, "plans::account", &words);
    assert_eq!(summary(&mended), "6 steps: 5 ok, 1 changed");
    assert_eq!(machine.said("id -Gn mia"), "mia games web ops\n");

    let cleaned = apply(
        &address,
        "plans::account",
        &[&words[..], &["--mode", "clean"]].concat(),
    );
    assert_eq!(cleaned.exit_code, Some(0), "{cleaned:?}");
    assert_eq!(machine.said("id mia 2>/dev/null || echo none"), "none\n");
    assert_eq!(
        machine.said("ls /etc/cron.d/plans-test 2>/dev/null || ls -d /home/mia"),
        "/home/mia\n"
    );
}

/// Makes a repository of the packages in `/srv/debs`, the only one that the machine knows.
const REPOSITORY_OF_DEBS: &str = r#"
cd /srv/debs; : >Packages
for deb in *.deb; do
    dpkg-deb --field $deb >>Packages
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" \
        "$(sha256sum <"$deb" | cut -c-64)" >>Packages
done
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/* /var/lib/apt/lists/*
echo 'deb [trusted=yes] file:/srv/debs ./' >/etc/apt/sources.list
rm -f /usr/sbin/policy-rc.d
"#;

/// The guide, word for word: its files, and its commands with what they print, on a machine that
/// is reached by another address than the guide's.
#[test]
fn the_guide_sets_a_web_server_up() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let debs = env::var_os("CARGO_TARGET_DIR").map_or_else(|| top.join("target"), PathBuf::from);
    let debs = debs.join("debs");
    if !debs.is_dir() {
        return skip("nginx was not downloaded; tests/run does that");
    }
    let Some(machine) = Debian::boot() else {
        return;
    };
    let inside = machine.root().join("srv/debs");
    fs::create_dir(&inside).unwrap();
    for deb in fs::read_dir(debs).unwrap().map(|deb| deb.unwrap()) {
        fs::copy(deb.path(), inside.join(deb.file_name())).unwrap();
    }
    machine.said(REPOSITORY_OF_DEBS);
    let guide = fs::read_to_string(top.join("docs/plans-guide.md")).unwrap();
    let place = tempfile::tempdir_in("/tmp").unwrap();
    let (mut folder, mut is_written) = (place.path().to_owned(), false);
    for step in steps_in(&guide, "text") {
        if let Some(inner) = step.command.strip_prefix("cd ") {
            folder.push(inner);
            continue;
        }
        if !is_written && folder != place.path() {
            write_files(&guide, &folder, &machine.address());
            is_written = true;
        }
        let path = env::var("PATH").unwrap();
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{}", step.command)])
            .current_dir(&folder)
            .env("CARGO_NET_OFFLINE", "true")
            .env(
                "CARGO_TARGET_DIR",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/guide"),
            )
            .env("WXEC_STATE", place.path().join("state"))
            .env(
                "PATH",
                format!("{}:{path}", program().parent().unwrap().display()),
            )
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(
            step.is_like(&printed),
            "docs/plans-guide.md:{}: $ {}\n{printed}",
            step.line,
            step.command
        );
        let may_differ = ["validate ", "plan diff "];
        let may_fail = step.is_failure() || may_differ.iter().any(|it| step.command.contains(it));
        assert!(output.status.success() || may_fail, "{printed}");
    }
}

/// Writes the blocks of a page whose paragraphs above end with the name of a file.
fn write_files(page: &str, folder: &Path, address: &str) {
    let names = [
        "src/lib.rs",
        "templates/shop.conf.j2",
        "templates/index.html.j2",
        "templates/stamp.service.j2",
        "templates/stamp.timer.j2",
        "wxec.toml",
    ];
    for name in names {
        let above = format!("`{name}`:\n\n```");
        let block = page.split(&above).nth(1);
        let block = block.unwrap_or_else(|| panic!("the page has no block for {name}"));
        let (_, block) = block.split_once('\n').unwrap();
        let text = block.split("\n```").next().unwrap();
        let text = text.replace("ssh:root@web1.example.org", address);
        fs::write(folder.join(name), text + "\n").unwrap();
    }
    // With the versions that this test was compiled with, no dependency is missing.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, folder.join("Cargo.lock")).unwrap();
}

/// Makes a machine one of dnf's: a repository with two versions of the package `wxec-hello`, and no
/// other package manager.
const REPOSITORY_OF_RPMS: &str = r#"
mkdir -p /srv/rpms /srv/build; cd /srv/build
for version in 1.0 2.0; do
    printf 'Name: wxec-hello\nVersion: %s\nRelease: 1\nSummary: a test\nLicense: none\nBuildArch: noarch\n%%description\na test\n%%install\nmkdir -p %%{buildroot}/usr/share/wxec-hello\necho %s >%%{buildroot}/usr/share/wxec-hello/version\n%%files\n/usr/share/wxec-hello\n' $version $version >hello.spec
    rpmbuild --quiet --define '_topdir /srv/build' --define '_rpmdir /srv/rpms' -bb hello.spec >&2
done
createrepo_c --quiet /srv/rpms
mkdir -p /etc/yum.repos.d; rm -f /etc/yum.repos.d/*
printf '[local]\nname=local\nbaseurl=file:///srv/rpms\ngpgcheck=0\n' >/etc/yum.repos.d/local.repo
rm -f /usr/bin/apt-get /usr/bin/dpkg-query /usr/bin/dpkg
"#;

#[test]
fn packages_of_dnf() {
    if !needs(&["dnf", "rpmbuild", "createrepo_c"]) {
        return;
    }
    let Some(machine) = Debian::boot() else {
        return;
    };
    machine.said(REPOSITORY_OF_RPMS);
    let address = machine.address();
    let words = |words: &[&str]| -> Vec<String> {
        let words = words.iter().flat_map(|word| ["--set", word]);
        words.map(str::to_owned).collect()
    };
    let installed = |settings: &[&str]| {
        let words = words(settings);
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        apply(&address, "plans::installed", &words)
    };
    let hello = r#"names=["wxec-hello"]"#;
    let version = || machine.said("rpm -q --qf '%{VERSION}' wxec-hello || :");

    let foreseen = preview(&address, "plans::installed", &["--set", hello]);
    assert_eq!(summary(&foreseen), "1 step: 1 would change");
    for (settings, expected) in [
        (&[hello, "version=1.0"][..], "1.0"),
        (&[hello], "1.0"),
        (&[hello, "version=2.0"], "2.0"),
        (&[hello, "version=1.0"], "1.0"),
    ] {
        let state = if version() == expected {
            "ok"
        } else {
            "changed"
        };
        let applied = installed(settings);
        assert_eq!(summary(&applied), format!("1 step: 1 {state}"));
        assert_eq!(version(), expected);
        assert_eq!(summary(&installed(settings)), "1 step: 1 ok");
    }
    let both = r#"names=["wxec-hello", "no-such-package"]"#;
    failed(&installed(&[both]), "no-such-package");
    let gone = installed(&[hello, "absent=true"]);
    assert_eq!(summary(&gone), "1 step: 1 changed");
    assert_eq!(summary(&installed(&[hello, "absent=true"])), "1 step: 1 ok");

    // Another transaction is waited for, and another dnf.
    for hold in [
        "import fcntl,os,subprocess,time; \
         f=open(subprocess.check_output(['rpm','-E','%_dbpath'],text=True).strip()+'/.rpm.lock','r+'); \
         fcntl.lockf(f,fcntl.LOCK_EX); open('/srv/held','w'); time.sleep(3)",
        "import os,time; f='/var/cache/dnf/metadata_lock.pid'; open(f,'w').write(str(os.getpid())); \
         open('/srv/held','w'); time.sleep(3); os.unlink(f)",
    ] {
        machine.said(&format!(
            "python3 -c \"{hold}\" >/dev/null 2>&1 &
             while [ ! -e /srv/held ]; do sleep .02; done; rm /srv/held"
        ));
        assert_eq!(summary(&installed(&[hello])), "1 step: 1 changed", "{hold}");
        let gone = installed(&[hello, "absent=true"]);
        assert_eq!(summary(&gone), "1 step: 1 changed");
    }

    // What the plan has installed is removed by it.
    assert_eq!(summary(&installed(&[hello])), "1 step: 1 changed");
    let set = words(&[hello]);
    let set: Vec<_> = set.iter().map(String::as_str).collect();
    let cleaned = apply(
        &address,
        "plans::installed",
        &[&set[..], &["--mode", "clean"]].concat(),
    );
    assert_eq!(cleaned.exit_code, Some(0), "{cleaned:?}");
    assert!(!machine.said("ls /usr/share").contains("wxec-hello"));
}

/// Lets root log in on the machine itself, by a key.
const SSHD: &str = r#"
mkdir -p /run/sshd; rm -rf /root/.ssh; mkdir -m 700 /root/.ssh; cd /root/.ssh
ssh-keygen -q -t ed25519 -N '' -f id_ed25519; cp id_ed25519.pub authorized_keys
ssh-keygen -q -t ed25519 -N '' -f /run/host_key
/usr/sbin/sshd -f /dev/null -h /run/host_key -o ListenAddress=127.0.0.1 -o PermitRootLogin=yes -o PidFile=/run/sshd.pid
printf 'localhost ' | cat - /run/host_key.pub >known_hosts
"#;

#[test]
fn a_server_is_set_up_over_ssh_as_well() {
    if !needs(&["sshd", "ssh", "ssh-keygen"]) {
        return;
    }
    let Some(machine) = Debian::boot() else {
        return;
    };
    machine.said(REPOSITORY);
    machine.said(SSHD);
    let address = format!("{}/ssh:root@localhost", machine.address());
    let server = |address: &str| apply(address, "plans::server", &["--set", "word=one"]);
    assert_eq!(summary(&server(&address)), "5 steps: 4 changed, 1 ok");
    assert_eq!(machine.said("cat /srv/log"), "one\n");
    // It is the same host with the same record, whatever leads to it.
    assert_eq!(summary(&server(&machine.address())), "5 steps: 5 ok");
    let gone = apply(
        &address,
        "plans::server",
        &["--mode", "clean", "--set", "word=x"],
    );
    assert_eq!(gone.exit_code, Some(0), "{gone:?}");
    assert_eq!(
        machine.said("ls /etc/hello.conf 2>/dev/null || echo none"),
        "none\n"
    );
}
