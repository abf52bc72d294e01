//! Private machines, as far as a mount namespace makes one: this machine's programs, but private
//! accounts, private directories for files, and if need be a private network. Nothing that happens
//! in one is visible outside of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    Pid, Sshd,
    accounts::USERS,
    holder::Holder,
    kill,
    process::sharing_mounts,
    sshd::{Place, free_port, list},
};
pub(crate) use options::{Access, MachineOptions, PLACES};

/// The options of a machine.
mod options;

/// A machine. Dropping it ends its processes.
pub(crate) struct Machine {
    holder: Holder,
    environment: Vec<String>,
    is_isolated: bool,
    /// The places where its users may leave files, as seen from inside.
    places: Vec<PathBuf>,
}

/// Kills all processes that share the mounts of this shell, except the shell itself.
const END: &str = r#"
mounts=$(readlink /proc/$$/ns/mnt | tr '[]' '??')
for round in 1 2 3 4 5 6 7 8 9; do
    found=
    for path in $(find /proc/[0-9]*/ns/mnt -maxdepth 0 -lname "$mounts" 2>/dev/null); do
        pid=${path#/proc/} pid=${pid%%/*}
        [ "$pid" = $$ ] || ! kill -9 "$pid" 2>/dev/null || found=1
    done
    [ "$found" ] || break
done"#;

impl Machine {
    /// Options for a machine to be started.
    pub(crate) fn options() -> MachineOptions {
        MachineOptions::default()
    }

    /// Starts a machine with default options. Returns `None`, and skips the test, where machines
    /// cannot be made.
    pub(crate) fn start() -> Option<Self> {
        Self::options().start()
    }

    /// The words that start a command as `user` on this machine, in the user's home.
    pub(crate) fn enter(&self, user: &str) -> Vec<String> {
        let home = if user == "root" {
            "/root".to_owned()
        } else {
            format!("/home/{user}")
        };
        let mut command = self.enter_as_root();
        let become_user = [
            "setpriv",
            "--reuid",
            user,
            "--regid",
            user,
            "--init-groups",
            "--reset-env",
        ];
        command.extend(become_user.map(str::to_owned));
        command.extend(["env".into(), "-C".into(), home]);
        command.extend_from_slice(&self.environment);
        command
    }

    /// The words that start a command as root, in no particular directory and with the caller's
    /// environment.
    pub(super) fn enter_as_root(&self) -> Vec<String> {
        let mut command = vec![
            "nsenter".to_owned(),
            format!("--mount={}", self.namespace("mnt")),
        ];
        if self.is_isolated {
            command.push(format!("--net={}", self.namespace("net")));
        }
        command
    }

    /// The file that stands for one of its namespaces.
    pub(super) fn namespace(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.holder.pid().as_raw_nonzero())
    }

    /// A command about to be run as `user` on this machine.
    pub(crate) fn command<A: AsRef<std::ffi::OsStr>>(
        &self,
        user: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Command {
        let enter = self.enter(user);
        let mut command = Command::new(&enter[0]);
        command.args(&enter[1..]).args(arguments);
        command
    }

    /// The process that keeps the machine alive.
    pub(crate) fn pid(&self) -> Pid {
        self.holder.pid()
    }

    /// A path of this machine, as seen from here.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid().as_raw_nonzero()));
        root.join(path.as_ref().strip_prefix("/").expect("it is absolute"))
    }

    /// Lists the files in the places where its users may leave some, as seen from inside.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        self.places
            .iter()
            .for_each(|place| list(&self.path(place), &mut files, |_| true));
        let root = self.path("/");
        files
            .iter()
            .map(|file| Path::new("/").join(file.strip_prefix(&root).expect("it is there")))
            .collect()
    }

    /// The processes that run there.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        sharing_mounts(self.pid())
    }

    /// Starts the machine's sshd, where each account is a host of the same name, with the account's
    /// own shell. This sshd listens on the loopback interface here; that of an isolated machine
    /// listens only on its own interfaces, where a [`Network`](super::Network) finds it.
    pub(crate) fn sshd(&self) -> Option<Sshd> {
        Sshd::start_where(|directory| {
            let (address, port) = if self.is_isolated {
                ("0.0.0.0", 22)
            } else {
                ("127.0.0.1", free_port())
            };
            self.describe_sshd(
                directory,
                &format!("{address}:{port}"),
                &format!("    Port {port}\n"),
            )
        })
    }

    /// Describes an sshd that listens on `address`, and hosts that clients reach by the settings in
    /// `way`.
    pub(super) fn describe_sshd(
        &self,
        directory: &TempDir,
        address: &str,
        way: &str,
    ) -> (Place, Vec<String>, String, String) {
        // Made anew for each attempt; `/run` is writable even on read-only machines.
        let files = Path::new("/run").join(directory.path().file_name().expect("it has one"));
        fs::create_dir(self.path(&files)).expect("it is new");
        let place = Place {
            enter: self.enter_as_root(),
            root: self.path("/"),
            files,
            home: self.path("/home"),
        };
        let environment: String = self
            .environment
            .iter()
            .map(|variable| format!("SetEnv {variable}\n"))
            .collect();
        let hosts = USERS
            .iter()
            .map(|user| format!("Host {0}\n    User {0}\n{way}", user.name))
            .collect();
        (place, vec![address.to_owned()], environment, hosts)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The holder's shell does the same, but takes a hundred times as long.
        self.processes().into_iter().for_each(kill);
    }
}
