//! Questions about a host that programs with fixed arguments answer. They change nothing, so a
//! preview may ask them too: what a guest chooses is names alone.

use super::grants::{Grants, Need};

/// The topics that a guest may be granted to ask about, with the commands that answer.
///
/// Each command ends in names, which the guest chooses. No name begins with `-`, so none is taken for
/// an option, and none has a character that these programs understand as a pattern.
pub const TOPICS: [(&str, &[&[&str]]); 3] = [
    (
        "packages",
        &[
            &["dpkg-query", "--show", "--showformat", DPKG_FORMAT, "--"],
            &["apk", "info", "--installed", "--verbose", "--"],
            &["rpm", "--query", "--queryformat", RPM_FORMAT, "--"],
        ],
    ),
    (
        "units",
        &[&[
            "systemctl",
            "show",
            "--no-pager",
            "--property",
            UNIT_PROPERTIES,
            "--",
        ]],
    ),
    (
        "users",
        &[
            &["getent", "passwd"],
            &["getent", "group"],
            &["getent", "shadow"],
            &["id", "-Gn"],
        ],
    ),
];

/// What `dpkg-query` says of each package: a line of its name, its state and its version.
pub const DPKG_FORMAT: &str = "${Package}\\t${db:Status-Abbrev}\\t${Version}\\n";
/// What `rpm` says of each package: a line of its name and its version.
pub const RPM_FORMAT: &str = "%{NAME}\\t%{VERSION}-%{RELEASE}\\n";
/// The properties of a unit that `systemctl` tells.
pub const UNIT_PROPERTIES: &str =
    "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,Type,Result,NRestarts";

/// Number of names in one question: as many packages as one transaction has.
const MAX_NAMES: usize = 1000;
/// Longest name, in bytes: units have the longest ones.
const MAX_NAME_BYTES: usize = 256;

impl Grants {
    /// Returns true if a command is a question that is granted.
    pub fn covers_question(&self, program: &str, arguments: &[String]) -> bool {
        topic_of(program, arguments).is_some_and(|topic| self.covers(&Need::Ask(topic.into())))
    }
}

/// Returns the topic of a command, if it is a question.
pub fn topic_of(program: &str, arguments: &[String]) -> Option<&'static str> {
    let mut topics = TOPICS.iter();
    let found = topics.find(|(_, commands)| {
        let mut commands = commands.iter();
        commands.any(|command| is_question(command, program, arguments))
    });
    found.map(|(topic, _)| *topic)
}

fn is_question(command: &[&str], program: &str, arguments: &[String]) -> bool {
    let Some((fixed, names)) = arguments.split_at_checked(command.len() - 1) else {
        return false;
    };
    command[0] == program
        && command[1..].iter().eq(fixed)
        && (1..=MAX_NAMES).contains(&names.len())
        && names.iter().all(|name| is_name(name))
}

fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.+:@~-\\".contains(c);
    let begins_well = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= MAX_NAME_BYTES && name.starts_with(begins_well) && name.chars().all(plain)
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
        let dpkg = ["dpkg-query", "--show", "--showformat", DPKG_FORMAT, "--"];
        let ask = |names: &[&str]| covers(&packages, &[&dpkg[..], names].concat());
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
