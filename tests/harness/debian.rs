//! A machine of its own with a real systemd, apt and dpkg: the files of this one under a layer that
//! takes all changes, booted by systemd-nspawn. It takes half a second to start.

use std::{
    fs,
    process::{Command, Output},
};

use super::{
    process::{SOON, wait_until},
    room::{PRIVATE, Room},
    skip::skip,
};

/// A machine that was booted. Dropping it ends it, with all changes of its files.
pub(crate) struct Debian {
    /// Its first process, as this machine sees it.
    init: i32,
    _room: Room,
}

const FLAGS: &str = "--mount --net --pid --fork --mount-proc";

/// Nothing that was installed here starts in there: `basic.target` has what services need.
const BOOT: &str = "mount --make-rprivate /
mkdir @directory@/top
mount -t tmpfs -o size=2g top @directory@/top
mkdir @directory@/top/upper @directory@/top/work @directory@/top/files
mount -t overlay -o lowerdir=/,upperdir=@directory@/top/upper,workdir=@directory@/top/work overlay @directory@/top/files
: >@directory@/top/files/etc/machine-id
rm -rf @directory@/top/files/var/lib/wxec
touch @directory@/ready
exec systemd-nspawn --quiet --boot --directory=@directory@/top/files --machine=plans --register=no \
    --keep-unit --console=pipe systemd.unit=basic.target
";

impl Debian {
    /// Boots a machine, or skips the test.
    pub(crate) fn boot() -> Option<Self> {
        if !fs::exists("/usr/bin/apt-get").unwrap_or(false) {
            skip("this machine is no Debian, whose files another one could have");
            return None;
        }
        let inside = format!("{PRIVATE}{BOOT}");
        let room = Room::start(&["systemd-nspawn", "nsenter"], FLAGS, &inside)?;
        // Other children come and go before.
        let mut init = None;
        wait_until(SOON, "systemd begins", || {
            init = first_child(room.init).filter(|child| {
                let name = fs::read_to_string(format!("/proc/{child}/comm"));
                name.is_ok_and(|name| name.trim() == "systemd")
            });
            init.is_some()
        });
        let machine = Self {
            init: init.expect("it has begun"),
            _room: room,
        };
        wait_until(SOON, "systemd is up", || {
            let state = machine.run("systemctl is-system-running");
            matches!(&*text(&state.stdout), "running\n" | "degraded\n")
        });
        Some(machine)
    }

    /// The address by which it is reached.
    pub(crate) fn address(&self) -> String {
        format!("nsenter:{}", self.init)
    }

    /// Runs a shell's commands in it.
    pub(crate) fn run(&self, commands: &str) -> Output {
        Command::new("nsenter")
            .args(["--all", "--target", &self.init.to_string()])
            .args(["/bin/sh", "-ec", commands])
            .output()
            .expect("nsenter runs")
    }

    /// Runs a shell's commands in it, which have to succeed, and returns what they print.
    #[track_caller]
    pub(crate) fn said(&self, commands: &str) -> String {
        let output = self.run(commands);
        let errors = text(&output.stderr);
        assert!(output.status.success(), "{commands}: {errors}");
        text(&output.stdout)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn first_child(pid: i32) -> Option<i32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
