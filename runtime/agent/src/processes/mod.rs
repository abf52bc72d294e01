//! Processes the controller starts here: the next hop of a chain, or what somebody asked for. Each has its streams, and none
//! that still runs outlives the conversation.

mod launch;
mod supervise;

use std::{collections::HashMap, os::fd::OwnedFd};

use rustix::{
    process::{Pid, Signal, kill_process_group},
    termios::{Winsize, tcgetpgrp, tcsetwinsize},
};
use tokio::task::{JoinHandle, JoinSet};
use wxec_protocol::{Command, ProcessStreams, StreamEnd, StreamId, WindowSize};

use self::{
    launch::{Launched, launch},
    supervise::{end, supervise},
};
use crate::streams::{Events, Exit, StreamEvent, Streams};

#[derive(Default)]
pub(crate) struct Processes {
    /// By the stream that is their stdin and stdout.
    running: HashMap<StreamId, Running>,
    /// Processes nobody wants any more, on their way out.
    ending: JoinSet<()>,
}

struct Running {
    streams: ProcessStreams,
    pid: Option<Pid>,
    exit: Exit,
    supervisor: JoinHandle<()>,
    events: Events,
    /// Its terminal's other side.
    pty: Option<OwnedFd>,
}

impl Processes {
    pub(crate) fn start(&mut self, ids: ProcessStreams, command: &Command, streams: &mut Streams) {
        match launch(ids, command, streams) {
            Ok(Launched { child, supervision, pty }) => {
                let pid = Pid::from_raw(child.id().cast_signed());
                let exit = supervision.exit();
                let events = streams.events().clone();
                let supervisor = tokio::spawn(supervise(child, supervision, ids, events.clone()));
                self.running.insert(ids.stdio, Running { streams: ids, pid, exit, supervisor, events, pty });
            }
            Err(reason) => {
                for id in ids.ids() {
                    let end = StreamEnd::NotStarted(reason.clone());
                    let _ = streams.events().send(StreamEvent::End { id, end });
                }
            }
        }
    }

    /// Sends a signal to a process and its group, and to what runs in the foreground of its terminal.
    pub(crate) fn signal(&self, id: StreamId, signal: i32) {
        let (Some(running), Some(signal)) = (self.running.get(&id), Signal::from_named_raw(signal)) else { return };
        if running.exit.borrow().is_some() {
            return;
        }
        let foreground =
            running.pty.as_ref().and_then(|pty| tcgetpgrp(pty).ok()).filter(|pid| Some(*pid) != running.pid);
        for group in running.pid.into_iter().chain(foreground) {
            // It may be another account's, behind sudo.
            let _ = kill_process_group(group, signal);
        }
    }

    /// A process' terminal has another size, which the kernel tells those who use it.
    pub(crate) fn resize(&self, id: StreamId, size: WindowSize) {
        if let Some(pty) = self.running.get(&id).and_then(|running| running.pty.as_ref()) {
            let _ = tcsetwinsize(pty, winsize(size));
        }
    }

    /// The controller does not want a stream any more; with its stdin and stdout it gives up the process.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(running) = self.running.remove(&id) {
            self.ending.spawn(end(running));
        }
        // Those that are gone need not be remembered.
        while self.ending.try_join_next().is_some() {}
    }

    /// A stream is over by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.running.remove(&id);
    }

    /// Ends all of them: their stdin, which is over by now, then they are told to end, then they are killed.
    pub(crate) async fn shut_down(&mut self) {
        for (_, running) in self.running.drain() {
            self.ending.spawn(end(running));
        }
        while self.ending.join_next().await.is_some() {}
    }
}

fn winsize(WindowSize { rows, columns }: WindowSize) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
