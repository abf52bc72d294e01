//! One hop of an address: a scheme, and what it reaches.

use std::fmt;

/// All schemes, each with its form for messages.
const SCHEMES: &[(&str, &str)] = &[
    ("local", "local:"),
    ("ssh", "ssh:[user@]host[:port]"),
    ("sudo", "sudo:[user]"),
    ("su", "su:user"),
    ("doas", "doas:[user]"),
    ("docker", "docker:container"),
    ("podman", "podman:container"),
    ("docker-run", "docker-run:image"),
    ("podman-run", "podman-run:image"),
    ("kubectl", "kubectl:[context/]namespace/pod[/container]"),
    ("nsenter", "nsenter:pid"),
    ("lxc", "lxc:container"),
    ("machinectl", "machinectl:machine"),
    ("exec", r#"exec:["program","argument"]"#),
];

/// One step on the way to a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hop {
    /// A child process of this program.
    Local,
    /// A host reached by the system's OpenSSH client.
    Ssh(SshAddress),
    /// Another account, by `sudo`; root if there is no name.
    Sudo(Option<String>),
    /// Another account, by `su`.
    Su(String),
    /// Another account, by `doas`; root if there is no name.
    Doas(Option<String>),
    /// A running container.
    Container(ContainerEngine, String),
    /// A fresh container of an image, which is removed in the end.
    ContainerRun(ContainerEngine, String),
    /// A container of a pod in Kubernetes.
    Kubectl {
        /// Context of kubectl's configuration; the current one if there is none.
        context: Option<String>,
        /// The pod's namespace.
        namespace: String,
        /// The pod.
        pod: String,
        /// The pod's container; the usual one if there is none.
        container: Option<String>,
    },
    /// The namespaces of a process.
    Nsenter(u32),
    /// A running LXC container.
    Lxc(String),
    /// A machine of systemd-machined.
    Machinectl(String),
    /// A program whose stdin and stdout lead to a place that has `sh`: see the README.
    Exec(Vec<String>),
}

/// A program that runs containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContainerEngine {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
}

impl Hop {
    /// Returns the schemes: the words before the first `:` of a hop.
    ///
    /// ```
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::address::Hop;
    ///
    /// assert!(Hop::schemes().any(|scheme| scheme == "sudo"));
    /// ```
    pub fn schemes() -> impl Iterator<Item = &'static str> {
        SCHEMES.iter().map(|(scheme, _)| *scheme)
    }
}

impl ContainerEngine {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

/// Destination for the system's ssh client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SshAddress {
    /// Login name; ssh's configuration decides if there is none.
    pub user: Option<String>,
    /// Host name, address, or an alias of ssh's configuration.
    pub host: String,
    /// Port; ssh's configuration decides if there is none.
    pub port: Option<u16>,
}

/// Reads the first hop of `text`. Returns it, and the text after the `/` behind it.
pub(super) fn parse(text: &str) -> Result<(Hop, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix("exec:") {
        return parse_exec(rest);
    }
    let (hop, rest) = split(text);
    let known = hop.split_once(':').and_then(|(scheme, rest)| {
        SCHEMES
            .iter()
            .find(|(known, _)| *known == scheme)
            .map(|(_, form)| (scheme, rest, *form))
    });
    let hop = match known {
        Some((scheme, rest, form)) => {
            parse_known(scheme, rest).map_err(|problem| format!("{problem}; write `{form}`"))?
        }
        None => Hop::Ssh(parse_ssh(hop).map_err(|problem| no_host(hop, &problem))?),
    };
    Ok((hop, rest))
}

/// Explains why `hop` is not a host. A word that reads like a scheme was most likely meant as one.
fn no_host(hop: &str, problem: &str) -> String {
    match hop.split_once(':') {
        Some((scheme, rest))
            if !rest.starts_with(|c: char| c.is_ascii_digit())
                && !scheme.contains(['@', '[', '.']) =>
        {
            let schemes = SCHEMES
                .iter()
                .map(|(scheme, _)| format!("{scheme}:"))
                .collect::<Vec<_>>()
                .join(" ");
            format!(
                "`{}:` is not a scheme; there are {schemes}",
                scheme.escape_debug()
            )
        }
        _ => match hop.split_once('/') {
            Some((first, further)) if !first.is_empty() && !further.is_empty() => {
                let (first, further) = (first.escape_debug(), further.escape_debug());
                format!("{problem}; a host behind another is written `{first}/ssh:{further}`")
            }
            _ => format!("{problem}; write `ssh:[user@]host[:port]`"),
        },
    }
}

/// Splits `text` after its first hop. A `/` starts a new hop only before a known scheme.
fn split(text: &str) -> (&str, Option<&str>) {
    let starts_hop = |rest: &str| {
        rest.split_once(':')
            .is_some_and(|(scheme, _)| SCHEMES.iter().any(|(known, _)| *known == scheme))
    };
    match text
        .match_indices('/')
        .find(|(slash, _)| starts_hop(&text[slash + 1..]))
    {
        Some((slash, _)) => (&text[..slash], Some(&text[slash + 1..])),
        None => (text, None),
    }
}

fn parse_known(scheme: &str, rest: &str) -> Result<Hop, String> {
    let word = |what: &str| check_word(what, rest, "").map(|()| rest.to_owned());
    let optional_user = || {
        if rest.is_empty() {
            Ok(None)
        } else {
            word("user name").map(Some)
        }
    };
    Ok(match scheme {
        "local" if rest.is_empty() => Hop::Local,
        "local" => return Err("nothing follows `local:`".into()),
        "sudo" => Hop::Sudo(optional_user()?),
        "su" => Hop::Su(word("user name")?),
        "doas" => Hop::Doas(optional_user()?),
        "docker" => Hop::Container(ContainerEngine::Docker, word("container name")?),
        "podman" => Hop::Container(ContainerEngine::Podman, word("container name")?),
        "docker-run" => Hop::ContainerRun(ContainerEngine::Docker, image(rest)?),
        "podman-run" => Hop::ContainerRun(ContainerEngine::Podman, image(rest)?),
        "kubectl" => parse_kubectl(rest)?,
        "nsenter" => match rest.parse() {
            Ok(pid @ 1..) => Hop::Nsenter(pid),
            _ => {
                return Err(format!(
                    "`{}` is no number of a process",
                    rest.escape_debug()
                ));
            }
        },
        "lxc" => Hop::Lxc(word("container name")?),
        "machinectl" => Hop::Machinectl(word("machine name")?),
        _ => Hop::Ssh(parse_ssh(rest)?),
    })
}

fn image(rest: &str) -> Result<String, String> {
    check_word("image name", rest, "/").map(|()| rest.into())
}

/// Reads the third of three parts as a container, not the first as a context: only users of many
/// clusters need contexts, and they can add an empty container.
fn parse_kubectl(rest: &str) -> Result<Hop, String> {
    let parts: Vec<_> = rest.split('/').collect();
    let (context, namespace, pod, container) = match &*parts {
        [namespace, pod] => (None, *namespace, *pod, None),
        [namespace, pod, container] => (None, *namespace, *pod, Some(*container)),
        // The name of a context may be a long path itself.
        [context @ .., namespace, pod, container] if !context.is_empty() => (
            Some(context.join("/")),
            *namespace,
            *pod,
            Some(*container).filter(|container| !container.is_empty()),
        ),
        _ => return Err("a namespace and a pod are needed".into()),
    };
    for (what, word) in [
        ("namespace", Some(namespace)),
        ("pod", Some(pod)),
        ("container name", container),
        ("context", context.as_deref()),
    ] {
        word.map_or(Ok(()), |word| check_word(what, word, "/"))?;
    }
    let [namespace, pod] = [namespace, pod].map(Into::into);
    Ok(Hop::Kubectl {
        context,
        namespace,
        pod,
        container: container.map(Into::into),
    })
}

/// Reads the JSON after `exec:`. It may contain any character, so it is read before the text is cut
/// into hops.
fn parse_exec(text: &str) -> Result<(Hop, Option<&str>), String> {
    let form = r#"write `exec:["program","argument"]`"#;
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Vec<String>>();
    let argv = match values.next() {
        Some(Ok(argv)) => argv,
        Some(Err(error)) => {
            return Err(format!(
                "what follows `exec:` is no list of strings ({error}); {form}"
            ));
        }
        None => return Err(format!("a program is missing; {form}")),
    };
    if argv.first().is_none_or(String::is_empty)
        || argv.iter().any(|argument| argument.contains('\0'))
    {
        return Err(format!(
            "a program is missing, or an argument contains a zero byte; {form}"
        ));
    }
    match &text[values.byte_offset()..] {
        "" => Ok((Hop::Exec(argv), None)),
        rest => match rest.strip_prefix('/') {
            Some(rest) => Ok((Hop::Exec(argv), Some(rest))),
            None => Err(format!("text after the list; {form}")),
        },
    }
}

fn parse_ssh(text: &str) -> Result<SshAddress, String> {
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    // An IPv6 address needs brackets if a port follows, and may have them always.
    let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("text after `]`")?)),
        None => match rest.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (rest, None),
        },
    };
    let port = port
        .map(|port| match port.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(format!("`{}` is not a port", port.escape_debug())),
        })
        .transpose()?;
    check_word("host name", host, "")?;
    if let Some(user) = user {
        check_word("user name", user, "")?;
    }
    Ok(SshAddress {
        user: user.map(Into::into),
        host: host.into(),
        port,
    })
}

/// Refuses words that a program could take for an option, or a shell for more than a word.
/// Characters in `also` are allowed.
fn check_word(what: &str, word: &str, also: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_alphanumeric() || "._-:%+@\\".contains(c) || also.contains(c);
    match word.chars().find(|c| !allowed(*c)) {
        _ if word.is_empty() => Err(format!("the {what} is missing")),
        _ if word.starts_with('-') => Err(format!("a {what} cannot start with `-`")),
        Some(c) => Err(format!("a {what} cannot contain `{}`", c.escape_debug())),
        None => Ok(()),
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("local:"),
            Self::Ssh(ssh) => write!(f, "ssh:{ssh}"),
            Self::Sudo(user) => write!(f, "sudo:{}", user.as_deref().unwrap_or_default()),
            Self::Su(user) => write!(f, "su:{user}"),
            Self::Doas(user) => write!(f, "doas:{}", user.as_deref().unwrap_or_default()),
            Self::Container(engine, name) => write!(f, "{}:{name}", engine.name()),
            Self::ContainerRun(engine, image) => write!(f, "{}-run:{image}", engine.name()),
            Self::Kubectl {
                context,
                namespace,
                pod,
                container,
            } => {
                f.write_str("kubectl:")?;
                context
                    .as_ref()
                    .map_or(Ok(()), |context| write!(f, "{context}/"))?;
                write!(f, "{namespace}/{pod}")?;
                match (container, context) {
                    (Some(container), _) => write!(f, "/{container}"),
                    (None, Some(_)) => f.write_str("/"),
                    (None, None) => Ok(()),
                }
            }
            Self::Nsenter(pid) => write!(f, "nsenter:{pid}"),
            Self::Lxc(name) => write!(f, "lxc:{name}"),
            Self::Machinectl(name) => write!(f, "machinectl:{name}"),
            Self::Exec(argv) => write!(f, "exec:{}", serde_json::Value::from(argv.clone())),
        }
    }
}

impl fmt::Display for SshAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        match (self.port, self.host.contains(':')) {
            (Some(port), true) => write!(f, "[{}]:{port}", self.host),
            (Some(port), false) => write!(f, "{}:{port}", self.host),
            (None, _) => f.write_str(&self.host),
        }
    }
}
