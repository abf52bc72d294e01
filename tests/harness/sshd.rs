//! The system's sshd, started privately: real hosts for tests. Each test starts one for itself.

use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Signal, geteuid, kill_process};
use tempfile::TempDir;

use super::{
    keys::{keys, write, write_private},
    process::{Pid, SOON, descendants, kill, wait_until},
    skip::{find, skip},
};

/// A running sshd, and the configuration of a client that knows its hosts. The sshd of a
/// [`Machine`](super::Machine) has a host for each of its accounts; this machine's own has these:
///
/// | host | is |
/// |---|---|
/// | `host` | this machine, as the user who runs the tests, in an empty home of its own |
/// | `noisy` | the same, but its login prints a banner to stdout |
/// | `refused` | a port where nothing listens |
/// | `unknownkey` | `host`, whose key the client has never seen |
/// | `nokey` | `host`, which does not accept the client's key |
pub(crate) struct Sshd {
    process: Child,
    /// The client's files. Their directory has no `wxec` in its name, because tests search for that
    /// word.
    directory: TempDir,
    place: Place,
}

/// A place where an sshd runs.
pub(super) struct Place {
    /// The words that each command there starts with.
    pub(super) enter: Vec<String>,
    /// Its root, as seen from here.
    pub(super) root: PathBuf,
    /// An empty directory for the files of sshd, as seen from inside.
    pub(super) files: PathBuf,
    /// The home of the users who log in, as seen from here.
    pub(super) home: PathBuf,
}

impl Place {
    /// Translates a path inside the place to one that is valid here.
    fn seen(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }
}

/// The script that every session runs: it enters the private home rather than the real one, and
/// runs the session's command.
const SESSION: &str = r#"
cd "$HOME" || exit
if [ -n "$NOISE" ]; then
    echo "*** Welcome to this noisy host ***"
    echo "it has been up for 1234 days" >&2
    printf 'WXEC1: no newline at the end'
fi
exec "$SHELL" ${SSH_ORIGINAL_COMMAND:+-c "$SSH_ORIGINAL_COMMAND"}
"#;

impl Sshd {
    /// Starts an sshd on this machine. Returns `None`, and skips the test, if sshd is not
    /// installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_where(|directory| {
            let (port, noisy_port, path) = (free_port(), free_port(), directory.path());
            let home = path.join("home");
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&home)
                .expect("it is new");
            write_private(path, "session.sh", SESSION);
            let place = Place {
                enter: Vec::new(),
                root: "/".into(),
                files: path.into(),
                home,
            };
            let listen = [port, noisy_port]
                .map(|port| format!("127.0.0.1:{port}"))
                .to_vec();
            (
                place,
                listen,
                sessions(path, noisy_port),
                hosts(path, port, noisy_port),
            )
        })
    }

    /// Starts an sshd in the place that `describe` returns. The other parts of its result are the
    /// addresses to listen on, and lines for the configurations of the server and of its clients.
    pub(super) fn start_where(
        describe: impl Fn(&TempDir) -> (Place, Vec<String>, String, String),
    ) -> Option<Self> {
        let Some(program) = find("sshd") else {
            skip("there is no sshd here; install openssh-server");
            return None;
        };
        // Another process may take a port between the check that it is free and its use here.
        let started = (0..5).find_map(|_| {
            let directory = tempfile::Builder::new()
                .prefix("sshd-")
                .tempdir()
                .expect("a temporary directory");
            let (place, listen, server, client) = describe(&directory);
            Self::start_in(&program, directory, place, &listen, &server, &client)
        });
        Some(started.expect("sshd starts"))
    }

    fn start_in(
        program: &Path,
        directory: TempDir,
        place: Place,
        listen: &[String],
        server: &str,
        client: &str,
    ) -> Option<Self> {
        let (path, files) = (directory.path(), place.seen(&place.files));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(path.join("scratch"))
            .expect("it is new");
        let keys = keys();
        write_private(path, "client_key", &keys.client.private);
        write_private(path, "stranger_key", &keys.stranger.private);
        write_private(path, "known_hosts", &format!("tests {}", keys.host.public));
        write_private(path, "no_hosts", "");
        write_private(path, "ssh_config", &client_config(path, client));
        write_private(&files, "host_key", &keys.host.private);
        // sshd reads this file as the user who logs in.
        write(&files.join("authorized_keys"), &keys.client.public, 0o644);
        write_private(
            &files,
            "sshd_config",
            &server_config(&place.files, listen, server),
        );

        // An sshd started by root needs a directory that the system's own sshd service would have
        // made.
        if geteuid().is_root() {
            fs::create_dir_all(place.seen(Path::new("/run/sshd"))).expect("root may");
        }
        let mut command = place.enter.clone();
        command.extend([
            program.to_str().expect("its path is plain").to_owned(),
            "-D".into(),
            "-f".into(),
        ]);
        let process = Command::new(&command[0])
            .args(&command[1..])
            .arg(place.files.join("sshd_config"))
            .arg("-E")
            .arg(place.files.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd is a program");
        let mut sshd = Self {
            process,
            directory,
            place,
        };
        let (mut listens, mut is_late) = (false, false);
        wait_until(SOON, "sshd listens", || {
            let log = sshd.log();
            listens = log.matches("Server listening on ").count() == listen.len();
            is_late = log.contains("Address already in use");
            let ended = sshd.process.try_wait().expect("it is our child");
            assert!(
                listens || is_late || ended.is_none(),
                "sshd ended at once: {log}"
            );
            listens || is_late
        });
        listens.then_some(sshd)
    }

    /// The configuration file for clients.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("ssh_config")
    }

    /// The variables that lead wxec to these hosts, and its temporary files to a directory outside
    /// of them.
    pub(crate) fn client_environment(&self) -> [(&'static str, PathBuf); 3] {
        [
            ("WXEC_SSH_CONFIG", self.config()),
            ("XDG_RUNTIME_DIR", self.scratch()),
            ("TMPDIR", self.scratch()),
        ]
    }

    /// The process of this sshd.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// The home of the users who log in.
    pub(crate) fn home(&self) -> PathBuf {
        self.place.home.clone()
    }

    /// The directory for the temporary files of clients. It is not part of the host.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    /// The log of sshd.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.place.seen(&self.place.files.join("log"))).unwrap_or_default()
    }

    /// A command that runs `command` on `host` by the system's ssh.
    pub(crate) fn ssh(&self, host: &str, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F")
            .arg(self.config())
            .args([host, command])
            .stdin(Stdio::null());
        ssh
    }

    /// Lists the files left on the host: all in the home, and those that name wxec in directories
    /// that every user may write to. Other tests and sessions share the latter: to show that
    /// nothing is left, wait until this set is a subset of an earlier one.
    pub(crate) fn host_files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        list(&self.home(), &mut files, |_| true);
        let user = format!("/run/user/{}", geteuid().as_raw());
        let shared = ["/tmp", "/var/tmp", "/dev/shm", &user].map(PathBuf::from);
        for directory in shared
            .into_iter()
            .chain(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from))
        {
            list(&self.place.seen(&directory), &mut files, |name| {
                name.contains("wxec")
            });
        }
        files
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let listener = self.pid();
        // A stopped listener accepts no new logins; the sessions are its descendants until it is
        // gone.
        let _ = kill_process(listener, Signal::STOP);
        descendants(listener).into_iter().for_each(kill);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server_config(path: &Path, listen: &[String], more: &str) -> String {
    let listen: String = listen
        .iter()
        .map(|address| format!("ListenAddress {address}\n"))
        .collect();
    // All paths are absolute: sshd executes itself anew for each connection, in `/`.
    let path = path.display();
    format!(
        "{listen}HostKey {path}/host_key
PidFile none
AuthorizedKeysFile {path}/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
MaxStartups 1000
MaxSessions 1000
{more}"
    )
}

/// The configuration for sessions of this machine's own sshd.
fn sessions(path: &Path, noisy_port: u16) -> String {
    let path = path.display();
    let home = format!("HOME={path}/home");
    format!(
        "ForceCommand exec sh {path}/session.sh
SetEnv {home}
Match LocalPort {noisy_port}
    SetEnv {home} NOISE=1
"
    )
}

/// The hosts of this machine's own sshd.
fn hosts(path: &Path, port: u16, noisy_port: u16) -> String {
    let path = path.display();
    // A privileged port, of a service that machines no longer run.
    let dead_port = 1;
    format!(
        "Host host unknownkey nokey many*
    Port {port}
Host noisy
    Port {noisy_port}
Host refused
    Port {dead_port}
Host unknownkey
    UserKnownHostsFile {path}/no_hosts
Host nokey
    IdentityFile {path}/stranger_key
"
    )
}

/// The configuration of clients whose keys are in `path`.
pub(super) fn client_config(path: &Path, hosts: &str) -> String {
    let path = path.display();
    format!(
        "{hosts}Host * !nokey
    IdentityFile {path}/client_key
Host *
    HostName 127.0.0.1
    IdentitiesOnly yes
    IdentityAgent none
    HostKeyAlias tests
    UserKnownHostsFile {path}/known_hosts
    GlobalKnownHostsFile none
    StrictHostKeyChecking yes
    BatchMode yes
    # The default takes 100 ms more.
    KexAlgorithms curve25519-sha256
"
    )
}

pub(super) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has one").port()
}

/// Adds the entries of `directory` whose names satisfy `is_it`, and all that is below them.
pub(super) fn list(directory: &Path, files: &mut BTreeSet<PathBuf>, is_it: fn(&str) -> bool) {
    // Directories may be missing, unreadable to us, or removed by now.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if is_it(&entry.file_name().to_string_lossy()) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                list(&entry.path(), files, |_| true);
            }
            files.insert(entry.path());
        }
    }
}
