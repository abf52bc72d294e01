//! `ssh:`: a command on a host through the system's OpenSSH client, so that the user's configuration, keys, agent and
//! jump hosts all apply.
//!
//! The master connection is started here rather than by the `openssh` crate, because that crate always sets a host-key
//! policy of its own; the user's has to win. The session in it is the crate's, in its native-mux form.

use std::{ffi::OsString, path::PathBuf, process::Stdio, sync::Arc};

use openssh::{Session, Stdio as SshStdio};
use tokio::process::Command;

use super::{StderrTail, Transport, printable};
use crate::{
    address::SshAddress,
    error::{Phase, Unreachable, with_sources},
};

/// Names a configuration file to use in place of `~/.ssh/config`.
pub const CONFIG_VARIABLE: &str = "WXEC_SSH_CONFIG";

/// The master ends by itself when nothing has used it for this long: also when this program was killed.
const MASTER_IDLE_SECONDS: u8 = 5;
/// Silence on a dead link is noticed after three of these.
const KEEPALIVE_SECONDS: u8 = 15;

/// What connects to `address`: the arguments of the master connection, but for its socket.
pub(crate) fn master_arguments(address: &SshAddress) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-M", "-N", "-f", "-x", "-T"].map(Into::into).into();
    if let Some(config) = std::env::var_os(CONFIG_VARIABLE) {
        arguments.extend(["-F".into(), config]);
    }
    for option in [
        format!("ControlPersist={MASTER_IDLE_SECONDS}"),
        format!("ServerAliveInterval={KEEPALIVE_SECONDS}"),
        "BatchMode=yes".into(),
        "ClearAllForwardings=yes".into(),
        "PermitLocalCommand=no".into(),
        "RemoteCommand=none".into(),
    ] {
        arguments.extend(["-o".into(), option.into()]);
    }
    if let Some(port) = address.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(user) = &address.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    arguments.extend(["--".into(), address.host.clone().into()]);
    arguments
}

/// Runs `command`, a line for the login shell, on the host.
pub(crate) async fn connect(address: &SshAddress, command: &str) -> Result<Transport, Unreachable> {
    let session = Arc::new(start_master(address).await?);
    let failure = |error: openssh::Error| Unreachable::new(Phase::Shell, with_sources(&error));
    let mut child = session
        .arc_raw_command(command)
        .stdin(SshStdio::piped())
        .stdout(SshStdio::piped())
        .stderr(SshStdio::piped())
        .spawn()
        .await
        .map_err(failure)?;
    let missing = || Unreachable::new(Phase::Shell, "a pipe of the ssh session is missing");
    Ok(Transport {
        reader: Box::new(child.stdout().take().ok_or_else(missing)?),
        writer: Box::new(child.stdin().take().ok_or_else(missing)?),
        stderr: StderrTail::collect(child.stderr().take().ok_or_else(missing)?),
        process: Box::new(child),
    })
}

async fn start_master(address: &SshAddress) -> Result<Session, Unreachable> {
    let local =
        |error: std::io::Error| Unreachable::new(Phase::Local, format!("cannot make a control socket: {error}"));
    let directory = tempfile::Builder::new().prefix("wxec-").tempdir_in(socket_parent()).map_err(local)?;
    let status = Command::new("ssh")
        .arg("-S")
        .arg(directory.path().join("master"))
        .args(master_arguments(address))
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log_file(&directory).map_err(local)?)
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| {
            Unreachable::new(Phase::Local, format!("cannot run the ssh client: {error}"))
                .hint("install OpenSSH's client, and check PATH")
        })?;
    if status.success() {
        return Ok(Session::new_native_mux(directory));
    }
    let words = std::fs::read(directory.path().join("log")).unwrap_or_default();
    Err(classify(&printable(String::from_utf8_lossy(&words).trim())))
}

/// The master goes on writing after its first process has ended, so its words go to a file: a pipe would never close.
fn log_file(directory: &tempfile::TempDir) -> std::io::Result<std::fs::File> {
    std::fs::File::create(directory.path().join("log"))
}

/// A short path: the address of a Unix socket holds about 100 bytes.
fn socket_parent() -> PathBuf {
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_dir())
        .unwrap_or_else(std::env::temp_dir)
}

/// Finds in ssh's own words which part of connecting failed, and what may help.
fn classify(words: &str) -> Unreachable {
    let (phase, hint) = [
        ("Could not resolve hostname", Phase::Resolve, "check the host's name, and ssh's configuration for an alias"),
        ("Connection refused", Phase::Connect, "check that sshd runs there, and its port"),
        ("timed out", Phase::Connect, "check that the host is up and its port is reachable"),
        ("No route to host", Phase::Connect, "check that the host is up and its network is reachable"),
        ("Network is unreachable", Phase::Connect, "check the network of this machine"),
        (
            "Host key verification failed",
            Phase::HostKey,
            "connect once with `ssh` and check the key, or mend known_hosts",
        ),
        (
            "REMOTE HOST IDENTIFICATION HAS CHANGED",
            Phase::HostKey,
            "if the host was really rebuilt, remove its old key from known_hosts",
        ),
        ("Permission denied", Phase::Authentication, "try `ssh` by hand: a key must be accepted without a question"),
        (
            "Too many authentication failures",
            Phase::Authentication,
            "set IdentityFile and IdentitiesOnly for this host",
        ),
    ]
    .into_iter()
    .find(|(pattern, ..)| words.contains(pattern))
    .map_or((Phase::Connect, "try `ssh` by hand with the same address"), |(_, phase, hint)| (phase, hint));
    Unreachable::new(phase, if words.is_empty() { "ssh failed without a word" } else { words }).hint(hint)
}
