//! Tests of wxec as users run it: the command, real ssh, real hosts. Smaller tests live in the
//! crates they concern. `tests/run` installs what these tests need, and runs them with all others.

/// Starts the parts a test needs, and ends them: sshd, the command, processes.
mod harness;

/// The harness itself: its sshd is a host, its hosts behave as their names say.
mod harness_itself;

/// The machines of the harness: accounts, shells, places, engines, networks.
mod machines_themselves;

/// Calls from a program, on a child process: values, errors, limits, fleets.
mod calls;

/// Instances that stay on their host between calls.
mod instances;

/// The grants of calls: by flags and by declarations, and refusals before anything is sent.
mod grants;

/// Facts of hosts, and the module that wxec ships to collect them.
mod facts;
/// Channels: the items that tasks send and receive while they run.
mod streams;

/// Values of every kind: between programs, and on the command line, both ways.
mod values;

/// Inventories, targets, and what all commands make of them.
mod inventory;

/// Programs that know nothing of wxec: `wxec run`.
mod programs;

/// Programs of a host, run by `wxec exec`, and how they end.
mod exec;

/// Modules in other languages: folders, new projects, programs without an SDK.
mod projects;

/// Plans as tasks: previews, reports, secrets.
mod plans;

/// Machines that plans set up: real packages, units and accounts.
mod setups;

/// Plans whose connection is cut, and plans that restart their host.
mod links;

/// Many hosts at once: batches, limits, retries, gates, deadlines.
mod fleets;

/// A hundred hosts, some of which are dead, slow, full, or die.
mod bad_day;

/// Guests that mean harm.
mod evil;

/// The host as guests see it, and tasks that guests call on hosts of their own.
mod guests_hosts;

/// The guest ABI, used by guests written by hand.
mod abi;

/// The SDKs of all languages: their conformance modules beside the test vectors.
mod languages;

/// The command: its output on stdout and stderr, and its exit codes.
mod cli;

/// The command when its output cannot be written, or is no longer read.
mod unwritable;

/// Agents on older CPUs, on aarch64, where code cannot be mapped, and where address space is short.
mod architectures;

/// Faults between two machines: killed agents, killed controllers, timeouts, results that are too
/// long.
mod faults;

/// The way in by ssh: its leftovers, and the messages when it fails.
mod ssh;

/// Other accounts: sudo, su, doas, with and without passwords.
mod accounts;

/// Difficult hosts: login shells, noise, places where nothing can be written or executed.
mod bootstrap;

/// `wxec rsh`: rsync, scp, sftp and git over other ways than ssh.
mod rsh;

/// Files and trees: `wxec put` and `wxec get`, cut links, full disks, memory.
mod files;

/// Containers and namespaces, with a shell and without.
mod containers;

/// Hosts behind hosts: one conversation with a bastion, each blob once over a slow link.
mod chains;

/// Packages outside of this workspace: tasks beside `main`, programs that carry their module.
mod outside;

/// Records of runs, and pages made of them.
mod history;

/// README.md and docs: their commands, run as they stand there.
mod docs;

/// The contents of what we ship: the dependency trees of crates, and the agent.
mod trees;

/// Figures that do not vary with load, against those of baseline.txt.
mod baseline;

/// The summary that `tests/run` prints at the end.
mod summary;

/// The storeys of crates: no module uses one above it.
mod storeys;
