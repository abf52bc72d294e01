//! Hands what guests print and log to the host's listener. That may take its time: the conversation does not wait for it,
//! and tells the agent only then that more may come. A call returns when its listener has heard all of it.

use std::collections::HashMap;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_protocol::{CallId, LogLevel, LogRecord, OutputStream, output_cost};

use super::{Command, Reply};
use crate::{output::Lines, runtime};

pub(super) struct Printer {
    /// What is in it is bounded by what the agent may have under way.
    queue: Option<mpsc::UnboundedSender<Printed>>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

/// What a call printed, or how it ended.
pub(super) enum Printed {
    /// It begins to print.
    Begun {
        id: CallId,
        lines: Lines,
    },
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
    Returned {
        id: CallId,
        dropped_bytes: u64,
        reply: oneshot::Sender<Reply>,
        outcome: Reply,
    },
    /// Nobody wants to know its end.
    Forgotten {
        id: CallId,
    },
}

impl Printer {
    pub(super) fn new(commands: mpsc::WeakUnboundedSender<Command>) -> Self {
        Self { queue: None, commands }
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

/// Prints until the conversation is over and all is printed.
async fn run(mut queue: mpsc::UnboundedReceiver<Printed>, commands: mpsc::WeakUnboundedSender<Command>) {
    let mut calls = HashMap::new();
    while let Some(first) = queue.recv().await {
        let mut batch = vec![first];
        while let Ok(next) = queue.try_recv() {
            batch.push(next);
        }
        let cost;
        (calls, cost) = runtime::blocking(move || {
            let costs = batch.into_iter().map(|printed| print(&mut calls, printed));
            let cost = costs.sum();
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

/// Returns what it took of the room for output.
fn print(calls: &mut HashMap<CallId, Lines>, printed: Printed) -> u64 {
    match printed {
        Printed::Begun { id, lines } => {
            calls.insert(id, lines);
            0
        }
        Printed::Output { id, stream, bytes } => {
            if let Some(lines) = calls.get_mut(&id) {
                lines.write(stream, &bytes);
            }
            output_cost(bytes.len() as u64)
        }
        Printed::Log { id, level, target, message } => {
            let record = LogRecord::new(level, &target, &message);
            if let Some(lines) = calls.get_mut(&id) {
                lines.log(record);
            }
            output_cost(record.cost())
        }
        Printed::Returned { id, dropped_bytes, reply, outcome } => {
            if let Some(mut lines) = calls.remove(&id) {
                // What the guest printed last comes before its result.
                lines.note_dropped(dropped_bytes);
            }
            let _ = reply.send(outcome);
            0
        }
        Printed::Forgotten { id } => {
            calls.remove(&id);
            0
        }
    }
}
