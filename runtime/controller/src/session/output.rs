//! Output of guests, on its way to the listener.

use std::sync::Arc;

use wxec_protocol::{LogLevel, LogRecord, OutputStream};

use crate::base::text::printable;

/// Receives the output and log records of guests. The first argument is the host's name.
pub type OutputHandler = Arc<dyn Fn(&str, GuestOutput<'_>) + Send + Sync>;

/// Something a guest printed or logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestOutput<'a> {
    /// A line on its standard output, including the line end. The line end is missing if the guest
    /// ended within the line, or if the line [continues](Self::is_cut).
    Stdout(&'a [u8]),
    /// A line on its standard error, likewise.
    Stderr(&'a [u8]),
    /// A record of the `log` crate.
    Log(LogRecord<'a>),
    /// A command has ended, but processes that it left running hold its output open. Output they
    /// write later than half a second after the command's end is missing;
    /// [`Command::wait_output`](crate::Command::wait_output) waits for it.
    Held,
}

/// Text for output that is [held](GuestOutput::Held).
const HELD: &str =
    "what the command left running holds its output, of which the rest was not waited for";

impl<'a> GuestOutput<'a> {
    /// Returns true if this is part of a line longer than [`MAX_LINE_BYTES`], which continues in
    /// the next output of the same stream.
    pub fn is_cut(&self) -> bool {
        let (Self::Stdout(line) | Self::Stderr(line)) = self else {
            return false;
        };
        line.len() == MAX_LINE_BYTES && !line.ends_with(b"\n")
    }

    fn printed(stream: OutputStream, bytes: &'a [u8]) -> Self {
        match stream {
            OutputStream::Stdout => Self::Stdout(bytes),
            OutputStream::Stderr => Self::Stderr(bytes),
        }
    }
}

/// Splits the output of one call into lines.
pub(crate) struct Lines {
    host: Arc<str>,
    handler: OutputHandler,
    /// Unfinished lines of stdout and stderr.
    unfinished: [Vec<u8>; 2],
}

/// Size limit for lines. A longer line is passed on in parts of this length, without line ends. A
/// call buffers up to this much of each of its two streams: 64 MiB for the 128 hosts that `wxec`
/// works on at once.
pub const MAX_LINE_BYTES: usize = 256 << 10;

impl Lines {
    pub(crate) fn new(host: Arc<str>, handler: OutputHandler) -> Self {
        Self {
            host,
            handler,
            unfinished: Default::default(),
        }
    }

    /// Reports the number of missing bytes, so that a reader does not take a part for the whole.
    pub(crate) fn note_dropped(&mut self, bytes: u64) {
        if bytes > 0 {
            let note = format!("\n(wxec: {bytes} bytes of output beyond the limit were dropped)\n");
            self.write(
                OutputStream::Stderr,
                note.trim_start_matches(|c| c == '\n' && self.unfinished[1].is_empty())
                    .as_bytes(),
            );
        }
    }

    pub(crate) fn log(&self, record: LogRecord<'_>) {
        (self.handler)(&self.host, GuestOutput::Log(record));
    }

    pub(crate) fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        let unfinished = match stream {
            OutputStream::Stdout => &mut self.unfinished[0],
            OutputStream::Stderr => &mut self.unfinished[1],
        };
        for mut part in bytes.split_inclusive(|byte| *byte == b'\n') {
            loop {
                let room = MAX_LINE_BYTES - unfinished.len();
                let (now, later) = part.split_at(room.min(part.len()));
                unfinished.extend_from_slice(now);
                if now.ends_with(b"\n") || unfinished.len() == MAX_LINE_BYTES {
                    (self.handler)(&self.host, GuestOutput::printed(stream, unfinished));
                    unfinished.clear();
                }
                part = later;
                if part.is_empty() {
                    break;
                }
            }
        }
    }
}

/// Passes on the unfinished lines: the call has ended, so they have too.
impl Drop for Lines {
    fn drop(&mut self) {
        // The listener may be what has panicked; do not call it while unwinding.
        if std::thread::panicking() {
            return;
        }
        for (stream, rest) in [OutputStream::Stdout, OutputStream::Stderr]
            .into_iter()
            .zip(&self.unfinished)
        {
            if !rest.is_empty() {
                (self.handler)(&self.host, GuestOutput::printed(stream, rest));
            }
        }
    }
}

/// Turns lines and records into `tracing` events. If the program has no subscriber, they go to
/// stderr, each after its host's name, except for debug and trace records.
pub(crate) fn default_handler() -> OutputHandler {
    Arc::new(|host, output| {
        if !tracing::dispatcher::has_been_set() {
            match output {
                GuestOutput::Log(record) if record.level > LogLevel::Info => {}
                GuestOutput::Log(record) => {
                    eprintln!("[{host}] {}", printable(&record.to_string()))
                }
                GuestOutput::Stdout(line) | GuestOutput::Stderr(line) => {
                    eprintln!("[{host}] {}", text(line))
                }
                GuestOutput::Held => eprintln!("[{host}] {HELD}"),
            }
            return;
        }
        match output {
            GuestOutput::Stdout(line) => {
                tracing::info!(target: "wxec::guest", host, stream = "stdout", "{}", text(line));
            }
            GuestOutput::Stderr(line) => {
                tracing::info!(target: "wxec::guest", host, stream = "stderr", "{}", text(line));
            }
            GuestOutput::Held => tracing::warn!(target: "wxec::guest", host, "{HELD}"),
            GuestOutput::Log(LogRecord {
                level,
                target: about,
                message,
                ..
            }) => {
                let (about, message) = (printable(about), printable(message));
                match level {
                    LogLevel::Error => {
                        tracing::error!(target: "wxec::guest", host, about, "{message}")
                    }
                    LogLevel::Warn => {
                        tracing::warn!(target: "wxec::guest", host, about, "{message}")
                    }
                    LogLevel::Info => {
                        tracing::info!(target: "wxec::guest", host, about, "{message}")
                    }
                    LogLevel::Debug => {
                        tracing::debug!(target: "wxec::guest", host, about, "{message}")
                    }
                    LogLevel::Trace => {
                        tracing::trace!(target: "wxec::guest", host, about, "{message}")
                    }
                }
            }
        }
    })
}

fn text(line: &[u8]) -> String {
    printable(String::from_utf8_lossy(line).trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_arrive_whole_and_the_last_one_at_the_end() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = seen.clone();
        let handler: OutputHandler =
            Arc::new(move |_, output| keep.lock().unwrap().push(format!("{output:?}")));
        let mut lines = Lines::new("h".into(), handler);
        lines.write(OutputStream::Stdout, b"on");
        lines.write(OutputStream::Stderr, b"warning\n");
        lines.log(LogRecord::new(LogLevel::Warn, "words", "few"));
        lines.write(OutputStream::Stdout, b"e\ntwo\nthr");
        drop(lines);
        let expected = [
            GuestOutput::Stderr(b"warning\n"),
            GuestOutput::Log(LogRecord::new(LogLevel::Warn, "words", "few")),
            GuestOutput::Stdout(b"one\n"),
            GuestOutput::Stdout(b"two\n"),
            GuestOutput::Stdout(b"thr"),
        ];
        assert_eq!(
            *seen.lock().unwrap(),
            expected.map(|output| format!("{output:?}"))
        );
    }
    #[test]
    fn a_line_that_is_too_long_comes_in_parts_that_say_so() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = seen.clone();
        let handler: OutputHandler = Arc::new(move |_, output| {
            let GuestOutput::Stdout(line) = output else {
                panic!("{output:?}")
            };
            keep.lock()
                .unwrap()
                .push((line.len(), line.ends_with(b"\n"), output.is_cut()));
        });
        let mut lines = Lines::new("h".into(), handler);
        let whole = vec![b'x'; MAX_LINE_BYTES - 1];
        lines.write(OutputStream::Stdout, &whole);
        lines.write(OutputStream::Stdout, b"\n");
        for part in [&whole[..], b"xx", b"y\nz"] {
            lines.write(OutputStream::Stdout, part);
        }
        drop(lines);
        let most = MAX_LINE_BYTES;
        assert_eq!(
            *seen.lock().unwrap(),
            [
                (most, true, false),
                (most, false, true),
                (3, true, false),
                (1, false, false)
            ]
        );
    }
}
