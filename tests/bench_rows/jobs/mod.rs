//! The jobs. Budgets are those of the design.

mod bad_day;
mod bulk;
mod cold;
mod command;
mod files;
mod fleet;
mod memory;
mod thousand;
mod warm;

use std::time::Duration;

use wxec::Host;

use crate::{options::Options, row::Row};

/// Rows that are measured together, in a process of their own.
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) way: Way,
    pub(crate) run: fn(&Options) -> Vec<Row>,
}

/// The way to a job's hosts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// ssh over the loopback, with curve25519 alone.
    Fast,
    /// The same with ssh's default key exchange, which takes 90 ms more here.
    Default,
    /// A slow link to a machine of its own, with curve25519 alone.
    Far,
}

pub(crate) const JOBS: &[Job] = &[
    Job {
        name: "cold",
        way: Way::Default,
        run: cold::default_key_exchange,
    },
    Job {
        name: "cold-fast",
        way: Way::Fast,
        run: cold::fast_key_exchange,
    },
    Job {
        name: "cold-cached",
        way: Way::Default,
        run: cold::cached_agent,
    },
    Job {
        name: "cold-far",
        way: Way::Far,
        run: cold::far_away,
    },
    Job {
        name: "warm",
        way: Way::Fast,
        run: warm::over_ssh,
    },
    Job {
        name: "local",
        way: Way::Fast,
        run: warm::local,
    },
    Job {
        name: "command",
        way: Way::Fast,
        run: command::whole,
    },
    Job {
        name: "pipelined",
        way: Way::Fast,
        run: warm::pipelined,
    },
    Job {
        name: "bulk",
        way: Way::Fast,
        run: bulk::times,
    },
    Job {
        name: "files",
        way: Way::Fast,
        run: files::put_and_get,
    },
    Job {
        name: "argument-memory",
        way: Way::Fast,
        run: bulk::argument_memory,
    },
    Job {
        name: "result-memory",
        way: Way::Fast,
        run: bulk::result_memory,
    },
    Job {
        name: "idle",
        way: Way::Fast,
        run: memory::idle,
    },
    Job {
        name: "bytes",
        way: Way::Fast,
        run: memory::bytes,
    },
    Job {
        name: "fleet",
        way: Way::Default,
        run: fleet::hundred_hosts,
    },
    Job {
        name: "thousand",
        way: Way::Fast,
        run: thousand::local,
    },
    Job {
        name: "thousand-ssh",
        way: Way::Fast,
        run: thousand::ssh,
    },
    Job {
        name: "bad-day",
        way: Way::Fast,
        run: bad_day::thousand_hosts,
    },
];

pub(crate) fn named(name: &str) -> Option<&'static Job> {
    JOBS.iter().find(|job| job.name == name)
}

/// The host behind our sshd, not connected yet.
pub(crate) fn host() -> Host {
    Host::new("host").expect("it is a name")
}

/// Makes a call with next to nothing to do.
pub(crate) fn tiny_call(host: &Host) -> usize {
    words::count::on(host, "to be".into())
        .wait()
        .expect("it counts words")
}

/// Builds what the first call of a process has to build.
pub(crate) fn warm_caches() {
    let local = Host::new("local:").expect("it is an address");
    tiny_call(&local);
    local.close().wait();
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("it is a small number"))
}

fn kb(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).expect("it is not much")) / 1e3
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
