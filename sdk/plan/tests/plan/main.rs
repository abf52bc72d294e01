//! Tests of `wxec-plan` in temporary folders of this machine.

/// Jobs of cron and keys of ssh.
mod access;
/// Users and groups, in a copy of this machine's file system.
mod accounts;
/// Plans that are applied to fleets.
mod applied;
/// `#[plan]`: functions that are called as such, by each other, and by orders.
mod attribute;
/// Prefabs that boast or err, and programs that change the host meanwhile.
mod boasters;
/// Checkouts of git.
mod checkouts;
/// Commands: steps with programs of their own.
mod commands;
/// Files from elsewhere.
mod downloads;
/// What the prefabs refuse, and what they leave as it is.
mod edges;
/// Packages of Python.
mod pips;
/// Previews against what is then done, over random folders.
mod forecast;
/// The content of whole trees, to compare.
mod manifest;
/// Records: restarts that are owed, what is cleaned up, and runs that die anywhere.
mod records;
/// Secrets, which are shown nowhere.
mod secrets;
/// Names, modes and reports of steps.
mod steps;
/// Texts that are edited, compared byte for byte.
mod texts;
/// Each prefab, applied twice.
mod twice;
