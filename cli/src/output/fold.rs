//! Texts of many hosts, equal ones together: `[web[1-12]] text`.

use std::collections::{HashMap, HashSet};

use wxec::{Host, fleet::fold_names};

/// Texts of hosts so far. Equal ones are kept once.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    /// The names of all hosts, in their order.
    order: Vec<String>,
    hosts: HashMap<Vec<u8>, HashSet<String>>,
}

impl Folded {
    /// Returns one for `hosts`, without a text.
    pub(crate) fn of(hosts: &[Host]) -> Self {
        Self {
            order: hosts.iter().map(|host| host.name().to_owned()).collect(),
            hosts: HashMap::new(),
        }
    }

    /// Adds the text of a host.
    pub(crate) fn add(&mut self, host: &str, text: Vec<u8>) {
        self.hosts.entry(text).or_default().insert(host.into());
    }

    /// Passes each text to `print` with the folded names of its hosts: first the one that most hosts
    /// have, then in the order of hosts.
    pub(crate) fn print(self, print: impl Fn(&str, &[u8])) {
        let mut texts: Vec<_> = self.hosts.iter().collect();
        let first =
            |hosts: &HashSet<String>| self.order.iter().position(|name| hosts.contains(name));
        texts.sort_by_cached_key(|(_, hosts)| (usize::MAX - hosts.len(), first(hosts)));
        for (text, hosts) in texts {
            let names = self.order.iter().filter(|name| hosts.contains(*name));
            print(&fold_names(names.map(String::as_str)), text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn equal_texts_share_a_line_and_the_commonest_is_first() {
        let names = ["web1", "web2", "web3", "web4", "db", "mail"];
        let hosts = names.map(|name| Host::new(name).unwrap());
        let mut folded = Folded::of(&hosts);
        for (name, text) in [
            ("mail", "odd"),
            ("web4", "ok"),
            ("web2", "ok"),
            ("db", "other"),
            ("web3", "ok"),
            ("web1", "odd"),
        ] {
            folded.add(name, text.into());
        }
        let lines = RefCell::new(Vec::new());
        folded.print(|names, text| {
            let text = String::from_utf8_lossy(text);
            lines.borrow_mut().push(format!("[{names}] {text}"));
        });
        let expected = ["[web[2-4]] ok", "[web1,mail] odd", "[db] other"];
        assert_eq!(*lines.borrow(), expected);
    }
}
