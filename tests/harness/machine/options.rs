use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::geteuid;

use super::{
    super::{
        accounts::{Shell, USERS, write_accounts},
        holder::Holder,
        keys::write,
        locale::chinese_locale,
        skip::{find, skip},
    },
    END, Machine,
};

/// The options of a machine.
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

/// The access that users have to a place where they could leave files.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Any,
    NoExec,
    ReadOnly,
    /// Writing fails after 16 KB: not even the starter fits.
    Tiny,
}

/// The places where users may leave files; `/run/user` stands for each user's directory there.
pub(crate) const PLACES: [&str; 5] = ["/home", "/run/user", "/dev/shm", "/var/tmp", "/tmp"];

impl MachineOptions {
    /// Gives all users this login shell, rather than the system's `sh`.
    pub(crate) fn shell(mut self, shell: Shell) -> Self {
        self.shell = Some(shell);
        self
    }

    /// Makes the start files of the users' shells print 100 KB.
    pub(crate) fn noisy(mut self) -> Self {
        self.is_noisy = true;
        self
    }

    /// Makes the root read-only. The places where users may leave files keep their own access.
    pub(crate) fn read_only(mut self) -> Self {
        self.is_read_only = true;
        self
    }

    /// Gives it a network of its own, with only a loopback interface.
    pub(crate) fn isolated(mut self) -> Self {
        self.is_isolated = true;
        self
    }

    /// Sets its language to Chinese.
    pub(crate) fn chinese(mut self) -> Self {
        self.speaks_chinese = true;
        self
    }

    /// Adds a line to sudoers.
    pub(crate) fn sudoers(mut self, line: &str) -> Self {
        self.sudoers += line;
        self.sudoers.push('\n');
        self
    }

    /// Adds or replaces a file in `/etc`.
    pub(crate) fn file(mut self, path: &str, text: &str) -> Self {
        self.files.push((path.to_owned(), text.to_owned()));
        self
    }

    /// Sets the access that users have to one of the [`PLACES`].
    pub(crate) fn place(mut self, path: &str, access: Access) -> Self {
        assert!(PLACES.contains(&path), "{path} is not among {PLACES:?}");
        self.places.push((path.to_owned(), access));
        self
    }

    /// Sets the access that users have to all of the [`PLACES`].
    pub(crate) fn places(self, access: Access) -> Self {
        PLACES
            .iter()
            .fold(self, |options, place| options.place(place, access))
    }

    /// Shares a directory: it is the same inside as outside.
    pub(crate) fn shared(mut self, path: impl Into<PathBuf>) -> Self {
        self.shared.push(path.into());
        self
    }

    /// Starts the machine. Returns `None`, and skips the test, where machines cannot be made.
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
        unshare
            .arg("--mount")
            .args(self.is_isolated.then_some("--net"))
            .arg("--");
        let (mounts, places) = self.mounts(locales.as_deref());
        let holder = match Holder::start(unshare, &mounts, END) {
            Ok(holder) => holder,
            Err(error) => {
                skip(&format!("machines cannot be made here: {error}"));
                return None;
            }
        };
        let machine = Machine {
            holder,
            environment,
            is_isolated: self.is_isolated,
            places,
        };
        self.furnish(&machine);
        Some(machine)
    }

    fn access(&self, place: &str) -> Access {
        self.places
            .iter()
            .rfind(|(path, _)| path == place)
            .map_or(Access::Any, |(_, access)| *access)
    }

    /// Returns a script that mounts the private directories and the places, and the places' paths.
    fn mounts(&self, locales: Option<&Path>) -> (String, Vec<PathBuf>) {
        let mut script = String::from(
            "mount -t tmpfs machine /mnt
mkdir /mnt/etc /mnt/work
mount -t overlay -o lowerdir=/etc,upperdir=/mnt/etc,workdir=/mnt/work etc /etc
mkdir /mnt/shared
",
        );
        // Later mounts may hide the sources of these.
        if let Some(locales) = locales {
            script += &format!("mount --bind '{}' /usr/lib/locale\n", locales.display());
        }
        for (number, path) in self.shared.iter().enumerate() {
            script += &format!(
                "mkdir /mnt/shared/{number}; mount --bind '{}' /mnt/shared/{number}\n",
                path.display()
            );
        }
        script += "mount -t tmpfs -o mode=755 run /run\n";
        let mut places = Vec::new();
        for place in PLACES {
            let size = if self.access(place) == Access::Tiny {
                ",size=16k"
            } else {
                ""
            };
            if place == "/run/user" {
                for user in &USERS {
                    let path = format!("{place}/{}", user.id);
                    let options = format!("mode=700,uid={0},gid={0}{size}", user.id);
                    script +=
                        &format!("mkdir -p {path}; mount -t tmpfs -o {options} user {path}\n");
                    places.push(path.into());
                }
            } else {
                let mode = if place == "/home" { "755" } else { "1777" };
                // The home gets its limit later, after a noisy profile has been written.
                let size = if place == "/home" { "" } else { size };
                script += &format!("mount -t tmpfs -o mode={mode}{size} place {place}\n");
                places.push(place.into());
            }
        }
        for (number, path) in self.shared.iter().enumerate() {
            script += &format!(
                "mkdir -p '{0}'; mount --bind /mnt/shared/{number} '{0}'\n",
                path.display()
            );
        }
        if self.is_isolated {
            script += "ip link set lo up\n";
        }
        (script, places)
    }

    /// Writes the files of the machine, and then takes away the access that users must not have.
    fn furnish(&self, machine: &Machine) {
        let shell = match self.shell {
            None => "/bin/sh".to_owned(),
            Some(Shell::Busybox) => {
                // busybox is a shell only by the name `sh`.
                let path = "/etc/busybox/sh";
                fs::create_dir(machine.path("/etc/busybox")).expect("it is new");
                let busybox = find("busybox").expect("the test needs it");
                symlink(busybox, machine.path(path)).expect("it is new");
                path.to_owned()
            }
            Some(shell) => find(shell.program())
                .expect("the test needs it")
                .display()
                .to_string(),
        };
        write_accounts(&machine.path("/"), &shell, self.is_noisy, &self.sudoers);
        for (path, text) in &self.files {
            write(&machine.path(path), text, 0o644);
        }
        let mut script = String::from("set -e\n");
        for place in &machine.places {
            let place = place.display().to_string();
            let kind = if place.starts_with("/run/user") {
                "/run/user"
            } else {
                &place
            };
            match self.access(kind) {
                Access::Any => {}
                Access::NoExec => script += &format!("mount -o remount,bind,noexec {place}\n"),
                Access::ReadOnly => script += &format!("mount -o remount,bind,ro {place}\n"),
                Access::Tiny if kind == "/home" => script += "mount -o remount,size=16k /home\n",
                Access::Tiny => {}
            }
        }
        if self.is_read_only {
            script += "mount -o remount,bind,ro /etc\nmount -o remount,bind,ro /\n";
        }
        let enter = machine.enter_as_root();
        let output = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["sh", "-c", &script])
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
