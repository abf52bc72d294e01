//! Grants, which say what a guest may touch: options shared by all commands that run guests.

use std::net::Ipv6Addr;

use wxec::{
    CallOptions, Grants, address::Address, here::questions::TOPICS,
    inventory::split_outside_brackets, module::Wants,
};

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Grants")]
pub(crate) struct GrantArgs {
    /// Let the guest read these files, and directories with everything below them; a relative path
    /// begins in the agent's directory
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, require_equals = true, default_missing_value = "/",
        value_parser = paths, display_order = 30)]
    allow_read: Vec<List>,
    /// Let the guest read and change these files and directories
    #[arg(long, value_name = "PATH,…", num_args = 0..=1, require_equals = true, default_missing_value = "/",
        value_parser = paths, display_order = 31)]
    allow_write: Vec<List>,
    /// Let the guest run these programs, given by name or by path; words behind one are its first
    /// arguments
    #[arg(long, value_name = "PROGRAM,…", num_args = 0..=1, require_equals = true, default_missing_value = ANY,
        value_parser = programs, display_order = 32)]
    allow_run: Vec<List>,
    /// Let the guest see these variables of the agent's environment
    #[arg(long, value_name = "NAME,…", num_args = 0..=1, require_equals = true, default_missing_value = ANY,
        value_parser = variables, display_order = 33)]
    allow_env: Vec<List>,
    /// Let the guest connect to these places, such as `example.org:443`, `10.0.0.1`, `[::1]:80` or
    /// `*:443`
    #[arg(long, value_name = "PLACE,…", num_args = 0..=1, require_equals = true, default_missing_value = ANY,
        value_parser = places, display_order = 34)]
    allow_net: Vec<List>,
    /// Let the guest call tasks on these hosts, given by their addresses as seen from the guest's
    /// host
    #[arg(long, value_name = "ADDRESS,…", num_args = 0..=1, require_equals = true, default_missing_value = ANY,
        value_parser = hosts, display_order = 35)]
    allow_host: Vec<List>,
    /// Let the guest ask its host about these topics: `packages`, `units` or `users`
    #[arg(long, value_name = "TOPIC,…", num_args = 0..=1, require_equals = true, default_missing_value = ANY,
        value_parser = topics, display_order = 36)]
    allow_ask: Vec<List>,
    /// Let the guest ask its host for names, kernel, processors and addresses
    #[arg(long, display_order = 37)]
    allow_facts: bool,
    /// Let the guest change mode and owner of the files that it may change
    #[arg(long, display_order = 38)]
    allow_attributes: bool,
    /// Let the guest do everything that the account on the host may do
    #[arg(short = 'A', long, display_order = 39)]
    allow_all: bool,
    /// Let the function do what it declares to need, which `wxec inspect` shows
    #[arg(long, display_order = 40)]
    allow_declared: bool,
    /// Deny the guest the time
    #[arg(long, display_order = 41)]
    no_clock: bool,
    /// Deny the guest random numbers
    #[arg(long, display_order = 42)]
    no_random: bool,
    /// Make the call do the same each time: its clock begins at a fixed date, its random numbers
    /// follow from SEED [default: 0]
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "0",
        display_order = 43)]
    deterministic: Option<u64>,
}

/// Stands for everything of a kind. It is the value of most options that are given without one.
const ANY: &str = "*";

impl GrantArgs {
    /// Returns true if the declared needs are to be granted, which only functions have.
    pub(crate) fn wants_declared(&self) -> bool {
        self.allow_declared
    }

    /// Returns the grants for a function that declares to need `declared`.
    fn grants(&self, declared: Option<&Wants>) -> Grants {
        let mut grants = if self.allow_all {
            Grants::all()
        } else {
            Grants::none()
        };
        if let Some(declared) = declared.filter(|_| self.allow_declared) {
            grants = grants.and(declared.grants());
        }
        grants = each(&self.allow_read).fold(grants, Grants::read);
        grants = each(&self.allow_write).fold(grants, Grants::write);
        grants = each(&self.allow_run).fold(grants, Grants::run);
        grants = each(&self.allow_env).fold(grants, Grants::env);
        grants = each(&self.allow_net).fold(grants, Grants::net);
        grants = each(&self.allow_host).fold(grants, Grants::host);
        grants = each(&self.allow_ask).fold(grants, Grants::ask);
        grants.facts |= self.allow_facts;
        grants.attributes |= self.allow_attributes;
        grants.clock = !self.no_clock;
        grants.random = !self.no_random;
        grants
    }

    /// Returns the grants, and the seed if the call is to be deterministic.
    pub(crate) fn options(&self, declared: Option<&Wants>) -> CallOptions {
        let options = CallOptions::new().grant(self.grants(declared));
        match self.deterministic {
            Some(seed) => options.deterministic(seed),
            None => options,
        }
    }
}

/// The names in the value of one option.
#[derive(Debug, Clone, PartialEq, Eq)]
struct List(Vec<String>);

impl List {
    /// Splits `text` at its commas. Fails if `check` rejects a part.
    fn parse(text: &str, check: fn(&str) -> Result<(), String>) -> Result<Self, String> {
        Self::of(text.split(',').map(str::trim), check)
    }

    fn of<'a>(
        parts: impl Iterator<Item = &'a str>,
        check: fn(&str) -> Result<(), String>,
    ) -> Result<Self, String> {
        let parts = parts.map(|part| match part {
            "" => Err(
                "it names nothing; leave the `=` away as well to grant everything of this kind"
                    .into(),
            ),
            part if part.contains(char::is_control) => Err("it has control characters".into()),
            part => check(part).map(|()| part.to_owned()),
        });
        parts.collect::<Result<_, _>>().map(Self)
    }
}

fn each(lists: &[List]) -> impl Iterator<Item = &String> {
    lists.iter().flat_map(|list| &list.0)
}

fn paths(text: &str) -> Result<List, String> {
    List::parse(text, |path| match path {
        ANY => Err("`*` is no path; leave the value away to grant every path".into()),
        // Shells expand `~` only at the start of a word, so not behind the `=` of an option.
        path if path.starts_with('~') => Err(format!(
            "nobody expands the `~` in `{path}`; write the whole path"
        )),
        _ => Ok(()),
    })
}

fn programs(text: &str) -> Result<List, String> {
    List::parse(text, |_| Ok(()))
}

fn variables(text: &str) -> Result<List, String> {
    List::parse(text, |name| match name.split_once('=') {
        Some((name, _)) => Err(format!("a variable is granted by its name alone: `{name}`")),
        None => Ok(()),
    })
}

fn hosts(text: &str) -> Result<List, String> {
    List::of(split_outside_brackets(text, ','), |address| match address {
        ANY => Ok(()),
        address => address
            .parse::<Address>()
            .map(drop)
            .map_err(|error| error.to_string()),
    })
}

fn topics(text: &str) -> Result<List, String> {
    List::parse(text, |topic| {
        if topic == ANY || TOPICS.contains(&topic) {
            return Ok(());
        }
        Err(format!(
            "`{topic}` is no topic; these are {}",
            TOPICS.join(", ")
        ))
    })
}

fn places(text: &str) -> Result<List, String> {
    List::parse(text, place)
}

/// Checks `NAME`, `NAME:PORT` and `[ADDRESS]:PORT`; `*` may stand for either part.
fn place(text: &str) -> Result<(), String> {
    if text.contains('/') {
        return Err(format!(
            "`{text}` is no place; write a name or an address, and perhaps a port: `example.org:443`"
        ));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    if let Some(port) =
        port.filter(|port| *port != ANY && !port.parse().is_ok_and(|port: u16| port > 0))
    {
        return Err(format!(
            "`{port}` is not a port; ports are numbers from 1 to 65535"
        ));
    }
    let is_address = |text: &str| text.parse::<Ipv6Addr>().is_ok();
    let in_brackets = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    match in_brackets {
        Some(address) if is_address(address) => Ok(()),
        None if is_address(name) || is_name(name) => Ok(()),
        _ => Err(format!("`{name}` is neither a name nor an address")),
    }
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    text == ANY || !text.is_empty() && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        grants: GrantArgs,
        rest: Vec<String>,
    }

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        let arguments = ["command"].iter().chain(arguments);
        Command::try_parse_from(arguments).map_err(|error| error.to_string())
    }

    fn grants(arguments: &[&str]) -> Grants {
        parse(arguments).unwrap().grants.grants(None)
    }

    #[test]
    fn values_are_listed_and_repeated() {
        let given = grants(&[
            "--allow-read=/a,/b",
            "--allow-read=c",
            "--allow-write=/w",
            "--allow-run=apt-get,dpkg",
            "--allow-env=HOME",
            "--allow-net=example.org:443",
            r#"--allow-host=web1,exec:["a","b"]"#,
            "--allow-ask=packages,units",
            "--allow-facts",
            "--allow-attributes",
        ]);
        let wanted = Grants::none()
            .read("/a")
            .read("/b")
            .read("c")
            .write("/w")
            .run("apt-get")
            .run("dpkg")
            .env("HOME");
        assert_eq!(
            given,
            wanted
                .net("example.org:443")
                .host("web1")
                .host(r#"exec:["a","b"]"#)
                .ask("packages")
                .ask("units")
                .facts()
                .attributes()
        );
    }

    #[test]
    fn without_a_value_everything_is_granted_and_no_argument_is_taken() {
        let options = [
            "--allow-write",
            "--allow-run",
            "--allow-env",
            "--allow-net",
            "--allow-host",
            "--allow-ask",
            "--allow-facts",
            "--allow-attributes",
            "local:",
        ];
        let command = parse(&options).unwrap();
        assert_eq!(command.rest, ["local:"]);
        assert_eq!(command.grants.grants(None), Grants::all());
        assert_eq!(grants(&["-A"]), Grants::all());
        assert_eq!(grants(&["--allow-read"]), Grants::none().read("/"));
        assert_eq!(grants(&[]), Grants::none());

        let command = parse(&["--deterministic", "7"]).unwrap();
        assert_eq!(
            (command.grants.deterministic, command.rest),
            (Some(0), vec!["7".to_owned()])
        );
        assert_eq!(
            parse(&["--deterministic=7"]).unwrap().grants.deterministic,
            Some(7)
        );
        assert_eq!(parse(&[]).unwrap().grants.deterministic, None);
    }

    #[test]
    fn what_is_taken_away_is_so_from_everything() {
        assert_eq!(grants(&["-A", "--no-clock"]), Grants::all().without_clock());
        assert_eq!(grants(&["--no-random"]), Grants::none().without_random());
    }

    #[test]
    fn declarations_are_granted_on_request() {
        let declared = Wants {
            run: vec!["apt-get".into()],
            ..Wants::default()
        };
        let granted = |arguments: &[&str]| parse(arguments).unwrap().grants.grants(Some(&declared));
        assert_eq!(granted(&[]), Grants::none());
        assert_eq!(
            granted(&["--allow-declared", "--allow-env=A"]),
            Grants::none().run("apt-get").env("A")
        );
    }

    #[test]
    fn what_is_no_grant_is_said_to_be_none() {
        const NOTHING: &str =
            "it names nothing; leave the `=` away as well to grant everything of this kind";
        for (argument, complaint) in [
            ("--allow-read=", NOTHING),
            ("--allow-run=a,,b", NOTHING),
            ("--allow-host=", NOTHING),
            (
                "--allow-read=*",
                "`*` is no path; leave the value away to grant every path",
            ),
            (
                "--allow-write=~/x",
                "nobody expands the `~` in `~/x`; write the whole path",
            ),
            ("--allow-run=a\nb", "it has control characters"),
            (
                "--allow-env=HOME=/root",
                "a variable is granted by its name alone: `HOME`",
            ),
            (
                "--allow-net=example.org:http",
                "`http` is not a port; ports are numbers from 1 to 65535",
            ),
            (
                "--allow-net=example.org:0",
                "`0` is not a port; ports are numbers from 1 to 65535",
            ),
            (
                "--allow-net=[::1]:65536",
                "`65536` is not a port; ports are numbers from 1 to 65535",
            ),
            (
                "--allow-net=[example.org]:1",
                "`[example.org]` is neither a name nor an address",
            ),
            ("--allow-net=a b", "`a b` is neither a name nor an address"),
            (
                "--allow-net=https://example.org",
                "`https://example.org` is no place; write a name or an address, and perhaps a port: `example.org:443`",
            ),
            ("--allow-host=ssh:a b", "cannot contain ` `"),
            ("--deterministic=x", "invalid digit"),
        ] {
            let error = parse(&[argument]).unwrap_err();
            assert!(error.contains(complaint), "{argument}: {error}");
        }
        for place in [
            "*",
            "*:443",
            "example.org",
            "example.org:*",
            "10.0.0.1:80",
            "::1",
            "[::1]",
            "[::1]:80",
        ] {
            assert_eq!(places(place).unwrap(), List(vec![place.into()]));
        }
    }
}
