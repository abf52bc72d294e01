//! What agents run on, and what artifacts are compiled for.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A kind of machine. There is one agent for each.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// Architecture as Rust names it, such as `x86_64`.
    pub arch: String,
    /// Operating system as Rust names it, such as `linux`.
    pub os: String,
}

impl Platform {
    /// A platform by its two names.
    pub fn new(arch: impl Into<String>, os: impl Into<String>) -> Self {
        Self { arch: arch.into(), os: os.into() }
    }

    /// What this program runs on.
    pub fn here() -> Self {
        Self::new(std::env::consts::ARCH, std::env::consts::OS)
    }

    /// The triple that the agent and native code for this platform are built for.
    pub fn triple(&self) -> String {
        format!("{}-unknown-{}-musl", self.arch, self.os)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.os)
    }
}

/// What an agent found where it runs: artifacts are compiled for it.
///
/// Its text is one word, such as `x86_64-linux-v3` or `aarch64-linux-pulley-checked`, and can be read again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The agent's own.
    pub platform: Platform,
    /// What the agent can run.
    pub code: Code,
    /// Where guests have their memory.
    pub memory: Memory,
    /// Whether code counts the fuel it uses, and computes the same everywhere, down to the bits of NaN. It costs some
    /// speed, so agents name a target without it, and only calls that ask for it have code with it.
    pub metered: bool,
}

/// What a module is compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// Machine code for every CPU of the architecture.
    Baseline,
    /// Machine code for CPUs of level x86-64-v2, as of 2009.
    V2,
    /// Machine code for CPUs of level x86-64-v3, as of 2013.
    V3,
    /// Bytecode, where the system does not let a process make machine code. Loops take 7 to 30 times as long.
    Pulley,
}

/// Where a guest's memory is, which decides how code accesses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Memory {
    /// In 4 GiB of address space of its own: accesses need no check.
    Reserved,
    /// In as much as it uses, where address space is short: each access is checked.
    Checked,
}

impl Target {
    /// Code that every CPU of `platform` runs, if its agent can run machine code and has address space.
    pub fn baseline(platform: Platform) -> Self {
        Self { platform, code: Code::Baseline, memory: Memory::Reserved, metered: false }
    }

    /// [`baseline`](Self::baseline) of what this program runs on.
    pub fn here() -> Self {
        Self::baseline(Platform::here())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.code {
            Code::Baseline => "",
            Code::V2 => "-v2",
            Code::V3 => "-v3",
            Code::Pulley => "-pulley",
        };
        let memory = match self.memory {
            Memory::Reserved => "",
            Memory::Checked => "-checked",
        };
        let metered = if self.metered { "-metered" } else { "" };
        write!(f, "{}{code}{memory}{metered}", self.platform)
    }
}

impl FromStr for Target {
    type Err = ParseTargetError;

    fn from_str(text: &str) -> Result<Self, ParseTargetError> {
        let (text, metered) = match text.strip_suffix("-metered") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (text, memory) = match text.strip_suffix("-checked") {
            Some(text) => (text, Memory::Checked),
            None => (text, Memory::Reserved),
        };
        let mut words = text.split('-');
        let (Some(arch), Some(os), code, None) = (words.next(), words.next(), words.next(), words.next()) else {
            return Err(ParseTargetError);
        };
        let code = match code {
            None => Code::Baseline,
            Some("v2") => Code::V2,
            Some("v3") => Code::V3,
            Some("pulley") => Code::Pulley,
            Some(_) => return Err(ParseTargetError),
        };
        Ok(Self { platform: Platform::new(arch, os), code, memory, metered })
    }
}

/// A text is no [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a target is ARCH-OS[-v2|-v3|-pulley][-checked][-metered], such as x86_64-linux-v3")]
pub struct ParseTargetError;
