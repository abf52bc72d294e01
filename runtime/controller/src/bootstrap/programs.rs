//! Programs for a host: the starter, the image for it to become, and the first words for the agent.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, Weak},
};

use tokio::{io::AsyncWriteExt, sync::OnceCell};
use wxec_build::{AgentImage, Starter};
use wxec_protocol::Traffic;

use super::{Probe, splice_image};
use crate::{
    base::sync::lock,
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
        let body_bytes = parcel.body_bytes();
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
            _ if probe.learn_place(answer)? => Some(Next::Lacks(Lack::Starter)),
            _ => Some(Next::Takes),
        }
    }
}

/// Bytes for a host, ready to be sent.
struct Parcel<'a> {
    image: &'a AgentImage,
    /// All that comes before the image: the starter, and the lines that describe both.
    head: Vec<u8>,
    /// The image, unless a hop inserts it.
    body: Option<Contents>,
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
        let sent = body.as_ref().map_or(image.bytes, length);
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
            head.extend(format!("{} {rest}\n", length(&starter)).into_bytes());
            head.extend(bytes(&starter));
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
    fn body_bytes(&self) -> u64 {
        self.body.as_ref().map_or(0, length)
    }

    async fn send(&self, writer: &mut Writer) -> io::Result<()> {
        writer.write_all(&self.head).await?;
        match &self.body {
            Some(body) => writer.write_all(bytes(body)).await?,
            None => splice_image(writer, self.image).await?,
        }
        writer.write_all(self.tail).await?;
        writer.flush().await
    }
}

/// The contents of a file, shared by all who send it at the same time.
type Contents = Arc<OnceCell<Vec<u8>>>;

fn bytes(contents: &Contents) -> &[u8] {
    contents.get().map_or(&[], Vec::as_slice)
}

fn length(contents: &Contents) -> u64 {
    bytes(contents).len() as u64
}

/// Reads a file that others may be reading or sending as well. Memory holds it once, however many
/// hosts are sent it, and for no longer than that takes.
async fn read(path: &Path) -> Result<Contents, Unreachable> {
    type InUse = HashMap<PathBuf, Weak<OnceCell<Vec<u8>>>>;
    static IN_USE: LazyLock<Mutex<InUse>> = LazyLock::new(Mutex::default);

    let contents = {
        let mut in_use = lock(&IN_USE);
        in_use.retain(|_, contents| contents.strong_count() > 0);
        in_use.get(path).and_then(Weak::upgrade).unwrap_or_else(|| {
            let contents = Contents::default();
            in_use.insert(path.into(), Arc::downgrade(&contents));
            contents
        })
    };
    let reading = contents.get_or_try_init(|| tokio::fs::read(path));
    reading.await.map_err(|error| unreadable(path, &error))?;
    Ok(contents)
}

fn unreadable(path: &Path, error: &io::Error) -> Unreachable {
    let path = path.display();
    let reason = format!("cannot read {path}, which is for the host: {error}");
    Unreachable::new(Phase::Local, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_many_hosts_are_sent_is_in_memory_once_and_only_meanwhile() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("image");
        std::fs::write(&path, "of today").unwrap();
        let (one, other) = tokio::join!(read(&path), read(&path));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert!(Arc::ptr_eq(&one, &other));
        std::fs::write(&path, "of tomorrow").unwrap();
        assert_eq!(bytes(&read(&path).await.unwrap()), b"of today");
        let contents = Arc::downgrade(&one);
        drop((one, other));
        assert!(contents.upgrade().is_none());
        assert_eq!(bytes(&read(&path).await.unwrap()), b"of tomorrow");
    }
}
