//! Tests of `wxec-plan` in temporary folders of this machine.

/// `#[plan]`: functions that are called as such, by each other, and by orders.
mod attribute;
/// Commands: steps with programs of their own.
mod commands;
/// Prefabs that boast or err, and programs that change the host meanwhile.
mod boasters;
/// What the prefabs refuse, and what they leave as it is.
mod edges;
/// Previews against what is then done, over random folders.
mod forecast;
/// The content of whole trees, to compare.
mod manifest;
/// Secrets, which are shown nowhere.
mod secrets;
/// Names, modes and reports of steps.
mod steps;
/// Texts that are edited, compared byte for byte.
mod texts;
/// Each prefab, applied twice.
mod twice;
