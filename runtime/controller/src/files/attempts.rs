//! Runs a transfer. If its link is cut, connects the host anew and goes on.

use std::sync::Arc;

use wxec_files::{
    Event, Listener, Source, Summary, TransferEnd, Unfinished, check_source, check_target, get, put,
};
use wxec_protocol::Service;

use super::{
    Direction, TransferError, TransferErrorKind, TransferOptions, Transferred, part, retry::Retry,
    tally::Tally,
};
use crate::{
    base::runtime,
    host::Host,
    session::{Leading, StreamHandle},
};

pub(super) struct Attempts {
    host: Host,
    direction: Direction,
    options: TransferOptions,
    tally: Arc<Tally>,
}

/// The reason why an attempt failed.
enum Attempt {
    Ended(TransferEnd),
    Unreachable(crate::error::Unreachable),
}

/// Gives up what is unfinished here when the caller stops waiting for the transfer. This must come
/// before the stream is closed, because the receiver would take that for a cut link.
struct Running {
    unfinished: Option<Unfinished>,
    _stream: StreamHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(unfinished) = &self.unfinished {
            unfinished.give_up();
        }
    }
}

/// Removes at the end what is left here and was not kept.
struct GiveUp(Unfinished);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Attempts {
    pub(super) fn new(
        host: Host,
        direction: Direction,
        options: TransferOptions,
        listener: Option<Listener>,
    ) -> Self {
        Self {
            host,
            direction,
            options,
            tally: Arc::new(Tally::new(listener)),
        }
    }

    pub(super) async fn run(self) -> Result<(Transferred, Vec<u8>), TransferError> {
        let name = self.host.shared_name();
        let timeout = self.options.timeout;
        let ended = match timeout {
            None => self.attempts().await,
            Some(after) => match tokio::time::timeout(after, self.attempts()).await {
                Ok(ended) => ended,
                Err(_) => Err(TransferErrorKind::Timeout { after }),
            },
        };
        ended.map_err(|kind| TransferError::new(name, kind))
    }

    async fn attempts(self) -> Result<(Transferred, Vec<u8>), TransferErrorKind> {
        self.check().map_err(TransferErrorKind::Here)?;
        // Parts left here after a cut belong to this transfer alone.
        let left = GiveUp(Unfinished::default());
        let mut retry = Retry::new(self.options.reconnect_within);
        let mut resuming = false;
        loop {
            let reason = match self.attempt(resuming, &left.0).await {
                Ok((summary, content)) => {
                    let warnings = self.tally.take_warnings();
                    return Ok((Transferred::new(summary, warnings), content));
                }
                Err(Attempt::Ended(TransferEnd::Cut)) => TransferEnd::Cut.to_string(),
                Err(Attempt::Ended(end)) => {
                    return Err(TransferErrorKind::of(end, || self.tally.take_warnings()));
                }
                Err(Attempt::Unreachable(failure)) if resuming => {
                    format!("the link was cut, and the host is {failure}")
                }
                Err(Attempt::Unreachable(failure)) => {
                    return Err(TransferErrorKind::Unreachable(failure));
                }
            };
            let pause = retry.next_pause(self.tally.take_moved());
            self.tally.void();
            let Some(pause) = pause.filter(|_| self.can_resume()) else {
                let part = self.part(&left.0);
                return Err(TransferErrorKind::Lost { reason, part });
            };
            resuming = true;
            self.tally
                .report(Event::Warning("the link was cut; going on"));
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns false if the options forbid it, or the source cannot be read again.
    fn can_resume(&self) -> bool {
        let is_read_once = matches!(
            self.direction,
            Direction::Put {
                source: Source::Reader { .. },
                ..
            }
        );
        self.options.resume && !is_read_once
    }

    /// Finds faults on this machine before the host is connected.
    fn check(&self) -> Result<(), wxec_files::Failure> {
        match &self.direction {
            Direction::Put { source, .. } => check_source(source, &self.options.options),
            Direction::Get { path, target } => check_target(path, target),
        }
    }

    async fn attempt(
        &self,
        resuming: bool,
        left: &Unfinished,
    ) -> Result<(Summary, Vec<u8>), Attempt> {
        let session = self.host.session().await.map_err(Attempt::Unreachable)?;
        let leading = match self.direction {
            Direction::Put { .. } => Leading::Writer,
            Direction::Get { .. } => Leading::Reader,
        };
        let (reader, writer, stream) = session
            .open_blocking(Service::Files, leading)
            .await
            .map_err(|_| Attempt::Ended(TransferEnd::Cut))?;
        let mut running = Running {
            unfinished: Some(left.clone()),
            _stream: stream,
        };
        let (direction, options, unfinished) = (
            self.direction.clone(),
            self.options.options.clone(),
            left.clone(),
        );
        let tally = self.tally.clone();
        let listener: Listener = Arc::new(move |event: Event<'_>| tally.add(event));
        let ended = runtime::blocking(move || match direction {
            Direction::Put { source, path } => put(
                &source, &path, &options, resuming, reader, writer, &listener,
            )
            .map(|summary| (summary, Vec::new())),
            Direction::Get { path, target } => get(
                &path,
                &target,
                &options,
                resuming,
                reader,
                writer,
                &unfinished,
                &listener,
            ),
        })
        .await;
        running.unfinished = None;
        ended.map_err(Attempt::Ended)
    }

    /// Returns the name of the part that is left at the receiving end, if any. Keeps it, if that
    /// end is here.
    fn part(&self, left: &Unfinished) -> Option<String> {
        let file = self.tally.file();
        match &self.direction {
            Direction::Put { source, path } => {
                let (file, size) = file?;
                part::name_there(source, path, &file, size)
            }
            Direction::Get { .. } if left.keep() => file.map(|(file, _)| part::name_of(&file)),
            Direction::Get { .. } => None,
        }
    }
}
