//! The jobs. Budgets are those of the design.

mod bulk;
mod cold;
mod command;
mod fleet;
mod memory;
mod warm;

use std::time::Duration;

use wxec::Host;

use crate::{options::Options, row::Row};

/// Rows that are measured together, in a process of their own.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) key_exchange: KeyExchange,
    pub(crate) run: fn(&Options) -> Vec<Row>,
}

/// The key exchange of ssh; OpenSSH's default takes 90 ms more here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeyExchange {
    /// curve25519 alone.
    Fast,
    Default,
}

pub(crate) const JOBS: &[Job] = &[
    Job {
        name: "cold",
        key_exchange: KeyExchange::Default,
        run: cold::default_key_exchange,
    },
    Job {
        name: "cold-fast",
        key_exchange: KeyExchange::Fast,
        run: cold::fast_key_exchange,
    },
    Job {
        name: "warm",
        key_exchange: KeyExchange::Fast,
        run: warm::over_ssh,
    },
    Job {
        name: "local",
        key_exchange: KeyExchange::Fast,
        run: warm::local,
    },
    Job {
        name: "command",
        key_exchange: KeyExchange::Fast,
        run: command::whole,
    },
    Job {
        name: "pipelined",
        key_exchange: KeyExchange::Fast,
        run: warm::pipelined,
    },
    Job {
        name: "bulk",
        key_exchange: KeyExchange::Fast,
        run: bulk::times,
    },
    Job {
        name: "argument-memory",
        key_exchange: KeyExchange::Fast,
        run: bulk::argument_memory,
    },
    Job {
        name: "result-memory",
        key_exchange: KeyExchange::Fast,
        run: bulk::result_memory,
    },
    Job {
        name: "idle",
        key_exchange: KeyExchange::Fast,
        run: memory::idle,
    },
    Job {
        name: "bytes",
        key_exchange: KeyExchange::Fast,
        run: memory::bytes,
    },
    Job {
        name: "fleet",
        key_exchange: KeyExchange::Default,
        run: fleet::hundred_hosts,
    },
];

pub(crate) fn named(name: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.name == name)
}

/// The host behind our sshd, not connected yet.
fn host() -> Host {
    Host::new("host").expect("it is a name")
}

/// Makes a call with next to nothing to do.
fn tiny_call(host: &Host) -> usize {
    words::count::on(host, "to be".into())
        .wait()
        .expect("it counts words")
}

/// Builds what the first call of a process has to build.
fn warm_caches() {
    let local = Host::new("local:").expect("it is an address");
    tiny_call(&local);
    local.close().wait();
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
