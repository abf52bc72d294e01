//! The last lines of the other end's stderr: the user needs them when a session breaks, and
//! programs ask for passwords there.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    time::timeout,
};

use crate::base::{runtime, sync::lock, text::printable};

/// The last lines the other end wrote to its stderr.
#[derive(Debug, Clone, Default)]
pub(crate) struct StderrTail(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: Mutex<Vec<u8>>,
    grown: watch::Sender<()>,
    /// All was read.
    over: watch::Sender<bool>,
}

/// Time to wait for the rest of stderr after the end of stdout. It may come late on a busy machine,
/// and stderr may never end if another process holds it open.
const SETTLES_WITHIN: Duration = Duration::from_millis(200);

impl StderrTail {
    /// Bytes that are kept, a screenful. A host may write for hours.
    const BYTES: usize = 4 << 10;

    /// Reads `stderr` to its end, in the background.
    pub(crate) fn collect(mut stderr: impl AsyncRead + Send + Unpin + 'static) -> Self {
        let tail = Self::default();
        let kept = tail.clone();
        runtime::spawn(async move {
            let mut part = [0; 1024];
            while let Ok(length @ 1..) = stderr.read(&mut part).await {
                kept.push(&part[..length]);
            }
            kept.0.over.send_replace(true);
        });
        tail
    }

    pub(crate) fn push(&self, bytes: &[u8]) {
        let mut tail = lock(&self.0.bytes);
        tail.extend_from_slice(bytes);
        let excess = tail.len().saturating_sub(Self::BYTES);
        tail.drain(..excess);
        drop(tail);
        self.0.grown.send_replace(());
    }

    /// Waits until `words` were written, and discards everything up to their end.
    pub(crate) async fn wait_for(&self, words: &str) {
        self.wait_while(|tail| {
            let start = tail
                .windows(words.len())
                .position(|window| window == words.as_bytes());
            start.map(|start| drop(tail.drain(..start + words.len())))
        })
        .await;
    }

    /// Waits until what was written is as `is_it` says.
    pub(crate) async fn wait_until(&self, is_it: impl Fn(&str) -> bool) {
        self.wait_while(|tail| is_it(&String::from_utf8_lossy(tail)).then_some(()))
            .await;
    }

    async fn wait_while(&self, mut look: impl FnMut(&mut Vec<u8>) -> Option<()>) {
        // Before the first look, so that nothing is missed.
        let mut grown = self.0.grown.subscribe();
        while look(&mut lock(&self.0.bytes)).is_none() {
            grown.changed().await.expect("the sender is ours");
        }
    }

    /// Returns the tail as text, made safe to print: a host could send a terminal's escape
    /// sequences.
    pub(crate) fn text(&self) -> String {
        printable(String::from_utf8_lossy(&lock(&self.0.bytes)).trim())
    }

    /// Returns the same, once everything was read or `SETTLES_WITHIN` has passed.
    pub(crate) async fn settled(&self) -> String {
        let mut over = self.0.over.subscribe();
        let _ = timeout(SETTLES_WITHIN, over.wait_for(|over| *over)).await;
        self.text()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn last_words_are_waited_for_until_stderr_ends() {
        let (mut program, stderr) = tokio::io::duplex(64);
        let tail = StderrTail::collect(stderr);
        let mut settled = Box::pin(tail.settled());
        assert!(
            settled
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        program.write_all(b"no such user\n").await.unwrap();
        drop(program);
        // On a busy machine `SETTLES_WITHIN` may pass before the reader has run.
        while !*tail.0.over.borrow() {
            tokio::task::yield_now().await;
        }
        assert_eq!(settled.await, "no such user");
    }
}
