//! Grants, which let a call touch its host, and needs, which name a missing grant.

use std::{
    fmt::{self, Display},
    net::IpAddr,
};

use serde::{Deserialize, Serialize};

/// Stands for every program, variable, place or host in a list of grants.
pub const ANY: &str = "*";

/// Begins the path of a [`PathGrant`] that stands for the folder of a record, whose place the agent
/// knows; the name of the record follows.
pub const RECORD: &str = "record:";
/// Path at which a guest finds that folder.
pub const RECORD_FOLDER: &str = "/.wxec-record";

/// Things on its host that a call may touch. By default only a clock and random numbers.
///
/// A guest that opens a path without a grant gets WASI's error 76 (`ENOTCAPABLE`). Rust has no
/// error kind for that: a task that can do without the file checks
/// `error.raw_os_error() == Some(76)`. If a task gives up instead, with any error of its own, its
/// call ends in [`Fault::Denied`](crate::Fault::Denied), which names the missing grant.
///
/// ```
/// # use wxec_protocol::__docs as wxec;
/// use wxec::Grants;
///
/// let grants = Grants::none().read("/etc/os-release").run("apt-get").net("deb.debian.org:443");
/// assert!(!grants.is_none());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Grants {
    /// Files and directories.
    pub paths: Vec<PathGrant>,
    /// Programs, by name or by path, which may be followed by their first arguments; [`ANY`] stands
    /// for all of them.
    pub run: Vec<String>,
    /// Variables of the agent's environment, by name; [`ANY`] stands for all of them.
    pub env: Vec<String>,
    /// Places in the network: `NAME`, `NAME:PORT`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, `*:PORT`;
    /// [`ANY`] stands for all of them.
    pub net: Vec<String>,
    /// Addresses of hosts on which it may call tasks, seen from its own host; [`ANY`] stands for
    /// all of them.
    pub host: Vec<String>,
    /// Topics that it may ask its host about, which are those of [`questions`](crate::questions).
    pub ask: Vec<String>,
    /// Facts about its host: names, kernel, processors, addresses.
    pub facts: bool,
    /// Mode and owner of files that it may change.
    pub attributes: bool,
    /// The time. On by default.
    pub clock: bool,
    /// Random numbers. On by default.
    pub random: bool,
}

/// A file or directory that a call may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathGrant {
    /// Its path on the host. A relative path begins in the agent's directory; [`RECORD`] and a name
    /// stand for the folder of that record.
    pub path: String,
    /// The path at which the guest finds it; usually the same.
    pub guest_path: String,
    /// True if the guest may change it as well.
    pub write: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self::none()
    }
}

impl Grants {
    /// Grants only a clock and random numbers, which every call has by default.
    pub fn none() -> Self {
        Self {
            paths: Vec::new(),
            run: Vec::new(),
            env: Vec::new(),
            net: Vec::new(),
            host: Vec::new(),
            ask: Vec::new(),
            facts: false,
            attributes: false,
            clock: true,
            random: true,
        }
    }

    /// Grants everything that the agent's account may do.
    pub fn all() -> Self {
        Self::none()
            .write("/")
            .run(ANY)
            .env(ANY)
            .net(ANY)
            .host(ANY)
            .ask(ANY)
            .facts()
            .attributes()
    }

    /// Returns true if these are the grants of [`none`](Self::none).
    pub fn is_none(&self) -> bool {
        *self == Self::none()
    }

    /// Grants reading a file, or a directory with everything in it.
    #[must_use]
    pub fn read(self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.dir(path.clone(), path, false)
    }

    /// Grants reading and changing a file, or a directory with everything in it.
    #[must_use]
    pub fn write(self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.dir(path.clone(), path, true)
    }

    /// Grants a file or directory, which the guest finds at another path.
    #[must_use]
    pub fn dir(
        mut self,
        path: impl Into<String>,
        guest_path: impl Into<String>,
        write: bool,
    ) -> Self {
        self.paths.push(PathGrant {
            path: path.into(),
            guest_path: guest_path.into(),
            write,
        });
        self
    }

    /// Grants running a program, given by its name or its path. In `systemctl restart nginx` the
    /// words behind the name are its first arguments: the guest may add further ones, but set
    /// neither variables nor the directory of the program, which could make it do something else.
    #[must_use]
    pub fn run(mut self, program: impl Into<String>) -> Self {
        self.run.push(program.into());
        self
    }

    /// Grants a variable of the agent's environment. The guest gets the value unchanged, so it need
    /// not be UTF-8.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>) -> Self {
        self.env.push(name.into());
        self
    }

    /// Grants connections to a place, such as `example.org:443`.
    #[must_use]
    pub fn net(mut self, place: impl Into<String>) -> Self {
        self.net.push(place.into());
        self
    }

    /// Grants calling tasks on a host, given by its address as seen from the call's own host.
    #[must_use]
    pub fn host(mut self, address: impl Into<String>) -> Self {
        self.host.push(address.into());
        self
    }

    /// Grants asking the host about a topic: `packages`, `units` or `users`. The answers come from
    /// programs with fixed arguments, which change nothing.
    #[must_use]
    pub fn ask(mut self, topic: impl Into<String>) -> Self {
        self.ask.push(topic.into());
        self
    }

    /// Grants keeping a record of this name on the host: a folder of its own, which stays there.
    #[must_use]
    pub fn record(self, name: impl Display) -> Self {
        self.dir(format!("{RECORD}{name}"), RECORD_FOLDER, true)
    }

    /// Grants the facts about the host.
    #[must_use]
    pub fn facts(mut self) -> Self {
        self.facts = true;
        self
    }

    /// Grants changing mode and owner of those files that it may change. With it, a task of root
    /// can make a program that gives every account the rights of root.
    #[must_use]
    pub fn attributes(mut self) -> Self {
        self.attributes = true;
        self
    }

    /// Takes the clock away: the guest's request for the time is refused.
    #[must_use]
    pub fn without_clock(mut self) -> Self {
        self.clock = false;
        self
    }

    /// Takes random numbers away: the guest's request for them is refused.
    #[must_use]
    pub fn without_random(mut self) -> Self {
        self.random = false;
        self
    }

    /// Adds the grants of `other`. If either takes away the clock or random numbers, they stay
    /// away.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.paths.extend(other.paths);
        self.run.extend(other.run);
        self.env.extend(other.env);
        self.net.extend(other.net);
        self.host.extend(other.host);
        self.ask.extend(other.ask);
        self.facts |= other.facts;
        self.attributes |= other.attributes;
        self.clock &= other.clock;
        self.random &= other.random;
        self
    }
}

impl Grants {
    /// Returns what a preview may have of these: paths and the record to read, variables, questions,
    /// and facts. Programs, the network and other hosts are left out, because what they do cannot be
    /// seen from here.
    #[must_use]
    pub fn harmless(mut self) -> Self {
        self.paths.iter_mut().for_each(|grant| grant.write = false);
        let none = Self::none();
        Self {
            run: none.run,
            net: none.net,
            host: none.host,
            attributes: false,
            ..self
        }
    }

    /// Returns the first of the grants that [`harmless`](Self::harmless) leaves out.
    pub fn harmful(&self) -> Option<Need> {
        if let Some(grant) = self.paths.iter().find(|grant| grant.write) {
            return Some(Need::Write(grant.guest_path.clone()));
        }
        let [run, net, host] = [&self.run, &self.net, &self.host].map(|list| list.first().cloned());
        run.map(Need::Run)
            .or_else(|| net.map(Need::Net))
            .or_else(|| host.map(Need::Host))
            .or_else(|| self.attributes.then_some(Need::Attributes))
    }

    /// Returns true if the guest may look up the addresses of a name: connections to the name are
    /// granted on some port.
    pub fn covers_lookup(&self, name: &str) -> bool {
        self.net
            .iter()
            .any(|granted| same_name(split_port(name).0, split_port(granted).0))
    }

    /// Returns true if a command is granted by its program and its first arguments. The program alone
    /// is [`Need::Run`].
    pub fn covers_command(&self, program: &str, arguments: &[String]) -> bool {
        self.run.iter().any(|granted| {
            let mut words = granted.split_ascii_whitespace();
            let mut given = arguments.iter();
            words.next() == Some(program)
                && words.all(|word| given.next().is_some_and(|given| given == word))
        })
    }

    /// Returns true if `need` is granted. Paths are compared as text; the host resolves symbolic
    /// links.
    pub fn covers(&self, need: &Need) -> bool {
        let named = |list: &[String], name: &str| {
            list.iter().any(|granted| granted == ANY || granted == name)
        };
        match need {
            Need::Read(path) => self
                .paths
                .iter()
                .any(|grant| contains(&grant.guest_path, path)),
            Need::Write(path) => self
                .paths
                .iter()
                .any(|grant| grant.write && contains(&grant.guest_path, path)),
            Need::Run(command) => {
                let begins = |granted: &String| {
                    let rest = command.strip_prefix(&**granted);
                    rest.is_some_and(|rest| rest.starts_with(' '))
                };
                named(&self.run, command) || self.run.iter().any(begins)
            }
            Need::Env(name) => named(&self.env, name),
            Need::Net(place) => self.net.iter().any(|granted| is_in(place, granted)),
            Need::Host(address) => named(&self.host, address),
            Need::Ask(topic) => named(&self.ask, topic),
            Need::Facts => self.facts,
            Need::Attributes => self.attributes,
            Need::Clock => self.clock,
            Need::Random => self.random,
        }
    }
}

/// Returns true if `path` is `root`, or is below it.
fn contains(root: &str, path: &str) -> bool {
    let root = root.trim_end_matches('/');
    path.strip_prefix(root)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns true if a grant covers a place: the same name, and the same port if the grant names one.
fn is_in(place: &str, granted: &str) -> bool {
    let ((name, port), (granted_name, granted_port)) = (split_port(place), split_port(granted));
    let same_port = |granted: &str| granted == ANY || port == Some(granted);
    same_name(name, granted_name) && granted_port.is_none_or(same_port)
}

/// Names may differ in case; addresses may be written in several ways.
fn same_name(name: &str, granted: &str) -> bool {
    let address = |text: &str| text.parse::<IpAddr>().ok();
    granted == ANY
        || granted.eq_ignore_ascii_case(name)
        || address(granted).is_some_and(|granted| address(name) == Some(granted))
}

/// Splits a place into its name and its port, if it has one. Addresses with colons need brackets if
/// a port follows.
pub(crate) fn split_port(place: &str) -> (&str, Option<&str>) {
    let bare =
        |name: &'_ str| -> usize { usize::from(name.starts_with('[') && name.ends_with(']')) };
    let (name, port) = match place.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || bare(name) == 1 => (name, Some(port)),
        _ => (place, None),
    };
    let brackets = bare(name);
    (&name[brackets..name.len() - brackets], port)
}

/// A thing that a call would have to be granted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Need {
    /// Reading a path.
    Read(String),
    /// Changing a path.
    Write(String),
    /// Running a program; words behind it are its first arguments.
    Run(String),
    /// Seeing a variable.
    Env(String),
    /// Connecting to a place, or looking up its name.
    Net(String),
    /// Calling a task on a host.
    Host(String),
    /// Asking the host about a topic.
    Ask(String),
    /// Asking the host about itself.
    Facts,
    /// Changing mode or owner of a file.
    Attributes,
    /// Asking the time.
    Clock,
    /// Asking for random numbers.
    Random,
}

/// The flag that grants it, as a user types it.
impl Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path) => write!(f, "--allow-read={path}"),
            Self::Write(path) => write!(f, "--allow-write={path}"),
            Self::Run(command) if command.contains(' ') => write!(f, "'--allow-run={command}'"),
            Self::Run(program) => write!(f, "--allow-run={program}"),
            Self::Env(name) => write!(f, "--allow-env={name}"),
            Self::Net(place) => write!(f, "--allow-net={place}"),
            Self::Host(address) => write!(f, "--allow-host={address}"),
            Self::Ask(topic) => write!(f, "--allow-ask={topic}"),
            Self::Facts => f.write_str("--allow-facts"),
            Self::Attributes => f.write_str("--allow-attributes"),
            Self::Clock => f.write_str("a clock, which --no-clock took away"),
            Self::Random => f.write_str("random numbers, which --no-random took away"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_stays_away() {
        let both = Grants::none()
            .without_clock()
            .read("/a")
            .and(Grants::none().write("/b"));
        assert!(!both.clock && both.random);
        assert_eq!(
            both.paths
                .iter()
                .map(|grant| (&*grant.path, grant.write))
                .collect::<Vec<_>>(),
            [("/a", false), ("/b", true)]
        );
    }

    #[test]
    fn a_path_covers_what_is_below_it() {
        let grants = Grants::none().read("/etc/ssl/").write("/srv/app");
        let read = |path: &str| grants.covers(&Need::Read(path.into()));
        assert!(read("/etc/ssl") && read("/etc/ssl/certs") && read("/srv/app/x"));
        assert!(!read("/etc") && !read("/etc/sslx") && !read("/"));
        let write = |path: &str| grants.covers(&Need::Write(path.into()));
        assert!(write("/srv/app/x") && !write("/etc/ssl/certs"));
        assert!(Grants::all().covers(&Need::Write("/any".into())));
    }

    #[test]
    fn a_command_is_granted_by_its_first_words() {
        let grants = Grants::none().run("systemctl restart nginx").run("tar");
        let words = |arguments: &[&str]| {
            arguments
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let covers =
            |program: &str, arguments: &[&str]| grants.covers_command(program, &words(arguments));
        assert!(covers("systemctl", &["restart", "nginx"]));
        assert!(covers("systemctl", &["restart", "nginx", "--no-block"]));
        assert!(covers("tar", &["-x"]));
        for arguments in [
            &["restart"][..],
            &["restart", "nginx sshd"],
            &["stop", "nginx"],
            &[],
        ] {
            assert!(!covers("systemctl", arguments), "{arguments:?}");
        }
        assert!(!covers("/usr/bin/systemctl", &["restart", "nginx"]));

        let need = |command: &str| grants.covers(&Need::Run(command.into()));
        assert!(need("tar") && need("systemctl restart nginx") && !need("systemctl"));
        assert!(
            Grants::none()
                .run("systemctl")
                .covers(&Need::Run("systemctl stop x".into()))
        );
        assert_eq!(Need::Run("a b".into()).to_string(), "'--allow-run=a b'");
    }

    #[test]
    fn a_place_is_a_name_and_perhaps_a_port() {
        let covers = |granted: &str, place: &str| {
            Grants::none().net(granted).covers(&Need::Net(place.into()))
        };
        for (granted, place) in [
            ("example.org:443", "EXAMPLE.org:443"),
            ("example.org", "example.org:80"),
            ("example.org", "example.org"),
            ("*:443", "other.org:443"),
            ("*", "other.org:1"),
            ("127.0.0.1:80", "127.0.0.1:80"),
            ("[::1]:80", "[::1]:80"),
            ("::1", "[::1]:80"),
            ("[0:0::1]:80", "[::1]:80"),
        ] {
            assert!(covers(granted, place), "{granted} {place}");
        }
        for (granted, place) in [
            ("example.org:443", "example.org:80"),
            ("example.org:443", "example.org"),
            ("example.org", "evil.example.org:80"),
            ("example.org", "example.org.evil.com:80"),
            ("*:443", "other.org:80"),
            ("::1", "[::2]:80"),
            ("[::1]:80", "[::1]:81"),
        ] {
            assert!(!covers(granted, place), "{granted} {place}");
        }
    }

    #[test]
    fn a_name_is_looked_up_if_any_of_its_ports_is_granted() {
        let covers = |granted: &str, name: &str| Grants::none().net(granted).covers_lookup(name);
        assert!(
            covers("example.org:443", "Example.org")
                && covers("example.org", "example.org")
                && covers("*", "a")
        );
        assert!(covers("*:443", "a") && covers("[::1]:80", "::1"));
        assert!(
            !covers("example.org:443", "evil.example.org") && !covers("10.0.0.1:80", "10.0.0.11")
        );
        assert!(!Grants::none().covers_lookup("example.org"));
    }

    #[test]
    fn only_a_clock_and_random_numbers_are_nothing() {
        assert!(Grants::default().is_none());
        assert!(!Grants::none().without_random().is_none());
        assert!(!Grants::none().facts().is_none());
        assert!(!Grants::none().attributes().is_none());
    }

    #[test]
    fn harmless_grants_change_nothing() {
        let grants = Grants::all().read("/etc").env("HOME").without_clock();
        assert_eq!(grants.harmful(), Some(Need::Write("/".into())));
        for (grants, need) in [
            (Grants::none().run("a"), Need::Run("a".into())),
            (Grants::none().net("a"), Need::Net("a".into())),
            (Grants::none().host("a"), Need::Host("a".into())),
            (Grants::none().attributes(), Need::Attributes),
        ] {
            assert_eq!(grants.harmful(), Some(need));
        }
        let harmless = grants.harmless();
        assert_eq!(harmless.harmful(), None);
        let kept = Grants::none()
            .read("/")
            .read("/etc")
            .env(ANY)
            .env("HOME")
            .ask(ANY)
            .facts()
            .without_clock();
        assert_eq!(harmless, kept);
        let record = Grants::none().record("site").harmless();
        assert_eq!(record.paths[0].path, "record:site");
        assert_eq!(record.harmful(), None);
    }
}
