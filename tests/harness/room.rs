//! Rooms for engines that run containers: mounts, processes and a network of their own. The
//! processes, mounts and files that daemons leave behind end with the room.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::{
    holder::Holder,
    keys::write,
    process::write_script,
    skip::{find, needs, skip},
};

/// A room. Dropping it ends all that runs in it.
pub(super) struct Room {
    /// The first field, so that the room ends before its directory is removed.
    _holder: Holder,
    /// The first process in it.
    pub(super) init: i32,
    directory: TempDir,
}

/// Processes of containers are in control groups below one that has the directory's name. The
/// groups outlive the processes, so `END` removes them.
const MAKE: &str = r#"
directory=@directory@
unshare @flags@ sh -e "$directory/inside" </dev/null >"$directory/log" 2>&1 &
outer=$!
for round in $(seq 6000); do
    [ ! -e "$directory/ready" ] || break
    kill -0 $outer 2>/dev/null || break
    sleep .02
done
[ -e "$directory/ready" ] || { tail -n 3 "$directory/log" >&2; exit 1; }
cat /proc/$outer/task/$outer/children; echo
"#;
const END: &str = r#"
kill -9 $(cat /proc/$outer/task/$outer/children) 2>/dev/null
wait $outer
for round in $(seq 1000); do
    find /sys/fs/cgroup -depth -type d -path "*/${directory##*/}*" -exec rmdir {} + 2>/dev/null
    [ "$(find /sys/fs/cgroup -type d -name "${directory##*/}")" ] || break
    sleep .02
done
rm -r "$directory"
"#;

/// The beginning of a script for a room: gives it a control group of its own, which those in it take
/// for the root. They would be the machine's otherwise, and stay there.
pub(super) const PRIVATE: &str = "if [ ! \"$1\" ]; then
    for group in /sys/fs/cgroup/*; do
        own=$group/$(basename @directory@)
        mkdir $own 2>/dev/null || continue
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e $group/$file ] || cat $group/$file >$own/$file
        done
        echo $$ >$own/cgroup.procs
    done
    exec unshare --cgroup sh -e \"$0\" again
fi
grep ' - cgroup' /proc/self/mountinfo >@directory@/groups || :
while read -r _ _ _ _ path _ rest; do
    umount $path
    rest=${rest#*- }
    case $rest in
    cgroup2*) mount -t cgroup2 cgroup2 $path ;;
    *name=*) mount -t cgroup -o none,name=${rest##*name=} cgroup $path ;;
    *) mount -t cgroup -o ${path##*/} cgroup $path ;;
    esac
done <@directory@/groups
";

impl Room {
    /// Makes a room of these namespaces, and runs the script `inside` in it, which makes the file
    /// `ready`. Each `@directory@` in the script is replaced. Skips the test if a program is
    /// missing or the script fails.
    pub(super) fn start(programs: &[&str], flags: &str, inside: &str) -> Option<Self> {
        if !geteuid().is_root() {
            skip("only root makes rooms for containers");
            return None;
        }
        if !needs(programs) || !needs(&["busybox"]) {
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("machines-")
            .tempdir()
            .expect("a temporary directory");
        let path = directory.path();
        make_root(&path.join("root"));
        for name in ["bin", "data"] {
            fs::create_dir(path.join(name)).expect("it is new");
        }
        let name = path.to_str().expect("it is plain");
        write(
            &path.join("inside"),
            inside.replace("@directory@", name),
            0o644,
        );
        let make = MAKE.replace("@flags@", flags).replace("@directory@", name);
        // The shell itself needs no namespaces, and waits only for its own child.
        match Holder::start(Command::new("env"), &make, END) {
            Ok(holder) => {
                let init = holder
                    .said()
                    .iter()
                    .find_map(|line| line.trim().parse().ok());
                Some(Self {
                    init: init.expect("its first process"),
                    _holder: holder,
                    directory,
                })
            }
            Err(error) => {
                skip(&format!("no {} here: {error}", programs.join(", no ")));
                None
            }
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a program `name` that runs `start` in the room: the program itself, with arguments if
    /// need be.
    pub(super) fn tool(&self, name: &str, start: &str) {
        let namespaces = [
            ("mount", "mnt"),
            ("net", "net"),
            ("cgroup", "cgroup"),
            ("pid", "pid"),
        ]
        .map(|(option, kind)| format!(" --{option}=/proc/{}/ns/{kind}", self.init))
        .concat();
        // `nsenter` waits here for its child in the room; both end together.
        let path = std::env::var("PATH").unwrap_or_default();
        // Callers have this directory first in their PATH: the tool would find itself again and
        // again.
        let script = format!(
            "#!/bin/sh\nPATH='{path}' exec nsenter{namespaces} setpriv --pdeathsig KILL {start} \"$@\"\n"
        );
        write_script(&self.path("bin").join(name), &script);
    }
}

/// The files of a small system: busybox, under all its names.
fn make_root(root: &Path) {
    for directory in ["bin", "etc", "dev", "proc", "sys", "root", "tmp"] {
        fs::create_dir_all(root.join(directory)).expect("it is new");
    }
    fs::set_permissions(root.join("tmp"), fs::Permissions::from_mode(0o1777)).expect("it is ours");
    let busybox = find("busybox").expect("it was looked for");
    // `cp` writes it: a file that this process has open for writing is also open in each process
    // that another test is just starting, and such a file cannot be run.
    let copied = Command::new("cp")
        .arg("-p")
        .arg(&busybox)
        .arg(root.join("bin/busybox"))
        .status();
    assert!(
        copied.expect("it is everywhere").success(),
        "there is no space"
    );
    let names = Command::new(busybox)
        .arg("--list")
        .output()
        .expect("it is a program")
        .stdout;
    for name in String::from_utf8_lossy(&names)
        .lines()
        .filter(|&name| name != "busybox")
    {
        symlink("busybox", root.join("bin").join(name)).expect("it is new");
    }
    write(
        &root.join("etc/passwd"),
        "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/tmp:/bin/sh\n",
        0o644,
    );
    write(&root.join("etc/group"), "root:x:0:\napp:x:1000:\n", 0o644);
}
