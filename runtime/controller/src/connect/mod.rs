//! Turns an address into a session: the hops before it, the way in, the bootstrap, the greeting.

mod ahead;
mod explain;
mod hops;
mod link;
mod title;

use std::time::{Duration, Instant};

use wxec_protocol::{ControllerConnection, Platform, Traffic};

pub use self::explain::{Step, explain};
pub use self::link::LinkState;
use self::title::title;
pub(crate) use self::{ahead::Ahead, link::Link};
use crate::{
    address::{Address, Hop},
    base::runtime,
    bootstrap::{self, Asked, Bootstrap, NoShell, Probe, ShellLess, Terms, limited_by_container},
    error::{Limit, Phase, Unreachable, limited},
    options::{ConnectOptions, Options},
    session::{Session, transport::Transport},
    ways::{Runner, SHELL_COMPLAINTS, Way, classify, local, ssh, way},
};

/// A session with a host, and details of how it was started.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) session: Session,
    /// The hop before this host, held open for it.
    pub(crate) via: Option<Link>,
    pub(crate) took: Duration,
    pub(crate) agent_bytes: u64,
    pub(crate) bootstrap: Traffic,
    /// The directory that the agent's image went to, and those that would not do.
    pub(crate) directory: Option<String>,
    pub(crate) tried: Vec<String>,
}

/// Time left for connecting.
struct Clock {
    limit: Duration,
    left: Duration,
}

impl Clock {
    /// Runs one step within the time left. A timeout is an error of `phase`.
    async fn step<T>(
        &mut self,
        phase: Phase,
        step: impl Future<Output = Result<T, Unreachable>>,
    ) -> Result<T, Unreachable> {
        self.wait(step).await.unwrap_or_else(|| Err(self.up(phase)))
    }

    /// Returns the result of a step, or `None` if time is up.
    async fn wait<T>(&mut self, step: impl Future<Output = T>) -> Option<T> {
        let start = Instant::now();
        let done = tokio::time::timeout(self.left, step).await;
        self.left = self.left.saturating_sub(start.elapsed());
        done.ok()
    }

    /// Makes the error for a timeout in `phase`.
    fn up(&self, phase: Phase) -> Unreachable {
        let hint = match phase {
            Phase::Exec => "the way there may be slow: give it more time (`--connect-timeout`)",
            _ => {
                "check that the host is up and answers, or give it more time (`--connect-timeout`)"
            }
        };
        Unreachable::new(phase, format!("no answer within {:?}", self.limit)).hint(hint)
    }
}

/// Connects to `address` over the hops before it, or over `via` if that is given. `ahead` may have
/// an artifact to be sent before the agent greets.
pub(crate) async fn connect(
    address: &Address,
    options: &ConnectOptions,
    via: Option<&Link>,
    ahead: &Ahead,
) -> Result<Connection, Unreachable> {
    let via = match address.parent() {
        _ if via.is_some() => via.cloned(),
        Some(parent) => Some(hops::shared(&parent, options)),
        // doas asks on a terminal of its own, which only an agent can give it: start one here.
        None if matches!(address.last(), Hop::Doas(_))
            && options.get().become_password.is_some() =>
        {
            Some(hops::shared(&Address::from(Hop::Local), options))
        }
        None => None,
    };
    let runner = match &via {
        // Boxed, because the future of a chain would contain itself.
        Some(via) => Runner::Agent(
            Box::pin(via.session())
                .await
                .map_err(|error| error.at(via.name()))?,
        ),
        None => Runner::Here,
    };
    let start = Instant::now();
    let options = options.get();
    let attempt = Attempt {
        address,
        options,
        ahead,
        token: token(),
        title: title(options),
        clock: Clock {
            limit: options.timeout,
            left: options.timeout,
        },
    };
    let mut connection = attempt.run(&runner).await.map_err(|failure| match &via {
        // The hop before was lost, which is the cause of any other failure.
        Some(via) if via.live_session().is_none() => failure.during(Phase::Connect).at(via.name()),
        _ => failure,
    })?;
    connection.via = via;
    connection.took = start.elapsed();
    Ok(connection)
}

/// One attempt to take the last hop of an address.
struct Attempt<'a> {
    address: &'a Address,
    options: &'a Options,
    ahead: &'a Ahead,
    token: String,
    title: String,
    clock: Clock,
}

impl Attempt<'_> {
    async fn run(mut self, runner: &Runner) -> Result<Connection, Unreachable> {
        let hop = self.address.last();
        if *hop == Hop::Local {
            return self.local().await;
        }
        // Reading and hashing an image takes a while, and so does ssh's key exchange.
        runtime::spawn(bootstrap::look_ahead());
        let images = if self.options.cache_agent {
            // The script looks for what it kept by digests, so it needs those known here.
            bootstrap::known_images().await?
        } else {
            "-".into()
        };
        let terms = Terms {
            token: &self.token,
            title: &self.title,
            images: &images,
        };
        let shell = bootstrap::shell(&terms);
        let (transport, way) = match (hop, runner) {
            (Hop::Ssh(address), Runner::Here) => {
                let way = ssh::way_from_here(address, &shell, self.options);
                (ssh::start(&way, self.options)?, way)
            }
            _ => {
                let Some(way) = way(hop, &shell, self.options, &self.token) else {
                    return Err(Unreachable::new(
                        Phase::Local,
                        format!("`{hop}` has to be the first hop"),
                    ));
                };
                let terminal = way.prompt.as_ref().is_some_and(|prompt| prompt.on_terminal);
                let starting = runner.start(&way.command, terminal);
                (self.clock.step(Phase::Connect, starting).await?, way)
            }
        };
        let failure = match self.bootstrap(transport, &way).await {
            Err(failure) => limited(classify(failure, &[way.complaints, SHELL_COMPLAINTS])),
            connected => return connected,
        };
        match NoShell::of(hop, &failure, self.options) {
            Some(container) => self.without_shell(runner, &container).await,
            None => Err(limited_by_container(failure, hop, runner, self.options).await),
        }
    }

    async fn local(mut self) -> Result<Connection, Unreachable> {
        let image = bootstrap::image(&Platform::here()).await?;
        let transport = local::connect(&image, &self.title).await?;
        let session = self
            .clock
            .step(
                Phase::Protocol,
                Session::start(transport, ControllerConnection::new(), &[]),
            )
            .await
            .map_err(limited)?;
        Ok(connection(session, 0, Traffic::default()))
    }

    /// Bootstraps an agent over a pipe to a shell, in the same manner for every such way in.
    async fn bootstrap(
        &mut self,
        mut transport: Transport,
        way: &Way,
    ) -> Result<Connection, Unreachable> {
        let stderr = transport.stderr.clone();
        let started = tokio::select! {
            started = self.start(&mut transport, way) => started,
            // A shell that cannot fork would try again in silence for longer than anybody waits.
            () = stderr.wait_until(Limit::keeps_trying) => {
                Err(Unreachable::new(Phase::Exec, "the host's shell cannot go on").stderr(stderr.text()))
            }
        };
        match started {
            Ok((started, probe, conversation)) => {
                let greeting = Session::start(transport, conversation, &started.agent_said);
                let session = self.clock.step(Phase::Protocol, greeting).await?;
                ahead::remember(self.address, &session.target);
                let connection = connection(session, started.image_bytes, started.traffic);
                Ok(Connection {
                    directory: Some(probe.directory),
                    tried: probe.tried,
                    ..connection
                })
            }
            Err(failure) => {
                transport.end(false).await;
                Err(failure)
            }
        }
    }

    async fn start(
        &mut self,
        transport: &mut Transport,
        way: &Way,
    ) -> Result<(bootstrap::Started, Probe, ControllerConnection), Unreachable> {
        let address = self.address.to_string();
        let password = self.options.become_password.as_ref();
        let asked = way.prompt.as_ref().map(|prompt| Asked {
            prompt,
            password,
            address: &address,
        });
        // A program may ask with a text that is not recognised. The wait for its answer then times
        // out, so blame the step that asks.
        let logs_in = matches!(self.address.last(), Hop::Ssh(_));
        let from_here = logs_in && transport.hop.is_none();
        let stderr = transport.stderr.clone();
        let mut bootstrap = Bootstrap::new(transport, &self.token).by_login_shell(logs_in);
        let mut probe = match self.clock.wait(bootstrap.probe(asked)).await {
            Some(Ok(probe)) => probe,
            Some(Err(failure)) => return Err(self.of_client(failure, transport).await),
            None => {
                let phase = match way.prompt {
                    Some(_) => Phase::Privilege,
                    // ssh is silent, too, while it connects.
                    None if from_here && !bootstrap.has_heard() => Phase::Connect,
                    None => Phase::Shell,
                };
                // Output received until then may say why.
                return Err(bootstrap.with_noise(self.clock.up(phase).stderr(stderr.text())));
            }
        };
        let mut programs = bootstrap::programs(&probe.platform).await?;
        let mut conversation = ControllerConnection::new();
        // Bytes behind what was kept would reach a starter that misses its image.
        if from_here
            && probe.lacks_starter()
            && let Some(artifact) = self.ahead.artifact(&probe.platform)
        {
            programs.beginning = ahead::beginning(&mut conversation, artifact);
        }
        let starting = bootstrap.start(
            &mut probe,
            &programs,
            is_far(self.address.last()),
            self.options.cache_agent,
        );
        let started = self.clock.step(Phase::Exec, starting).await?;
        Ok((started, probe, conversation))
    }

    /// Returns the error for a host whose shell was not heard: a client of ssh on this machine may
    /// be what failed.
    async fn of_client(&self, failure: Unreachable, transport: &mut Transport) -> Unreachable {
        match self.address.last() {
            Hop::Ssh(address) if transport.hop.is_none() => {
                let exit = transport.exit(Duration::ZERO).await;
                ssh::explain_failure(failure, exit, address, self.options).await
            }
            _ => failure,
        }
    }

    async fn without_shell(
        mut self,
        runner: &Runner,
        container: &NoShell<'_>,
    ) -> Result<Connection, Unreachable> {
        let platform = self
            .clock
            .step(Phase::Architecture, container.platform(runner))
            .await?;
        let image = bootstrap::image(&platform).await?;
        let connecting = container.connect(runner, &image, &self.token, &self.title);
        let ShellLess {
            transport,
            sent_bytes,
            created,
        } = self.clock.step(Phase::Exec, connecting).await?;
        let session = self
            .clock
            .step(
                Phase::Protocol,
                Session::start(transport, ControllerConnection::new(), &[]),
            )
            .await?;
        if let Some(created) = created {
            created.keep();
        }
        let traffic = Traffic {
            bytes_sent: sent_bytes,
            ..Traffic::default()
        };
        Ok(connection(session, sent_bytes, traffic))
    }
}

fn connection(session: Session, agent_bytes: u64, bootstrap: Traffic) -> Connection {
    let took = Duration::ZERO;
    Connection {
        session,
        via: None,
        took,
        agent_bytes,
        bootstrap,
        directory: None,
        tried: Vec::new(),
    }
}

impl Connection {
    /// Ends the session, and the sessions of hops that were held open for it alone.
    pub(crate) async fn close(self) {
        self.session.close().await;
        if let Some(via) = self.via {
            via.release().await;
        }
    }
}

/// Returns true if a network probably lies before `hop`, so that compression pays.
fn is_far(hop: &Hop) -> bool {
    matches!(hop, Hop::Ssh(_) | Hop::Kubectl { .. } | Hop::Exec(_))
}

/// Makes a token of 64 random bits, so that no banner and no other bootstrap on the same host
/// prints it by chance.
fn token() -> String {
    use std::hash::{BuildHasher, RandomState};

    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
