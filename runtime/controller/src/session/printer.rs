//! Hands the output and the log of guests to the host's listener. The listener may take its time:
//! the session does not wait for it, and gives the agent credit for more only afterwards. A call
//! returns when its listener has heard all of its output.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_protocol::{CallId, LogLevel, LogRecord, OutputStream, output_cost};

use super::{command::Command, output::Lines};
use crate::base::runtime;

pub(super) struct Printer {
    /// Unbounded, but the agent's credit for output bounds what is in it.
    queue: Option<mpsc::UnboundedSender<Printed>>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

/// Output of a call, or its begin or end.
pub(super) enum Printed {
    /// The call begins to print.
    Begun { id: CallId, lines: Lines },
    Output {
        id: CallId,
        stream: OutputStream,
        bytes: Bytes,
    },
    Log {
        id: CallId,
        level: LogLevel,
        target: String,
        message: String,
    },
    /// The call has returned; `printed` is sent once the listener has heard all of its output.
    Returned {
        id: CallId,
        dropped_bytes: u64,
        printed: oneshot::Sender<()>,
    },
    /// The caller does not wait for the call any more.
    Forgotten { id: CallId },
}

impl Printer {
    pub(super) fn new(commands: mpsc::WeakUnboundedSender<Command>) -> Self {
        Self {
            queue: None,
            commands,
        }
    }

    pub(super) fn print(&mut self, printed: Printed) {
        let queue = self.queue.get_or_insert_with(|| {
            let (queue, printed) = mpsc::unbounded_channel();
            runtime::spawn(run(printed, self.commands.clone()));
            queue
        });
        let _ = queue.send(printed);
    }
}

/// Prints until the session has ended and everything is printed.
async fn run(
    mut queue: mpsc::UnboundedReceiver<Printed>,
    commands: mpsc::WeakUnboundedSender<Command>,
) {
    let mut calls = HashMap::new();
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        while let Ok(next) = queue.try_recv() {
            batch.push(next);
        }
        let cost;
        (calls, cost) = runtime::blocking(move || {
            let mut cost = 0;
            for printed in batch {
                let call = printed.call();
                cost += printed.cost();
                // A listener that panics must not keep others from being heard; only its own call's
                // output is dropped.
                if catch_unwind(AssertUnwindSafe(|| print(&mut calls, printed))).is_err() {
                    calls.remove(&call);
                }
            }
            (calls, cost)
        })
        .await;
        if cost > 0
            && let Some(commands) = commands.upgrade()
        {
            let _ = commands.send(Command::OutputTaken { cost });
        }
    }
}

impl Printed {
    fn call(&self) -> CallId {
        match self {
            Self::Begun { id, .. }
            | Self::Output { id, .. }
            | Self::Log { id, .. }
            | Self::Returned { id, .. }
            | Self::Forgotten { id } => *id,
        }
    }

    /// The credit for output that it takes.
    fn cost(&self) -> u64 {
        match self {
            Self::Output { bytes, .. } => output_cost(bytes.len() as u64),
            Self::Log {
                level,
                target,
                message,
                ..
            } => output_cost(LogRecord::new(*level, target, message).cost()),
            Self::Begun { .. } | Self::Returned { .. } | Self::Forgotten { .. } => 0,
        }
    }
}

fn print(calls: &mut HashMap<CallId, Lines>, printed: Printed) {
    match printed {
        Printed::Begun { id, lines } => _ = calls.insert(id, lines),
        Printed::Output { id, stream, bytes } => {
            if let Some(lines) = calls.get_mut(&id) {
                lines.write(stream, &bytes);
            }
        }
        Printed::Log {
            id,
            level,
            target,
            message,
        } => {
            if let Some(lines) = calls.get_mut(&id) {
                lines.log(LogRecord::new(level, &target, &message));
            }
        }
        Printed::Returned {
            id,
            dropped_bytes,
            printed,
        } => {
            if let Some(mut lines) = calls.remove(&id) {
                // Dropping the lines flushes the last one, so that it comes before the result.
                lines.note_dropped(dropped_bytes);
            }
            let _ = printed.send(());
        }
        Printed::Forgotten { id } => _ = calls.remove(&id),
    }
}
