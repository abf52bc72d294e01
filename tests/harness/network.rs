//! A network of machines, some of which are reached only through another one, or with a delay.

use std::{fs, os::unix::fs::chown, time::Duration};

use super::{
    Machine, Sshd,
    accounts::USERS,
    keys::{keys, write, write_private},
    link::{End, Link},
    machine::MachineOptions,
    needs,
    sshd::client_config,
};

/// Three machines in a row: here, the bastion, and the inner one. The network interfaces of this
/// machine are not involved: its ssh enters the network namespace of the first one. `login` of the
/// bastion has a key for the inner machine, and an ssh_config.
///
/// | host | is |
/// |---|---|
/// | `login`, `asked`, `stranger`, `app` | the accounts of the bastion |
/// | `bastion`, `web1`, `web2` | the same as `login` |
/// | `inner` | `login` of the inner machine; reachable from the bastion, but not from here |
/// | `jumped` | the same, by way of the bastion |
pub(crate) struct Network {
    /// The first field, so that the threads of the links end before the machines do.
    _links: [Link; 2],
    sshd: Sshd,
    inner_sshd: Sshd,
    pub(crate) bastion: Machine,
    pub(crate) inner: Machine,
    #[allow(
        dead_code,
        reason = "the bench limits the rate of its link; for tests, it exists"
    )]
    here: Machine,
}

/// Addresses reserved for documentation; no real host has them.
const BASTION: [&str; 2] = ["198.51.100.2", "203.0.113.1"];
const HERE: &str = "198.51.100.1";
const INNER: &str = "203.0.113.2";

impl Network {
    /// Starts the network, or skips the test. `delays` are the times that a packet takes one way:
    /// from here to the bastion, and from there to the inner machine.
    pub(crate) fn start(delays: [Duration; 2]) -> Option<Self> {
        Self::of([Machine::options(), Machine::options()], delays)
    }

    /// Starts a network whose bastion and inner machine have these options.
    pub(crate) fn of([bastion, inner]: [MachineOptions; 2], delays: [Duration; 2]) -> Option<Self> {
        if !needs(&["busybox", "ip", "nsenter"]) {
            return None;
        }
        let here = Machine::options().isolated().start()?;
        let (bastion, inner) = (bastion.isolated().start()?, inner.isolated().start()?);
        let end = |machine, address| End { machine, address };
        let links = [
            Link::between(
                &end(&here, HERE),
                &end(&bastion, BASTION[0]),
                "link1",
                delays[0],
            ),
            Link::between(
                &end(&bastion, BASTION[1]),
                &end(&inner, INNER),
                "link2",
                delays[1],
            ),
        ];
        let inner_sshd = inner.sshd()?;
        let net = here.namespace("net");
        let way = format!(
            "    ProxyCommand nsenter --net={net} busybox nc {} 22\n",
            BASTION[0]
        );
        let sshd = Sshd::start_where(|directory| {
            let (place, listen, server, hosts) =
                bastion.describe_sshd(directory, "0.0.0.0:22", &way);
            let hosts = format!(
                "{hosts}Host bastion web1 web2\n    User login\n{way}Host jumped\n    User login\n    HostName {INNER}\n    \
                 ProxyCommand ssh -F {}/ssh_config -W %h:22 bastion\n{}    # No packet leaves this machine.\n    \
                 BindAddress 127.0.0.1\n",
                directory.path().display(),
                inner_host()
            );
            (place, listen, server, hosts)
        })?;
        write_ssh_config(&bastion);
        Some(Self {
            _links: links,
            sshd,
            inner_sshd,
            bastion,
            inner,
            here,
        })
    }

    /// The sshd of the bastion, and the client's configuration for all hosts.
    pub(crate) fn sshd(&self) -> &Sshd {
        &self.sshd
    }

    /// The network namespaces at both ends of `link1`, from here to the bastion.
    #[allow(
        dead_code,
        reason = "the bench limits the rate of this link; tests do not"
    )]
    pub(crate) fn first_link(&self) -> [String; 2] {
        [&self.here, &self.bastion].map(|machine| machine.namespace("net"))
    }

    /// The log of the inner sshd.
    pub(crate) fn inner_log(&self) -> String {
        self.inner_sshd.log()
    }
}

fn inner_host() -> String {
    format!("Host inner\n    User login\n    HostName {INNER}\n")
}

/// Writes the key and the ssh_config that `login` of the bastion has for the inner machine.
fn write_ssh_config(bastion: &Machine) {
    let inside = "/home/login/.ssh";
    let path = bastion.path(inside);
    fs::create_dir(&path).expect("it is new");
    write_private(&path, "client_key", &keys().client.private);
    write(
        &path.join("known_hosts"),
        format!("tests {}", keys().host.public),
        0o644,
    );
    write(
        &path.join("config"),
        client_config(inside.as_ref(), &inner_host()),
        0o644,
    );
    let id = USERS
        .iter()
        .find(|user| user.name == "login")
        .map(|user| user.id);
    for file in ["", "client_key", "known_hosts", "config"] {
        chown(path.join(file), id, id).expect("root may");
    }
}
