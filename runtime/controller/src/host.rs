//! A place to run calls: an address, connected on first use.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use wxec_protocol::{Description, Limits};

use crate::{
    address::{Address, AddressError, Hop},
    base::operation::Operation,
    connect::{Ahead, Link, LinkState},
    error::{CallError, CallErrorKind, Unreachable},
    options::ConnectOptions,
    session::{
        Session,
        output::{OutputHandler, default_handler},
    },
};

/// Number of round trips that a report measures; it names the fastest.
const ROUND_TRIPS: usize = 5;

/// A place to run calls. Cheap to clone; clones share one connection.
///
/// Creating one only reads the address. The first call connects; [`connect`](Self::connect) does so
/// ahead. Dropping the last handle closes the connection. So does [`close`](Self::close); the next
/// use then connects anew.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use wxec::Host;
///
/// let host = Host::new("deploy@web1")?;
/// assert_eq!(host.name(), "deploy@web1");
/// # Ok::<(), wxec::address::AddressError>(())
/// ```
#[derive(Clone)]
pub struct Host {
    link: Link,
    /// The listener for the output of guests.
    output: OutputHandler,
    /// The limits of calls that set none themselves.
    limits: Option<Arc<Limits>>,
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

impl Host {
    /// Reads an address such as `local:`, `web1` or `ssh:deploy@web1:2222`. Does not connect yet.
    pub fn new(address: impl AsRef<str>) -> Result<Self, AddressError> {
        Ok(Self::from(address.as_ref().parse::<Address>()?))
    }

    /// Returns the same host with another listener for the output of its guests. It shares this
    /// handle's connection.
    #[must_use]
    pub fn with_output(&self, output: OutputHandler) -> Self {
        Self {
            output,
            ..self.clone()
        }
    }

    /// Returns the same host, called `name` in messages and results in place of the short form of
    /// its address. It does not share this handle's connection.
    ///
    /// ```
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::Host;
    ///
    /// let host = Host::new("deploy@10.0.0.5")?.with_name("web1");
    /// assert_eq!(host.name(), "web1");
    /// # Ok::<(), wxec::address::AddressError>(())
    /// ```
    #[must_use]
    pub fn with_name(&self, name: impl Into<Arc<str>>) -> Self {
        Self {
            link: self.link.with_name(name.into()),
            ..self.clone()
        }
    }

    /// Returns the same host with limits for calls and programs that set none themselves. It shares
    /// this handle's connection.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self {
            limits: Some(Arc::new(limits)),
            ..self.clone()
        }
    }

    /// Returns the limits of calls and programs that set none themselves, if they are not the usual
    /// ones.
    pub fn limits(&self) -> Option<&Limits> {
        self.limits.as_deref()
    }

    /// Returns the same host, reached with other options. It does not share this handle's
    /// connection.
    #[must_use]
    pub fn with_options(&self, options: &ConnectOptions) -> Self {
        Self {
            link: self.link.with_options(options),
            ..self.clone()
        }
    }

    /// Returns the host that `hop` leads to from here, for a guest: over this connection, and
    /// without the user's password.
    pub(crate) fn beyond(&self, hop: Hop) -> Result<Self, AddressError> {
        Ok(Self {
            link: self.link.beyond(hop)?,
            output: self.output.clone(),
            limits: None,
        })
    }

    /// Returns its name in messages: the short form of its address, unless it was
    /// [given another](Self::with_name).
    pub fn name(&self) -> &str {
        self.link.name()
    }

    /// Returns its address.
    pub fn address(&self) -> &Address {
        self.link.address()
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
        let connection = self.link.take_connection();
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
        let Some(connection) = self.link.connection() else {
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
            let connection = host.link.connection();
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

    /// Returns the state of its link, and changes of that from now on. Fleets tell hosts that still
    /// connect from those at work by it.
    #[doc(hidden)]
    pub fn link_states(&self) -> watch::Receiver<LinkState> {
        self.link.states()
    }

    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.link.name().clone()
    }

    pub(crate) fn output(&self) -> OutputHandler {
        self.output.clone()
    }

    /// Returns the live session, if there is one.
    pub(crate) fn live_session(&self) -> Option<Session> {
        self.link.live_session()
    }

    /// Returns the live session, or starts a new one.
    pub(crate) async fn session(&self) -> Result<Session, Unreachable> {
        self.link.session().await
    }

    /// Returns the live session, or starts a new one with what is found `ahead` until then.
    pub(crate) async fn session_with(&self, ahead: &Ahead) -> Result<Session, Unreachable> {
        self.link.session_with(ahead).await
    }
}

impl From<Address> for Host {
    fn from(address: Address) -> Self {
        Self {
            link: Link::new(address, ConnectOptions::usual(), None),
            output: default_handler(),
            limits: None,
        }
    }
}

/// Hosts are equal if their names and addresses are.
impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.address() == other.address()
    }
}

impl Eq for Host {}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Host({})", self.name())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
