//! The driver of a session owns its state and its transport. The session's task polls it, or a
//! thread that waits for a call.

/// Bytes on their way to the agent.
mod outgoing;

/// The driver's ends of streams.
mod streams;

/// Calls: their start, their output, and their end.
mod calls;

/// Commands from the other parts of the session.
mod commands;

/// Polls, for the task and for threads.
mod polls;

/// Events of the connection.
mod events;

use std::{
    cell::RefCell,
    collections::{HashMap, VecDeque},
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::{mpsc, oneshot},
    time::{Instant, Interval, MissedTickBehavior, Sleep},
};
use wxec_protocol::{
    CallId, ControllerConnection, Description, Digest, ProtocolError, StreamId, TRANSMIT_BYTES,
};

use self::{outgoing::Outgoing, streams::OpenStream};
use crate::{
    base::{runtime, sync::lock},
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
/// Steps after which the driver lets others of its thread run. A step moves a transmission at most.
const STEPS_AT_ONCE: usize = 32;

thread_local! {
    /// Room for a transmission that arrives. It belongs to the thread, because a driver needs it for
    /// no longer than it takes to understand the bytes, and a fleet has thousands of drivers.
    static INPUT: RefCell<Vec<u8>> = RefCell::new(vec![0; TRANSMIT_BYTES]);
}

pub(super) struct Driver {
    connection: ControllerConnection,
    transport: Transport,
    outgoing: Outgoing,
    shared: Arc<Shared>,
    queue: mpsc::UnboundedReceiver<Command>,
    /// For parts that answer later, such as streams. Weak, so that it does not keep the session
    /// open.
    commands: mpsc::WeakUnboundedSender<Command>,
    calls: HashMap<CallId, Pending>,
    keys: HashMap<u64, CallId>,
    printer: Printer,
    streams: HashMap<StreamId, OpenStream>,
    /// Streams whose writers wait until all that they sent has left.
    leaving: Vec<(StreamId, oneshot::Sender<()>)>,
    blob_answers: HashMap<Digest, oneshot::Sender<bool>>,
    /// Requests that wait for a description, in the order in which they were made.
    describing: VecDeque<oneshot::Sender<Description>>,
    ping: Interval,
    last_heard: Instant,
    /// Set once the session is being closed.
    close_by: Option<Pin<Box<Sleep>>>,
    /// Set once a thread has found that the session is over.
    end: Option<End>,
    waiting_for_close: Vec<oneshot::Sender<()>>,
    /// True if the agent may have work to finish when the session ends.
    lingers: bool,
}

/// The reason why the driver stops.
pub(super) enum End {
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
        (commands, queue): (
            mpsc::WeakUnboundedSender<Command>,
            mpsc::UnboundedReceiver<Command>,
        ),
    ) -> Self {
        let _inside = runtime::enter();
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            connection,
            transport,
            outgoing: Outgoing::default(),
            shared,
            queue,
            printer: Printer::new(commands.clone()),
            commands,
            calls: HashMap::new(),
            keys: HashMap::new(),
            streams: HashMap::new(),
            leaving: Vec::new(),
            blob_answers: HashMap::new(),
            describing: VecDeque::new(),
            ping,
            last_heard: Instant::now(),
            close_by: None,
            end: None,
            waiting_for_close: Vec::new(),
            lingers: false,
        }
    }

    /// Returns true if nothing is under way that a caller waits for, except on `own` streams of the
    /// thread that asks.
    pub(super) fn is_at_rest(&self, own: usize) -> bool {
        self.outgoing.is_empty()
            && self.calls.is_empty()
            && self.streams.len() <= own
            && self.blob_answers.is_empty()
            && self.describing.is_empty()
            && self.close_by.is_none()
    }

    /// Ends the session: tells all who wait for something, and ends the transport.
    pub(super) async fn finish(mut self, end: End) {
        // Closes the queue first: the session must count as dead before any caller learns of its
        // end.
        self.queue.close();
        self.lingers |= self.calls.values().any(|call| call.lingers);
        if let End::Lost(reason) = end {
            let stderr_tail = self.transport.stderr.settled().await;
            let loss = Loss {
                reason,
                stderr_tail,
            };
            self.tell_of(&loss);
        }
        // Drops the streams first, and all that tells their writers, so that no reader and no writer waits
        // for the end of the transport's process.
        let Self {
            transport,
            streams,
            leaving,
            queue,
            waiting_for_close,
            lingers,
            ..
        } = self;
        drop((streams, leaving, queue));
        transport.end(lingers).await;
        drop(waiting_for_close);
    }

    /// Tells all open streams and calls, and the calls still in the queue, that the session is
    /// lost.
    fn tell_of(&mut self, loss: &Loss) {
        for stream in self.streams.values_mut() {
            stream.end(Err(loss.clone()));
        }
        for (id, call) in mem::take(&mut self.calls) {
            self.end_call(id, call, 0, Err(loss.clone()));
        }
        while let Ok(command) = self.queue.try_recv() {
            if let Command::Call { call, .. } = command {
                let (_, pending) = *call;
                let _ = pending.reply.send((Err(loss.clone()), None));
            }
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        self.keep_time(context)?;
        for _ in 0..STEPS_AT_ONCE {
            if !self.step(context)? {
                return Ok(());
            }
        }
        context.waker().wake_by_ref();
        Ok(())
    }

    /// Takes commands, writes once, reads once, and handles the events. Returns false if there was
    /// nothing to do.
    fn step(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let commanded = self.take_commands(context);
        self.handle_events()?;
        if self.outgoing.is_empty() {
            self.tell_of_left();
            self.outgoing.fill(&mut self.connection);
            self.publish_traffic();
        }
        let wrote = !self.outgoing.is_empty() && {
            let writer = &mut self.transport.writer;
            is_ready(self.outgoing.poll_write(context, writer))?
        };
        Ok(commanded | wrote | self.read(context)?)
    }

    fn read(&mut self, context: &mut Context<'_>) -> Result<bool, End> {
        let arrived = INPUT.with_borrow_mut(|input| {
            let mut buffer = ReadBuf::new(input);
            let reading = Pin::new(&mut self.transport.reader).poll_read(context, &mut buffer);
            if is_ready(reading)? {
                self.handle_input(buffer.filled())?;
                return Ok::<_, End>(true);
            }
            Ok(false)
        })?;
        if arrived {
            self.handle_events()?;
        }
        Ok(arrived)
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

    /// Takes all commands: they come in bursts, which make one transmission. Returns false if there
    /// were none.
    fn take_commands(&mut self, context: &mut Context<'_>) -> bool {
        let mut taken = false;
        while self.close_by.is_none()
            && let Poll::Ready(command) = self.queue.poll_recv(context)
        {
            taken = true;
            if self.handle_command(command).is_break() {
                let _inside = runtime::enter();
                self.close_by = Some(Box::pin(tokio::time::sleep(CLOSE_WITHIN)));
                context.waker().wake_by_ref();
            }
        }
        taken
    }

    /// Pings, and ends what takes too long.
    fn keep_time(&mut self, context: &mut Context<'_>) -> Result<(), End> {
        while self.ping.poll_tick(context).is_ready() {
            self.check_silence()?;
        }
        let close_by = self.close_by.as_mut();
        if close_by.is_some_and(|close_by| close_by.as_mut().poll(context).is_ready()) {
            return Err(End::Lost(format!("it did not end within {CLOSE_WITHIN:?}")));
        }
        Ok(())
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

/// Returns true if an operation is done, and false if it has to wait.
fn is_ready(polled: Poll<io::Result<()>>) -> io::Result<bool> {
    match polled {
        Poll::Ready(result) => result.map(|()| true),
        Poll::Pending => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::session::{
        pipe::Pipe,
        stderr::StderrTail,
        transport::{ChildGroup, Ending, Reader, Writer},
    };

    /// A driver, and the other ends of its pipes.
    fn driver() -> (Driver, io::PipeReader, io::PipeWriter) {
        let ((from, to), (other_from, other_to)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let transport = Transport {
            reader: Reader::Pipe(Pipe::reader(from.into()).unwrap()),
            writer: Writer::Pipe(Pipe::writer(other_to.into()).unwrap()),
            stderr: StderrTail::default(),
            terminal: None,
            process: Ending::Child(ChildGroup::ended()),
            hop: None,
        };
        let (commands, queue) = mpsc::unbounded_channel();
        // Holds the session open.
        let queue = (commands.downgrade(), queue);
        mem::forget(commands);
        let driver = Driver::new(
            ControllerConnection::new(),
            transport,
            Arc::default(),
            queue,
        );
        (driver, other_from, to)
    }

    #[test]
    fn a_silent_agent_is_asked_for_a_sign_of_life_and_given_up() {
        let (mut driver, _from, _to) = driver();
        let mut sent_beyond = |bytes| {
            driver.ping.reset_immediately();
            pollster::block_on(poll_fn(|context| {
                assert!(driver.poll_unwatched(context).is_pending());
                match driver.connection.traffic().bytes_sent {
                    sent if sent > bytes => Poll::Ready(sent),
                    _ => Poll::Pending,
                }
            }))
        };
        let greeting = sent_beyond(0);
        sent_beyond(greeting);
        driver.last_heard = Instant::now().checked_sub(SILENCE * 2).unwrap();
        driver.ping.reset_immediately();
        pollster::block_on(poll_fn(|context| driver.poll_unwatched(context)));
        assert!(
            matches!(&driver.end, Some(End::Lost(reason)) if reason == "it was silent for 60s")
        );
    }
}
