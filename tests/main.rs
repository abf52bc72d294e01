//! Tests of wxec as people use it: its command, real ssh, real hosts. What a smaller test can show is tested in the
//! crate it concerns. `tests/run` installs what these need, and runs them with all others.

/// Starts the parts a test needs, and ends them: sshd, the command, processes.
mod harness;

/// The harness itself: its sshd is a host, its hosts behave as they are named.
mod harness_itself;

/// The machines of the harness: accounts, shells, places, engines, networks.
mod machines_themselves;

/// Calls from a program, on a child process: values, errors, limits, fleets.
mod calls;

/// Instances that stay on their host between calls.
mod instances;

/// What calls are granted: by flags, by declarations, and what is refused before anything is sent.
mod grants;

/// What hosts say of themselves, and the module that wxec ships for it.
mod facts;
/// What tasks send and receive while they run.
mod streams;

/// Values of every kind: between programs, and on the command line, both ways.
mod values;

/// Programs that know nothing of wxec: `wxec run`.
mod programs;

/// Programs of a host: `wxec exec`, and what becomes of them.
mod exec;

/// Guests that mean harm.
mod evil;

/// What guests learn of their host, and tasks they call on hosts of their own.
mod guests_hosts;

/// The guest ABI, by guests written by hand.
mod abi;

/// The command: what it prints, where, and what it exits with.
mod cli;

/// The command when its output cannot be written, or is read no more.
mod unwritable;

/// Agents on older CPUs, on aarch64, where code cannot be mapped, and where address space is short.
mod architectures;

/// What goes wrong between two machines: killed agents, killed controllers, time-outs, results that are too long.
mod faults;

/// The way in by ssh: what it leaves behind, and what is said when there is none.
mod ssh;

/// Other accounts: sudo, su, doas, with and without passwords.
mod accounts;

/// What a host may be like: login shells, noise, places where nothing can be written or executed.
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

/// README.md and docs: their commands, run as they stand there.
mod docs;

/// What is in what we ship: trees of crates, and the agent.
mod trees;

/// What `tests/run` says at the end.
mod summary;
