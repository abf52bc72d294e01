//! Machines of their own, as far as a mount namespace makes one: this machine's programs, but private accounts, private
//! directories for files, and if need be a private network. Nothing that happens in one is seen outside of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;
use tempfile::TempDir;

use super::{
    Pid, Sshd,
    accounts::{Shell, USERS, write_accounts},
    holder::Holder,
    keys::write,
    locale::chinese_locale,
    process::sharing_mounts,
    skip::{find, skip},
    sshd::{Place, free_port, list},
};

/// A machine. Dropping it ends its processes.
pub(crate) struct Machine {
    holder: Holder,
    environment: Vec<String>,
    is_isolated: bool,
    /// The places where its users may leave files, as seen from there.
    places: Vec<PathBuf>,
}

/// What a machine is to be like.
#[derive(Default)]
pub(crate) struct MachineOptions {
    shell: Option<Shell>,
    is_noisy: bool,
    is_read_only: bool,
    is_isolated: bool,
    speaks_chinese: bool,
    sudoers: String,
    files: Vec<(String, String)>,
    places: Vec<(String, Access)>,
    shared: Vec<PathBuf>,
}

/// What users may do in a place where they could leave files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Any,
    NoExec,
    ReadOnly,
    /// Writing fails after 64 KB.
    Tiny,
}

/// The places where users may leave files; `/run/user` stands for the directory there of each.
pub(crate) const PLACES: [&str; 5] = ["/home", "/run/user", "/dev/shm", "/var/tmp", "/tmp"];

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

impl MachineOptions {
    /// All users have this login shell, rather than the system's `sh`.
    pub(crate) fn shell(mut self, shell: Shell) -> Self {
        self.shell = Some(shell);
        self
    }

    /// What their shells read when they start prints 100 KB.
    pub(crate) fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    /// Its root is read-only. The places where users may leave files are as they are told to be.
    pub(crate) fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// It has a network of its own, with nothing but a loopback interface.
    pub(crate) fn isolated(mut self) -> Self {
        self.is_isolated = true;
        self
    }

    /// Its language is Chinese.
    pub(crate) fn chinese(mut self) -> Self {
        self.speaks_chinese = true;
        self
    }

    /// One more line for sudoers.
    pub(crate) fn sudoers(mut self, line: &str) -> Self {
        self.sudoers += line;
        self.sudoers.push('\n');
        self
    }

    /// A file in `/etc`, of its own or replaced.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// What users may do in one of the [`PLACES`].
    pub(crate) fn place(mut self, path: &str, access: Access) -> Self {
        assert!(PLACES.contains(&path), "{path} is not among {PLACES:?}");
        self.places.push((path.to_owned(), access));
        self
    }

    /// What users may do in all of them.
    pub(crate) fn places(self, access: Access) -> Self {
        PLACES.iter().fold(self, |options, place| options.place(place, access))
    }

    /// A directory that is the same inside as outside.
    pub(crate) fn shared(mut self, path: impl Into<PathBuf>) -> Self {
        self.shared.push(path.into());
        self
    }

    /// Starts it. Where machines cannot be made there is none, and the test is skipped.
    pub(crate) fn start(self) -> Option<Machine> {
        if !geteuid().is_root() {
            skip("only root makes machines");
            return None;
        }
        let mut environment = Vec::new();
        let mut locales = None;
        if self.speaks_chinese {
            locales = Some(chinese_locale()?);
            environment.push("LC_ALL=zh_CN.UTF-8".to_owned());
        }
        let mut unshare = Command::new("unshare");
        unshare.arg("--mount").args(self.is_isolated.then_some("--net")).arg("--");
        let (mounts, places) = self.mounts(locales.as_deref());
        let holder = match Holder::start(unshare, &mounts, END) {
            Ok(holder) => holder,
            Err(error) => {
                skip(&format!("machines cannot be made here: {error}"));
                return None;
            }
        };
        let machine = Machine { holder, environment, is_isolated: self.is_isolated, places };
        self.furnish(&machine);
        Some(machine)
    }

    fn access(&self, place: &str) -> Access {
        self.places.iter().rfind(|(path, _)| path == place).map_or(Access::Any, |(_, access)| *access)
    }

    /// The script that mounts what is private, and the places.
    fn mounts(&self, locales: Option<&Path>) -> (String, Vec<PathBuf>) {
        let mut script = String::from(
            "mount -t tmpfs machine /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work etc /etc
mkdir /mnt/shared
",
        );
        // Later mounts hide it; these keep it.
        for (number, path) in self.shared.iter().enumerate() {
            script += &format!("mkdir /mnt/shared/{number}; mount --bind '{}' /mnt/shared/{number}\n", path.display());
        }
        script += "mount -t tmpfs -o mode=755 run /run\n";
        let mut places = Vec::new();
        for place in PLACES {
            let size = if self.access(place) == Access::Tiny { ",size=64k" } else { "" };
            if place == "/run/user" {
                for user in &USERS {
                    let path = format!("{place}/{}", user.id);
                    let options = format!("mode=700,uid={0},gid={0}{size}", user.id);
                    script += &format!("mkdir -p {path}; mount -t tmpfs -o {options} user {path}\n");
                    places.push(path.into());
                }
            } else {
                let mode = if place == "/home" { "755" } else { "1777" };
                // A noisy home is not tiny before its profile is written.
                let size = if place == "/home" { "" } else { size };
                script += &format!("mount -t tmpfs -o mode={mode}{size} place {place}\n");
                places.push(place.into());
            }
        }
        for (number, path) in self.shared.iter().enumerate() {
            script += &format!("mkdir -p '{0}'; mount --bind /mnt/shared/{number} '{0}'\n", path.display());
        }
        if let Some(locales) = locales {
            script += &format!("mount --bind '{}' /usr/lib/locale\n", locales.display());
        }
        if self.is_isolated {
            script += "ip link set lo up\n";
        }
        (script, places)
    }

    /// Writes what is in it, and then takes away what must not be done there.
    fn furnish(&self, machine: &Machine) {
        let shell = match self.shell {
            None => "/bin/sh".to_owned(),
            Some(Shell::Busybox) => {
                // It is the shell by its name only.
                let path = "/etc/busybox/sh";
                fs::create_dir(machine.path("/etc/busybox")).expect("it is new");
                let busybox = find("busybox").expect("the test needs it");
                std::os::unix::fs::symlink(busybox, machine.path(path)).expect("it is new");
                path.to_owned()
            }
            Some(shell) => find(shell.program()).expect("the test needs it").display().to_string(),
        };
        write_accounts(&machine.path("/"), &shell, self.is_noisy, &self.sudoers);
        for (path, text) in &self.files {
            write(&machine.path(path), text, 0o644);
        }
        let mut script = String::from("set -e\n");
        for place in &machine.places {
            let place = place.display().to_string();
            let kind = if place.starts_with("/run/user") { "/run/user" } else { &place };
            match self.access(kind) {
                Access::Any => {}
                Access::NoExec => script += &format!("mount -o remount,bind,noexec {place}\n"),
                Access::ReadOnly => script += &format!("mount -o remount,bind,ro {place}\n"),
                Access::Tiny if kind == "/home" => script += "mount -o remount,size=64k /home\n",
                Access::Tiny => {}
            }
        }
        if self.is_read_only {
            script += "mount -o remount,bind,ro /etc\nmount -o remount,bind,ro /\n";
        }
        let enter = machine.enter_as_root();
        let output = Command::new(&enter[0]).args(&enter[1..]).args(["sh", "-c", &script]).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // The shell that keeps it does the same, but takes a hundred times as long.
        self.processes().into_iter().for_each(super::kill);
    }
}
