//! Programs for a host: the starter, the image for it to become, and the first words for the agent.

use std::{io, path::Path, sync::Arc};

use tokio::io::AsyncWriteExt;
use wxec_build::{AgentImage, Starter};
use wxec_protocol::Traffic;

use super::{Probe, splice_image};
use crate::{
    error::{Phase, Unreachable},
    session::{Session, transport::Writer},
};

/// A starter, and the agent's image.
#[derive(Clone)]
pub(crate) struct Programs {
    pub(crate) starter: Arc<Starter>,
    pub(crate) image: Arc<AgentImage>,
    /// The conversation's beginning, which is sent behind the image if it is known by then.
    pub(crate) beginning: Vec<u8>,
}

/// Programs that a host lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The starter, and with it the image.
    Starter,
    /// Only the image.
    Image,
}

/// The next step of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The agent is about to begin.
    Begins,
    /// The host has a place for what is on its way.
    Takes,
    Lacks(Lack),
}

/// Way in which an image travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Compressed, from here.
    Compressed,
    /// As it is, from here.
    Plain,
    /// As it is, inserted by the agent on the hop before.
    Hop,
}

impl Form {
    /// Returns the way for an image to travel: the agent on the hop before inserts it if it holds it.
    pub(super) async fn find(hop: Option<Session>, programs: &Programs, compress: bool) -> Self {
        match hop {
            Some(hop) if hop.holds(programs.image.digest).await => Self::Hop,
            _ => Self::of_network(compress),
        }
    }

    /// Returns the form for a network that is as slow as `compress` says, or no network.
    pub(super) fn of_network(compress: bool) -> Self {
        if compress {
            Self::Compressed
        } else {
            Self::Plain
        }
    }
}

/// Record of the programs that were sent to a host, and the way in which that goes on.
pub(super) struct Sending<'a> {
    programs: &'a Programs,
    form: Form,
    compress: bool,
    /// The host may keep what it gets.
    keep: bool,
    /// Bytes of the image that were sent from here.
    pub(super) image_bytes: u64,
    pub(super) traffic: Traffic,
}

impl<'a> Sending<'a> {
    pub(super) fn new(programs: &'a Programs, form: Form, compress: bool, keep: bool) -> Self {
        Self {
            programs,
            form,
            compress,
            keep,
            image_bytes: 0,
            traffic: Traffic {
                round_trips: 1,
                ..Traffic::default()
            },
        }
    }

    /// Sends what the host lacks. Returns the result of that, or an error if there is nothing to send.
    pub(super) async fn send(
        &mut self,
        lack: Lack,
        writer: &mut Writer,
    ) -> Result<io::Result<()>, Unreachable> {
        let parcel = self.programs.parcel(lack, self.form, self.keep).await?;
        let body_bytes = parcel.body.as_ref().map_or(0, Vec::len) as u64;
        self.image_bytes += body_bytes;
        self.traffic.bytes_sent += parcel.head.len() as u64 + body_bytes;
        if parcel.body.is_none() {
            self.traffic.hop_bytes += self.programs.image.bytes;
        }
        self.traffic.round_trips += 1;
        Ok(parcel.send(writer).await)
    }

    /// Returns what the host does by its `answer`, if that is something it may say.
    pub(super) fn next(&mut self, answer: &str, probe: &mut Probe) -> Option<Next> {
        match answer {
            "start" => Some(Next::Begins),
            "image" => (self.traffic.round_trips == 1).then_some(Next::Lacks(Lack::Image)),
            // The hop did not insert the right image: perhaps its memory is bad. Send it from here,
            // once.
            "again" if self.form == Form::Hop => {
                self.form = Form::of_network(self.compress);
                Some(Next::Lacks(Lack::Image))
            }
            _ => Some(match probe.learn_place(answer)? {
                true => Next::Lacks(Lack::Starter),
                false => Next::Takes,
            }),
        }
    }
}

/// Bytes for a host, ready to be sent.
struct Parcel<'a> {
    image: &'a AgentImage,
    /// All that comes before the image: the starter, and the lines that describe both.
    head: Vec<u8>,
    /// The image, unless a hop inserts it.
    body: Option<Vec<u8>>,
    /// All that comes behind it.
    tail: &'a [u8],
}

impl Programs {
    /// Reads what is to be sent. The host keeps it if `keep` is true.
    async fn parcel(&self, lack: Lack, form: Form, keep: bool) -> Result<Parcel<'_>, Unreachable> {
        let image = &*self.image;
        let body = match form {
            Form::Compressed => Some(read(&image.compressed).await?),
            Form::Plain => Some(read(&image.path).await?),
            Form::Hop => None,
        };
        let sent = body.as_ref().map_or(image.bytes, |body| body.len() as u64);
        let described = format!(
            "{} {sent} {} {} {}\n",
            if form == Form::Compressed {
                "zstd"
            } else {
                "raw"
            },
            image.bytes,
            image.digest,
            if keep { "keep" } else { "-" },
        );
        let mut head = Vec::new();
        if lack == Lack::Starter {
            let starter = read(&self.starter.path).await?;
            let rest = (described.len() + self.beginning.len()) as u64 + sent;
            head.extend(format!("{} {rest}\n", starter.len()).into_bytes());
            head.extend(starter);
        }
        head.extend(described.into_bytes());
        Ok(Parcel {
            image,
            head,
            body,
            tail: &self.beginning,
        })
    }
}

impl Parcel<'_> {
    async fn send(&self, writer: &mut Writer) -> io::Result<()> {
        writer.write_all(&self.head).await?;
        match &self.body {
            Some(bytes) => writer.write_all(bytes).await?,
            None => splice_image(writer, self.image).await?,
        }
        writer.write_all(self.tail).await?;
        writer.flush().await
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Unreachable> {
    tokio::fs::read(path).await.map_err(|error| {
        Unreachable::new(
            Phase::Local,
            format!(
                "cannot read {}, which is for the host: {error}",
                path.display()
            ),
        )
    })
}
