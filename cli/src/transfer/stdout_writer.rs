//! The content of a file on stdout.

use std::{
    fs::File,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::terminal::{spinner, text::printable};

/// Standard output, for the content of a file. On a terminal, control characters are replaced, as
/// in all output of hosts.
pub(crate) struct StdoutWriter {
    file: File,
    is_terminal: bool,
    /// The first bytes of a character whose rest has yet to come.
    rest: Vec<u8>,
    /// Set when the reader of stdout has gone.
    pub(crate) closed: Arc<AtomicBool>,
}

impl StdoutWriter {
    pub(crate) fn open() -> io::Result<Self> {
        let stdout = io::stdout();
        let file = stdout.as_fd().try_clone_to_owned()?.into();
        Ok(Self {
            file,
            is_terminal: stdout.is_terminal(),
            rest: Vec::new(),
            closed: Arc::default(),
        })
    }

    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rest.extend(bytes);
        let whole = match str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let text = printable(&String::from_utf8_lossy(&self.rest[..whole]));
        self.rest.drain(..whole);
        spinner::suspend(|| self.file.write_all(text.as_bytes()))
    }
}

impl Write for StdoutWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.is_terminal {
            self.show(bytes).map(|()| bytes.len())
        } else {
            self.file.write(bytes)
        };
        if written
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            self.closed.store(true, Ordering::SeqCst);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        // A character that is incomplete at the end stays incomplete.
        if std::mem::take(&mut self.rest).is_empty() {
            return Ok(());
        }
        self.show("\u{fffd}".as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_shown_on_terminals_and_written_elsewhere_as_it_is() {
        let content = "a\u{1b}[2J\u{9b}é\n"
            .bytes()
            .chain([0xc3])
            .collect::<Vec<_>>();
        for (is_terminal, expected) in [
            (true, "a\u{fffd}[2J\u{fffd}é\n\u{fffd}".as_bytes()),
            (false, &content),
        ] {
            let (mut reader, writer) = io::pipe().unwrap();
            let file = std::os::fd::OwnedFd::from(writer).into();
            let mut stdout = StdoutWriter {
                file,
                is_terminal,
                rest: Vec::new(),
                closed: Arc::default(),
            };
            // Characters may be cut anywhere.
            content
                .iter()
                .for_each(|byte| stdout.write_all(&[*byte]).unwrap());
            stdout.flush().unwrap();
            drop(stdout);
            let mut written = Vec::new();
            io::Read::read_to_end(&mut reader, &mut written).unwrap();
            assert_eq!(written, expected);
        }
    }
}
