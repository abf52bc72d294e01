//! Supervises a process until it ends: by itself, at its deadline, or because the controller gave
//! it up.

use std::{fs::File, io, os::fd::OwnedFd, pin::pin, process::Child, time::Duration};

use rustix::{
    process::{Pid, Signal, kill_process_group},
    termios::tcgetpgrp,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use wxec_protocol::{ProcessStreams, StreamEnd};

use super::{Running, watcher};
use crate::streams::{DRAIN_WITHIN, Drained, Events, Exit, StreamEvent};

/// Stack size of a thread that only waits.
const WAITER_STACK_BYTES: usize = 64 << 10;

/// Time for a process to end after its stdin has ended, and again after each signal.
const END_WITHIN: Duration = Duration::from_millis(500);

/// Things that the supervisor of a process needs.
pub(super) struct Supervision {
    pub(super) exited: watch::Sender<Option<Instant>>,
    pub(super) outputs: Vec<JoinHandle<Drained>>,
    pub(super) deadline: Option<Duration>,
    /// Keeps outputs that are awaited from being cut: their exit signal never fires while this
    /// lives.
    pub(super) _never_exits: watch::Sender<Option<Instant>>,
    /// Its controlling terminal, held open so that the terminal does not seem to be gone while the
    /// process lives.
    pub(super) _held_open: Option<File>,
}

impl Supervision {
    /// Returns a receiver that tells when the process ended.
    pub(super) fn exit(&self) -> Exit {
        self.exited.subscribe()
    }
}

/// Waits until a process and its output have ended, and then ends its streams.
pub(super) async fn supervise(
    child: Child,
    supervision: Supervision,
    streams: ProcessStreams,
    events: Events,
) {
    let group = Pid::from_raw(child.id().cast_signed());
    let deadline = supervision
        .deadline
        .and_then(|deadline| Instant::now().checked_add(deadline));
    group.iter().for_each(|group| watcher::add(*group));
    let mut end = wait_until(child, supervision.deadline).await;
    group.iter().for_each(|group| watcher::remove(*group));
    let _ = supervision.exited.send(Some(Instant::now()));
    let mut held = false;
    let outputs = async {
        for output in supervision.outputs {
            held |= output.await.is_ok_and(|drained| drained == Drained::Held);
        }
    };
    match deadline.filter(|_| end != StreamEnd::TimedOut) {
        None => outputs.await,
        Some(deadline) => {
            // Output that was written before the deadline is still read; only a process that would
            // write more times out.
            if timeout_at(deadline.max(Instant::now() + DRAIN_WITHIN), outputs)
                .await
                .is_err()
            {
                end = StreamEnd::TimedOut;
            }
        }
    }
    for id in streams.ids() {
        let end = if held && id == streams.stderr {
            StreamEnd::Held
        } else {
            end.clone()
        };
        let _ = events.send(StreamEvent::End { id, end });
    }
}

/// Waits until a process ends, and ends its process group at the deadline.
async fn wait_until(child: Child, deadline: Option<Duration>) -> StreamEnd {
    let group = Pid::from_raw(child.id().cast_signed());
    let mut waiting = pin!(wait(child));
    let waited = match deadline {
        None => Some((&mut waiting).await),
        Some(deadline) => timeout(deadline, &mut waiting).await.ok(),
    };
    match waited {
        Some(Ok(status)) => return stream_end(status),
        Some(Err(error)) => return StreamEnd::Failed(error.to_string()),
        None => {}
    }
    for signal in [Signal::TERM, Signal::KILL] {
        if let Some(group) = group {
            let _ = kill_process_group(group, signal);
        }
        if timeout(END_WITHIN, &mut waiting).await.is_ok() {
            break;
        }
    }
    // Kills the processes that it started, if they ignored the signals.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    StreamEnd::TimedOut
}

/// Waits on a thread for each process: processes are few, and signals about their ends would have
/// to be handled for the whole agent.
async fn wait(mut child: Child) -> io::Result<std::process::ExitStatus> {
    let (sender, status) = oneshot::channel();
    let (give, given) = std::sync::mpsc::channel::<Child>();
    let waiter = move || {
        if let Ok(mut child) = given.recv() {
            let _ = sender.send(child.wait());
        }
    };
    if let Err(error) = std::thread::Builder::new()
        .stack_size(WAITER_STACK_BYTES)
        .spawn(waiter)
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    let _ = give.send(child);
    status
        .await
        .unwrap_or_else(|_| Err(io::Error::other("nobody waits for it")))
}

fn stream_end(status: std::process::ExitStatus) -> StreamEnd {
    use std::os::unix::process::ExitStatusExt;

    match (status.code(), status.signal()) {
        (Some(code), _) => StreamEnd::Exited(code),
        (None, Some(signal)) => StreamEnd::Signalled(signal),
        (None, None) => StreamEnd::Failed(status.to_string()),
    }
}

/// Ends a process whose stdin has ended, and its process group, some members of which may outlive
/// it.
pub(super) async fn end(running: Running) {
    let Running {
        streams,
        pid,
        exit,
        mut supervisor,
        events,
        pty,
    } = running;
    if let (Some(pty), Some(pid)) = (pty, pid) {
        hang_up(&pty, exit.borrow().is_none().then_some(pid));
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let is_over = timeout(END_WITHIN, &mut supervisor).await.is_ok();
        let exited = *exit.borrow();
        // The kernel does not reuse the group's id while a member lives, and not soon afterwards.
        if let Some(pid) = pid
            && exited.is_none_or(|exited| exited.elapsed() < 2 * END_WITHIN)
        {
            // Fails if the process belongs to another account, behind sudo; then only the end of
            // its stdin reaches it.
            let _ = kill_process_group(
                pid,
                if exited.is_some() {
                    Signal::KILL
                } else {
                    signal
                },
            );
        }
        if is_over {
            return;
        }
    }
    if timeout(END_WITHIN, &mut supervisor).await.is_err() {
        // Its output waits for a reader that does not come.
        supervisor.abort();
        for id in streams.ids() {
            let _ = events.send(StreamEvent::End {
                id,
                end: StreamEnd::Closed,
            });
        }
    }
}

/// Acts like a lost terminal: shells pass the signal on to their jobs, which have process groups of
/// their own.
fn hang_up(pty: &OwnedFd, leader: Option<Pid>) {
    for group in leader.into_iter().chain(tcgetpgrp(pty).ok()) {
        let _ = kill_process_group(group, Signal::HUP);
    }
}
