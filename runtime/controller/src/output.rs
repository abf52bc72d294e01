//! What guests print, on its way to whoever listens.

use std::sync::Arc;

use wxec_protocol::{LogLevel, LogRecord, OutputStream};

use crate::transport::printable;

/// Takes what the guests on one host print and log, behind the host's name.
pub type OutputHandler = Arc<dyn Fn(&str, GuestOutput<'_>) + Send + Sync>;

/// Something a guest printed or logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuestOutput<'a> {
    /// A line on its standard output, with its end; or a part of one, if it is long or the guest ended within it.
    Stdout(&'a [u8]),
    /// The same of its standard error.
    Stderr(&'a [u8]),
    /// A record of the `log` crate.
    Log(LogRecord<'a>),
}

impl<'a> GuestOutput<'a> {
    fn printed(stream: OutputStream, bytes: &'a [u8]) -> Self {
        match stream {
            OutputStream::Stdout => Self::Stdout(bytes),
            OutputStream::Stderr => Self::Stderr(bytes),
        }
    }
}

/// Cuts what one call prints into lines.
pub(crate) struct Lines {
    host: Arc<str>,
    handler: OutputHandler,
    /// Unfinished lines of stdout and stderr.
    unfinished: [Vec<u8>; 2],
}

/// A line longer than this is handed on in pieces.
const MAX_LINE_BYTES: usize = 16 << 10;

impl Lines {
    pub(crate) fn new(host: Arc<str>, handler: OutputHandler) -> Self {
        Self { host, handler, unfinished: Default::default() }
    }

    /// Says how much is missing, so that nobody takes a part for the whole.
    pub(crate) fn note_dropped(&mut self, bytes: u64) {
        if bytes > 0 {
            let note = format!("\n(wxec: {bytes} bytes of output beyond the limit were dropped)\n");
            self.write(
                OutputStream::Stderr,
                note.trim_start_matches(|c| c == '\n' && self.unfinished[1].is_empty()).as_bytes(),
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
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            unfinished.extend_from_slice(part);
            if part.ends_with(b"\n") || unfinished.len() >= MAX_LINE_BYTES {
                (self.handler)(&self.host, GuestOutput::printed(stream, unfinished));
                unfinished.clear();
            }
        }
    }
}

/// The call has ended: so has its last line.
impl Drop for Lines {
    fn drop(&mut self) {
        // A listener that has panicked is not asked again on the way out.
        if std::thread::panicking() {
            return;
        }
        for (stream, rest) in [OutputStream::Stdout, OutputStream::Stderr].into_iter().zip(&self.unfinished) {
            if !rest.is_empty() {
                (self.handler)(&self.host, GuestOutput::printed(stream, rest));
            }
        }
    }
}

/// Lines and records become `tracing` events; a program that listens to none sees them on stderr, each behind its host's
/// name, but for what is logged for those who look for a fault.
pub(crate) fn default_handler() -> OutputHandler {
    Arc::new(|host, output| {
        if !tracing::dispatcher::has_been_set() {
            match output {
                GuestOutput::Log(record) if record.level > LogLevel::Info => {}
                GuestOutput::Log(record) => eprintln!("[{host}] {}", printable(&record.to_string())),
                GuestOutput::Stdout(line) | GuestOutput::Stderr(line) => eprintln!("[{host}] {}", text(line)),
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
            GuestOutput::Log(LogRecord { level, target: about, message, .. }) => {
                let (about, message) = (printable(about), printable(message));
                match level {
                    LogLevel::Error => tracing::error!(target: "wxec::guest", host, about, "{message}"),
                    LogLevel::Warn => tracing::warn!(target: "wxec::guest", host, about, "{message}"),
                    LogLevel::Info => tracing::info!(target: "wxec::guest", host, about, "{message}"),
                    LogLevel::Debug => tracing::debug!(target: "wxec::guest", host, about, "{message}"),
                    LogLevel::Trace => tracing::trace!(target: "wxec::guest", host, about, "{message}"),
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
        let handler: OutputHandler = Arc::new(move |_, output| keep.lock().unwrap().push(format!("{output:?}")));
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
        assert_eq!(*seen.lock().unwrap(), expected.map(|output| format!("{output:?}")));
    }
}
