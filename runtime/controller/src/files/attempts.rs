//! Runs a transfer. If its link is cut, connects the host anew and goes on.

use std::{
    io::{self, Read, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wxec_files::{
    Event, Listener, MIN_PART_BYTES, Source, Summary, TransferEnd, Unfinished, check_source,
    check_target, get, names_directory, part_name, put,
};
use wxec_protocol::Service;

use super::{TransferError, TransferErrorKind, TransferOptions, Transferred, Way};
use crate::{
    base::runtime,
    host::Host,
    session::{
        StreamHandle,
        stream::{StreamReader, StreamWriter},
    },
};

/// An attempt that moves less than this counts as idle.
const PROGRESS_BYTES: u64 = 1 << 20;

/// The first wait between two attempts. It doubles, up to `MAX_PAUSE`.
const PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The number and length of a host's warnings that are kept and passed on: the host chooses most of
/// their text. Further ones are counted.
const MAX_WARNINGS: usize = 1000;
const MAX_WARNING_BYTES: usize = 2 << 10;

pub(super) struct Attempts {
    host: Host,
    way: Way,
    options: TransferOptions,
    tally: Arc<Tally>,
}

/// Adds up the events of all attempts.
struct Tally {
    listener: Option<Listener>,
    /// Bytes that crossed the link in this attempt.
    moved: AtomicU64,
    /// Bytes that the listener has counted for this attempt.
    counted: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    warnings: Vec<String>,
    /// The number of warnings beyond these.
    more_warnings: u64,
    /// The file on its way, and its size.
    file: Option<(String, u64)>,
}

impl State {
    /// Keeps a warning. Returns the part of it that may be passed on.
    fn warn<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        if self.warnings.len() >= MAX_WARNINGS {
            self.more_warnings += 1;
            return None;
        }
        let text = &text[..text.floor_char_boundary(MAX_WARNING_BYTES)];
        self.warnings.push(text.to_owned());
        Some(text)
    }

    fn all_warnings(&mut self) -> Vec<String> {
        let mut all = std::mem::take(&mut self.warnings);
        if self.more_warnings > 0 {
            all.push(format!("{} more warnings", self.more_warnings));
        }
        all
    }
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

impl Attempts {
    pub(super) fn new(
        host: Host,
        way: Way,
        options: TransferOptions,
        listener: Option<Listener>,
    ) -> Self {
        let tally = Tally {
            listener,
            moved: 0.into(),
            counted: 0.into(),
            state: Mutex::default(),
        };
        Self {
            host,
            way,
            options,
            tally: Arc::new(tally),
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
        let (mut idle_since, mut pause, mut lost) = (None, PAUSE, None);
        loop {
            match self.attempt(lost.is_some(), &left.0).await {
                Ok((summary, content)) => {
                    return Ok((
                        Transferred::new(summary, self.tally.state().all_warnings()),
                        content,
                    ));
                }
                Err(Attempt::Ended(TransferEnd::Cut)) => lost = Some(TransferEnd::Cut.to_string()),
                Err(Attempt::Ended(end)) => {
                    return Err(TransferErrorKind::of(end, || {
                        self.tally.state().all_warnings()
                    }));
                }
                Err(Attempt::Unreachable(failure)) => match &mut lost {
                    None => return Err(TransferErrorKind::Unreachable(failure)),
                    Some(lost) => *lost = format!("the link was cut, and the host is {failure}"),
                },
            }
            if self.tally.moved.swap(0, Relaxed) >= PROGRESS_BYTES {
                (idle_since, pause) = (None, PAUSE);
            }
            let idle = idle_since.get_or_insert_with(Instant::now).elapsed();
            self.tally.void();
            if idle >= self.options.reconnect_within || !self.options.resume || self.is_read_once()
            {
                let part = match self.way {
                    Way::Put { .. } => self.part_there(),
                    Way::Get { .. } if left.0.keep() => self.part_here(),
                    Way::Get { .. } => None,
                };
                return Err(TransferErrorKind::Lost {
                    reason: lost.unwrap_or_default(),
                    part,
                });
            }
            self.tally
                .tell(Event::Warning("the link was cut; going on"));
            tokio::time::sleep(pause.min(self.options.reconnect_within - idle)).await;
            pause = (2 * pause).min(MAX_PAUSE);
        }
    }

    /// Returns true if the source cannot be read again.
    fn is_read_once(&self) -> bool {
        matches!(
            self.way,
            Way::Put {
                source: Source::Reader { .. },
                ..
            }
        )
    }

    /// Finds faults on this machine before the host is connected.
    fn check(&self) -> Result<(), wxec_files::Failure> {
        match &self.way {
            Way::Put { source, .. } => check_source(source, &self.options.options),
            Way::Get { path, target } => check_target(path, target),
        }
    }

    async fn attempt(
        &self,
        resuming: bool,
        left: &Unfinished,
    ) -> Result<(Summary, Vec<u8>), Attempt> {
        let session = self.host.session().await.map_err(Attempt::Unreachable)?;
        let (reader, writer, stream) = session
            .open(Service::Files)
            .await
            .map_err(|_| Attempt::Ended(TransferEnd::Cut))?;
        let (reader, writer) = (BlockingReader(reader), BlockingWriter(writer));
        let mut running = Running {
            unfinished: Some(left.clone()),
            _stream: stream,
        };
        let (way, options, unfinished) =
            (self.way.clone(), self.options.options.clone(), left.clone());
        let tally = self.tally.clone();
        let listener: Listener = Arc::new(move |event: Event<'_>| tally.hear(event));
        let ended = runtime::blocking(move || match way {
            Way::Put { source, path } => put(
                &source, &path, &options, resuming, reader, writer, &listener,
            )
            .map(|summary| (summary, Vec::new())),
            Way::Get { path, target } => get(
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

    /// Returns the name of the part of the unfinished file on the host, as far as this end can
    /// tell.
    fn part_there(&self) -> Option<String> {
        let Way::Put { source, path } = &self.way else {
            return None;
        };
        let state = self.tally.state();
        let (file, size) = state.file.as_ref()?;
        if *size < MIN_PART_BYTES {
            return None;
        }
        let mut target = String::from_utf8_lossy(path).into_owned();
        if let Source::Path(source) = source {
            let source = String::from_utf8_lossy(source);
            if names_directory(path) {
                let own = source
                    .trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                target = format!("{}/{own}", target.trim_end_matches('/'));
            }
            let inner = file.strip_prefix(&*source)?.trim_start_matches('/');
            if !inner.is_empty() {
                target = format!("{}/{inner}", target.trim_end_matches('/'));
            }
        }
        Some(part_of(&target))
    }

    /// Returns the name of the part of the unfinished file here.
    fn part_here(&self) -> Option<String> {
        self.tally
            .state()
            .file
            .as_ref()
            .map(|(file, _)| part_of(file))
    }
}

fn part_of(target: &str) -> String {
    let (directory, name) = target
        .rsplit_once('/')
        .map_or(("", target), |(directory, name)| (directory, name));
    let part = String::from_utf8_lossy(&part_name(name.as_bytes())).into_owned();
    if target.contains('/') {
        format!("{directory}/{part}")
    } else {
        part
    }
}

/// The reason why an attempt failed.
enum Attempt {
    Ended(TransferEnd),
    Unreachable(crate::error::Unreachable),
}

/// Removes at the end what is left here and was not kept.
struct GiveUp(Unfinished);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.give_up();
    }
}

impl Tally {
    fn hear(&self, event: Event<'_>) {
        match &event {
            Event::Bytes(bytes) => {
                self.moved.fetch_add(*bytes, Relaxed);
                self.counted.fetch_add(*bytes, Relaxed);
            }
            Event::Resumed(bytes) => _ = self.counted.fetch_add(*bytes, Relaxed),
            Event::Void(bytes) => _ = self.counted.fetch_sub(*bytes, Relaxed),
            Event::File { path, size } => self.state().file = Some(((*path).to_owned(), *size)),
            Event::Warning(text) => {
                let told = self.state().warn(text);
                if let Some(text) = told {
                    self.tell(Event::Warning(text));
                }
                return;
            }
            _ => {}
        }
        self.tell(event);
    }

    fn tell(&self, event: Event<'_>) {
        if let Some(listener) = &self.listener {
            listener(event);
        }
    }

    /// Tells the listener to subtract this attempt's bytes: the next attempt counts anew.
    fn void(&self) {
        self.tell(Event::Void(self.counted.swap(0, Relaxed)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream, for a thread that may block.
struct BlockingReader(StreamReader);

impl Read for BlockingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        pollster::block_on(self.0.read(buffer))
    }
}

struct BlockingWriter(StreamWriter);

impl Write for BlockingWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        pollster::block_on(self.0.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warnings_of_a_host_are_few_and_short() {
        let mut state = State::default();
        let long = "é".repeat(100_000);
        let told = (0..5000)
            .filter_map(|_| state.warn(&long))
            .map(str::len)
            .collect::<Vec<_>>();
        assert_eq!(
            (told.len(), told.iter().max()),
            (MAX_WARNINGS, Some(&MAX_WARNING_BYTES))
        );
        let all = state.all_warnings();
        assert_eq!(
            (all.len(), all.last().map(String::as_str)),
            (MAX_WARNINGS + 1, Some("4000 more warnings"))
        );
    }

    #[test]
    fn a_part_lies_beside_its_file() {
        assert_eq!(part_of("/srv/disk.img"), "/srv/.disk.img.wxec-part");
        assert_eq!(part_of("disk.img"), ".disk.img.wxec-part");
    }
}
