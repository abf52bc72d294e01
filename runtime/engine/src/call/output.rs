//! Passes on what a guest prints and logs while it runs, up to a limit for each stream.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use wxec_protocol::{LogLevel, LogRecord, MAX_MESSAGE_BYTES, MAX_TARGET_BYTES, OutputStream};

/// Receives what guests print and log, while they run.
///
/// The sandbox calls it on the thread that runs the guest, and the guest waits: an implementation
/// passes the bytes on and returns.
pub trait Output: Send + Sync + 'static {
    /// Receives `bytes` of `stream`, a piece of a text.
    fn write(&self, stream: OutputStream, bytes: &[u8]);

    /// Receives a record that the guest logged.
    fn log(&self, record: LogRecord<'_>);

    /// Returns a future to wait for before the guest writes more, if too much is on its way
    /// already. Only guests that print wait for it.
    fn room(&self) -> Option<Room> {
        None
    }
}

/// Resolves when there is room for output again.
pub type Room = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The output of one call: passes on what its limit allows and counts what it drops.
///
/// A guest runs on one thread at a time, so plain loads and stores suffice; no atomic updates are
/// needed.
pub(crate) struct Stdio {
    output: Arc<dyn Output>,
    stdout_left: AtomicU64,
    stderr_left: AtomicU64,
    log_left: AtomicU64,
    dropped: AtomicU64,
}

impl Stdio {
    /// Lets each stream pass on `limit` bytes.
    pub(crate) fn new(output: Arc<dyn Output>, limit: u64) -> Self {
        let left = || AtomicU64::new(limit);
        Self {
            output,
            stdout_left: left(),
            stderr_left: left(),
            log_left: left(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Returns a future to wait for before printing more.
    pub(crate) fn room(&self) -> Option<Room> {
        self.output.room()
    }

    /// Passes on as much of `text` as stdout has left.
    pub(crate) fn stdout(&self, text: &[u8]) {
        self.print(OutputStream::Stdout, &self.stdout_left, text);
    }

    /// Passes on as much of `text` as stderr has left.
    pub(crate) fn stderr(&self, text: &[u8]) {
        self.print(OutputStream::Stderr, &self.stderr_left, text);
    }

    /// Passes on a log record, cut to the longest target and message allowed. From the first record
    /// that exceeds the limit on, drops all records.
    pub(crate) fn log(&self, level: LogLevel, target: &[u8], message: &[u8]) {
        // Cut before copying: the guest chooses the lengths, and bytes that are not UTF-8 grow when
        // they are replaced.
        let (target, _) = target.split_at(target.len().min(MAX_TARGET_BYTES));
        let (kept, rest) = message.split_at(message.len().min(MAX_MESSAGE_BYTES));
        self.count_dropped(rest);
        if self.log_left.load(Relaxed) == 0 {
            return self.count_dropped(kept);
        }
        let (target, message) = (
            String::from_utf8_lossy(target),
            String::from_utf8_lossy(kept),
        );
        let record = LogRecord::new(level, &target, &message);
        let left = self.log_left.load(Relaxed).checked_sub(record.cost());
        self.log_left.store(left.unwrap_or(0), Relaxed);
        match left {
            Some(_) => self.output.log(record),
            None => self.count_dropped(kept),
        }
    }

    /// Returns the number of bytes dropped, all streams together.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    fn print(&self, stream: OutputStream, counter: &AtomicU64, text: &[u8]) {
        let left = counter.load(Relaxed);
        let (kept, rest) =
            text.split_at(text.len().min(usize::try_from(left).unwrap_or(usize::MAX)));
        counter.store(left - kept.len() as u64, Relaxed);
        if !kept.is_empty() {
            self.output.write(stream, kept);
        }
        self.count_dropped(rest);
    }

    fn count_dropped(&self, bytes: &[u8]) {
        self.dropped
            .store(self.dropped_bytes() + bytes.len() as u64, Relaxed);
    }
}
