//! Containers: private engines that run them, from the system's own packages, and namespaces
//! without an engine.

use std::{
    env,
    ffi::OsString,
    fs,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Pid,
    keys::write,
    process::{SOON, wait_until, write_script},
    room::{PRIVATE, Room},
    skip::find,
};

/// An image with a shell and the usual tools.
pub(crate) const WITH_SHELL: &str = "busybox:test";
/// An image with one file, a program that sleeps: busybox, which is a shell only under other names.
pub(crate) const WITHOUT_SHELL: &str = "scratch:test";

/// A container engine. Tests of a process that run at the same time share it; dropping the last
/// handle ends it.
pub(crate) struct Engine {
    room: Room,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Docker,
    Podman,
    Lxc,
}

/// A running container. Dropping it removes it.
pub(crate) struct Container {
    engine: Arc<Engine>,
    name: String,
}

const FLAGS: &str = "--mount --net --pid --fork --mount-proc";

/// What engines need beside control groups of their own.
const ENGINE: &str = "mount -t tmpfs -o mode=755 run /run
ip link set lo up
mount -t tmpfs data @directory@/data
";
const DOCKER: &str = "dockerd -H unix://@directory@/docker.sock --data-root @directory@/data/docker \
    --exec-root /run/docker -p /run/docker.pid --iptables=false --bridge=none --storage-driver=vfs &
until docker -H unix://@directory@/docker.sock version >/dev/null 2>&1; do kill -0 $!; sleep .02; done
";
const PODMAN: &str = "mkdir -p /var/lib/containers
mount -t tmpfs containers /var/lib/containers
";
const READY: &str = "touch @directory@/ready
sleep 1000000 & wait";

/// The machine's control groups are of version 1, and its limits are low.
const PODMAN_CONFIG: &str = r#"[containers]
default_ulimits=["nofile=1024:4096", "nproc=1024:4096"]
[engine]
cgroup_manager="cgroupfs"
events_logger="none"
runtime="runc"
"#;

impl Engine {
    /// A docker daemon. Returns `None`, and skips the test, without docker's packages; the same
    /// holds for the other engines.
    pub(crate) fn docker() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
        Self::shared(&SHARED, Self::own_docker)
    }

    /// A docker daemon that no other test uses.
    pub(crate) fn own_docker() -> Option<Self> {
        let room = Room::start(
            &["dockerd", "docker", "runc"],
            FLAGS,
            &format!("{PRIVATE}{ENGINE}{DOCKER}{READY}"),
        )?;
        let docker = find("docker").expect("it was looked for");
        let socket = room.path("docker.sock");
        // Its client is an ordinary one: it needs only the socket.
        let script = format!(
            "#!/bin/sh\nexec {} -H unix://{} \"$@\"\n",
            docker.display(),
            socket.display()
        );
        write_script(&room.path("bin/docker"), &script);
        Some(
            Self {
                room,
                kind: Kind::Docker,
            }
            .with_images(),
        )
    }

    /// Podman.
    pub(crate) fn podman() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
        Self::shared(&SHARED, Self::own_podman)
    }

    /// Podman that no other test uses.
    pub(crate) fn own_podman() -> Option<Self> {
        let room = Room::start(
            &["podman", "runc"],
            FLAGS,
            &format!("{PRIVATE}{ENGINE}{PODMAN}{READY}"),
        )?;
        let (config, data) = (room.path("containers.conf"), room.path("data"));
        write(&config, PODMAN_CONFIG, 0o644);
        let (config, data) = (config.display(), data.display());
        let start = format!(
            "env CONTAINERS_CONF={config} podman --root {data}/root --runroot {data}/run --tmpdir {data}/tmp \
             --storage-driver vfs --network-config-dir {data}/networks"
        );
        room.tool("podman", &start);
        Some(
            Self {
                room,
                kind: Kind::Podman,
            }
            .with_images(),
        )
    }

    /// LXC. Its containers are all like [`WITH_SHELL`].
    pub(crate) fn lxc() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
        Self::shared(&SHARED, || {
            let room = Room::start(
                &["lxc-start", "lxc-attach"],
                FLAGS,
                &format!("{PRIVATE}{ENGINE}{READY}"),
            )?;
            fs::create_dir(room.path("lxc")).expect("it is new");
            for tool in ["lxc-start", "lxc-stop", "lxc-attach", "lxc-ls", "lxc-info"] {
                room.tool(tool, &format!("{tool} -P {}", room.path("lxc").display()));
            }
            Some(Self {
                room,
                kind: Kind::Lxc,
            })
        })
    }

    fn shared(
        place: &Mutex<Weak<Self>>,
        start: impl FnOnce() -> Option<Self>,
    ) -> Option<Arc<Self>> {
        let mut shared = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = shared.upgrade() {
            return Some(engine);
        }
        let engine = Arc::new(start()?);
        *shared = Arc::downgrade(&engine);
        Some(engine)
    }

    fn with_images(self) -> Self {
        let root = self.room.path("root");
        let scratch = self.room.path("scratch");
        fs::create_dir(&scratch).expect("it is new");
        fs::copy(root.join("bin/busybox"), scratch.join("sleep")).expect("there is space");
        for (directory, command, image) in [
            (root, "/bin/sleep", WITH_SHELL),
            (scratch, "/sleep", WITHOUT_SHELL),
        ] {
            let archive = self.room.path("image.tar");
            let tar = Command::new("tar")
                .arg("-C")
                .arg(directory)
                .arg("-cf")
                .arg(&archive)
                .arg(".")
                .status();
            assert!(tar.expect("it is everywhere").success());
            let change = format!("CMD [\"{command}\", \"1000000\"]");
            let archive = archive.to_str().expect("it is plain");
            self.run(&["import", "--change", &change, archive, image]);
        }
        self
    }

    /// The environment that leads clients to this engine: its tools come first in `PATH`.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths(
            [self.room.path("bin")]
                .into_iter()
                .chain(env::split_paths(&path)),
        );
        let mut environment = vec![("PATH", path.expect("they were joined before"))];
        if self.kind == Kind::Docker {
            environment.push((
                "DOCKER_HOST",
                format!("unix://{}", self.room.path("docker.sock").display()).into(),
            ));
        }
        environment
    }

    /// A command for one of its tools, given by name.
    pub(crate) fn tool(&self, name: &str) -> Command {
        Command::new(self.room.path("bin").join(name))
    }

    /// Its directory; machines that share it can use its tools and its socket.
    pub(crate) fn directory(&self) -> std::path::PathBuf {
        self.room.path("")
    }

    /// Runs a container of one of the images, with further arguments for `run`.
    pub(crate) fn container(self: &Arc<Self>, image: &str, arguments: &[&str]) -> Container {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("container{}", COUNT.fetch_add(1, Ordering::Relaxed));
        if self.kind == Kind::Lxc {
            assert!(
                image == WITH_SHELL && arguments.is_empty(),
                "there are no others"
            );
            self.start_lxc(&name);
        } else {
            let run = ["run", "-d", "--name", &name, "--network", "none"];
            let run = [&run, arguments, &[image]].concat();
            if arguments.contains(&"--pids-limit") {
                self.start_small(&name, &run);
            } else {
                self.run(&run);
            }
        }
        Container {
            engine: self.clone(),
            name,
        }
    }

    /// Runs a container whose limit on processes is tiny. runc starts it from within that limit, and
    /// sometimes has a thread too many.
    fn start_small(&self, name: &str, run: &[&str]) {
        const TRIES: usize = 10;
        for _ in 1..TRIES {
            let started = self.engine_tool().args(run).output();
            if started.is_ok_and(|output| output.status.success()) {
                return;
            }
            let _ = self.engine_tool().args(["rm", "-f", name]).output();
        }
        self.run(run);
    }

    fn start_lxc(&self, name: &str) {
        let directory = self.room.path("lxc").join(name);
        fs::create_dir(&directory).expect("it is new");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(self.room.path("root"))
            .arg(directory.join("rootfs"))
            .status();
        assert!(copied.expect("it is everywhere").success());
        let root = directory.join("rootfs");
        let config = format!(
            "lxc.uts.name = {name}
lxc.rootfs.path = dir:{}
lxc.net.0.type = empty
lxc.mount.auto = proc:mixed
lxc.init.cmd = /bin/sleep 1000000
",
            root.display()
        );
        write(&directory.join("config"), config, 0o644);
        run(self.tool("lxc-start").args(["-n", name]));
    }

    /// The names of all its containers, including those that ended.
    pub(crate) fn containers(&self) -> Vec<String> {
        let names = match self.kind {
            Kind::Lxc => run(self.tool("lxc-ls").arg("-1")),
            _ => self.run(&["ps", "-a", "--format", "{{.Names}}"]),
        };
        names
            .lines()
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty())
            .collect()
    }

    fn run(&self, arguments: &[&str]) -> String {
        run(self.engine_tool().args(arguments))
    }

    fn engine_tool(&self) -> Command {
        self.tool(if self.kind == Kind::Docker {
            "docker"
        } else {
            "podman"
        })
    }
}

impl Container {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let engine = &self.engine;
        // A container that cannot be removed ends with the engine.
        let _ = match engine.kind {
            Kind::Docker => engine
                .tool("docker")
                .args(["rm", "-f", &self.name])
                .output(),
            Kind::Podman => engine
                .tool("podman")
                .args(["rm", "-f", "-t", "0", &self.name])
                .output(),
            Kind::Lxc => {
                let stopped = engine
                    .tool("lxc-stop")
                    .args(["-k", "-n", &self.name])
                    .output();
                let _ = fs::remove_dir_all(engine.room.path("lxc").join(&self.name));
                stopped
            }
        };
    }
}

/// A process in namespaces of its own, with the files of [`WITH_SHELL`]. Dropping it ends it.
pub(crate) struct Namespaces {
    room: Room,
}

impl Namespaces {
    /// Starts the process, or skips the test.
    pub(crate) fn start() -> Option<Self> {
        let inside = "mount --rbind @directory@/root @directory@/root
mount -t proc proc @directory@/root/proc
mount --bind /dev @directory@/root/dev
hostname namespaces
touch @directory@/ready
cd @directory@/root
pivot_root . tmp
umount -l /tmp
exec /bin/sleep 1000000";
        let flags = "--mount --uts --ipc --net --pid --fork";
        let room = Room::start(&["unshare", "nsenter"], flags, inside)?;
        // It is ready before it has changed its root, and is busybox afterwards.
        let program = format!("/proc/{}/exe", room.init);
        wait_until(SOON, "the process runs in its own root", || {
            fs::read_link(&program).is_ok_and(|program| program.ends_with("busybox"))
        });
        Some(Self { room })
    }

    /// The process in the namespaces.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.room.init).expect("it is not zero")
    }
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
