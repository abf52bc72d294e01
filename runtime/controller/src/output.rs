//! What guests print, on its way to whoever listens.

use std::sync::Arc;

use wxec_protocol::OutputStream;

use crate::transport::printable;

/// Takes what the guests on one host print: the host's name, the stream, some bytes.
pub type OutputHandler = Arc<dyn Fn(&str, OutputStream, &[u8]) + Send + Sync>;

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

    pub(crate) fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        let unfinished = match stream {
            OutputStream::Stdout => &mut self.unfinished[0],
            OutputStream::Stderr => &mut self.unfinished[1],
            OutputStream::Log(_) => return (self.handler)(&self.host, stream, bytes),
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            unfinished.extend_from_slice(part);
            if part.ends_with(b"\n") || unfinished.len() >= MAX_LINE_BYTES {
                (self.handler)(&self.host, stream, unfinished);
                unfinished.clear();
            }
        }
    }
}

/// The call has ended: so has its last line.
impl Drop for Lines {
    fn drop(&mut self) {
        for (stream, rest) in [OutputStream::Stdout, OutputStream::Stderr].into_iter().zip(&self.unfinished) {
            if !rest.is_empty() {
                (self.handler)(&self.host, stream, rest);
            }
        }
    }
}

/// Lines become `tracing` events; a program that listens to none sees them on stderr, each behind its host's name.
pub(crate) fn default_handler() -> OutputHandler {
    Arc::new(|host, stream, bytes| {
        let text = printable(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        if !tracing::dispatcher::has_been_set() {
            eprintln!("[{host}] {text}");
            return;
        }
        match stream {
            OutputStream::Stdout => tracing::info!(target: "wxec::guest", host, stream = "stdout", "{text}"),
            OutputStream::Stderr => tracing::info!(target: "wxec::guest", host, stream = "stderr", "{text}"),
            OutputStream::Log(1) => tracing::error!(target: "wxec::guest", host, "{text}"),
            OutputStream::Log(2) => tracing::warn!(target: "wxec::guest", host, "{text}"),
            OutputStream::Log(3) => tracing::info!(target: "wxec::guest", host, "{text}"),
            OutputStream::Log(4) => tracing::debug!(target: "wxec::guest", host, "{text}"),
            OutputStream::Log(_) => tracing::trace!(target: "wxec::guest", host, "{text}"),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_arrive_whole_and_the_last_one_at_the_end() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let keep = seen.clone();
        let handler: OutputHandler = Arc::new(move |_, stream, line| {
            keep.lock().unwrap().push((stream, String::from_utf8_lossy(line).into_owned()))
        });
        let mut lines = Lines::new("h".into(), handler);
        lines.write(OutputStream::Stdout, b"on");
        lines.write(OutputStream::Stderr, b"warning\n");
        lines.write(OutputStream::Stdout, b"e\ntwo\nthr");
        drop(lines);
        let expected = [
            (OutputStream::Stderr, "warning\n"),
            (OutputStream::Stdout, "one\n"),
            (OutputStream::Stdout, "two\n"),
            (OutputStream::Stdout, "thr"),
        ];
        assert_eq!(*seen.lock().unwrap(), expected.map(|(stream, line)| (stream, line.to_owned())));
    }
}
