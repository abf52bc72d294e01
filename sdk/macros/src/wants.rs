//! Reads the keys of `#[remote(…)]` and `#[plan(…)]`: the needs that a task declares, the path of
//! the crate that has the attribute, and keys of that attribute alone.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitStr, Meta, Path, Token, parse::Parser, punctuated::Punctuated};

use crate::complaints::Complaints;

/// Keys that name things, in the order of `wxec_protocol::abi::Wants`. `Grants` has a method for
/// each.
const KEYS: [&str; 7] = ["read", "write", "run", "env", "net", "host", "ask"];

/// The key of topics, of which a text may have several.
const ASK: &str = "ask";
/// The key of programs.
const RUN: &str = "run";
/// The key of paths to read.
const READ: &str = "read";

/// The topics, as in `wxec_protocol::questions`, each with the programs that change what it is about.
const TOPICS: [(&str, &[&str]); 3] = [
    ("packages", &["apt-get", "dpkg", "apk", "dnf"]),
    ("units", &["systemctl"]),
    (
        "users",
        &[
            "useradd", "usermod", "userdel", "groupadd", "groupmod", "groupdel", "gpasswd",
            "chpasswd", "adduser", "deluser", "addgroup", "delgroup",
        ],
    ),
];

/// What plans can manage beside the topics: restarting the host, with the programs that do that.
const REBOOT: (&str, [&str; 2]) = ("reboot", ["systemctl", "reboot"]);
/// Tells whether a host has restarted.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Keys that take no value. `Grants` has a method for each, too.
const FLAGS: [&str; 2] = ["facts", "attributes"];

/// The key for the name that the attribute's crate has in the user's crate.
const CRATE: &str = "crate";

/// The needs that a task declares.
#[derive(Default)]
pub(crate) struct Wants {
    named: [Vec<LitStr>; KEYS.len()],
    flags: [bool; FLAGS.len()],
}

/// An attribute with keys.
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    /// The name of its crate.
    pub(crate) krate: &'static str,
    /// Its own keys, as complaints list them.
    pub(crate) own_keys: &'static str,
}

/// `#[remote]`.
pub(crate) const REMOTE: Attribute = Attribute {
    name: "remote",
    krate: "wxec",
    own_keys: "",
};

impl Wants {
    /// Reads `#[attribute(arguments)]`. Also returns the path of the attribute's crate, if it is
    /// given. `is_own` takes the keys of this attribute alone.
    pub(crate) fn parse(
        attribute: &Attribute,
        arguments: TokenStream,
        mut is_own: impl FnMut(&Meta, &mut Complaints) -> bool,
        complaints: &mut Complaints,
    ) -> (Self, Option<Path>) {
        let (mut wants, mut krate) = (Self::default(), None);
        match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(arguments) {
            Ok(keys) => keys.iter().for_each(|key| {
                if key.path().is_ident(CRATE) {
                    krate = krate_path(attribute, key, complaints)
                } else if !is_own(key, complaints) {
                    wants.add(attribute, key, complaints)
                }
            }),
            Err(error) => complaints.merge(error),
        }
        (wants, krate)
    }

    /// Returns the keys that name something, each with the names.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &[LitStr])> {
        KEYS.into_iter()
            .zip(self.named.iter().map(Vec::as_slice))
            .filter(|(_, names)| !names.is_empty())
    }

    /// Returns the keys without a value.
    pub(crate) fn flags(&self) -> impl Iterator<Item = &'static str> {
        FLAGS
            .into_iter()
            .zip(self.flags)
            .filter_map(|(flag, is_set)| is_set.then_some(flag))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.flags().next().is_none() && self.named().next().is_none()
    }

    /// Adds what it takes to manage a part of the host: the questions about it, and the programs that
    /// change it. Returns true if that is to restart the host.
    pub(crate) fn manage(&mut self, topic: &LitStr) -> bool {
        let text = |text: &str| LitStr::new(text, topic.span());
        let (reboot, programs) = REBOOT;
        if topic.value() == reboot {
            self.list(RUN).extend(programs.map(text));
            self.list(READ).push(text(BOOT_ID));
            return true;
        }
        let programs = TOPICS.iter().find(|(known, _)| *known == topic.value());
        let programs = programs.into_iter().flat_map(|(_, programs)| *programs);
        self.list(RUN).extend(programs.map(|program| text(program)));
        self.list(ASK).push(topic.clone());
        false
    }

    /// The names of a key.
    fn list(&mut self, key: &str) -> &mut Vec<LitStr> {
        let index = KEYS.iter().position(|known| *known == key);
        &mut self.named[index.expect("it is one of the keys")]
    }

    fn add(&mut self, attribute: &Attribute, key: &Meta, complaints: &mut Complaints) {
        let name = key.path().to_token_stream().to_string();
        if let Some(flag) = FLAGS.iter().position(|known| *known == name) {
            self.flags[flag] = true;
            if !matches!(key, Meta::Path(_)) {
                let help = format!("write `{name}` alone");
                complaints.add(key, &format!("`{name}` takes no value"), &help);
            }
            return;
        }
        let Some(index) = KEYS.iter().position(|known| *known == name) else {
            let keys = KEYS.iter().chain(&FLAGS[..FLAGS.len() - 1]);
            let keys: Vec<_> = keys.map(|key| format!("`{key}`")).collect();
            let Attribute {
                name: attribute,
                krate,
                own_keys,
            } = attribute;
            let help = format!(
                "it declares what the task needs: {} or `{}`; {own_keys}or `crate`, by which name {krate} is known",
                keys.join(", "),
                FLAGS[FLAGS.len() - 1],
            );
            let wrong = format!("`#[{attribute}]` has no key `{name}`");
            return complaints.add(key, &wrong, &help);
        };
        let named = if name == ASK {
            topics_of(key, ASK, &TOPICS.map(|(topic, _)| topic), complaints)
        } else {
            texts_of(key, &name, complaints)
        };
        self.named[index].extend(named);
    }
}

/// Returns the path in `crate = path`. As in serde, the path may be a text.
fn krate_path(attribute: &Attribute, key: &Meta, complaints: &mut Complaints) -> Option<Path> {
    let value = match key {
        Meta::NameValue(pair) => Some(bare(&pair.value)),
        _ => None,
    };
    match value {
        Some(Expr::Path(path)) if path.qself.is_none() => return Some(path.path.clone()),
        Some(Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        })) => match text.parse_with(Path::parse_mod_style) {
            Ok(path) => return Some(path),
            Err(error) => complaints.merge(error),
        },
        _ => {
            let krate = attribute.krate;
            let help = format!(
                "write `crate = far` if Cargo.toml says `far = {{ package = \"{krate}\", … }}`"
            );
            complaints.add(key, "`crate` has to name a crate", &help);
        }
    }
    None
}

/// Returns one text, or each of a list of texts.
fn texts(value: &Expr, key: &str, complaints: &mut Complaints) -> Vec<LitStr> {
    match bare(value) {
        Expr::Array(list) if list.elems.is_empty() => {
            complaints.add(
                list,
                "an empty list names nothing",
                &format!("leave `{key}` away"),
            );
            Vec::new()
        }
        Expr::Array(list) => list
            .elems
            .iter()
            .filter_map(|value| text(value, key, complaints))
            .collect(),
        value => text(value, key, complaints).into_iter().collect(),
    }
}

fn text(value: &Expr, key: &str, complaints: &mut Complaints) -> Option<LitStr> {
    match bare(value) {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if text.value().is_empty() => {
            complaints.add(text, "an empty text names nothing", "leave it away");
            None
        }
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) => Some(text.clone()),
        other => {
            complaints.add(
                other,
                &format!("`{key}` takes texts in quotes"),
                &how_to_write(key),
            );
            None
        }
    }
}

/// Returns the texts that a key names.
pub(crate) fn texts_of(key: &Meta, name: &str, complaints: &mut Complaints) -> Vec<LitStr> {
    match key {
        Meta::NameValue(pair) => texts(&pair.value, name, complaints),
        _ => {
            let wrong = format!("`{name}` has to name something");
            complaints.add(key, &wrong, &how_to_write(name));
            Vec::new()
        }
    }
}

/// Returns what a plan is to manage, as a key names it.
pub(crate) fn managed(key: &Meta, complaints: &mut Complaints) -> Vec<LitStr> {
    let mut known = TOPICS.map(|(topic, _)| topic).to_vec();
    known.push(REBOOT.0);
    topics_of(key, "manage", &known, complaints)
}

/// Returns the topics that a key names, of those that are known.
fn topics_of(key: &Meta, name: &str, known: &[&str], complaints: &mut Complaints) -> Vec<LitStr> {
    let texts = texts_of(key, name, complaints);
    let topics = texts
        .iter()
        .flat_map(|text| topics_in(text, known, complaints));
    topics.collect()
}

/// Returns each topic of a text.
fn topics_in(text: &LitStr, known: &[&str], complaints: &mut Complaints) -> Vec<LitStr> {
    let mut topics = Vec::new();
    if text.value().trim().is_empty() {
        complaints.add(text, "an empty text names nothing", "leave it away");
    }
    for word in text.value().split_whitespace() {
        if known.contains(&word) {
            topics.push(LitStr::new(word, text.span()));
        } else {
            let help = format!("these are the topics: {}", known.join(", "));
            complaints.add(text, &format!("`{word}` is no topic"), &help);
        }
    }
    topics
}

fn how_to_write(key: &str) -> String {
    format!("write `{key} = \"…\"`, or `{key} = [\"…\", \"…\"]`")
}

/// Returns the value without the invisible group that `macro_rules!` puts around `$name:literal`.
fn bare(value: &Expr) -> &Expr {
    match value {
        Expr::Group(group) => bare(&group.expr),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::TOPICS;

    #[test]
    fn the_topics_are_those_that_agents_know() {
        assert_eq!(
            TOPICS.map(|(topic, _)| topic),
            wxec_protocol::questions::TOPICS
        );
    }
}
