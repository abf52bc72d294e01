//! The one task that owns the conversation: it reads, runs, and writes, in turn.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::Instant,
};
use wxec_engine::{Request, Sandbox};
use wxec_protocol::{AgentConnection, AgentEvent, Fault, ProtocolError, TRANSMIT_BYTES};

use crate::calls::{CallEvent, Calls};

/// A controller that says nothing for so long is gone, whatever the pipe pretends. It pings every 15 s.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a conversation broke off.
#[derive(Debug)]
#[non_exhaustive]
pub enum ServeError {
    /// The pipe failed.
    Pipe(io::Error),
    /// The controller broke the protocol.
    Protocol(ProtocolError),
    /// The controller was silent for too long.
    Silence,
}

/// Runs one conversation over a byte pipe, until the controller says goodbye or is gone. Calls still open then are
/// dropped, and their guests with them.
pub async fn serve(
    sandbox: Sandbox,
    mut reader: impl AsyncRead + Unpin,
    mut writer: impl AsyncWrite + Unpin,
) -> Result<(), ServeError> {
    let (sender, mut call_events) = mpsc::unbounded_channel();
    let mut connection = AgentConnection::new(sandbox.target().clone());
    let mut calls = Calls::new(sandbox, sender);
    let mut input = vec![0; TRANSMIT_BYTES];
    let mut output = Vec::new();
    let mut written = 0;
    let mut closing = false;
    let mut silent_until = Instant::now() + SILENCE;
    loop {
        while let Some(event) = connection.poll_event() {
            closing |= event == AgentEvent::Closing;
            handle_event(&mut connection, &mut calls, event);
        }
        while let Ok(event) = call_events.try_recv() {
            handle_call_event(&mut connection, &mut calls, event);
        }
        if written == output.len() {
            output.clear();
            written = 0;
            connection.poll_transmit(&mut output);
        }
        if closing && output.is_empty() && connection.is_idle() {
            connection.close();
            connection.poll_transmit(&mut output);
            writer.write_all(&output).await?;
            return Ok(writer.flush().await?);
        }
        tokio::select! {
            read = reader.read(&mut input) => match read? {
                // The controller is gone, and so is everyone who could want a result.
                0 => return Ok(()),
                length => {
                    silent_until = Instant::now() + SILENCE;
                    connection.handle_input(&input[..length])?;
                }
            },
            wrote = writer.write(&output[written..]), if written < output.len() => match wrote? {
                0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                length => written += length,
            },
            Some(event) = call_events.recv() => handle_call_event(&mut connection, &mut calls, event),
            () = tokio::time::sleep_until(silent_until) => return Err(ServeError::Silence),
        }
    }
}

fn handle_event(connection: &mut AgentConnection, calls: &mut Calls, event: AgentEvent) {
    match event {
        AgentEvent::Call { id, module, function, limits, input } => {
            calls.start(connection, id, module, Request { function, limits, input });
        }
        AgentEvent::Module { digest, bytes } => calls.load(connection, digest, bytes),
        AgentEvent::NoModule { digest, reason } => calls.fail_parked(connection, digest, &Fault::BadModule(reason)),
        AgentEvent::Cancel { id } => calls.cancel(connection, id),
        _ => {}
    }
}

fn handle_call_event(connection: &mut AgentConnection, calls: &mut Calls, event: CallEvent) {
    match event {
        CallEvent::Output { id, stream, bytes } => connection.output(id, stream, &bytes),
        CallEvent::Done { id, completion } => {
            calls.done(id);
            connection.finish(id, completion.outcome, completion.usage);
        }
    }
}

impl From<io::Error> for ServeError {
    fn from(error: io::Error) -> Self {
        Self::Pipe(error)
    }
}

impl From<ProtocolError> for ServeError {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl std::fmt::Display for ServeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pipe(error) => write!(f, "the pipe to the controller failed: {error}"),
            Self::Protocol(error) => write!(f, "the controller broke the protocol: {error}"),
            Self::Silence => write!(f, "the controller was silent for {SILENCE:?}"),
        }
    }
}

impl std::error::Error for ServeError {}
