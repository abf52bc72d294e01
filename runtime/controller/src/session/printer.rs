//! Hands what guests print and log to the host's listener. That may take its time: the conversation does not wait for it,
//! and tells the agent only then that more may come. A call returns when its listener has heard all of it.

use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wxec_protocol::{CallId, LogLevel, LogRecord, OutputStream, output_cost};

use super::Command;
use crate::{output::Lines, runtime};

pub(super) struct Printer {
    /// What is in it is bounded by what the agent may have under way.
    queue: Option<mpsc::UnboundedSender<Printed>>,
    commands: mpsc::WeakUnboundedSender<Command>,
}

/// What a call printed, or that it ended.
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
    /// It has returned; whoever waits for that learns when all of it was heard.
    Returned {
        id: CallId,
        dropped_bytes: u64,
        printed: oneshot::Sender<()>,
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
            let mut cost = 0;
            for printed in batch {
                let call = printed.call();
                cost += printed.cost();
                // A listener that panics is no reason for others to hear nothing; its call it may keep from being heard.
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

    /// What it takes of the room for output.
    fn cost(&self) -> u64 {
        match self {
            Self::Output { bytes, .. } => output_cost(bytes.len() as u64),
            Self::Log { level, target, message, .. } => output_cost(LogRecord::new(*level, target, message).cost()),
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
        Printed::Log { id, level, target, message } => {
            if let Some(lines) = calls.get_mut(&id) {
                lines.log(LogRecord::new(level, &target, &message));
            }
        }
        Printed::Returned { id, dropped_bytes, printed } => {
            if let Some(mut lines) = calls.remove(&id) {
                // What the guest printed last comes before its result.
                lines.note_dropped(dropped_bytes);
            }
            let _ = printed.send(());
        }
        Printed::Forgotten { id } => _ = calls.remove(&id),
    }
}
