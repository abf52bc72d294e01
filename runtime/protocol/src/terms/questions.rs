//! Questions about a host that programs with fixed arguments answer. They change nothing, so a
//! preview may ask them too: what a guest chooses is names alone.

use super::grants::{ANY, Grants};

/// The topics that a guest may be granted to ask about.
pub const TOPICS: [&str; 3] = ["packages", "units", "users"];

/// Asks `dpkg` about packages: a line of name, state and version for each that it knows.
pub const DPKG: [&str; 5] = [
    "dpkg-query",
    "--show",
    "--showformat",
    "${Package}\\t${db:Status-Abbrev}\\t${Version}\\n",
    "--",
];
/// Asks `apk` about packages: a line of name and version for each that is installed.
pub const APK: [&str; 5] = ["apk", "info", "--installed", "--verbose", "--"];
/// Asks `rpm` about packages: a line of name and version for each that is installed.
pub const RPM: [&str; 5] = [
    "rpm",
    "--query",
    "--queryformat",
    "%{NAME}\\t%{VERSION}-%{RELEASE}\\n",
    "--",
];
/// Asks systemd about a unit: a line `NAME=VALUE` for each of these properties.
pub const SYSTEMCTL: [&str; 6] = [
    "systemctl",
    "show",
    "--no-pager",
    "--property",
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Type,Result,NRestarts",
    "--",
];

/// The questions: for each its topic, and the words of the command that answers.
///
/// A command ends in names, which the guest chooses. No name begins with `-`, so none is taken for an
/// option, and none has a character that these programs understand as a pattern.
const QUESTIONS: [(&str, &[&str]); 8] = [
    ("packages", &DPKG),
    ("packages", &APK),
    ("packages", &RPM),
    ("units", &SYSTEMCTL),
    ("users", &["getent", "passwd"]),
    ("users", &["getent", "group"]),
    ("users", &["getent", "shadow"]),
    ("users", &["id", "-Gn"]),
];

/// Number of names in one question: as many packages as one transaction has.
const MAX_NAMES: usize = 1000;
/// Longest name, in bytes: units have the longest ones.
const MAX_NAME_BYTES: usize = 256;

impl Grants {
    /// Returns true if a command is a question that is granted.
    pub fn covers_question(&self, program: &str, arguments: &[String]) -> bool {
        let covers = |topic| {
            self.ask
                .iter()
                .any(|granted| granted == ANY || granted == topic)
        };
        topic_of(program, arguments).is_some_and(covers)
    }
}

/// Returns the topic of a command, if it is a question.
pub fn topic_of(program: &str, arguments: &[String]) -> Option<&'static str> {
    for (topic, command) in QUESTIONS {
        let begins = || {
            arguments
                .iter()
                .zip(&command[1..])
                .all(|(given, word)| given == word)
        };
        if command[0] == program && arguments.len() >= command.len() && begins() {
            let names = &arguments[command.len() - 1..];
            let are_names = names.len() <= MAX_NAMES && names.iter().all(|name| is_name(name));
            return are_names.then_some(topic);
        }
    }
    None
}

fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"_.+:@~-\\".contains(&c);
    let begins_well = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_';
    name.len() <= MAX_NAME_BYTES
        && name.as_bytes().first().is_some_and(begins_well)
        && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(grants: &Grants, words: &[&str]) -> bool {
        let words: Vec<_> = words.iter().map(ToString::to_string).collect();
        let (program, arguments) = words.split_first().unwrap();
        assert_eq!(
            topic_of(program, arguments).is_some(),
            Grants::none().ask("*").covers_question(program, arguments)
        );
        grants.covers_question(program, arguments)
    }

    #[test]
    fn a_question_has_its_fixed_words_and_names() {
        let packages = Grants::none().ask("packages");
        let ask = |names: &[&str]| covers(&packages, &[&DPKG[..], names].concat());
        assert!(ask(&["nginx"]) && ask(&["nginx", "libc6:amd64", "g++-12", "a~b"]));
        for names in [
            &[][..],
            &[""],
            &["-f"],
            &["--admindir=/tmp"],
            &["ng*"],
            &["a b"],
            &["a", "../b"],
            &["${x}"],
        ] {
            assert!(!ask(names), "{names:?}");
        }
        assert!(!covers(&packages, &["dpkg-query", "--show", "nginx"]));
        assert!(!covers(&packages, &["dpkg-query"]));
        assert!(!covers(&packages, &["/usr/bin/dpkg-query", "--show"]));
    }

    #[test]
    fn a_topic_covers_its_own_questions() {
        let users = ["getent", "passwd", "root"];
        assert!(covers(&Grants::none().ask("users"), &users));
        assert!(covers(&Grants::all(), &users));
        assert!(!covers(&Grants::none().ask("packages"), &users));
        assert!(!covers(&Grants::none(), &users));
        assert!(!covers(
            &Grants::none().ask("users"),
            &["getent", "hosts", "a"]
        ));
    }
}
