//! Processes that the controller starts here: the next hop of a chain, or a command of a user. Each
//! has its streams, and none still runs after the conversation.

// Terminals, and the helper that gives one to a program.
pub mod terminal;
// The watcher, which ends process groups when the agent is gone.
pub mod watcher;
// From a process' start to its end.
mod supervise;
// From a command to a process whose files are streams.
mod launch;

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
use crate::{
    streams::{Events, Exit, StreamEvent, Streams},
    tasks::boxed,
};

#[derive(Default)]
pub(crate) struct Processes {
    /// Running processes, by the stream of their stdin and stdout.
    running: HashMap<StreamId, Running>,
    /// Tasks that end processes which the controller has given up.
    ending: JoinSet<()>,
}

struct Running {
    streams: ProcessStreams,
    pid: Option<Pid>,
    exit: Exit,
    supervisor: JoinHandle<()>,
    events: Events,
    /// The terminal's other side, if it has a terminal.
    pty: Option<OwnedFd>,
}

impl Processes {
    pub(crate) fn start(&mut self, ids: ProcessStreams, command: &Command, streams: &mut Streams) {
        match launch(ids, command, streams) {
            Ok(Launched {
                child,
                supervision,
                pty,
            }) => {
                let pid = Pid::from_raw(child.id().cast_signed());
                let exit = supervision.exit();
                let events = streams.events().clone();
                let supervisor =
                    tokio::spawn(boxed(supervise(child, supervision, ids, events.clone())));
                self.running.insert(
                    ids.stdio,
                    Running {
                        streams: ids,
                        pid,
                        exit,
                        supervisor,
                        events,
                        pty,
                    },
                );
            }
            Err(reason) => {
                for id in ids.ids() {
                    let end = StreamEnd::NotStarted(reason.clone());
                    let _ = streams.events().send(StreamEvent::End { id, end });
                }
            }
        }
    }

    /// Sends a signal to a process and its process group, and to the foreground group of its
    /// terminal.
    pub(crate) fn signal(&self, id: StreamId, signal: i32) {
        let (Some(running), Some(signal)) = (self.running.get(&id), Signal::from_named_raw(signal))
        else {
            return;
        };
        if running.exit.borrow().is_some() {
            return;
        }
        let foreground = running
            .pty
            .as_ref()
            .and_then(|pty| tcgetpgrp(pty).ok())
            .filter(|pid| Some(*pid) != running.pid);
        for group in running.pid.into_iter().chain(foreground) {
            // Fails if the process belongs to another account, behind sudo.
            let _ = kill_process_group(group, signal);
        }
    }

    /// Sets the size of a process' terminal. The kernel tells the programs that use it.
    pub(crate) fn resize(&self, id: StreamId, size: WindowSize) {
        if let Some(pty) = self
            .running
            .get(&id)
            .and_then(|running| running.pty.as_ref())
        {
            let _ = tcsetwinsize(pty, winsize(size));
        }
    }

    /// Ends a process if the closed stream carries its stdin and stdout.
    pub(crate) fn close(&mut self, id: StreamId) {
        if let Some(running) = self.running.remove(&id) {
            self.ending.spawn(boxed(end(running)));
        }
        // Forgets processes that have ended.
        while self.ending.try_join_next().is_some() {}
    }

    /// Forgets a process whose stream has ended by itself.
    pub(crate) fn ended(&mut self, id: StreamId) {
        self.running.remove(&id);
    }

    /// Ends all processes: their stdin has ended by now; then they get SIGTERM, then SIGKILL.
    pub(crate) async fn shut_down(&mut self) {
        for (_, running) in self.running.drain() {
            self.ending.spawn(boxed(end(running)));
        }
        while self.ending.join_next().await.is_some() {}
    }
}

fn winsize(WindowSize { rows, columns }: WindowSize) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
