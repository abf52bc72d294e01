//! A private sshd, the system's own, on this machine: real hosts for tests. Each test starts one for itself.

use std::{
    collections::BTreeSet,
    env, fs,
    net::TcpListener,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use rustix::process::{Signal, geteuid, kill_process};
use tempfile::TempDir;

use super::{
    process::{Pid, descendants, kill, wait_until},
    skip,
};

/// A running sshd, and the configuration of a client that knows these hosts:
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
    /// Holds everything else. Its name does not contain `wxec`, which is what tests look for.
    directory: TempDir,
}

/// What every session runs: its command, in the private home rather than in the real one.
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
    /// Starts it. Without an sshd on this machine there is none, and the test is skipped.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find("sshd") else {
            skip("there is no sshd here; install openssh-server");
            return None;
        };
        // Another process may take a port between the moment it was seen to be free and its use here.
        let started = (0..5).find_map(|_| Self::start_on(&program, free_port(), free_port()));
        Some(started.expect("sshd starts"))
    }

    fn start_on(program: &Path, port: u16, noisy_port: u16) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("sshd-").tempdir().expect("a temporary directory");
        let path = directory.path();
        for name in ["home", "scratch"] {
            fs::DirBuilder::new().mode(0o700).create(path.join(name)).expect("it is new");
        }
        let keys = keys();
        write(path, "host_key", &keys.host.private);
        write(path, "client_key", &keys.client.private);
        write(path, "stranger_key", &keys.stranger.private);
        write(path, "authorized_keys", &keys.client.public);
        write(path, "known_hosts", &format!("tests {}", keys.host.public));
        write(path, "no_hosts", "");
        write(path, "session.sh", SESSION);
        write(path, "sshd_config", &server_config(path, port, noisy_port));
        write(path, "ssh_config", &client_config(path, port, noisy_port));

        // An sshd started by root wants a directory that the system's own would have made.
        if geteuid().is_root() {
            fs::create_dir_all("/run/sshd").expect("root may");
        }
        let process = Command::new(program)
            .arg("-D")
            .arg("-f")
            .arg(path.join("sshd_config"))
            .arg("-E")
            .arg(path.join("log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd is a program");
        let mut sshd = Self { process, directory };
        let (mut listens, mut is_late) = (false, false);
        wait_until(Duration::from_secs(10), "sshd listens", || {
            let log = sshd.log();
            listens = log.matches("Server listening on ").count() == 2;
            is_late = log.contains("Address already in use");
            let ended = sshd.process.try_wait().expect("it is our child");
            assert!(listens || is_late || ended.is_none(), "sshd ended at once: {log}");
            listens || is_late
        });
        listens.then_some(sshd)
    }

    /// The configuration file for clients.
    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("ssh_config")
    }

    /// What tells wxec of these hosts, and gives it a directory for temporary files that is not one of theirs.
    pub(crate) fn client_environment(&self) -> [(&'static str, PathBuf); 3] {
        [("WXEC_SSH_CONFIG", self.config()), ("XDG_RUNTIME_DIR", self.scratch()), ("TMPDIR", self.scratch())]
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// The home of those who log in.
    pub(crate) fn home(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// Where clients may put temporary files. It is no part of the host.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.directory.path().join("scratch")
    }

    /// What sshd has to say.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// The system's ssh, about to run `command` on `host`.
    pub(crate) fn ssh(&self, host: &str, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.arg("-F").arg(self.config()).args([host, command]).stdin(Stdio::null());
        ssh
    }

    /// The files somebody left on the host: all in the home, and those that name wxec in directories everybody may
    /// write to. The latter are shared with other tests and sessions: to show that nothing is left, wait until these
    /// are a subset of those before.
    pub(crate) fn host_files(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        list(&self.home(), &mut files, |_| true);
        let user = format!("/run/user/{}", geteuid().as_raw());
        let shared = ["/tmp", "/var/tmp", "/dev/shm", &user].map(PathBuf::from);
        for directory in shared.into_iter().chain(env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)) {
            list(&directory, &mut files, |name| name.contains("wxec"));
        }
        files
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let listener = self.pid();
        // While it is stopped nobody new logs in; the sessions are its descendants until it is gone.
        let _ = kill_process(listener, Signal::STOP);
        descendants(listener).into_iter().for_each(kill);
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn server_config(path: &Path, port: u16, noisy_port: u16) -> String {
    // All paths are absolute: sshd starts itself anew for each connection, in `/`.
    let path = path.display();
    let home = format!("HOME={path}/home");
    format!(
        "ListenAddress 127.0.0.1:{port}
ListenAddress 127.0.0.1:{noisy_port}
HostKey {path}/host_key
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
ForceCommand exec sh {path}/session.sh
SetEnv {home}
Match LocalPort {noisy_port}
    SetEnv {home} NOISE=1
"
    )
}

fn client_config(path: &Path, port: u16, noisy_port: u16) -> String {
    let path = path.display();
    // Privileged, and of a service nobody runs.
    let dead_port = 1;
    format!(
        "Host host unknownkey nokey
    Port {port}
Host noisy
    Port {noisy_port}
Host refused
    Port {dead_port}
Host unknownkey
    UserKnownHostsFile {path}/no_hosts
Host nokey
    IdentityFile {path}/stranger_key
Host * !nokey
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

struct Keys {
    host: KeyPair,
    client: KeyPair,
    stranger: KeyPair,
}

struct KeyPair {
    private: String,
    public: String,
}

/// Making keys takes longer than starting sshd, so all tests of a process have the same ones.
fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let make = |name| {
            let path = directory.path().join(name);
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"];
            let status = Command::new("ssh-keygen").args(arguments).arg(&path).status().expect("it comes with sshd");
            assert!(status.success(), "ssh-keygen: {status}");
            let read = |path| fs::read_to_string(path).expect("it was made");
            KeyPair { public: read(path.with_extension("pub")), private: read(path) }
        };
        Keys { host: make("host"), client: make("client"), stranger: make("stranger") }
    })
}

/// Daemons are often outside of a user's PATH. sshd insists on being started by its whole path.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    directories.map(|directory| directory.join(program)).find(|path| path.is_file())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it has one").port()
}

/// A file for its owner alone, as ssh wants keys to be.
fn write(directory: &Path, name: &str, text: &str) {
    use std::io::Write;

    let file = fs::File::options().create_new(true).write(true).mode(0o600).open(directory.join(name));
    file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the directory is ours");
}

/// Adds what `directory` contains whose name `is_it`, with all that is below.
fn list(directory: &Path, files: &mut BTreeSet<PathBuf>, is_it: fn(&str) -> bool) {
    // Directories may be missing, closed to us, or gone by now.
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if is_it(&entry.file_name().to_string_lossy()) {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                list(&entry.path(), files, |_| true);
            }
            files.insert(entry.path());
        }
    }
}
