//! The capabilities that a module can request of its host, judged by its imports. The grants of a
//! call decide which of them it gets.

use std::collections::BTreeSet;

/// A kind of access that a guest may request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Capability {
    /// Name in JSON output.
    pub(crate) name: &'static str,
    /// Verb phrase for people, as in "can ask to open files".
    pub(crate) can: &'static str,
    /// Options that grant it or take it away.
    pub(crate) options: &'static str,
}

const FILES: Capability = Capability {
    name: "files",
    can: "open files",
    options: "with --allow-read, --allow-write",
};
const RUN: Capability = Capability {
    name: "run",
    can: "run programs",
    options: "with --allow-run",
};
const ENV: Capability = Capability {
    name: "env",
    can: "see variables",
    options: "with --allow-env",
};
const NET: Capability = Capability {
    name: "net",
    can: "connect to other machines",
    options: "with --allow-net",
};
const HOST: Capability = Capability {
    name: "host",
    can: "call tasks on other hosts",
    options: "with --allow-host",
};
const FACTS: Capability = Capability {
    name: "facts",
    can: "know its host",
    options: "with --allow-facts",
};
const CLOCK: Capability = Capability {
    name: "clock",
    can: "know the time",
    options: "unless --no-clock",
};
const RANDOM: Capability = Capability {
    name: "random",
    can: "draw random numbers",
    options: "unless --no-random",
};

/// Beginnings of imports, with the capability that such imports request.
const IMPORTS: [(&str, Capability); 9] = [
    ("wasi_snapshot_preview1.path_", FILES),
    ("wasi_snapshot_preview1.environ_", ENV),
    ("wasi_snapshot_preview1.clock_", CLOCK),
    ("wasi_snapshot_preview1.random_", RANDOM),
    ("wxec_v1.file_", FILES),
    ("wxec_v1.process_", RUN),
    ("wxec_v1.net_", NET),
    ("wxec_v1.host_call", HOST),
    ("wxec_v1.host_facts", FACTS),
];

/// Returns the capabilities that a module with these `imports` can request, in alphabetical order.
pub(crate) fn of_imports(imports: &[String]) -> BTreeSet<Capability> {
    let found = IMPORTS
        .into_iter()
        .filter(|(start, _)| imports.iter().any(|import| import.starts_with(start)));
    found.map(|(_, capability)| capability).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_show_what_a_module_can_ask_for() {
        let names = |imports: &[&str]| {
            let imports: Vec<_> = imports.iter().map(|import| (*import).to_owned()).collect();
            of_imports(&imports)
                .into_iter()
                .map(|capability| capability.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["wxec_v1.input_read", "wasi_snapshot_preview1.fd_write"]),
            [""; 0]
        );
        assert_eq!(names(&["wxec_v1.host_facts"]), ["facts"]);
        assert_eq!(
            names(&["wxec_v1.host_call", "wxec_v1.net_connect"]),
            ["host", "net"]
        );
        assert_eq!(
            names(&[
                "wxec_v1.process_start",
                "wasi_snapshot_preview1.path_open",
                "wasi_snapshot_preview1.path_rename"
            ]),
            ["files", "run"]
        );
    }
}
