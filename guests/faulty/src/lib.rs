//! Tasks that go wrong, each in its own way, and some that print, log or give back data.

#![allow(
    clippy::print_stdout,
    reason = "that output arrives is what the tests look at"
)]

use std::{
    fmt, hint, io, process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread,
    time::Duration,
};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wxec::{Bytes, remote};

/// Panics.
#[remote]
pub fn boom(message: String) {
    panic!("{message}");
}

/// Exists only with the feature `rare`.
#[cfg(feature = "rare")]
#[remote]
pub fn rare() -> u8 {
    1
}

/// Returns the number of its calls in this instance.
#[remote]
pub fn tally() -> u32 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.fetch_add(1, Relaxed) + 1
}

/// Computes for ever.
#[remote]
pub fn spin() {
    loop {
        hint::spin_loop();
    }
}

/// Takes memory until there is none.
#[remote]
pub fn eat() {
    let mut meals = Vec::new();
    loop {
        meals.push(vec![1_u8; 1 << 20]);
    }
}

/// Calls itself until the stack is used up.
#[remote]
pub fn deep() -> u64 {
    fn descend(level: u64) -> u64 {
        if hint::black_box(level) == u64::MAX {
            0
        } else {
            1 + descend(level + 1)
        }
    }
    descend(0)
}

/// Fails with an error that has sources.
#[remote]
pub fn fail() -> anyhow::Result<()> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such file"))
        .context("cannot read words.txt")
        .context("cannot count the words")
}

/// The reason why [`refuse()`] refuses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// For no reason.
    Unwilling,
    /// The number is too big.
    TooBig {
        /// The number.
        n: u32,
        /// The largest number that is allowed.
        max: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwilling => f.write_str("unwilling"),
            Self::TooBig { n, max } => write!(f, "{n} is more than {max}"),
        }
    }
}

impl std::error::Error for Refusal {}

/// Gives back a number from 1 to 10; for others, fails with an error that its caller can match on.
#[remote]
pub fn refuse(n: u32) -> Result<u32, Refusal> {
    match n {
        0 => Err(Refusal::Unwilling),
        1..=10 => Ok(n),
        _ => Err(Refusal::TooBig { n, max: 10 }),
    }
}

/// Prints for ever.
#[remote]
pub fn chatter() {
    for line in 0_u64.. {
        println!("line {line}");
    }
}

/// Prints `text` to both outputs, without an end of line.
#[remote]
pub fn say(text: &str) {
    print!("out: {text}");
    eprint!("err: {text}");
}

/// Logs `text` at every level, and once about something else.
#[remote]
pub fn log_all(text: &str) {
    log::error!("{text}");
    log::warn!("{text}");
    log::info!("{text}");
    log::debug!("{text}");
    log::trace!("{text}");
    log::info!(target: "elsewhere", "always the same");
}

/// Sleeps, and gives back the number of milliseconds.
#[remote]
pub fn sleep(ms: u64) -> u64 {
    thread::sleep(Duration::from_millis(ms));
    ms
}

/// Does the same as [`sleep()`], from an async function.
#[remote]
pub async fn doze(ms: u64) -> u64 {
    async { sleep(ms) }.await
}

/// Makes `length` bytes.
#[remote]
pub fn blob(length: usize) -> Bytes {
    vec![7; length].into()
}

/// Gives bytes back.
#[remote]
pub fn echo(bytes: Bytes) -> Bytes {
    bytes
}

/// Counts bytes.
#[remote]
pub fn length(bytes: Bytes) -> usize {
    bytes.len()
}

/// Ends the guest as a program would.
#[remote]
pub fn exit(code: i32) {
    process::exit(code);
}

/// Declares needs but uses nothing, and gives back its argument.
#[remote(read = "/etc/os-release", run = ["apt-get", "dpkg"], env = "HOME", facts)]
pub fn demand(n: u32) -> u32 {
    n
}

/// Reads a file.
#[remote]
pub fn read_text(path: String) -> io::Result<String> {
    std::fs::read_to_string(path)
}

/// Returns the time and a random number.
#[remote]
pub fn moment() -> (u128, u64) {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    (
        now,
        std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), ()),
    )
}
