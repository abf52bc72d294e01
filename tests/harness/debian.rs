//! A machine of its own with a real systemd, apt and dpkg: the files of this one under a layer that
//! takes all changes, booted by systemd-nspawn. It takes half a second to start.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::{
    keys::{keys, write, write_private},
    process::{SOON, wait_until},
    room::{PRIVATE, Room},
    skip::skip,
};

/// A machine that was booted. Dropping it ends it, with all changes of its files.
pub(crate) struct Debian {
    room: Room,
}

const SSHD: &str = "ListenAddress 127.0.0.1
HostKey /srv/ssh/host_key
PidFile none
AuthorizedKeysFile /srv/ssh/authorized_keys
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
UseDNS no";

const SSH_UNIT: &str = "[Service]
RuntimeDirectory=sshd
ExecStart=/usr/sbin/sshd -D -f /srv/ssh/config";

const FLAGS: &str = "--mount --net --pid --fork --mount-proc";

/// Nothing that was installed here starts in there: `basic.target` has what services need.
const BOOT: &str = "mount --make-rprivate /
ip link set lo up
mkdir @directory@/top
mount -t tmpfs -o size=2g top @directory@/top
mkdir @directory@/top/upper @directory@/top/work @directory@/top/files
mount -t overlay -o lowerdir=/,upperdir=@directory@/top/upper,workdir=@directory@/top/work overlay @directory@/top/files
: >@directory@/top/files/etc/machine-id
rm -rf @directory@/top/files/var/lib/wxec
touch @directory@/ready
# It ends with 133 where the machine restarts.
until systemd-nspawn --quiet --boot --directory=@directory@/top/files --machine=plans --register=no \
    --keep-unit --console=pipe systemd.unit=basic.target; do
    [ $? = 133 ]
done
";

impl Debian {
    /// Boots a machine, or skips the test.
    pub(crate) fn boot() -> Option<Self> {
        if !fs::exists("/usr/bin/apt-get").unwrap_or(false) {
            skip("this machine is no Debian, whose files another one could have");
            return None;
        }
        let inside = format!("{PRIVATE}{BOOT}");
        let room = Room::start(&["systemd-nspawn", "nsenter", "ip"], FLAGS, &inside)?;
        let machine = Self { room };
        wait_until(SOON, "systemd begins", || machine.init().is_some());
        wait_until(SOON, "systemd is up", || {
            let state = machine.run("systemctl is-system-running");
            matches!(&*text(&state.stdout), "running\n" | "degraded\n")
        });
        Some(machine)
    }

    /// Its first process, as this machine sees it: another one after each restart.
    fn init(&self) -> Option<i32> {
        // Other children come and go before.
        first_child(first_child(self.room.init)?).filter(|child| {
            let name = fs::read_to_string(format!("/proc/{child}/comm"));
            name.is_ok_and(|name| name.trim() == "systemd")
        })
    }

    /// The address by which it is reached until it restarts.
    pub(crate) fn address(&self) -> String {
        format!("nsenter:{}", self.init().expect("it runs"))
    }

    /// Lets it be reached by ssh, also after a restart, as the host `machine` of the ssh configuration
    /// whose path this returns.
    pub(crate) fn serve_ssh(&self, place: &Path) -> PathBuf {
        let keys = keys();
        let (host, client) = (&keys.host.private, &keys.client.public);
        self.said(&format!(
            "mkdir -p /srv/ssh /run/sshd
            echo '{host}' >/srv/ssh/host_key; echo '{client}' >/srv/ssh/authorized_keys
            chmod 600 /srv/ssh/*; echo '{SSHD}' >/srv/ssh/config; echo '{SSH_UNIT}' >/etc/systemd/system/ssh-here.service
            systemctl daemon-reload; systemctl add-wants basic.target ssh-here; systemctl start ssh-here"
        ));
        write_private(place, "client_key", &keys.client.private);
        let key = place.join("client_key");
        let (key, room) = (key.display(), self.room.init);
        // Its network has no other way in. The shell ends when the machine closes the connection.
        let way = format!(
            "nsenter --target {room} --net bash -c 'exec 3<>/dev/tcp/127.0.0.1/22; cat <&0 >&3 & cat <&3; kill $!'"
        );
        let config = place.join("ssh_config");
        let text = format!(
            "Host machine
    User root
    ProxyCommand {way}
    IdentityFile {key}
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile /dev/null
    GlobalKnownHostsFile none
    StrictHostKeyChecking no
    BatchMode yes
    KexAlgorithms curve25519-sha256
"
        );
        write(&config, text, 0o644);
        config
    }

    /// Its files, as this machine sees them.
    pub(crate) fn root(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init().expect("it runs")))
    }

    /// Runs a shell's commands in it.
    pub(crate) fn run(&self, commands: &str) -> Output {
        Command::new("nsenter")
            .args(["--all", "--target", &self.init().unwrap_or(0).to_string()])
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
