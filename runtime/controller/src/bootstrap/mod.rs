//! Starting the agent on a host that has nothing but a POSIX `sh`: a short script says what the host is, takes the
//! agent's image from stdin, and becomes the agent.

mod image;
#[cfg(test)]
mod tests;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wxec_build::AgentImage;
use wxec_protocol::{Platform, Traffic};

use crate::{
    error::{Phase, Unreachable},
    session::is_known,
    transport::{Transport, printable},
};

pub(crate) use image::image;

const SCRIPT: &str = include_str!("script.sh");

/// Login scripts may print this much before ours is heard. More is no banner.
const MAX_NOISE_BYTES: usize = 256 << 10;

/// How much of the noise an error shows.
const SHOWN_NOISE_BYTES: usize = 500;

/// The line that a login shell of any kind turns into our script.
pub(crate) fn command(token: &str) -> String {
    format!("exec sh -c '{}' {token}", script())
}

fn script() -> String {
    let lines = SCRIPT.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.collect::<Vec<_>>().join(" ")
}

/// What the script found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) platform: Platform,
    packing: Packing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    Gzip,
    Raw,
}

/// One bootstrap in progress: what was received and not yet understood.
pub(crate) struct Bootstrap<'a> {
    transport: &'a mut Transport,
    token: &'a str,
    received: Vec<u8>,
    received_bytes: u64,
}

/// An agent that is about to say hello.
pub(crate) struct Started {
    pub(crate) image_bytes: u64,
    pub(crate) traffic: Traffic,
    /// The beginning of what the agent said.
    pub(crate) agent_said: Vec<u8>,
}

impl<'a> Bootstrap<'a> {
    pub(crate) fn new(transport: &'a mut Transport, token: &'a str) -> Self {
        Self { transport, token, received: Vec::new(), received_bytes: 0 }
    }

    /// Waits for the script's first answer.
    pub(crate) async fn probe(&mut self) -> Result<Probe, Unreachable> {
        let answer = self.answer().await?;
        parse_probe(&answer).ok_or_else(|| {
            Unreachable::new(Phase::Shell, format!("the host described itself as `{answer}`, which makes no sense"))
        })?
    }

    /// Sends the image and waits until the agent is about to start.
    pub(crate) async fn start(mut self, probe: &Probe, image: &AgentImage) -> Result<Started, Unreachable> {
        let (path, packing) = match probe.packing {
            Packing::Gzip => (&image.compressed, "gzip"),
            Packing::Raw => (&image.path, "raw"),
        };
        let bytes = tokio::fs::read(path).await.map_err(|error| {
            Unreachable::new(Phase::Local, format!("cannot read the agent's image {}: {error}", path.display()))
        })?;
        let head = format!("{} {packing}\n", bytes.len());
        // A host that gives up early closes its end; its answer says why, better than a broken pipe does.
        let sent = match self.transport.writer.write_all(head.as_bytes()).await {
            Ok(()) => self.transport.writer.write_all(&bytes).await,
            Err(error) => Err(error),
        };
        let _ = self.transport.writer.flush().await;
        match self.answer().await?.as_str() {
            "start" => Ok(Started {
                image_bytes: bytes.len() as u64,
                traffic: Traffic {
                    bytes_sent: (head.len() + bytes.len()) as u64,
                    // What the agent said already is counted when the conversation takes it in.
                    bytes_received: self.received_bytes - self.received.len() as u64,
                    // One for the probe, one for the image.
                    round_trips: 2,
                    module_bytes: 0,
                },
                agent_said: self.received,
            }),
            answer => match (answer.strip_prefix("error:"), sent) {
                (Some(reason), _) => Err(Unreachable::new(Phase::Exec, printable(reason))
                    .hint("free some space, or mount one of these places with exec")),
                (None, Err(error)) => Err(self.broken(Phase::Exec, &error.to_string())),
                (None, Ok(())) => Err(self.broken(Phase::Exec, &format!("unexpected answer `{}`", printable(answer)))),
            },
        }
    }

    /// The rest of the next line that begins with our marker.
    async fn answer(&mut self) -> Result<String, Unreachable> {
        let marker = format!("WXEC1:{}:", self.token).into_bytes();
        loop {
            if let Some(start) = find(&self.received, &marker)
                && let Some(end) = self.received[start..].iter().position(|byte| *byte == b'\n')
            {
                let answer = String::from_utf8_lossy(&self.received[start + marker.len()..start + end]).into_owned();
                self.received.drain(..=start + end);
                return Ok(answer.trim_end_matches('\r').into());
            }
            if self.received.len() > MAX_NOISE_BYTES {
                return Err(self.broken(Phase::Shell, "the host prints without end before our script runs"));
            }
            match self.transport.reader.read_buf(&mut self.received).await {
                Ok(length @ 1..) => self.received_bytes += length as u64,
                Ok(0) => {
                    return Err(self.broken(Phase::Shell, "the host closed the connection before the agent was up"));
                }
                Err(error) => return Err(self.broken(Phase::Shell, &error.to_string())),
            }
        }
    }

    fn broken(&self, phase: Phase, reason: &str) -> Unreachable {
        let noise = &self.received[self.received.len().saturating_sub(SHOWN_NOISE_BYTES)..];
        let noise = printable(String::from_utf8_lossy(noise).trim());
        let reason = if noise.is_empty() { reason.into() } else { format!("{reason}; its stdout said: {noise}") };
        Unreachable::new(phase, reason).stderr(self.transport.stderr.text())
    }
}

fn parse_probe(answer: &str) -> Option<Result<Probe, Unreachable>> {
    let (system, packing) = answer.strip_prefix("host:")?.rsplit_once(':')?;
    let (os, machine) = system.split_once(' ')?;
    let packing = match packing {
        "gzip" => Packing::Gzip,
        "raw" => Packing::Raw,
        _ => return None,
    };
    let arch = match machine.trim() {
        "x86_64" | "amd64" => "x86_64",
        "aarch64" | "arm64" => "aarch64",
        other => other,
    };
    let platform = Platform::new(arch, os.to_ascii_lowercase());
    if !is_known(&platform) {
        let reason = format!("there is no agent for {}", printable(system));
        return Some(Err(
            Unreachable::new(Phase::Architecture, reason).hint("agents exist for Linux on x86_64 and aarch64")
        ));
    }
    Some(Ok(Probe { platform, packing }))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
