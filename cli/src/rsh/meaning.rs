//! The meaning of ssh's options for `wxec rsh`. Options about a connection that wxec makes in
//! another way are accepted and ignored; options that ask for something wxec does not do are
//! refused.

use std::time::Duration;

use crate::{base::verbosity::Verbosity, rsh::typed::Typed};

/// Everything that the options of a command line ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Meaning {
    /// Login name on the last ssh hop.
    pub(crate) user: Option<String>,
    /// Port of the last ssh hop.
    pub(crate) port: Option<u16>,
    /// Configuration file of the ssh that runs here.
    pub(crate) ssh_config: Option<String>,
    /// Options of the ssh that runs here, as `NAME=VALUE`.
    pub(crate) ssh_options: Vec<String>,
    pub(crate) connect_timeout: Option<Duration>,
    /// The user must not be asked for anything.
    pub(crate) is_batch: bool,
    pub(crate) terminal: Terminal,
    /// The command's stdin is empty.
    pub(crate) has_no_input: bool,
    /// The command is the name of a subsystem.
    pub(crate) is_subsystem: bool,
    /// A command given by an option.
    pub(crate) command: Option<String>,
    /// Patterns for the names of variables to send.
    pub(crate) send_env: Vec<String>,
    /// Variables to set.
    pub(crate) set_env: Vec<(String, String)>,
    verbose: u8,
    pub(crate) is_quiet: bool,
    /// A question to answer instead of running a command.
    pub(crate) question: Option<Question>,
}

/// The condition on which a command gets a terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// A shell gets one if stdin here is a terminal; a command gets none.
    #[default]
    Usual,
    Never,
    /// The command gets one if stdin here is a terminal.
    Wanted,
    Forced,
}

/// A question that ssh answers without running anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Question {
    /// `-V`
    Version,
    /// `-G`: the resulting configuration. git asks this to learn if it talks to OpenSSH.
    Configuration,
    /// `-Q`: the capabilities of the local ssh.
    Capabilities(String),
}

impl Meaning {
    pub(crate) fn of(typed: &Typed) -> Result<Self, String> {
        let mut meaning = Self::default();
        for (letter, value) in &typed.options {
            meaning.take(*letter, value)?;
        }
        Ok(meaning)
    }

    pub(crate) fn verbosity(&self) -> Verbosity {
        match self.verbose {
            _ if self.is_quiet => Verbosity::Quiet,
            0 => Verbosity::Normal,
            1 => Verbosity::Verbose,
            _ => Verbosity::Debug,
        }
    }

    fn take(&mut self, letter: char, value: &str) -> Result<(), String> {
        let as_option = |name: &str| format!("{name}={value}");
        match letter {
            'l' => self.user = self.user.take().or_else(|| Some(value.into())),
            'p' => self.take_port(value)?,
            'F' => self.ssh_config = Some(value.into()),
            'o' => self.take_named(value)?,
            'J' => self.ssh_options.push(as_option("ProxyJump")),
            'i' => self.ssh_options.push(as_option("IdentityFile")),
            'B' => self.ssh_options.push(as_option("BindInterface")),
            'b' => self.ssh_options.push(as_option("BindAddress")),
            'c' => self.ssh_options.push(as_option("Ciphers")),
            'm' => self.ssh_options.push(as_option("MACs")),
            'I' => self.ssh_options.push(as_option("PKCS11Provider")),
            'P' => self.ssh_options.push(as_option("Tag")),
            '4' => self.ssh_options.push("AddressFamily=inet".into()),
            '6' => self.ssh_options.push("AddressFamily=inet6".into()),
            'C' => self.ssh_options.push("Compression=yes".into()),
            'K' => self.ssh_options.push("GSSAPIAuthentication=yes".into()),
            'n' => self.has_no_input = true,
            's' => self.is_subsystem = true,
            'T' => self.terminal = Terminal::Never,
            't' if matches!(self.terminal, Terminal::Wanted | Terminal::Forced) => {
                self.terminal = Terminal::Forced
            }
            't' => self.terminal = Terminal::Wanted,
            'v' => self.verbose = self.verbose.saturating_add(1),
            'q' => self.is_quiet = true,
            'G' => self.question = Some(Question::Configuration),
            'V' => self.question = Some(Question::Version),
            'Q' => self.question = Some(Question::Capabilities(value.into())),
            'L' | 'R' | 'D' | 'W' | 'w' | 'N' => {
                return Err(format!("`-{letter}` asks to forward, which {NOT_DONE}"));
            }
            'M' | 'O' => {
                return Err(format!(
                    "`-{letter}` asks for a shared connection, which {NOT_DONE}"
                ));
            }
            'f' => {
                return Err(format!(
                    "`-f` asks to go to the background, which {NOT_DONE}"
                ));
            }
            // Ignored. Forwarding of agents and of X11 is not offered, as by many servers. The
            // other options are about details of a connection that wxec makes in its own way, or
            // about the log of the ssh in it.
            _ => {}
        }
        Ok(())
    }

    /// Takes `NAME=VALUE` or `NAME VALUE`, as a line of a configuration file.
    fn take_named(&mut self, line: &str) -> Result<(), String> {
        let (name, value) =
            named(line).ok_or_else(|| format!("`-o {}` has no value", line.escape_debug()))?;
        let is_off = ["no", "none", "false", "clear"].contains(&&*value.to_ascii_lowercase());
        match &*name.to_ascii_lowercase() {
            "user" => self.take('l', value)?,
            "port" => self.take_port(value)?,
            "batchmode" => self.is_batch = !is_off,
            "connecttimeout" => self.take_connect_timeout(value)?,
            "requesttty" => self.terminal = Terminal::requested(value),
            "sendenv" => self
                .send_env
                .extend(value.split_whitespace().map(str::to_owned)),
            "setenv" => self.take_variable(value)?,
            "stdinnull" => self.has_no_input = !is_off,
            "remotecommand" if !is_off => self.command = Some(value.into()),
            "sessiontype" => self.take_session_type(value)?,
            "localforward"
            | "remoteforward"
            | "dynamicforward"
            | "tunnel"
            | "permitlocalcommand"
            | "forkafterauthentication"
                if !is_off =>
            {
                return Err(format!("`-o {name}` asks for something that {NOT_DONE}"));
            }
            name if IGNORED.contains(&name) => {}
            _ => self.ssh_options.push(format!("{name}={value}")),
        }
        Ok(())
    }

    fn take_connect_timeout(&mut self, value: &str) -> Result<(), String> {
        let seconds = value
            .parse()
            .map_err(|_| format!("`{}` is no time in seconds", value.escape_debug()))?;
        self.connect_timeout = Some(Duration::from_secs(seconds).saturating_add(AGENT_WITHIN));
        self.ssh_options.push(format!("ConnectTimeout={seconds}"));
        Ok(())
    }

    fn take_variable(&mut self, value: &str) -> Result<(), String> {
        let (name, value) = value
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or("`-o SetEnv` takes NAME=VALUE")?;
        self.set_env
            .push((name.into(), value.trim_matches('"').into()));
        Ok(())
    }

    fn take_session_type(&mut self, value: &str) -> Result<(), String> {
        match &*value.to_ascii_lowercase() {
            "default" => {}
            "subsystem" => self.is_subsystem = true,
            _ => {
                return Err(format!(
                    "`-o SessionType=none` asks to forward, which {NOT_DONE}"
                ));
            }
        }
        Ok(())
    }

    fn take_port(&mut self, value: &str) -> Result<(), String> {
        match value.parse() {
            Ok(port @ 1..) => self.port = self.port.or(Some(port)),
            _ => return Err(format!("`{}` is not a port", value.escape_debug())),
        }
        Ok(())
    }
}

impl Terminal {
    /// Reads the value of `RequestTTY`.
    fn requested(value: &str) -> Self {
        match &*value.to_ascii_lowercase() {
            "auto" => Self::Usual,
            "yes" | "true" => Self::Wanted,
            "force" => Self::Forced,
            _ => Self::Never,
        }
    }
}

/// Added to ssh's timeout: reaching a host also takes sending and starting an agent.
const AGENT_WITHIN: Duration = Duration::from_secs(20);

const NOT_DONE: &str = "wxec rsh does not do: use ssh itself for it";

/// Options that wxec's own connection handles in another way, or has no use for.
const IGNORED: [&str; 24] = [
    "clearallforwardings",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "dynamicforward",
    "enableescapecommandline",
    "escapechar",
    "exitonforwardfailure",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "localcommand",
    "localforward",
    "loglevel",
    "permitlocalcommand",
    "permitremoteopen",
    "remotecommand",
    "remoteforward",
    "tunnel",
    "tunneldevice",
    "visualhostkey",
];

/// Splits a line of ssh's configuration: a name and a value, with spaces or one `=` between them;
/// the value may be in quotes.
fn named(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let end = line.find(|c: char| c == '=' || c.is_whitespace())?;
    let rest = line[end..].trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    (end > 0 && !unquoted.is_empty()).then_some((&line[..end], unquoted))
}

/// Returns true if `name` matches a list of patterns in the syntax of `SendEnv`. Patterns after a
/// `-` exclude names.
pub(crate) fn is_sent(name: &[u8], patterns: &[String]) -> bool {
    patterns
        .iter()
        .fold(false, |sent, pattern| match pattern.strip_prefix('-') {
            Some(pattern) => sent && !matches(name, pattern.as_bytes()),
            None => sent || matches(name, pattern.as_bytes()),
        })
}

/// Matches a pattern: `*` is any text, `?` any character.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    match (name, pattern) {
        ([], []) => true,
        (_, [b'*', rest @ ..]) => (0..=name.len()).any(|start| matches(&name[start..], rest)),
        ([_, name @ ..], [b'?', rest @ ..]) => matches(name, rest),
        ([first, name @ ..], [wanted, rest @ ..]) => first == wanted && matches(name, rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(line: &[&str]) -> Result<Meaning, String> {
        let words = line.iter().chain(&["web1"]).map(Into::into).collect();
        Meaning::of(&Typed::parse(words, |_| false).unwrap())
    }

    #[test]
    fn what_tools_add_by_themselves_is_nothing_special() {
        let scp = [
            "-x",
            "-oPermitLocalCommand=no",
            "-oClearAllForwardings=yes",
            "-oRemoteCommand=none",
        ];
        let more = ["-oRequestTTY=no", "-oForwardAgent=no"];
        let expected = Meaning {
            terminal: Terminal::Never,
            ..Meaning::default()
        };
        assert_eq!(meaning(&[&scp[..], &more].concat()).unwrap(), expected);
        let sftp = [
            "-oForwardX11 no",
            "-oPermitLocalCommand no",
            "-oClearAllForwardings yes",
            "-oForwardAgent no",
            "-s",
        ];
        assert_eq!(
            meaning(&sftp).unwrap(),
            Meaning {
                is_subsystem: true,
                ..Meaning::default()
            }
        );
        let git = meaning(&["-G", "-o", "SendEnv=GIT_PROTOCOL", "-p", "22"]).unwrap();
        assert_eq!(
            (git.question, git.port),
            (Some(Question::Configuration), Some(22))
        );
        assert_eq!(git.send_env, ["GIT_PROTOCOL"]);
    }

    #[test]
    fn of_user_and_port_the_first_counts() {
        let meaning = meaning(&["-l", "joe", "-oUser=jim", "-oPort 2222", "-p", "22"]).unwrap();
        assert_eq!(
            (meaning.user.as_deref(), meaning.port),
            (Some("joe"), Some(2222))
        );
    }

    #[test]
    fn what_concerns_ssh_here_is_for_that() {
        let line = [
            "-4",
            "-C",
            "-i",
            "k",
            "-J",
            "b",
            "-F",
            "c",
            "-o",
            "StrictHostKeyChecking = no",
            "-oConnectTimeout=5",
        ];
        let meaning = meaning(&line).unwrap();
        let expected = [
            "AddressFamily=inet",
            "Compression=yes",
            "IdentityFile=k",
            "ProxyJump=b",
            "StrictHostKeyChecking=no",
            "ConnectTimeout=5",
        ];
        assert_eq!(meaning.ssh_options, expected);
        assert_eq!(
            (meaning.ssh_config.as_deref(), meaning.connect_timeout),
            (Some("c"), Some(Duration::from_secs(25)))
        );
    }

    #[test]
    fn what_would_be_another_thing_is_refused() {
        for line in [
            &["-L", "1:a:2"][..],
            &["-R", "1"],
            &["-D", "1"],
            &["-W", "a:1"],
            &["-w", "any"],
            &["-N"],
            &["-M"],
            &["-O", "check"],
            &["-f"],
            &["-oLocalForward=1 a:2"],
            &["-oPermitLocalCommand=yes"],
            &["-oSessionType=none"],
            &["-oTunnel=yes"],
        ] {
            let error = meaning(line).unwrap_err();
            assert!(error.ends_with(NOT_DONE), "{error}");
        }
        assert_eq!(meaning(&["-p", "ssh"]).unwrap_err(), "`ssh` is not a port");
        assert_eq!(
            meaning(&["-o", "User"]).unwrap_err(),
            "`-o User` has no value"
        );
    }

    #[test]
    fn terminals_are_asked_for_once_or_twice() {
        let terminal = |line: &[&str]| meaning(line).unwrap().terminal;
        assert_eq!(terminal(&[]), Terminal::Usual);
        assert_eq!(terminal(&["-t"]), Terminal::Wanted);
        assert_eq!(terminal(&["-tt"]), Terminal::Forced);
        assert_eq!(terminal(&["-T"]), Terminal::Never);
        assert_eq!(terminal(&["-oRequestTTY=force"]), Terminal::Forced);
    }

    #[test]
    fn a_variable_has_a_name() {
        let set = |option| meaning(&[option]).map(|meaning| meaning.set_env);
        assert_eq!(
            set("-oSetEnv==x"),
            Err("`-o SetEnv` takes NAME=VALUE".into())
        );
        assert_eq!(set("-oSetEnv=A="), Ok(vec![("A".into(), String::new())]));
    }

    #[test]
    fn variables_are_sent_by_patterns() {
        let patterns = ["LC_*", "GIT_PROTOCOL", "-LC_ALL", "T?"].map(str::to_owned);
        assert!(is_sent(b"LC_\xff", &patterns), "also what is no UTF-8");
        for (name, sent) in [
            ("LC_TIME", true),
            ("LC_ALL", false),
            ("GIT_PROTOCOL", true),
            ("TZ", true),
            ("T", false),
        ] {
            assert_eq!(is_sent(name.as_bytes(), &patterns), sent, "{name}");
        }
        let meaning = meaning(&["-oSetEnv=A=b c", "-oSendEnv LANG LC_*"]).unwrap();
        assert_eq!(
            (meaning.set_env, meaning.send_env),
            (
                vec![("A".into(), "b c".into())],
                vec!["LANG".into(), "LC_*".into()]
            )
        );
    }
}
