//! Machines of their own, as far as a mount namespace makes one: this machine's programs, but private accounts, private
//! directories for files, and if need be a private network. Nothing that happens in one is seen outside of it.

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

/// What a machine is to be like.
mod options;

/// A machine. Dropping it ends its processes.
pub(crate) struct Machine {
    holder: Holder,
    environment: Vec<String>,
    is_isolated: bool,
    /// The places where its users may leave files, as seen from there.
    places: Vec<PathBuf>,
}

/// Kills all that share the mounts of this shell, but not itself.
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
    /// A machine to be started.
    pub(crate) fn options() -> MachineOptions {
        MachineOptions::default()
    }

    /// A machine where nothing is special. Where machines cannot be made there is none, and the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        Self::options().start()
    }

    /// What a command starts with to run as `user` on this machine, in the user's home.
    pub(crate) fn enter(&self, user: &str) -> Vec<String> {
        let home = if user == "root" { "/root".to_owned() } else { format!("/home/{user}") };
        let mut command = self.enter_as_root();
        let become_user = ["setpriv", "--reuid", user, "--regid", user, "--init-groups", "--reset-env"];
        command.extend(become_user.map(str::to_owned));
        command.extend(["env".into(), "-C".into(), home]);
        command.extend_from_slice(&self.environment);
        command
    }

    /// Without being anywhere, and with the environment of the caller.
    pub(super) fn enter_as_root(&self) -> Vec<String> {
        let mut command = vec!["nsenter".to_owned(), format!("--mount={}", self.namespace("mnt"))];
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

    /// The process that keeps it.
    pub(crate) fn pid(&self) -> Pid {
        self.holder.pid()
    }

    /// A path of this machine, as seen from here.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid().as_raw_nonzero()));
        root.join(path.as_ref().strip_prefix("/").expect("it is absolute"))
    }

    /// The files in the places where its users may leave some, as seen from there.
    pub(crate) fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        self.places.iter().for_each(|place| list(&self.path(place), &mut files, |_| true));
        let root = self.path("/");
        files.iter().map(|file| Path::new("/").join(file.strip_prefix(&root).expect("it is there"))).collect()
    }

    /// The processes that run there.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        sharing_mounts(self.pid())
    }

    /// Starts its sshd, where each account is a host of the same name, with the account's own shell. It listens on this
    /// machine's loopback interface; an isolated machine's only on its own interfaces, where a
    /// [`Network`](super::Network) finds it.
    pub(crate) fn sshd(&self) -> Option<Sshd> {
        Sshd::start_where(|directory| {
            let (address, port) = if self.is_isolated { ("0.0.0.0", 22) } else { ("127.0.0.1", free_port()) };
            self.describe_sshd(directory, &format!("{address}:{port}"), &format!("    Port {port}\n"))
        })
    }

    /// An sshd that listens on `address`, and hosts that are reached as `way` tells.
    pub(super) fn describe_sshd(
        &self,
        directory: &TempDir,
        address: &str,
        way: &str,
    ) -> (Place, Vec<String>, String, String) {
        // Anew for each attempt; `/run` can be written to on machines that can not.
        let files = Path::new("/run").join(directory.path().file_name().expect("it has one"));
        fs::create_dir(self.path(&files)).expect("it is new");
        let place = Place { enter: self.enter_as_root(), root: self.path("/"), files, home: self.path("/home") };
        let environment: String = self.environment.iter().map(|variable| format!("SetEnv {variable}\n")).collect();
        let hosts = USERS.iter().map(|user| format!("Host {0}\n    User {0}\n{way}", user.name)).collect();
        (place, vec![address.to_owned()], environment, hosts)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The shell that keeps it does the same, but takes a hundred times as long.
        self.processes().into_iter().for_each(kill);
    }
}
