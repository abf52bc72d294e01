//! A place to run calls: an address, connected on first use.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use wxec_protocol::{Platform, Traffic};

use crate::{
    address::{Address, AddressError},
    bootstrap::{self, Bootstrap},
    call::Bound,
    error::{CallError, CallErrorKind, Phase, Unreachable},
    module::Module,
    output::{OutputHandler, default_handler},
    runtime::{self, Background},
    session::Session,
    transport::{Transport, local, ssh},
};

/// Reaching a host and starting the agent may take this long, each; building an agent first does not count.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// How long dropping the last handle may hold up a program that does not close its hosts itself.
const DROP_WITHIN: Duration = Duration::from_secs(1);

/// A place to run calls. Cheap to clone; clones share one connection.
///
/// Making one does nothing but read the address. The first call connects; [`connect`](Self::connect) does so ahead.
/// Dropping the last handle closes the connection, and so does [`close`](Self::close), after which the next use connects
/// anew.
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
    output: OutputHandler,
    /// Held while connecting, so that many calls make one connection.
    connecting: tokio::sync::Mutex<()>,
    connection: Mutex<Option<Connection>>,
}

#[derive(Clone)]
struct Connection {
    session: Session,
    took: Duration,
    agent_bytes: u64,
    bootstrap: Traffic,
}

/// What a connection has cost so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Time from the first step to a greeted agent.
    pub connect: Duration,
    /// Bytes of the agent's image sent; 0 if it needed none.
    pub agent_bytes: u64,
    /// Bytes of artifacts sent.
    pub module_bytes: u64,
    /// All bytes sent, bootstrap included.
    pub bytes_sent: u64,
    /// All bytes received, bootstrap included.
    pub bytes_received: u64,
    /// How often this end waited for the other: what latency multiplies. The transport's own round trips do not count.
    pub round_trips: u64,
}

impl Host {
    /// Reads an address such as `local:`, `web1` or `ssh:deploy@web1:2222`. Nothing is connected yet.
    pub fn new(address: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self::from(address.as_ref().parse::<Address>()?))
    }

    /// The same place with another listener for what its guests print. It does not share this handle's connection.
    #[must_use]
    pub fn with_output(&self, output: OutputHandler) -> Self {
        Self::build(self.0.address.clone(), output)
    }

    fn build(address: Address, output: OutputHandler) -> Self {
        let name = address.name().into();
        Self(Arc::new(Inner {
            name,
            address,
            output,
            connecting: tokio::sync::Mutex::default(),
            connection: Mutex::default(),
        }))
    }

    /// Its name in messages: the address without what goes without saying.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Its address.
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Pairs this host with a module, for calls by name. Does no I/O.
    pub fn bind(&self, module: &Module) -> Bound {
        Bound::new(self.clone(), module.clone())
    }

    /// Connects, unless it is connected.
    pub fn connect(&self) -> Operation<Result<(), CallError>> {
        let host = self.clone();
        Operation::new(async move {
            host.session()
                .await
                .map(drop)
                .map_err(|error| CallError::new(host.shared_name(), CallErrorKind::Unreachable(error)))
        })
    }

    /// Lets open calls return, ends the agent, and disconnects; within a few seconds in any case.
    pub fn close(&self) -> Operation<()> {
        let connection = self.take_connection();
        Operation::new(async move {
            if let Some(connection) = connection {
                connection.session.close().await;
            }
        })
    }

    /// Closes, then connects anew: what agent and guests kept in memory is gone.
    pub fn reconnect(&self) -> Operation<Result<(), CallError>> {
        let (host, closed) = (self.clone(), self.close());
        Operation::new(async move {
            closed.await;
            host.connect().await
        })
    }

    /// Whether there is a living connection.
    pub fn is_connected(&self) -> bool {
        self.live_session().is_some()
    }

    /// What the current connection has cost so far; nothing if there is none.
    pub fn stats(&self) -> Stats {
        let Some(connection) = self.lock_connection().clone() else { return Stats::default() };
        let traffic = connection.session.traffic();
        Stats {
            connect: connection.took,
            agent_bytes: connection.agent_bytes,
            module_bytes: traffic.module_bytes,
            bytes_sent: connection.bootstrap.bytes_sent + traffic.bytes_sent,
            bytes_received: connection.bootstrap.bytes_received + traffic.bytes_received,
            round_trips: connection.bootstrap.round_trips + traffic.round_trips,
        }
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.0.name.clone()
    }

    pub(crate) fn output(&self) -> OutputHandler {
        self.0.output.clone()
    }

    /// The living session, if there is one.
    pub(crate) fn live_session(&self) -> Option<Session> {
        self.lock_connection().as_ref().map(|connection| connection.session.clone()).filter(Session::is_alive)
    }

    /// The living session, or a new one.
    pub(crate) async fn session(&self) -> Result<Session, Unreachable> {
        let _one_at_a_time = self.0.connecting.lock().await;
        if let Some(session) = self.live_session() {
            return Ok(session);
        }
        let connection = connect(&self.0.address).await?;
        let session = connection.session.clone();
        *self.lock_connection() = Some(connection);
        Ok(session)
    }

    fn lock_connection(&self) -> std::sync::MutexGuard<'_, Option<Connection>> {
        self.0.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_connection(&self) -> Option<Connection> {
        self.lock_connection().take()
    }
}

/// A program that ends right after its last call would cut the agent off in mid-sentence; so wait a moment for its end,
/// unless waiting here would block somebody's executor.
impl Drop for Inner {
    fn drop(&mut self) {
        let connection = self.connection.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(connection) = connection
            && tokio::runtime::Handle::try_current().is_err()
        {
            let (done, closed) = std::sync::mpsc::channel::<()>();
            runtime::spawn(async move {
                connection.session.close().await;
                drop(done);
            });
            let _ = closed.recv_timeout(DROP_WITHIN);
        }
    }
}

async fn connect(address: &Address) -> Result<Connection, Unreachable> {
    let start = Instant::now();
    match address {
        Address::Local => {
            let image = bootstrap::image(&Platform::here()).await?;
            let transport = local::connect(&image).map_err(|error| {
                Unreachable::new(Phase::Exec, format!("cannot start the agent {}: {error}", image.path.display()))
            })?;
            let session = within(CONNECT_WITHIN, Session::start(transport, &[])).await?;
            Ok(Connection { session, took: start.elapsed(), agent_bytes: 0, bootstrap: Traffic::default() })
        }
        Address::Ssh(address) => {
            let token = token();
            let command = bootstrap::command(&token);
            let transport = within(CONNECT_WITHIN, ssh::connect(address, &command)).await?;
            start_agent(transport, &token, start).await
        }
    }
}

/// The part of connecting that is the same for every way in that ends at a host's shell.
async fn start_agent(mut transport: Transport, token: &str, start: Instant) -> Result<Connection, Unreachable> {
    let mut bootstrap = Bootstrap::new(&mut transport, token);
    let probe = within(CONNECT_WITHIN, bootstrap.probe()).await?;
    let image = bootstrap::image(&probe.platform).await?;
    let started = within(CONNECT_WITHIN, bootstrap.start(&probe, &image)).await?;
    let session = within(CONNECT_WITHIN, Session::start(transport, &started.agent_said)).await?;
    Ok(Connection { session, took: start.elapsed(), agent_bytes: started.image_bytes, bootstrap: started.traffic })
}

async fn within<T>(limit: Duration, step: impl Future<Output = Result<T, Unreachable>>) -> Result<T, Unreachable> {
    tokio::time::timeout(limit, step).await.unwrap_or_else(|_| {
        Err(Unreachable::new(Phase::Connect, format!("no answer within {limit:?}"))
            .hint("check that the host is up and answers"))
    })
}

/// What no banner, and no other bootstrap on the same host, says by chance: 64 random bits.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};

    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

impl From<Address> for Host {
    fn from(address: Address) -> Self {
        Self::build(address, default_handler())
    }
}

/// Hosts are the same if their addresses are.
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

/// Something under way: await it in any executor, or [`wait`](Self::wait) for it in blocking code. Dropping it gives up.
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
