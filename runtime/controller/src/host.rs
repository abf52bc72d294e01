//! A place to run calls: an address, connected on first use.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use wxec_protocol::Description;

use crate::{
    address::{Address, AddressError, Hop},
    call::Bound,
    connect::{Connection, connect},
    error::{CallError, CallErrorKind, Unreachable},
    instance::Instance,
    module::Module,
    options::ConnectOptions,
    output::{OutputHandler, default_handler},
    runtime::{self, Background},
    session::Session,
};

/// Number of round trips that a report measures; it names the fastest.
const ROUND_TRIPS: usize = 5;

/// Time limit for closing when the last handle is dropped, for programs that do not close their
/// hosts themselves.
const DROP_WITHIN: Duration = Duration::from_secs(1);

/// A place to run calls. Cheap to clone; clones share one connection.
///
/// Creating one only reads the address. The first call connects; [`connect`](Self::connect) does so
/// ahead. Dropping the last handle closes the connection. So does [`close`](Self::close); the next
/// use then connects anew.
///
/// ```
/// use wxec_controller::Host;
///
/// let host = Host::new("deploy@web1")?;
/// assert_eq!(host.name(), "deploy@web1");
/// # Ok::<(), wxec_controller::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Host(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    address: Address,
    options: ConnectOptions,
    output: OutputHandler,
    /// The hop before this host, if it is a particular connection rather than the one shared by
    /// address.
    via: Option<Host>,
    /// Lock held while connecting, so that many calls make one connection. Keeps the last failure,
    /// for the callers that waited for that attempt; `failed_attempts` counts the failures.
    connecting: tokio::sync::Mutex<Option<Unreachable>>,
    failed_attempts: AtomicU64,
    connection: Mutex<Option<Connection>>,
}

/// Costs of a connection so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Time from the first step to a greeted agent.
    pub connect: Duration,
    /// Bytes of the agent's image sent; 0 if it needed none.
    pub agent_bytes: u64,
    /// Bytes of artifacts sent.
    pub module_bytes: u64,
    /// Bytes of the agent's image and of artifacts that the hop before this host supplied from its
    /// blobs.
    pub hop_bytes: u64,
    /// All bytes sent, bootstrap included.
    pub bytes_sent: u64,
    /// All bytes received, bootstrap included.
    pub bytes_received: u64,
    /// Number of times that this end waited for the other, each of which takes the network's
    /// latency. Round trips of the transport itself do not count.
    pub round_trips: u64,
    /// Fuel used by calls that counted it: those that were
    /// [deterministic](crate::Call::deterministic) or had a fuel limit.
    pub fuel: u64,
}

/// Report on a host and the way to it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Target that artifacts are compiled for there.
    pub target: String,
    /// The directory that the agent's image went to: `memory` if none would do, `None` if the agent
    /// needed none.
    pub directory: Option<String>,
    /// Directories that would not do, each with the reason.
    pub tried: Vec<String>,
    /// The agent's description of the host.
    pub description: Description,
    /// The fastest of some round trips.
    pub round_trip: Duration,
}

/// A host that other handles keep alive.
pub(crate) struct WeakHost(Weak<Inner>);

impl WeakHost {
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    pub(crate) fn upgrade(&self) -> Option<Host> {
        self.0.upgrade().map(Host)
    }
}

impl Host {
    /// Reads an address such as `local:`, `web1` or `ssh:deploy@web1:2222`. Does not connect yet.
    pub fn new(address: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self::from(address.as_ref().parse::<Address>()?))
    }

    /// Returns the same host with another listener for the output of its guests. It does not share
    /// this handle's connection.
    #[must_use]
    pub fn with_output(&self, output: OutputHandler) -> Self {
        Self::build(
            self.0.address.clone(),
            self.0.options.clone(),
            output,
            self.0.via.clone(),
        )
    }

    /// Returns the same host, reached with other options. It does not share this handle's
    /// connection.
    #[must_use]
    pub fn with_options(&self, options: &ConnectOptions) -> Self {
        Self::build(
            self.0.address.clone(),
            options.clone(),
            self.0.output.clone(),
            self.0.via.clone(),
        )
    }

    fn build(
        address: Address,
        options: ConnectOptions,
        output: OutputHandler,
        via: Option<Self>,
    ) -> Self {
        let name = address.name().into();
        Self(Arc::new(Inner {
            name,
            address,
            options,
            output,
            via,
            connecting: tokio::sync::Mutex::default(),
            failed_attempts: AtomicU64::new(0),
            connection: Mutex::default(),
        }))
    }

    /// Returns the host that `hop` leads to from here, for a guest: over this connection, and
    /// without the user's password.
    pub(crate) fn beyond(&self, hop: Hop) -> Result<Self, AddressError> {
        let address = self.0.address.beyond(hop)?;
        Ok(Self::build(
            address,
            self.0.options.for_guests(),
            self.0.output.clone(),
            Some(self.clone()),
        ))
    }

    /// Returns its name in messages: the short form of its address.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns its address.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Pairs this host with a module, for calls by name. Does no I/O.
    pub fn bind(&self, module: &Module) -> Bound {
        Bound::new(self.clone(), module.clone())
    }

    /// Creates an instance of a module that stays on this host between calls. Does no I/O.
    pub fn instance(&self, module: &Module) -> Instance {
        Instance::new(self.clone(), module.clone())
    }

    /// Connects, unless already connected.
    pub fn connect(&self) -> Operation<Result<(), CallError>> {
        let host = self.clone();
        Operation::new(async move {
            host.session().await.map(drop).map_err(|error| {
                CallError::new(host.shared_name(), CallErrorKind::Unreachable(error))
            })
        })
    }

    /// Lets open calls return, ends the agent, and disconnects; within a few seconds in any case.
    pub fn close(&self) -> Operation<()> {
        let connection = self.take_connection();
        Operation::new(async move {
            if let Some(connection) = connection {
                connection.close().await;
            }
        })
    }

    /// Closes, then connects anew: agent and guests lose everything they kept in memory.
    pub fn reconnect(&self) -> Operation<Result<(), CallError>> {
        let (host, closed) = (self.clone(), self.close());
        Operation::new(async move {
            closed.await;
            host.connect().await
        })
    }

    /// Returns true if there is a live connection.
    pub fn is_connected(&self) -> bool {
        self.live_session().is_some()
    }

    /// Returns the costs of the current connection so far, or zeros if there is none.
    pub fn stats(&self) -> Stats {
        let Some(connection) = self.lock_connection().clone() else {
            return Stats::default();
        };
        let traffic = connection.session.traffic();
        Stats {
            connect: connection.took,
            agent_bytes: connection.agent_bytes,
            module_bytes: traffic.module_bytes,
            hop_bytes: connection.bootstrap.hop_bytes + traffic.hop_bytes,
            bytes_sent: connection.bootstrap.bytes_sent + traffic.bytes_sent,
            bytes_received: connection.bootstrap.bytes_received + traffic.bytes_received,
            round_trips: connection.bootstrap.round_trips + traffic.round_trips,
            fuel: connection.session.fuel(),
        }
    }

    /// Reports on the host and the way to it, for troubleshooting. Connects if need be.
    pub fn report(&self) -> Operation<Result<Report, CallError>> {
        let host = self.clone();
        Operation::new(async move {
            let failed = |kind| CallError::new(host.shared_name(), kind);
            let session = host
                .session()
                .await
                .map_err(|error| failed(CallErrorKind::Unreachable(error)))?;
            let mut round_trip = Duration::MAX;
            let mut description = Description::new(0, 0);
            for _ in 0..ROUND_TRIPS {
                let start = Instant::now();
                description = session.describe().await.map_err(|error| {
                    failed(CallErrorKind::Lost {
                        reason: error.to_string(),
                        stderr_tail: String::new(),
                    })
                })?;
                round_trip = round_trip.min(start.elapsed());
            }
            let connection = host.lock_connection().clone();
            let (directory, tried) =
                connection.map_or_else(Default::default, |it| (it.directory, it.tried));
            Ok(Report {
                target: session.target.to_string(),
                directory,
                tried,
                description,
                round_trip,
            })
        })
    }

    /// Closes the connection, if this is the last handle.
    pub(crate) async fn release(self) {
        let connection = Arc::into_inner(self.0).and_then(|mut inner| {
            inner
                .connection
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
        if let Some(connection) = connection {
            // Boxed, because closing a chain closes its hops in turn.
            Box::pin(connection.close()).await;
        }
    }

    pub(crate) fn downgrade(&self) -> WeakHost {
        WeakHost(Arc::downgrade(&self.0))
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    pub(crate) fn output(&self) -> OutputHandler {
        self.0.output.clone()
    }

    /// Returns the live session, if there is one.
    pub(crate) fn live_session(&self) -> Option<Session> {
        self.lock_connection()
            .as_ref()
            .map(|connection| connection.session.clone())
            .filter(Session::is_alive)
    }

    /// Returns the live session, or starts a new one.
    pub(crate) async fn session(&self) -> Result<Session, Unreachable> {
        let failed_before = self.0.failed_attempts.load(Ordering::Acquire);
        let mut last_failure = self.0.connecting.lock().await;
        if let Some(session) = self.live_session() {
            return Ok(session);
        }
        if self.0.failed_attempts.load(Ordering::Acquire) > failed_before
            && let Some(failure) = &*last_failure
        {
            return Err(failure.clone());
        }
        let connection = match connect(&self.0.address, &self.0.options, self.0.via.as_ref()).await
        {
            Ok(connection) => connection,
            Err(failure) => {
                self.0.failed_attempts.fetch_add(1, Ordering::Release);
                *last_failure = Some(failure.clone());
                return Err(failure);
            }
        };
        let session = connection.session.clone();
        *self.lock_connection() = Some(connection);
        Ok(session)
    }

    fn lock_connection(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.0
            .connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn take_connection(&self) -> Option<Connection> {
        self.lock_connection().take()
    }
}

/// Closes the connection and waits a moment for the agent's end: a program that exits right after
/// its last call would cut the agent off. Inside a tokio runtime, which waiting would block, it
/// only drops the connection.
impl Drop for Inner {
    fn drop(&mut self) {
        let connection = self
            .connection
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(connection) = connection
            && tokio::runtime::Handle::try_current().is_err()
        {
            let (done, closed) = std::sync::mpsc::channel::<()>();
            runtime::spawn(async move {
                connection.close().await;
                drop(done);
            });
            let _ = closed.recv_timeout(DROP_WITHIN);
        }
    }
}

impl From<Address> for Host {
    fn from(address: Address) -> Self {
        Self::build(address, ConnectOptions::usual(), default_handler(), None)
    }
}

/// Hosts are equal if their addresses are.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.0.address == other.0.address
    }
}

impl Eq for Host {}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.0.name)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// An operation under way. Await it in any executor, or [`wait`](Self::wait) for it in blocking
/// code. Dropping it aborts the operation.
#[must_use = "dropping it gives up"]
pub struct Operation<T>(Background<T>);

impl<T: Send + 'static> Operation<T> {
    pub(crate) fn new(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(Background::new(future))
    }

    /// Blocks until it is done.
    pub fn wait(self) -> T {
        pollster::block_on(self)
    }
}

impl<T> Future for Operation<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}
