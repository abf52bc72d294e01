//! Starts the agent on a host that has nothing but a POSIX `sh`: a short script describes the host,
//! takes the starter from stdin, and becomes it; the starter takes the agent's image, and becomes
//! the agent.

mod image;
mod programs;
mod probe;
mod script;
mod shell_less;
#[cfg(test)]
mod tests;

use std::{io, time::Duration};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use wxec_protocol::{StreamEnd, Traffic};

use crate::{
    base::{runtime, text::printable},
    error::{Limit, Phase, Unreachable},
    options::Password,
    session::{
        stderr::StderrTail,
        transport::{Terminal, Transport},
    },
    ways::{NO_LOGIN_HINT, Prompt, not_run},
};

use probe::parse_probe;
use programs::{Form, Lack, Next, Sending};

pub(crate) use image::{image, known_images, look_ahead, programs, send_image, splice_image};
pub(crate) use probe::{Probe, architecture};
pub(crate) use programs::Programs;
pub(crate) use script::{Terms, shell};
pub(crate) use shell_less::{NoShell, ShellLess, limited_by_container};

/// Limit for what login scripts print before the script answers. More is not a banner.
const MAX_NOISE_BYTES: usize = 256 << 10;

/// Length of the noise that an error shows, from its end.
const SHOWN_NOISE_CHARS: usize = 200;

/// Time to wait for a process' end after that of its stdout. In most cases the two coincide, but on
/// a busy machine a while passes between them.
const EXIT_WITHIN: Duration = Duration::from_secs(1);

/// A password prompt of a program on the way, and the answer.
pub(crate) struct Asked<'a> {
    pub(crate) prompt: &'a Prompt,
    pub(crate) password: Option<&'a Password>,
    /// The address the password is for.
    pub(crate) address: &'a str,
}

/// A bootstrap in progress, with the bytes that were received and not yet understood.
pub(crate) struct Bootstrap<'a> {
    transport: &'a mut Transport,
    token: &'a str,
    /// The login shell of an account runs the script.
    logs_in: bool,
    /// The starter may have been sent.
    is_starting: bool,
    received: Vec<u8>,
    received_bytes: u64,
}

/// An agent that is about to say hello.
#[derive(Debug)]
pub(crate) struct Started {
    /// Bytes of its image that were sent from here.
    pub(crate) image_bytes: u64,
    pub(crate) traffic: Traffic,
    /// The beginning of what the agent said.
    pub(crate) agent_said: Vec<u8>,
}

impl<'a> Bootstrap<'a> {
    pub(crate) fn new(transport: &'a mut Transport, token: &'a str) -> Self {
        Self {
            transport,
            token,
            logs_in: false,
            is_starting: false,
            received: Vec::new(),
            received_bytes: 0,
        }
    }

    /// Sets whether the login shell of an account runs the script. A login shell that ends at once
    /// may be there to refuse logins.
    pub(crate) fn by_login_shell(self, logs_in: bool) -> Self {
        Self { logs_in, ..self }
    }

    /// Waits for the script's first answer, which comes before the script looks for a place. Programs
    /// on the way may ask for a password first.
    pub(crate) async fn probe(&mut self, asked: Option<Asked<'_>>) -> Result<Probe, Unreachable> {
        let answer = self.first_answer(asked).await?;
        if let Some(failure) = refused_there(&self.transport.stderr.clone(), &answer).await {
            return Err(failure);
        }
        parse_probe(&answer).unwrap_or_else(|| {
            let answer = printable(&answer);
            Err(Unreachable::new(
                Phase::Shell,
                format!("the host described itself as `{answer}`, which makes no sense"),
            ))
        })
    }

    async fn first_answer(&mut self, asked: Option<Asked<'_>>) -> Result<String, Unreachable> {
        let Some(asked) = asked else {
            return self.answer().await;
        };
        let marker = marker(self.token);
        let Transport {
            reader,
            writer,
            stderr,
            terminal,
            ..
        } = &mut *self.transport;
        let answer = answer(
            reader,
            &mut self.received,
            &mut self.received_bytes,
            &marker,
        );
        let answering = async {
            let (words, keyboard): (_, &mut (dyn tokio::io::AsyncWrite + Send + Unpin)) =
                match terminal {
                    Some(Terminal { screen, keyboard }) => (&*screen, keyboard),
                    None => (&*stderr, writer),
                };
            words.wait_for(&asked.prompt.text).await;
            let Some(password) = asked.password.cloned() else {
                return Err(refused("a password is required".into()));
            };
            let address = asked.address.to_owned();
            let line = runtime::blocking(move || password.line(&address)).await;
            let line = line.map_err(|error| refused(format!("there is no password: {error}")))?;
            // Ignore write errors: a program that has ended meanwhile says why on stderr.
            let _ = keyboard.write_all(line.as_bytes()).await;
            drop(line);
            words.wait_for(&asked.prompt.text).await;
            Err(refused("the password is wrong".into()))
        };
        let answered = tokio::select! {
            biased;
            answered = answer => answered,
            wrong = answering => return wrong,
        };
        match answered {
            Ok(answer) => Ok(answer),
            Err(reason) => Err(self.broken(Phase::Shell, &reason).await),
        }
    }

    /// Sends what the host lacks and waits until the agent is about to start. `compress` means that
    /// the way there is so slow that compression pays, `keep` that the host may keep the image.
    pub(crate) async fn start(
        mut self,
        probe: &mut Probe,
        programs: &Programs,
        compress: bool,
        keep: bool,
    ) -> Result<Started, Unreachable> {
        self.is_starting = true;
        let (mut lack, form) = if probe.has_starter {
            (None, Form::of_network(compress))
        } else {
            let form = Form::find(self.transport.hop.clone(), programs, compress).await;
            (Some(Lack::Starter), form)
        };
        let mut sending = Sending::new(programs, form, compress, keep);
        let mut sent = Ok(());
        loop {
            // A host that gives up early closes its end; its answer then explains more than the broken
            // pipe.
            if let Some(lack) = lack {
                sent = sending.send(lack, &mut self.transport.writer).await?;
            }
            let answer = self.answer().await?;
            lack = match sending.next(&answer, probe) {
                Some(Next::Begins) => break,
                Some(Next::Takes) => None,
                Some(Next::Lacks(lack)) => Some(lack),
                None => return Err(self.failure(&answer, sent).await),
            };
        }
        probe.settle_place();
        Ok(Started {
            image_bytes: sending.image_bytes,
            traffic: Traffic {
                // The first bytes of the agent are counted when the session takes them in.
                bytes_received: self.received_bytes - self.received.len() as u64,
                ..sending.traffic
            },
            agent_said: self.received,
        })
    }

    /// Returns the reason why a host does not start the agent, after its `answer` to what was `sent`.
    async fn failure(&mut self, answer: &str, sent: io::Result<()>) -> Unreachable {
        // The starter would take another image.
        let answer = if answer == "again" { DAMAGED } else { answer };
        let refused = refused_there(&self.transport.stderr.clone(), answer).await;
        match (refused, sent) {
            (Some(failure), _) => failure,
            (None, Err(error)) => self.broken(Phase::Exec, &error.to_string()).await,
            (None, Ok(())) => {
                let reason = format!("unexpected answer `{}`", printable(answer));
                self.broken(Phase::Exec, &reason).await
            }
        }
    }

    /// Returns the rest of the next line with our marker.
    async fn answer(&mut self) -> Result<String, Unreachable> {
        let marker = marker(self.token);
        let reader = &mut self.transport.reader;
        match answer(
            reader,
            &mut self.received,
            &mut self.received_bytes,
            &marker,
        )
        .await
        {
            Ok(answer) => Ok(answer),
            Err(reason) => Err(self.broken(Phase::Shell, &reason).await),
        }
    }

    async fn broken(&mut self, phase: Phase, reason: &str) -> Unreachable {
        let exit = self.transport.exit(EXIT_WITHIN).await;
        let stderr = self.transport.stderr.settled().await;
        let is_silent = stderr.is_empty() && self.received.iter().all(u8::is_ascii_whitespace);
        let failure = match exit {
            Some(StreamEnd::NotStarted(reason)) => not_run(&reason),
            Some(exit @ StreamEnd::Exited(_)) if self.logs_in && is_silent => {
                let reason =
                    format!("the account's login shell ended at once, without a word ({exit})");
                Unreachable::new(Phase::Policy, reason).hint(NO_LOGIN_HINT)
            }
            Some(exit @ StreamEnd::Exited(NOT_EXECUTABLE)) if self.is_starting => {
                let reason = format!("the host does not execute what starts the agent ({exit})");
                Unreachable::new(Phase::Exec, reason).hint(FORBIDDEN_HINT)
            }
            Some(exit) => Unreachable::new(phase, format!("{reason} ({exit})")),
            None => Unreachable::new(phase, reason),
        };
        self.with_noise(failure.stderr(stderr))
    }

    /// Returns true if the other end has printed anything.
    pub(crate) fn has_heard(&self) -> bool {
        self.received_bytes > 0
    }

    /// Adds the host's output that was not understood: often it says what is wrong.
    pub(crate) fn with_noise(&self, failure: Unreachable) -> Unreachable {
        let noise = String::from_utf8_lossy(&self.received);
        let lines: Vec<_> = noise
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        if lines.is_empty() {
            return failure;
        }
        let noise = printable(&lines.join(" | "));
        let skipped = noise.chars().count().saturating_sub(SHOWN_NOISE_CHARS);
        let noise: String = noise.chars().skip(skipped).collect();
        let reason = format!("{}; its stdout said: {noise}", failure.reason);
        failure.because(reason)
    }
}

/// The exit code of a shell that may not execute a program.
const NOT_EXECUTABLE: i32 = 126;

const FORBIDDEN_HINT: &str = "something there may forbid programs it does not know";

const PLACE_HINT: &str =
    "free some space, mount one of these places with exec, or install python3 or perl there";

/// The answer of a starter whose image could not be unpacked.
const DAMAGED: &str = "error:the agent arrived damaged";

/// Returns the reason why the script or the starter gave up, if `answer` says that it did. A limit of
/// the host may be behind it.
async fn refused_there(stderr: &StderrTail, answer: &str) -> Option<Unreachable> {
    if answer == "limit:files" {
        return Some(Limit::OpenFiles.failure(""));
    }
    let reason = printable(answer.strip_prefix("error:")?);
    let said = stderr.settled().await;
    Some(match Limit::find(&said) {
        Some((limit, line)) => limit.failure(line),
        None if answer == DAMAGED => Unreachable::new(Phase::Exec, reason),
        None => Unreachable::new(Phase::Exec, reason).hint(PLACE_HINT),
    })
}

fn refused(reason: String) -> Unreachable {
    Unreachable::new(Phase::Privilege, reason)
        .hint("give the right password: `--ask-become-pass` asks for it")
}

fn marker(token: &str) -> Vec<u8> {
    format!("WXEC1:{token}:").into_bytes()
}

/// Returns the rest of the next line with `marker` in it, or the reason why there is none.
async fn answer(
    reader: &mut (impl AsyncRead + Unpin),
    received: &mut Vec<u8>,
    received_bytes: &mut u64,
    marker: &[u8],
) -> Result<String, String> {
    loop {
        if let Some(start) = find(received, marker)
            && let Some(end) = received[start..].iter().position(|byte| *byte == b'\n')
        {
            let answer =
                String::from_utf8_lossy(&received[start + marker.len()..start + end]).into_owned();
            received.drain(..=start + end);
            return Ok(answer.trim_end_matches('\r').into());
        }
        if received.len() > MAX_NOISE_BYTES {
            return Err("the host prints without end before our script runs".into());
        }
        match reader.read_buf(received).await {
            Ok(length @ 1..) => *received_bytes += length as u64,
            Ok(_) => return Err("the host closed the connection before the agent was up".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
