//! The link to an agent: an address, its connection, and the link before it. Hosts and hops share
//! links.

use std::{
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use super::{Ahead, Connection, connect};
use crate::{
    address::{Address, AddressError, Hop},
    base::{runtime, sync::lock},
    error::Unreachable,
    options::ConnectOptions,
    session::Session,
};

/// Time limit for closing when the last handle is dropped, for programs that do not close their
/// hosts themselves.
const DROP_WITHIN: Duration = Duration::from_secs(1);

/// A link to the agent at an address, connected on first use. Cheap to clone; clones share one
/// connection, and dropping the last one closes it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    address: Address,
    options: ConnectOptions,
    /// The link to the hop before, if it is a particular one rather than the one shared by address.
    via: Option<Link>,
    /// Lock held while connecting, so that many calls make one connection. Keeps the last failure,
    /// for the callers that waited for that attempt; `failed_attempts` counts the failures.
    connecting: tokio::sync::Mutex<Option<Unreachable>>,
    failed_attempts: AtomicU64,
    connection: Mutex<Option<Connection>>,
    /// Made for the first listener.
    state: OnceLock<watch::Sender<LinkState>>,
}

/// The state of a link, as far as it is known without asking its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkState {
    /// Not connected so far, or not any more after a failure.
    #[default]
    Idle,
    /// A connection is being made.
    Connecting,
    /// A connection was made. It may have ended meanwhile.
    Connected,
}

/// A connection in the making. Dropped before it is done, it has failed or was given up.
struct Making<'a>(&'a OnceLock<watch::Sender<LinkState>>);

impl<'a> Making<'a> {
    fn begin(state: &'a OnceLock<watch::Sender<LinkState>>) -> Self {
        let this = Self(state);
        this.set(LinkState::Connecting);
        this
    }

    fn done(self) {
        self.set(LinkState::Connected);
    }

    fn set(&self, state: LinkState) {
        if let Some(sender) = self.0.get() {
            sender.send_replace(state);
        }
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if let Some(sender) = self.0.get() {
            sender.send_if_modified(|state| {
                let is_over = *state == LinkState::Connecting;
                if is_over {
                    *state = LinkState::Idle;
                }
                is_over
            });
        }
    }
}

/// A link that other handles keep alive.
pub(super) struct WeakLink(Weak<Inner>);

impl WeakLink {
    pub(super) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    pub(super) fn upgrade(&self) -> Option<Link> {
        self.0.upgrade().map(Link)
    }
}

impl Link {
    pub(crate) fn new(address: Address, options: ConnectOptions, via: Option<Self>) -> Self {
        Self::named(address.name().into(), address, options, via)
    }

    fn named(name: Arc<str>, address: Address, options: ConnectOptions, via: Option<Self>) -> Self {
        Self(Arc::new(Inner {
            name,
            address,
            options,
            via,
            connecting: tokio::sync::Mutex::default(),
            failed_attempts: AtomicU64::new(0),
            connection: Mutex::default(),
            state: OnceLock::new(),
        }))
    }

    /// Returns a link to the same place, reached with other options.
    pub(crate) fn with_options(&self, options: &ConnectOptions) -> Self {
        let Inner {
            name, address, via, ..
        } = &*self.0;
        Self::named(name.clone(), address.clone(), options.clone(), via.clone())
    }

    /// Returns a link to the same place with another name.
    pub(crate) fn with_name(&self, name: Arc<str>) -> Self {
        let Inner {
            address,
            options,
            via,
            ..
        } = &*self.0;
        Self::named(name, address.clone(), options.clone(), via.clone())
    }

    /// Returns the link to which `hop` leads from here, for a guest: over this connection, and
    /// without the user's password.
    pub(crate) fn beyond(&self, hop: Hop) -> Result<Self, AddressError> {
        let address = self.0.address.beyond(hop)?;
        let options = self.0.options.for_guests();
        Ok(Self::new(address, options, Some(self.clone())))
    }

    /// Returns its name in messages.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Returns the connection, which may have ended meanwhile.
    pub(crate) fn connection(&self) -> Option<Connection> {
        lock(&self.0.connection).clone()
    }

    /// Returns the live session, if there is one.
    pub(crate) fn live_session(&self) -> Option<Session> {
        lock(&self.0.connection)
            .as_ref()
            .map(|connection| connection.session.clone())
            .filter(Session::is_alive)
    }

    /// Returns the live session, or starts a new one.
    pub(crate) async fn session(&self) -> Result<Session, Unreachable> {
        self.session_with(&Ahead::default()).await
    }

    /// Returns the live session, or starts a new one with what is found `ahead` until then.
    pub(crate) async fn session_with(&self, ahead: &Ahead) -> Result<Session, Unreachable> {
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
        let making = Making::begin(&self.0.state);
        let connecting = connect(&self.0.address, &self.0.options, self.0.via.as_ref(), ahead);
        let connection = match connecting.await {
            Ok(connection) => connection,
            Err(failure) => {
                self.0.failed_attempts.fetch_add(1, Ordering::Release);
                *last_failure = Some(failure.clone());
                return Err(failure);
            }
        };
        let session = connection.session.clone();
        *lock(&self.0.connection) = Some(connection);
        making.done();
        Ok(session)
    }

    /// Returns its state, and changes of that from now on.
    pub(crate) fn states(&self) -> watch::Receiver<LinkState> {
        let now = || match self.0.connecting.try_lock() {
            Ok(_) => LinkState::Idle,
            Err(_) => LinkState::Connecting,
        };
        let state = self.0.state.get_or_init(|| watch::Sender::new(now()));
        state.subscribe()
    }

    /// Takes the connection, for closing it.
    pub(crate) fn take_connection(&self) -> Option<Connection> {
        lock(&self.0.connection).take()
    }

    /// Closes the connection, if this is the last handle.
    pub(crate) async fn release(self) {
        let connection = Arc::into_inner(self.0).and_then(|inner| lock(&inner.connection).take());
        if let Some(connection) = connection {
            // Boxed, because closing a chain closes its hops in turn.
            Box::pin(connection.close()).await;
        }
    }

    pub(super) fn downgrade(&self) -> WeakLink {
        WeakLink(Arc::downgrade(&self.0))
    }
}

/// Closes the connection and waits a moment for the agent's end: a program that exits right after
/// its last call would cut the agent off. Inside a tokio runtime, which waiting would block, it
/// only drops the connection.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(connection) = lock(&self.connection).take()
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
