//! `ssh:`: a command on a host through the system's OpenSSH client, so that the user's
//! configuration, keys, agent and jump hosts all apply.
//!
//! One client process is connection and session at once: its stdin and stdout are the pipe. A master
//! connection of the user's own is used where there is one.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;
use wxec_protocol::StreamEnd;

use super::{
    Complaint, Shell, Way, classify,
    runner::{Ground, NOT_FOUND, start_here},
};
use crate::{
    address::SshAddress,
    error::{Phase, Unreachable},
    options::{Options, secret_variables},
    session::transport::Transport,
};

/// Names a configuration file to use in place of `~/.ssh/config`.
pub const CONFIG_VARIABLE: &str = "WXEC_SSH_CONFIG";

/// Interval of keepalives; ssh gives up a dead link after three without an answer.
const KEEPALIVE_SECONDS: u8 = 15;

/// The exit code of ssh for its own failures, as opposed to those of the command.
const FAILED: i32 = 255;

/// Returns the way in from this machine. Its complaints are those of the host's shell:
/// [`explain_failure`] knows those of the client.
pub(crate) fn way_from_here(address: &SshAddress, shell: &Shell, options: &Options) -> Way {
    let mut argv = vec![options.tool_path("ssh")];
    argv.extend(arguments(address, options));
    argv.push(shell.line.clone());
    Way::new(argv)
}

/// Returns the way in from another host: its ssh client as one process, with that host's
/// configuration. No user is there to answer questions.
pub(crate) fn way(address: &SshAddress, shell: &Shell, options: &Options) -> Way {
    let mut argv = vec![options.tool_path("ssh")];
    // Clients before 7.6 do not know `RemoteCommand`. On this machine the option would take the place
    // of the user's own `IgnoreUnknown`.
    argv.extend(["-o", "IgnoreUnknown=RemoteCommand"].map(Into::into));
    argv.extend(common_arguments(address, false));
    argv.push(shell.line.clone());
    Way::new(argv).complaints(COMPLAINTS)
}

/// Returns the arguments of the client on this machine, up to the command.
fn arguments(address: &SshAddress, options: &Options) -> Vec<String> {
    let mut arguments = Vec::new();
    let config = options
        .ssh_config
        .clone()
        .map(Into::into)
        .or_else(|| std::env::var_os(CONFIG_VARIABLE));
    if let Some(config) = config {
        arguments.extend(["-F".into(), config.to_string_lossy().into_owned()]);
    }
    arguments.extend(
        options
            .ssh_options
            .iter()
            .flat_map(|option| ["-o".into(), option.clone()]),
    );
    arguments.extend(common_arguments(address, asks(options)));
    arguments
}

/// Returns true if an askpass program or a user at the terminal can answer ssh's questions.
fn asks(options: &Options) -> bool {
    options.ask_on_terminal || std::env::var_os("SSH_ASKPASS").is_some()
}

fn common_arguments(address: &SshAddress, asks: bool) -> Vec<String> {
    let mut arguments: Vec<String> = ["-x", "-T"].map(Into::into).into();
    for option in [
        // A master that the user has serves this session, too; a new one would outlive it.
        "ControlMaster=no".into(),
        format!("ServerAliveInterval={KEEPALIVE_SECONDS}"),
        format!("BatchMode={}", if asks { "no" } else { "yes" }),
        "ClearAllForwardings=yes".into(),
        "PermitLocalCommand=no".into(),
        "RemoteCommand=none".into(),
    ] {
        arguments.extend(["-o".into(), option]);
    }
    if let Some(port) = address.port {
        arguments.extend(["-p".into(), port.to_string()]);
    }
    if let Some(user) = &address.user {
        arguments.extend(["-l".into(), user.clone()]);
    }
    arguments.extend(["--".into(), address.host.clone()]);
    arguments
}

/// Starts the client on this machine.
pub(crate) fn start(way: &Way, options: &Options) -> Result<Transport, Unreachable> {
    let ground = if asks(options) {
        Ground::Foreground
    } else {
        Ground::Background
    };
    start_here(&way.command, ground).map_err(|error| {
        Unreachable::new(Phase::Local, format!("cannot run the ssh client: {error}"))
            .hint(INSTALL_HINT)
    })
}

const INSTALL_HINT: &str =
    "install OpenSSH's client, or say where it is: `ConnectOptions::tool`, `--tool ssh=PATH`";

/// Returns the error for a host whose shell was not heard, which `failure` says: if the client has
/// failed, its messages are the reason.
pub(crate) async fn explain_failure(
    failure: Unreachable,
    exit: Option<StreamEnd>,
    address: &SshAddress,
    options: &Options,
) -> Unreachable {
    if exit != Some(StreamEnd::Exited(FAILED)) {
        return failure;
    }
    let words = failure.stderr_tail;
    let reason = match &*words {
        "" => "ssh failed without a word",
        words => words,
    };
    let failure = Unreachable::new(Phase::Connect, reason)
        .hint("try `ssh` by hand with the same address")
        .stderr(words.clone());
    let failure = classify(failure, &[COMPLAINTS]);
    let failure = match (failure.phase, &*address.host) {
        (Phase::Resolve, "local") => failure.hint("this machine is `local:`, with a colon"),
        _ => failure,
    };
    let told = telling(&words);
    // The shell of a ProxyCommand says in words of its own that a program is missing; a
    // ProxyCommand of the user's may throw them away.
    if failure.phase == Phase::Connect
        && (words.is_empty() || CLOSED.iter().any(|closed| words.contains(closed)))
        && let Some(program) = missing_proxy(address, options).await
    {
        let reason = format!(
            "`{program}`, which ProxyCommand of {} starts, is not installed here",
            address.host
        );
        return failure
            .because(reason)
            .hint("install it, or mend ProxyCommand in ssh's configuration");
    }
    match told {
        Some(reason) => failure.because(reason),
        // The reason contains all of stderr already.
        None if failure.reason == words => failure.stderr(String::new()),
        None => failure,
    }
}

/// Bound on a question to ssh about a connection that failed, which must not delay the error for
/// long.
const ASKED_WITHIN: Duration = Duration::from_secs(5);

/// Returns the program that the ProxyCommand for `address` starts, if this machine lacks it.
async fn missing_proxy(address: &SshAddress, options: &Options) -> Option<String> {
    let mut ssh = Command::new(options.tool_path("ssh"));
    secret_variables(|name| _ = ssh.env_remove(name));
    ssh.arg("-G").args(arguments(address, options));
    let asked = ssh
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let configuration = tokio::time::timeout(ASKED_WITHIN, asked).await.ok()?.ok()?;
    let program = proxy_program(&String::from_utf8_lossy(&configuration.stdout))?;
    let mut shell = Command::new("sh");
    // A shell also knows what it does by itself.
    shell.args(["-c", "command -v \"$0\" || exit 7", &program]);
    let asked = shell
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    let status = tokio::time::timeout(ASKED_WITHIN, asked).await.ok()?.ok()?;
    (status.code() == Some(7)).then_some(program)
}

/// Returns the program that the ProxyCommand of `configuration` (the output of `ssh -G`) begins
/// with, or `None` if only a shell could tell.
fn proxy_program(configuration: &str) -> Option<String> {
    let command = configuration
        .lines()
        .find_map(|line| line.strip_prefix("proxycommand "))?;
    let program = command.split_whitespace().find(|word| *word != "exec")?;
    let is_plain = |c: char| c.is_alphanumeric() || "._+/-".contains(c);
    (!program.starts_with('-') && program.chars().all(is_plain)).then(|| program.to_owned())
}

/// The lines of `words` that tell most, where the line that says what failed does not say why.
fn telling(words: &str) -> Option<String> {
    let lines = || words.lines().map(str::trim).filter(|line| !line.is_empty());
    if let Some(line) = lines().find(|line| line.starts_with("Offending ")) {
        // ssh ends this line with a full stop.
        let sent = lines()
            .find_map(|line| line.strip_prefix("SHA256:"))
            .map(|print| print.trim_end_matches('.'));
        let sent = sent.map_or(String::new(), |print| {
            format!("; the host sent SHA256:{print}")
        });
        return Some(format!("Host key verification failed. {line}{sent}"));
    }
    if let Some(line) = lines().find(|line| line.contains(" host key is known for ")) {
        return Some(format!("Host key verification failed. {line}"));
    }
    // The end of a ProxyCommand looks like that of a connection; its own messages came before.
    let is_end = |line: &str| CLOSED.iter().any(|words| line.contains(words));
    let end = lines().rfind(|line| is_end(line))?;
    let before = lines()
        .take_while(|line| !is_end(line))
        .filter(|line| !line.starts_with("Warning: "))
        .last()?;
    Some(format!("{before} ({end})"))
}

/// Messages of ssh about a connection that ends before it is established.
const CLOSED: [&str; 4] = [
    "kex_exchange_identification",
    "ssh_exchange_identification",
    "banner exchange",
    "Connection closed by UNKNOWN",
];

const COMPLAINTS: &[Complaint] = &[
    Complaint {
        words: "Could not resolve hostname",
        phase: Phase::Resolve,
        hint: "check the host's name, and ssh's configuration for an alias",
    },
    Complaint {
        words: "REMOTE HOST IDENTIFICATION HAS CHANGED",
        phase: Phase::HostKey,
        hint: "if the host was really rebuilt, remove its old key from known_hosts",
    },
    Complaint {
        words: "Host key verification failed",
        phase: Phase::HostKey,
        hint: "connect once with `ssh` and check the key, or mend known_hosts",
    },
    Complaint {
        words: "Connection refused",
        phase: Phase::Connect,
        hint: "check that sshd runs there, and its port",
    },
    Complaint {
        words: "timed out",
        phase: Phase::Connect,
        hint: "check that the host is up and its port is reachable",
    },
    Complaint {
        words: "No route to host",
        phase: Phase::Connect,
        hint: "check that the host is up and its network is reachable",
    },
    Complaint {
        words: "Network is unreachable",
        phase: Phase::Connect,
        hint: "check the network of the machine it is reached from",
    },
    Complaint {
        words: "Permission denied",
        phase: Phase::Authentication,
        hint: "try `ssh` by hand: a key must be accepted without a question",
    },
    Complaint {
        words: "Too many authentication failures",
        phase: Phase::Authentication,
        hint: "set IdentityFile and IdentitiesOnly for this host",
    },
    Complaint {
        words: "administratively prohibited",
        phase: Phase::Policy,
        hint: "sshd there does not allow commands for this account or key",
    },
    Complaint {
        words: NOT_FOUND,
        phase: Phase::Local,
        hint: INSTALL_HINT,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::ConnectOptions;

    #[test]
    fn the_telling_lines_are_shown() {
        const CHANGED: &str = "@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
The fingerprint for the ED25519 key sent by the remote host is
SHA256:abc/d.
Please contact your system administrator.
Offending ED25519 key in /home/me/.ssh/known_hosts:3
Host key for web1 has changed and you have requested strict checking.
Host key verification failed.";
        for (words, expected) in [
            (
                CHANGED,
                Some(
                    "Host key verification failed. Offending ED25519 key in /home/me/.ssh/known_hosts:3; the host sent \
                     SHA256:abc/d",
                ),
            ),
            (
                "No ED25519 host key is known for web1 and you have requested strict checking.\nHost key verification \
                 failed.",
                Some(
                    "Host key verification failed. No ED25519 host key is known for web1 and you have requested strict \
                     checking.",
                ),
            ),
            (
                "sh: 1: exec: corkscrew: not found\nkex_exchange_identification: Connection closed by remote host\n\
                 Connection closed by UNKNOWN port 65535",
                Some("sh: 1: exec: corkscrew: not found (Connection closed by UNKNOWN port 65535)"),
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer",
                None,
            ),
            ("ssh: connect to host a port 22: Connection refused", None),
            ("", None),
        ] {
            assert_eq!(telling(words).as_deref(), expected, "{words}");
        }
    }

    #[test]
    fn the_program_of_a_proxy_is_known_if_it_is_plain() {
        for (configuration, expected) in [
            ("host a\nproxycommand nc %h %p\nport 22", Some("nc")),
            (
                "proxycommand exec /opt/a-b/cork_screw.2 a",
                Some("/opt/a-b/cork_screw.2"),
            ),
            ("proxycommand A=b nc %h", None),
            ("proxycommand \"my nc\" %h", None),
            ("proxycommand %d/nc", None),
            ("proxycommand $HOME/nc", None),
            ("proxycommand exec", None),
            ("proxyjump a", None),
            ("", None),
        ] {
            assert_eq!(
                proxy_program(configuration).as_deref(),
                expected,
                "{configuration}"
            );
        }
    }

    #[test]
    fn options_for_ssh_come_before_those_of_its_configuration_and_of_ours() {
        let options = ConnectOptions::new()
            .ssh_config("/c")
            .ssh_option("ProxyJump=b")
            .ssh_option("Compression=yes");
        let address = SshAddress {
            user: None,
            host: "web1".into(),
            port: None,
        };
        let line = arguments(&address, options.get()).join(" ");
        let begins = "-F /c -o ProxyJump=b -o Compression=yes -x -T ";
        assert!(line.starts_with(begins), "{line}");
        assert!(line.ends_with(" -- web1"), "{line}");
        let shell = Shell {
            argv: Vec::new(),
            line: "sh".into(),
        };
        let further = way(&address, &shell, options.get());
        let mut words = further.command.words.iter();
        let is_jump = |word: &[u8]| word.starts_with(b"ProxyJump");
        assert!(
            !words.any(|word| is_jump(word)),
            "later hops have their own"
        );
    }
}
