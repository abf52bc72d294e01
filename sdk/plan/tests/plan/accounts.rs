//! Users and groups, in a copy of this machine's file system that is thrown away.

use std::{env, fs, process::Command};

use wxec_plan::{Run, State, file, folder, group, user};

/// Runs a test of this binary again, as root in a copy of this file system. A layer in memory takes
/// what it writes, and is gone with its mount namespace. Returns true in there.
fn is_inside(test: &str, prepare: &str) -> bool {
    const INSIDE: &str = "WXEC_PLAN_INSIDE";
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let place = tempfile::tempdir_in("/var/tmp").unwrap();
    let script = format!(
        "set -e; cd \"$1\"; mount -t tmpfs none .; cd \"$1\"; mkdir upper work root; \
         mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work none root || exit 77; \
         mount --rbind /dev root/dev; cp \"$2\" root/run-test; {prepare}; \
         {INSIDE}=1 exec chroot root /run-test --exact --nocapture \"$3\""
    );
    let mut inside = Command::new("unshare");
    inside.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        &script,
        "sh",
    ]);
    inside
        .arg(place.path())
        .arg(env::current_exe().unwrap())
        .arg(test);
    match inside.output() {
        Err(error) => eprintln!("skipped: cannot run unshare: {error}"),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let is_denied = said.contains("unshare failed") || output.status.code() == Some(77);
            if is_denied {
                eprintln!("skipped: {}", said.trim());
                return false;
            }
            let told = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success(), "{told}{said}");
            assert!(told.contains("1 passed"), "{told}{said}");
        }
    }
    false
}

fn line_of(database: &str, name: &str) -> Option<String> {
    let lines = fs::read_to_string(database).unwrap();
    let found = lines
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")));
    found.map(str::to_owned)
}

fn all(run: &mut Run) -> Result<(), wxec_plan::Fault> {
    group("staff2").gid(4242).ensure(run)?;
    user("app2")
        .system()
        .home("/srv/app2")
        .shell("/bin/false")
        .ensure(run)?;
    let mia = user("mia2").comment("Mia").groups(["staff2"]);
    mia.password_hash("$6$salt$canary".to_owned()).ensure(run)?;
    user("locked2").locked().ensure(run)?;
    folder("/srv/app2").owned_by("app2", "app2").ensure(run)?;
    file("/srv/app2/conf")
        .owned_by("app2", "staff2")
        .mode(0o640)
        .ensure(run)?;
    Ok(())
}

fn check_all() {
    let mut preview = Run::preview();
    all(&mut preview).unwrap();
    assert_eq!(preview.report().summary(), "6 steps: 6 would change");
    assert_eq!(line_of("/etc/passwd", "app2"), None);

    let mut run = Run::new();
    all(&mut run).unwrap();
    assert_eq!(run.report().summary(), "6 steps: 6 changed");
    assert!(!format!("{:?}", run.report()).contains("canary"));
    let app = line_of("/etc/passwd", "app2").unwrap();
    assert!(app.ends_with(":/srv/app2:/bin/false"), "{app}");
    assert_eq!(
        line_of("/etc/group", "staff2").unwrap(),
        "staff2:x:4242:mia2"
    );
    let shadow = line_of("/etc/shadow", "mia2").unwrap();
    assert!(shadow.starts_with("mia2:$6$salt$canary:"), "{shadow}");
    assert!(
        line_of("/etc/shadow", "locked2")
            .unwrap()
            .starts_with("locked2:!")
    );
    assert!(fs::metadata("/home/mia2").unwrap().is_dir());

    let mut again = Run::new();
    all(&mut again).unwrap();
    assert_eq!(again.report().summary(), "6 steps: 6 ok");

    // The group of an account goes with it, and a preview knows that.
    let mut foreseen = Run::preview();
    let mut gone = Run::new();
    for run in [&mut foreseen, &mut gone] {
        user("mia2").absent().ensure(run).unwrap();
        group("mia2").absent().ensure(run).unwrap();
        group("staff2").absent().ensure(run).unwrap();
    }
    user("mia2").absent().ensure(&mut Run::new()).unwrap();
    let summary = foreseen.report().summary();
    assert_eq!(summary, "3 steps: 2 would change, 1 ok");
    assert_eq!(gone.report().summary(), "3 steps: 2 changed, 1 ok");
    let differences = |run: &Run| {
        let steps = run.report().steps.iter();
        steps
            .map(|step| step.differences.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(differences(&foreseen), differences(&gone));
    assert_eq!(line_of("/etc/passwd", "mia2"), None);
    assert_eq!(line_of("/etc/group", "staff2"), None);
    assert!(fs::metadata("/home/mia2").unwrap().is_dir());
}

#[test]
fn accounts_are_made_changed_and_removed_by_shadow_utils() {
    let test = "accounts::accounts_are_made_changed_and_removed_by_shadow_utils";
    if !is_inside(
        test,
        "command -v useradd >/dev/null || { echo no useradd here >&2; exit 77; }",
    ) {
        return;
    }
    check_all();
    let mut run = Run::new();
    group("other2").ensure(&mut run).unwrap();
    let app = user("app2").shell("/bin/sh").groups(["other2"]).locked();
    app.ensure(&mut run).unwrap();
    app.exactly().ensure(&mut Run::new()).unwrap();
    group("other2").gid(4243).ensure(&mut Run::new()).unwrap();
    assert!(
        line_of("/etc/passwd", "app2")
            .unwrap()
            .ends_with(":/bin/sh")
    );
    assert_eq!(
        line_of("/etc/group", "other2").unwrap(),
        "other2:x:4243:app2"
    );
    user("app2").exactly().ensure(&mut Run::new()).unwrap();
    assert_eq!(line_of("/etc/group", "other2").unwrap(), "other2:x:4243:");

    // What is not said stays.
    let root = line_of("/etc/passwd", "root");
    let mut run = Run::new();
    user("root").ensure(&mut run).unwrap();
    assert_eq!(run.report().steps[0].state, State::Ok);
    assert_eq!(line_of("/etc/passwd", "root"), root);
}

#[test]
fn accounts_are_made_and_removed_by_busybox() {
    let test = "accounts::accounts_are_made_and_removed_by_busybox";
    // That of Debian has no adduser; that of Alpine has, and one that is compiled with it.
    let prepare = "skip() { echo no busybox with adduser here, WXEC_BUSYBOX may name one >&2; exit 77; }; \
        busybox=${WXEC_BUSYBOX:-$(command -v busybox)} || skip; \
        for p in useradd usermod userdel groupadd groupmod groupdel gpasswd chpasswd; do \
            rm -f root/usr/sbin/$p root/usr/bin/$p root/sbin/$p root/bin/$p; done; \
        for p in adduser deluser addgroup delgroup chpasswd; do \
            $busybox --list | grep -qx $p || skip; \
            rm -f root/usr/sbin/$p; ln -sf $busybox root/usr/sbin/$p; done";
    if is_inside(test, prepare) {
        check_all();
    }
}
