//! The task that owns the state and the transport of a session.

/// Bytes on their way to the agent.
mod outgoing;

/// The driver's ends of streams.
mod streams;

/// Calls: their start, their output, and their end.
mod calls;

/// Commands from the other parts of the session.
mod commands;

/// Events of the connection.
mod events;

use std::{
    collections::{HashMap, VecDeque},
    io, mem,
    ops::ControlFlow,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    sync::{mpsc, oneshot},
    time::{Instant, Interval, MissedTickBehavior},
};
use wxec_protocol::{
    CallId, ControllerConnection, Description, Digest, ProtocolError, StreamId, TRANSMIT_BYTES,
};

use self::{outgoing::Outgoing, streams::OpenStream};
use crate::{
    base::sync::lock,
    session::{
        Shared, call::Pending, command::Command, loss::Loss, printer::Printer, transport::Transport,
    },
};

/// Interval of pings on an idle link.
const PING_EVERY: Duration = Duration::from_secs(15);
/// A link that is silent for this long is dead: four pings went unanswered.
const SILENCE: Duration = Duration::from_secs(60);
/// Time that open calls have to return once the session is being closed.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    connection: ControllerConnection,
    transport: Transport,
    outgoing: Outgoing,
    shared: Arc<Shared>,
    /// For parts that answer later, such as streams. Weak, so that it does not keep the session
    /// open.
    commands: mpsc::WeakUnboundedSender<Command>,
    calls: HashMap<CallId, Pending>,
    keys: HashMap<u64, CallId>,
    printer: Printer,
    streams: HashMap<StreamId, OpenStream>,
    blob_answers: HashMap<Digest, oneshot::Sender<bool>>,
    /// Requests that wait for a description, in the order in which they were made.
    describing: VecDeque<oneshot::Sender<Description>>,
    last_heard: Instant,
    /// Set once the session is being closed.
    close_by: Option<Instant>,
    waiting_for_close: Vec<oneshot::Sender<()>>,
}

/// The reason why the driver stops.
enum End {
    Closed,
    Lost(String),
}

impl From<ProtocolError> for End {
    fn from(error: ProtocolError) -> Self {
        Self::Lost(format!("it broke the protocol: {error}"))
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl Driver {
    pub(super) fn new(
        connection: ControllerConnection,
        transport: Transport,
        shared: Arc<Shared>,
        commands: mpsc::WeakUnboundedSender<Command>,
    ) -> Self {
        Self {
            connection,
            transport,
            outgoing: Outgoing::default(),
            shared,
            printer: Printer::new(commands.clone()),
            commands,
            calls: HashMap::new(),
            keys: HashMap::new(),
            streams: HashMap::new(),
            blob_answers: HashMap::new(),
            describing: VecDeque::new(),
            last_heard: Instant::now(),
            close_by: None,
            waiting_for_close: Vec::new(),
        }
    }

    /// Drives the session to its end.
    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let end = self.drive(&mut commands).await;
        // Closes the queue first: the session must count as dead before any caller learns of its
        // end.
        commands.close();
        if let End::Lost(reason) = end {
            let stderr_tail = self.transport.stderr.settled().await;
            let loss = Loss {
                reason,
                stderr_tail,
            };
            self.tell_of(&loss, &mut commands);
        }
        // Drops the streams first: their readers must not wait for the end of the transport's
        // process.
        let Self {
            transport,
            streams,
            waiting_for_close,
            ..
        } = self;
        drop(streams);
        transport.end().await;
        drop(waiting_for_close);
    }

    /// Tells all open streams and calls, and the calls still in the queue, that the session is
    /// lost.
    fn tell_of(&mut self, loss: &Loss, commands: &mut mpsc::UnboundedReceiver<Command>) {
        for stream in self.streams.values_mut() {
            stream.end(Err(loss.clone()));
        }
        for (id, call) in mem::take(&mut self.calls) {
            self.end_call(id, call, 0, Err(loss.clone()));
        }
        while let Ok(command) = commands.try_recv() {
            if let Command::Call { call, .. } = command {
                let (_, pending) = *call;
                let _ = pending.reply.send((Err(loss.clone()), None));
            }
        }
    }

    async fn drive(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> End {
        let mut input = vec![0; TRANSMIT_BYTES];
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if let Err(end) = self.step(commands, &mut ping, &mut input).await {
                return end;
            }
        }
    }

    /// Handles all events and fills the transmission, then waits for one thing to happen.
    async fn step(
        &mut self,
        commands: &mut mpsc::UnboundedReceiver<Command>,
        ping: &mut Interval,
        input: &mut [u8],
    ) -> Result<(), End> {
        self.handle_events()?;
        if self.outgoing.is_empty() {
            self.outgoing.fill(&mut self.connection);
            self.publish_traffic();
        }
        let Transport { reader, writer, .. } = &mut self.transport;
        tokio::select! {
            read = reader.read(input) => self.handle_input(&input[..read?])?,
            wrote = self.outgoing.write(writer), if !self.outgoing.is_empty() => wrote?,
            command = commands.recv(), if self.close_by.is_none() => {
                if self.handle_commands(command, commands).is_break() {
                    self.close_by = Some(Instant::now() + CLOSE_WITHIN);
                }
            }
            _ = ping.tick() => self.check_silence()?,
            () = sleep_until(self.close_by) => {
                return Err(End::Lost(format!("it did not end within {CLOSE_WITHIN:?}")));
            }
        }
        Ok(())
    }

    fn handle_input(&mut self, input: &[u8]) -> Result<(), End> {
        if input.is_empty() {
            let is_closed = self.close_by.is_some() && self.calls.is_empty();
            return Err(if is_closed {
                End::Closed
            } else {
                End::Lost("the agent is gone".into())
            });
        }
        self.last_heard = Instant::now();
        self.connection.handle_input(input)?;
        // Publishes before the events are handled: a caller whose call returned may ask for the
        // traffic.
        self.publish_traffic();
        Ok(())
    }

    /// Commands come in bursts; taking all of them makes one transmission. Breaks when no more
    /// commands will come.
    fn handle_commands(
        &mut self,
        first: Option<Command>,
        others: &mut mpsc::UnboundedReceiver<Command>,
    ) -> ControlFlow<()> {
        self.handle_command(first)?;
        while let Ok(command) = others.try_recv() {
            self.handle_command(Some(command))?;
        }
        ControlFlow::Continue(())
    }

    fn check_silence(&mut self) -> Result<(), End> {
        if self.last_heard.elapsed() > SILENCE {
            return Err(End::Lost(format!("it was silent for {SILENCE:?}")));
        }
        self.connection.ping();
        Ok(())
    }

    fn publish_traffic(&self) {
        *lock(&self.shared.traffic) = self.connection.traffic();
    }
}

/// Sleeps forever if `instant` is `None`.
async fn sleep_until(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => std::future::pending().await,
    }
}
