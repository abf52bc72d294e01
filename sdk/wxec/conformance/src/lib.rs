//! The functions that the vectors of `sdk/abi` call, in Rust. Each SDK has a module with the same
//! functions beside it.

#![forbid(unsafe_code)]
#![allow(
    clippy::print_stdout,
    reason = "that output arrives is what a vector looks at"
)]

use std::{
    collections::BTreeMap, error::Error, fmt, fs, hint, io, io::Write, process, thread,
    time::Duration,
};

use log::Level;
use serde::{Deserialize, Serialize};
use wxec::{
    Bytes, Receiver, Sender,
    process::{Command, ExitStatusExt, Stdio},
    remote,
};

/// Adds two numbers.
#[remote]
pub fn add(a: i64, b: i64) -> i64 {
    a.wrapping_add(b)
}

/// Greets.
#[remote]
pub fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

/// Returns the bytes from the last to the first.
#[remote]
pub fn reverse(data: Bytes) -> Bytes {
    data.iter().rev().copied().collect()
}

/// Multiplies two numbers.
#[remote]
pub fn scale(x: f64, by: f64) -> f64 {
    x * by
}

/// Returns the opposite.
#[remote]
pub fn negate(flag: bool) -> bool {
    !flag
}

/// Adds up a list of numbers.
#[remote]
pub fn sum(numbers: Vec<i64>) -> i64 {
    numbers.into_iter().fold(0, i64::wrapping_add)
}

/// Counts each word.
#[remote]
pub fn tally(words: Vec<String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

/// Returns the first number, if there is one.
#[remote]
pub fn first(numbers: Vec<i64>) -> Option<i64> {
    numbers.first().copied()
}

/// A place in a plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its distance to the right.
    pub x: i64,
    /// Its distance upwards.
    pub y: i64,
}

/// Exchanges the two numbers of a point.
#[remote]
pub fn swap(point: Point) -> Point {
    Point {
        x: point.y,
        y: point.x,
    }
}

/// Returns both arguments, the second one first.
#[remote]
pub fn pair(a: String, b: i64) -> (i64, String) {
    (b, a)
}

/// Returns the number, or 42 for none.
#[remote]
pub fn or_default(number: Option<i64>) -> i64 {
    number.unwrap_or(42)
}

/// Does nothing.
#[remote]
pub fn nothing() {}

/// The error of [`fail()`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A number for programs.
    pub code: i64,
    /// The text for people, which does not travel as a part of the error itself.
    #[serde(skip)]
    message: String,
    #[serde(skip)]
    cause: Cause,
}

/// The reason of a [`Failure`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cause;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("because of the test")
    }
}

impl Error for Cause {}

/// Fails.
#[remote]
pub fn fail(message: String) -> Result<(), Failure> {
    Err(Failure {
        code: 7,
        message,
        cause: Cause,
    })
}

/// Panics.
#[remote]
pub fn crash(message: String) {
    panic!("{message}");
}

/// Traps without a panic.
#[remote]
pub fn trap() {
    process::abort();
}

/// Logs a message: 1 is an error, 5 a trace.
#[remote]
pub fn say(level: i64, message: String) {
    let level = match level {
        ..=1 => Level::Error,
        2 => Level::Warn,
        3 => Level::Info,
        4 => Level::Debug,
        5.. => Level::Trace,
    };
    log::log!(target: "conformance", level, "{message}");
}

/// Prints a line to stdout and to stderr.
#[remote]
pub fn print(message: String) {
    println!("{message}");
    eprintln!("{message}");
}

/// Adds up the numbers that it receives.
#[remote]
pub fn total(numbers: Receiver<i64>) -> i64 {
    numbers.iter().sum()
}

/// Sends the numbers from 1 to `n`.
#[remote]
pub fn count_to(n: i64, out: Sender<i64>) {
    // A receiver that is gone wants no more.
    let _ = (1..=n).try_for_each(|number| out.send(number));
}

/// Sends back twice each number that it receives.
#[remote]
pub fn double(numbers: Receiver<i64>, out: Sender<i64>) {
    // A receiver that is gone wants no more.
    let _ = numbers.iter().try_for_each(|number| out.send(number * 2));
}

/// Waits until its call is cancelled. The host ends a cancelled guest where it stands, so the loop
/// has no end of its own.
#[remote]
pub fn until_cancelled() {
    loop {
        thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a program with an input. Returns its exit code, or its signal as a negative number, and its
/// output.
#[remote]
pub fn run(program: String, arguments: Vec<String>, input: Bytes) -> io::Result<(i64, Bytes)> {
    let mut child = Command::new(&program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let written = child.stdin.take().expect("it is piped").write_all(&input);
    // A program need not read its input.
    written.or_else(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })?;
    let output = child.wait_with_output()?;
    let code = output
        .status
        .code()
        .unwrap_or_else(|| -output.status.signal().unwrap_or_default());
    Ok((code.into(), output.stdout.into()))
}

/// Reads a file.
#[remote]
pub fn read(path: String) -> io::Result<String> {
    fs::read_to_string(&path).map_err(|error| about(&path, &error))
}

/// Writes a file.
#[remote]
pub fn write(path: String, text: String) -> io::Result<()> {
    fs::write(&path, text).map_err(|error| about(&path, &error))
}

fn about(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
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
pub fn hog() {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; 1 << 20]);
    }
}
