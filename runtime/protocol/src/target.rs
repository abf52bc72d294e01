//! Platforms that agents run on, and targets that artifacts are compiled for.

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
    /// Makes a platform from its two names.
    pub fn new(arch: impl Into<String>, os: impl Into<String>) -> Self {
        Self {
            arch: arch.into(),
            os: os.into(),
        }
    }

    /// Returns the platform that this program runs on.
    pub fn here() -> Self {
        Self::new(std::env::consts::ARCH, std::env::consts::OS)
    }

    /// Architectures that agents exist for.
    pub const AGENT_ARCHITECTURES: [&str; 2] = ["x86_64", "aarch64"];

    /// Returns true if there is an agent for it. A host's own words name files and arguments of the
    /// compiler at the controller, so only known words are accepted.
    pub fn has_agent(&self) -> bool {
        Self::AGENT_ARCHITECTURES.contains(&&*self.arch) && self.os == "linux"
    }

    /// Returns the target triple for which the agent and native code of this platform are built.
    pub fn triple(&self) -> String {
        format!("{}-unknown-{}-musl", self.arch, self.os)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.os)
    }
}

/// The kind of place that an agent found itself in: artifacts are compiled for it.
///
/// Its text is one word, such as `x86_64-linux-v3` or `aarch64-linux-pulley-checked`, and can be
/// parsed again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The agent's own platform.
    pub platform: Platform,
    /// The kind of code that the agent can run.
    pub code: Code,
    /// The kind of memory that guests get.
    pub memory: Memory,
    /// True for code that counts its fuel and computes the same results everywhere, down to the
    /// bits of NaN. Metering makes code slower, so agents report a target without it, and only
    /// calls that ask for it get metered code.
    pub metered: bool,
}

/// Kind of code that a module is compiled to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// Machine code for every CPU of the architecture.
    Baseline,
    /// Machine code for CPUs of level x86-64-v2, as of 2009.
    V2,
    /// Machine code for CPUs of level x86-64-v3, as of 2013.
    V3,
    /// Bytecode, for systems that do not let a process create machine code. Loops take 7 to 30
    /// times as long.
    Pulley,
}

/// Location of a guest's memory, which decides how code accesses the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Memory {
    /// 4 GiB of reserved address space for each guest: accesses need no check.
    Reserved,
    /// Only as much address space as the guest uses, where that is short: each access is checked.
    Checked,
}

impl Target {
    /// Returns the target whose code every CPU of `platform` runs, provided the agent can run
    /// machine code and has address space.
    pub fn baseline(platform: Platform) -> Self {
        Self {
            platform,
            code: Code::Baseline,
            memory: Memory::Reserved,
            metered: false,
        }
    }

    /// Returns [`baseline`](Self::baseline) for the platform that this program runs on.
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
        let (Some(arch), Some(os), code, None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(ParseTargetError);
        };
        let code = match code {
            None => Code::Baseline,
            Some("v2") => Code::V2,
            Some("v3") => Code::V3,
            Some("pulley") => Code::Pulley,
            Some(_) => return Err(ParseTargetError),
        };
        Ok(Self {
            platform: Platform::new(arch, os),
            code,
            memory,
            metered,
        })
    }
}

/// The text is not a [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a target is ARCH-OS[-v2|-v3|-pulley][-checked][-metered], such as x86_64-linux-v3")]
pub struct ParseTargetError;
