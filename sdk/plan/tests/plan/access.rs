//! Jobs of cron and keys of ssh: whole files, and files with their attributes.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use wxec_plan::{FaultKind, Run, State, authorized_key, cron};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 mia";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_job_is_a_whole_file() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("backup");
    fs::write(&path, "* * * * * root old").unwrap();
    let job = cron("backup").user("root").command("date +%F >/tmp/day");
    let job = job
        .schedule("@daily")
        .env("MAILTO", "")
        .in_folder(place.path());
    assert!(job.ensure(&mut Run::preview()).unwrap().changed);
    assert!(job.ensure(&mut Run::new()).unwrap().changed);
    assert!(!job.ensure(&mut Run::new()).unwrap().changed);
    let text = "MAILTO=\"\"\n@daily root date +\\%F >/tmp/day\n";
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(mode(&path), 0o644);
    cron("backup")
        .in_folder(place.path())
        .absent()
        .ensure(&mut Run::new())
        .unwrap();
    assert!(!path.exists());
}

#[test]
fn a_job_without_its_parts_is_refused() {
    let whole = || cron("job").schedule("@daily").user("root").command("true");
    for wrong in [
        cron("job").user("root").command("true"),
        cron("job").schedule("@daily").command("true"),
        cron("job").schedule("@daily").user("root"),
        cron("job.sh")
            .schedule("@daily")
            .user("root")
            .command("true"),
        whole().user("root x"),
        whole().env("A B", ""),
        whole().env("A", "x\n* * * * * root evil"),
    ] {
        let fault = wrong.ensure(&mut Run::preview()).unwrap_err();
        assert_eq!(fault.kind, FaultKind::Refused, "{wrong:?}");
    }
}

#[test]
fn a_key_is_added_once_with_its_folder_and_modes() {
    let home = tempfile::tempdir().unwrap();
    let key = authorized_key(home.path(), KEY);
    let (folder, file) = (
        home.path().join(".ssh"),
        home.path().join(".ssh/authorized_keys"),
    );
    assert!(key.ensure(&mut Run::preview()).unwrap().changed);
    assert!(!folder.exists());
    assert!(key.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("{KEY}\n"));
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));
    assert!(!key.ensure(&mut Run::new()).unwrap().changed);

    for (path, mode) in [(&folder, 0o777), (&file, 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    assert!(key.ensure(&mut Run::new()).unwrap().changed);
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));

    key.clone().absent().ensure(&mut Run::new()).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    let mut again = Run::new();
    key.absent().ensure(&mut again).unwrap();
    assert_eq!(again.report().steps[0].state, State::Ok);
}

/// An account could have root write to a file of its choice.
#[test]
fn a_folder_or_file_of_keys_that_is_a_symlink_is_refused() {
    let (home, victim) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(victim.path(), home.path().join(".ssh")).unwrap();
    let key = authorized_key(home.path(), KEY);
    let fault = key.ensure(&mut Run::new()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    fs::remove_file(home.path().join(".ssh")).unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    let file = victim.path().join("keys");
    fs::write(&file, "").unwrap();
    symlink(&file, home.path().join(".ssh/authorized_keys")).unwrap();
    let fault = key.ensure(&mut Run::new()).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Refused, "{fault}");
    assert_eq!(fs::read(&file).unwrap(), b"");
}

#[test]
fn keys_belong_to_the_owner_of_the_home() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root gives files away");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(home.path(), Some(4242), Some(4243)).unwrap();
    authorized_key(home.path(), KEY)
        .ensure(&mut Run::new())
        .unwrap();
    for path in [".ssh", ".ssh/authorized_keys"] {
        use std::os::unix::fs::MetadataExt;
        let status = fs::metadata(home.path().join(path)).unwrap();
        assert_eq!((status.uid(), status.gid()), (4242, 4243), "{path}");
    }
}
