//! `wxec facts`: prints facts that hosts report about themselves.

use std::time::Duration;

use wxec::{
    CallOptions, Module,
    call::Value,
    here::{Distro, Facts},
    history::RunWork,
};

use crate::{
    args::{connect_args::ConnectArgs, limit_args, rollout_args::RolloutArgs, target},
    base::{
        exit_code,
        quantity::{self, show_size},
        verbosity::Verbosity,
    },
    hosts::{
        job::{Job, OwnInputs, print_everywhere},
        rollout::Rollout,
    },
    output::{
        command_error::CommandError,
        guest_output::guest_output,
        results::{Format, Style},
    },
    value::json::to_json,
};

/// Show facts about hosts: names, system, processors, memory, addresses
///
/// A host finds them out without asking the network or running a program. Facts that it does not
/// know are omitted.
///
/// On several hosts each line begins with `[host]`. Programs read `--format json`: memory is in
/// bytes, uptime in seconds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:`, `web1` or `bastion/ssh:inner/sudo:app`, or hosts of the
    /// inventory, such as `@web`; or several with commas between them (see `wxec hosts --help`)
    target: String,
    /// Print the facts in this format
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Give up on a host that has not answered after this long [default: the inventory's, else 1m]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration, display_order = 20)]
    timeout: Option<Duration>,
    /// Print equal facts of hosts together, when all have answered: `[web[1-12]] …`
    #[arg(
        long,
        conflicts_with = "format",
        display_order = 51,
        help_heading = "Many hosts"
    )]
    fold: bool,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec facts web1
  wxec facts web1,web2,docker:worker --format ndjson
  wxec facts local: --format json | jq -r .kernel";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let hosts = target::hosts(&args.target, &args.connect, |several| {
        guest_output(several, verbosity)
    })?;
    let mut chosen = args.rollout.chosen(hosts)?;
    for host in &mut chosen.hosts {
        *host = host.with_limits(limit_args::of_host(host, true));
    }
    let options = CallOptions::new();
    let job = Job {
        module: Module::shipped("facts")?,
        function: "facts".into(),
        input: Value::Array(Vec::new()),
        own_inputs: OwnInputs::none(),
        judge: |_| exit_code::OK,
        on_denial: None,
        options: match args.timeout {
            Some(timeout) => options.timeout(timeout),
            None => options,
        },
        streaming: None,
    };
    let style = args.format.map_or(Style::Text(text), Style::Format);
    let work = RunWork {
        command: "facts".into(),
        target: args.target.clone(),
        ..RunWork::default()
    };
    let rollout = Rollout::new(chosen, &args.rollout, work, verbosity)?.idempotent(true);
    let results = rollout.results(style, args.fold);
    print_everywhere(rollout, job, results, false, verbosity)
}

/// Formats facts for people. An answer of another form is shown as JSON.
fn text(value: &Value) -> String {
    value
        .deserialized::<Facts>()
        .map_or_else(|_| to_json(value), |facts| table(&facts))
}

fn table(facts: &Facts) -> String {
    let rows = rows(facts);
    let known = rows
        .iter()
        .filter_map(|(key, value)| Some((key, value.as_deref()?.trim())));
    // Keeps each value on one line, whatever the host sends.
    let lines = known
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| {
            let key = format!("{key}:");
            format!("{key:<11}{}", value.replace(char::is_control, " "))
        });
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns the names and values to show; `None` for what is not known.
fn rows(facts: &Facts) -> [(&'static str, Option<String>); 10] {
    let Facts {
        hostname,
        fqdn,
        kernel,
        os,
        arch,
        cpus,
        uid,
        ..
    } = facts;
    let addresses: Vec<_> = facts.addresses.iter().map(ToString::to_string).collect();
    let user = match &facts.user {
        Some(user) => format!("{user} ({uid})"),
        None => uid.to_string(),
    };
    let uptime = Duration::from_secs(facts.uptime_s);
    [
        ("hostname", Some(hostname.clone())),
        ("fqdn", fqdn.clone()),
        ("distro", facts.distro.as_ref().map(show_distro)),
        ("kernel", Some(format!("{os} {kernel}"))),
        ("arch", Some(arch.clone())),
        ("cpus", Some(cpus.to_string())),
        ("memory", Some(show_size(facts.memory_bytes))),
        ("addresses", Some(addresses.join(", "))),
        ("user", Some(user)),
        ("uptime", Some(show_uptime(uptime))),
    ]
}

fn show_distro(distro: &Distro) -> String {
    match (&*distro.name, &*distro.version) {
        ("", version) => format!("{} {version}", distro.id),
        (name, version) => format!("{name} {version}"),
    }
}

/// Formats an uptime: in days and hours, or in hours and minutes if it is less than a day.
fn show_uptime(uptime: Duration) -> String {
    let minutes = uptime.as_secs() / 60;
    match (minutes / (24 * 60), minutes / 60 % 24, minutes % 60) {
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (1, hours, _) => format!("1 day {hours} h"),
        (days, hours, _) => format!("{days} days {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web1() -> Value {
        let json = r#"{
            "hostname": "web1", "fqdn": null, "kernel": "6.12.43", "os": "Linux", "arch": "x86_64",
            "distro": {"id": "debian", "name": "Debian GNU/Linux", "version": "13"}, "cpus": 4,
            "memory_bytes": 8321499136, "addresses": ["10.0.0.5", "2001:db8::1"],
            "user": "deploy", "uid": 1000, "uptime_s": 356400
        }"#;
        crate::value::parse::parse(json).unwrap()
    }

    #[test]
    fn facts_are_a_list_for_people() {
        let expected = "\
hostname:  web1
distro:    Debian GNU/Linux 13
kernel:    Linux 6.12.43
arch:      x86_64
cpus:      4
memory:    7.8 GiB
addresses: 10.0.0.5, 2001:db8::1
user:      deploy (1000)
uptime:    4 days 3 h";
        assert_eq!(text(&web1()), expected);
        assert_eq!(text(&Value::Null), "null");
    }

    #[test]
    fn what_a_host_says_stays_in_its_line() {
        let Value::Map(mut entries) = web1() else {
            panic!()
        };
        entries.retain(|(key, _)| key.as_text() != Some("arch"));
        entries.push(("arch".into(), "x86\ncpus:      9".into()));
        let text = text(&Value::Map(entries));
        assert!(text.contains("\narch:      x86 cpus:      9\n"), "{text}");
    }

    #[test]
    fn uptimes_are_rounded() {
        for (seconds, shown) in [
            (59, "0 min"),
            (3_700, "1 h 1 min"),
            (90_000, "1 day 1 h"),
            (864_000, "10 days 0 h"),
        ] {
            assert_eq!(show_uptime(Duration::from_secs(seconds)), shown);
        }
    }
}
