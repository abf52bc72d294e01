//! Calls on each host of a fleet.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::sync::OnceCell;
use wxec_controller::{
    CallError, CallErrorKind, CallOptions, CallTarget, Host, ModuleError, TaskCall,
};
use wxec_protocol::cbor::EncodeError;

use crate::{
    fleet::Fleet,
    judge::{Judge, call_error},
    outcomes::Outcomes,
    rollout::Verdict,
    run::FleetRun,
};

/// Default timeout of a call on each host, unless the host has its own: one stuck host must not hold
/// up a fleet for ever.
pub const FLEET_TIMEOUT: Duration = Duration::from_secs(60);

impl CallTarget for Fleet {
    type Call<T: Send + 'static, E: Send + 'static> = FleetCall<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> FleetCall<T, E> {
        FleetCall {
            fleet: self.clone(),
            call,
        }
    }
}

/// A call on each host of a fleet, in parallel. Nothing happens until it is started, awaited or
/// waited for. Unless it has a timeout or its task sends or receives, each host has 60 s to answer.
#[derive(Debug)]
#[must_use = "a call does nothing until it is started, awaited or waited for"]
pub struct FleetCall<T, E = Infallible> {
    fleet: Fleet,
    call: TaskCall<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> FleetCall<T, E> {
    wxec_controller::call_option_methods!(idempotent);

    fn with_options(mut self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        self.call = self.call.with_options(change);
        self
    }

    /// Starts the call on every host. The returned run gives outcomes as they come; dropping it
    /// cancels the calls.
    pub fn start(self) -> FleetRun<T, CallError<E>> {
        let Self { fleet, call } = self;
        if !call.is_shared() {
            return fleet.each(|host| {
                let error = EncodeError::new(
                    "a `Receiver` given to a fleet: each host needs a channel of its own",
                );
                let error = CallError::new(host.name().into(), CallErrorKind::Encode(error));
                async move { Err(error) }
            });
        }
        // Calls that stream last as long as their reader listens, so all must run at once: none may
        // wait for the end of another.
        let fleet = if call.streams() {
            let all = fleet.hosts().len();
            fleet.max_parallel(all)
        } else {
            fleet
        };
        let module = Arc::new(BuiltOnce::default());
        // Nothing takes back the items that a call with streams has sent and received.
        let again = call.is_idempotent() && !call.streams();
        let work = move |host: &Host| on_host(host.clone(), call.clone(), module.clone());
        let work = fleet.work(work).idempotent_if(again);
        work.judged_by(Judge::of_errors(Verdict::of_call, call_error))
            .start()
    }

    /// Runs the call on every host and blocks until each has answered or failed.
    pub fn wait(self) -> Outcomes<T, CallError<E>> {
        self.start().wait()
    }
}

/// The module that all hosts need. One that fails, fails for all hosts alike, and is built once.
#[derive(Default)]
struct BuiltOnce(OnceCell<Result<(), ModuleError>>);

/// Gives the call the default timeout. A call that streams gets none: it may go on for as long as it
/// likes.
fn with_timeout<T, E>(call: TaskCall<T, E>, host: &Host) -> TaskCall<T, E> {
    let has_own = host
        .limits()
        .is_some_and(|limits| limits.deadline_ms.is_some());
    if call.streams() || has_own {
        return call;
    }
    call.with_options(|options| CallOptions::new().timeout(FLEET_TIMEOUT).and(options))
}

async fn on_host<T: Send + 'static, E: Send + 'static>(
    host: Host,
    call: TaskCall<T, E>,
    module: Arc<BuiltOnce>,
) -> Result<T, CallError<E>> {
    let built = module
        .0
        .get_or_init(|| async { call.module().await.map(drop) });
    if let Err(error) = built.await {
        let kind = CallErrorKind::from(error.clone());
        return Err(CallError::new(host.name().into(), kind));
    }
    host.call(with_timeout(call, &host)).await
}

impl<T: Send + 'static, E: Send + 'static> IntoFuture for FleetCall<T, E> {
    type Output = Outcomes<T, CallError<E>>;
    type IntoFuture = <FleetRun<T, CallError<E>> as IntoFuture>::IntoFuture;

    fn into_future(self) -> Self::IntoFuture {
        self.start().into_future()
    }
}
