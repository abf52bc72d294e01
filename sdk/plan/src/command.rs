//! Programs that plans run.

use std::{
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use wxec::process::{self, Stdio};

use crate::{
    content::Content,
    fault::{Fault, FaultKind},
    item::Effect,
    settled::Settled,
};

/// A program with its arguments, which a plan runs as a step of its own, or a prefab among its
/// actions. Made by [`command()`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "it does nothing until a run runs it"]
pub struct Command {
    program: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    input: Option<Content>,
    creates: Option<PathBuf>,
    unless: Option<Vec<String>>,
    makes: Vec<PathBuf>,
    effects: Vec<Effect>,
    waits_for_lock: bool,
    otherwise: Option<Box<Self>>,
    after: Vec<Settled>,
}

/// A program and its arguments: `command(["initdb", "/srv/db"]).creates("/srv/db/base").run(run)?`.
///
/// There is no shell. The program is found in the host's `PATH`, and the plan has to be granted it
/// (`run = "initdb"`).
///
/// ```
/// use wxec_plan::{Run, command};
///
/// let place = tempfile::tempdir()?;
/// let made = place.path().join("made");
/// let make = command(["touch", made.to_str().unwrap()]).creates(&made);
///
/// assert!(make.run(&mut Run::new())?.changed);
/// assert!(!make.run(&mut Run::new())?.changed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn command<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Command {
    let mut words = words.into_iter().map(Into::into);
    Command {
        program: words.next().unwrap_or_default(),
        arguments: words.collect(),
        environment: Vec::new(),
        input: None,
        creates: None,
        unless: None,
        makes: Vec::new(),
        effects: Vec::new(),
        waits_for_lock: false,
        otherwise: None,
        after: Vec::new(),
    }
}

/// An answer of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Longest time to wait for a lock of another package manager.
const MAX_LOCK_WAIT: Duration = Duration::from_secs(600);
/// Time between two tries to get it.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// Words of `apt-get` and of `rpm` when another one has the lock.
const LOCKED: [&str; 2] = ["Could not get lock", "create transaction lock"];
/// Bytes of a failed program's output that are told: its last lines say why.
const MAX_TOLD_BYTES: usize = 2 << 10;

impl Command {
    /// Adds arguments.
    pub fn args<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.arguments.extend(words.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Gives it this input. An argument can be seen by every account of a host, the input cannot.
    pub fn input(mut self, input: impl Into<Content>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Makes this path: it is not run if there is something at it, and has failed if there is
    /// nothing behind it.
    pub fn creates(mut self, path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        self.makes.push(path.clone());
        self.creates = Some(path);
        self
    }

    /// Is not run if this other program exits with 0. A preview cannot ask it, and says that it does
    /// not know.
    pub fn unless<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.unless = Some(words.into_iter().map(Into::into).collect());
        self
    }

    /// Is run if one of these steps has changed something since it was run the last time. A run that
    /// dies in between leaves it to the next one, by the plan's record on the host.
    ///
    /// ```no_run
    /// # use wxec_plan::{Run, command, line};
    /// # let run = &mut Run::new();
    /// let alias = line("/etc/aliases", "root: mia").ensure(run)?;
    /// command(["newaliases"]).after([&alias]).run(run)?;
    /// # Ok::<(), wxec_plan::Fault>(())
    /// ```
    pub fn after<'a>(mut self, steps: impl IntoIterator<Item = &'a Settled>) -> Self {
        self.after.extend(steps.into_iter().cloned());
        self
    }

    /// Makes this path as well, so that later steps of a preview know that there is something.
    pub fn makes(mut self, path: impl Into<PathBuf>) -> Self {
        self.makes.push(path.into());
        self
    }

    /// Declares what it changes beside files, for a prefab that lists it among its actions.
    pub fn effect(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// Runs it again while it says that another program has the lock that it needs.
    pub(crate) fn waits_for_lock(mut self) -> Self {
        self.waits_for_lock = true;
        self
    }

    /// Runs another program where the host lacks this one.
    pub(crate) fn otherwise(mut self, other: Self) -> Self {
        self.otherwise = Some(Box::new(other));
        self
    }

    /// Returns its words and its variables.
    pub(crate) fn into_words(self) -> (Vec<String>, Vec<(String, String)>) {
        let words = [vec![self.program], self.arguments].concat();
        (words, self.environment)
    }

    pub(crate) fn guards(&self) -> (Option<&Path>, Option<Self>) {
        let unless = self.unless.clone().map(command);
        (self.creates.as_deref(), unless)
    }

    pub(crate) fn inputs(&self) -> &[Settled] {
        &self.after
    }

    pub(crate) fn effects(&self) -> &[Effect] {
        &self.effects
    }

    pub(crate) fn made(&self) -> &[PathBuf] {
        &self.makes
    }

    /// Runs it. Returns `None` if the host has no such program.
    pub(crate) fn answer(&self) -> Result<Option<Answer>, Fault> {
        let failed = |error: io::Error| {
            Fault::of(
                FaultKind::Command,
                format_args!("cannot run `{self}`: {error}"),
            )
        };
        match self.output() {
            Ok(output) => Ok(Some(Answer {
                code: output.status.code(),
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Runs it, and fails unless it exits with 0.
    pub(crate) fn carry_out(&self) -> Result<Answer, Fault> {
        let until = Instant::now() + MAX_LOCK_WAIT;
        let answer = loop {
            let Some(answer) = self.answer()? else {
                if let Some(other) = &self.otherwise {
                    return other.carry_out().map_err(|fault| self.lacks(fault));
                }
                return Err(Fault::of(FaultKind::Command, self.absent()));
            };
            let says = |lock: &&str| answer.stderr.contains(lock);
            let is_locked = answer.code != Some(0) && LOCKED.iter().any(says);
            if !(self.waits_for_lock && is_locked) || Instant::now() > until {
                break answer;
            }
            thread::sleep(LOCK_PAUSE);
        };
        match answer.code {
            Some(0) => Ok(answer),
            code => {
                let how = code.map_or_else(
                    || "was ended by a signal".into(),
                    |code| format!("failed with exit code {code}"),
                );
                // A program may say what it was given.
                let is_secret = self.input.as_ref().is_some_and(Content::is_secret);
                if is_secret {
                    let message =
                        format!("`{self}` {how}; what it says is hidden, as its input is a secret");
                    return Err(Fault::of(FaultKind::Command, message));
                }
                let said = format!("{}\n{}", answer.stdout.trim(), answer.stderr.trim());
                let told = last_bytes(said.trim(), MAX_TOLD_BYTES);
                let colon = if told.is_empty() { "" } else { ": " };
                let message = format!("`{self}` {how}{colon}{told}");
                Err(Fault::of(FaultKind::Command, message))
            }
        }
    }

    /// Names both programs if the host has neither.
    fn lacks(&self, fault: Fault) -> Fault {
        match &self.otherwise {
            Some(other) if fault.message == other.absent() => Fault::of(
                fault.kind,
                format!(
                    "the host has no program `{}`, and no `{}` either",
                    self.program, other.program
                ),
            ),
            _ => fault,
        }
    }

    fn absent(&self) -> String {
        format!("the host has no program `{}`", self.program)
    }

    fn output(&self) -> io::Result<process::Output> {
        let mut command = process::Command::new(&self.program);
        command
            .args(&self.arguments)
            .stdin(if self.input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.environment {
            command.env(name, value);
        }
        let mut child = command.spawn()?;
        if let (Some(input), Some(mut stdin)) = (&self.input, child.stdin.take()) {
            match stdin.write_all(input.bytes()) {
                // A program need not read its input.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        child.wait_with_output()
    }
}

/// Returns the last bytes of a text, from the beginning of a line on.
fn last_bytes(text: &str, bytes: usize) -> &str {
    let Some(mut from) = text.len().checked_sub(bytes).filter(|from| *from > 0) else {
        return text;
    };
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let rest = &text[from..];
    rest.split_once('\n').map_or(rest, |(_, rest)| rest)
}

/// The words as one types them in a shell.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=.,:/@%".contains(c);
        for (place, word) in [&self.program]
            .into_iter()
            .chain(&self.arguments)
            .enumerate()
        {
            let space = if place == 0 { "" } else { " " };
            if !word.is_empty() && word.chars().all(plain) {
                write!(f, "{space}{word}")?;
            } else {
                let quoted = word.replace('\'', r"'\''").escape_debug().to_string();
                write!(f, "{space}'{quoted}'")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_what_a_failed_program_says_is_told() {
        let failed = command(["sh", "-c", "seq 1000; echo no >&2; exit 7"]).carry_out();
        let message = failed.unwrap_err().message;
        assert!(message.contains("failed with exit code 7"), "{message}");
        assert!(message.ends_with("999\n1000\nno"), "{message}");
        assert!(message.len() < MAX_TOLD_BYTES + 200);
        let absent = command(["no-such-program"]);
        assert_eq!(absent.answer().unwrap(), None);
        let message = absent.carry_out().unwrap_err().message;
        assert_eq!(message, "the host has no program `no-such-program`");

        let told = absent.clone().otherwise(command(["echo", "instead"]));
        assert_eq!(told.carry_out().unwrap().stdout, "instead\n");
        let neither = absent.otherwise(command(["nor-this"]));
        let message = neither.carry_out().unwrap_err().message;
        assert!(message.ends_with("no-such-program`, and no `nor-this` either"));
    }

    #[test]
    fn what_a_program_says_of_a_secret_is_hidden() {
        let secret = Content::new("canary").secret();
        let failed = command(["sh", "-c", "cat; cat >&2; exit 1"]).input(secret);
        let message = failed.carry_out().unwrap_err().message;
        assert!(
            !message.contains("canary") && message.contains("exit code 1"),
            "{message}"
        );
    }

    #[test]
    fn input_reaches_it_and_need_not_be_read() {
        let answer = command(["cat"]).input("a secret").carry_out().unwrap();
        assert_eq!(answer.stdout, "a secret");
        command(["true"])
            .input(vec![0; 1 << 20])
            .carry_out()
            .unwrap();
    }

    #[test]
    fn words_are_shown_as_one_types_them() {
        let shown = command(["sh", "-c", "echo 'a b'", "", "/usr/bin"]).to_string();
        assert_eq!(shown, r"sh -c 'echo \'\\\'\'a b\'\\\'\'' '' /usr/bin");
    }
}
