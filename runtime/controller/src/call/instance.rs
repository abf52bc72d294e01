//! An instance of a module that stays on its host between calls.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wxec_protocol::{Grants, InstanceId, Limits};

use crate::{
    base::{runtime::Background, sync::lock},
    call::{Call, CallOptions, CallTarget, Source, TaskCall, prepare},
    error::CallErrorKind,
    host::Host,
    module::{Module, artifact::Artifact},
    session::Session,
};

/// An instance of a module on a host. Its first call makes it, and its memory lasts from call to
/// call.
///
/// Other calls have a fresh instance each. This one serves callers that would begin each call with
/// the same long preparation, or that keep something between calls. Its calls run one after
/// another; their deadlines count while they wait. A call that does not return, because it panics,
/// traps, hits a limit, is dropped or passes its deadline, ends the instance, and so does the end
/// of the connection. Calls after that fail with [`InstanceGone`](CallErrorKind::InstanceGone).
///
/// Cheap to clone; dropping the last clone ends it on the host. A host keeps up to a hundred
/// instances for each connection.
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::{Host, Module};
///
/// let words = Host::new("web1")?.instance(&Module::from_file("words.wasm")?);
/// words.call::<()>("learn", &("to be or not to be",)).wait()?;
/// let known: usize = words.call("known", &[(); 0]).wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Instance(Arc<Inner>);

struct Inner {
    host: Host,
    module: Module,
    options: CallOptions,
    /// Set by the first call.
    place: Mutex<Option<Location>>,
}

/// Location of an instance. It does not move.
#[derive(Clone)]
pub(crate) struct Location {
    pub(crate) session: Session,
    pub(crate) artifact: Artifact,
    pub(crate) id: InstanceId,
}

impl Host {
    /// Creates an instance of a module that stays on this host between calls. Does no I/O.
    pub fn instance(&self, module: &Module) -> Instance {
        Instance::build(self.clone(), module.clone(), CallOptions::default())
    }
}

impl Instance {
    fn build(host: Host, module: Module, options: CallOptions) -> Self {
        Self(Arc::new(Inner {
            host,
            module,
            options,
            place: Mutex::default(),
        }))
    }

    /// Returns another instance, whose calls have these options as well. Each call can set its own,
    /// but the instance has the grants and the memory limit of its first call.
    #[must_use]
    pub fn options(&self, options: CallOptions) -> Self {
        self.with_options(|own| own.and(options))
    }

    /// Returns another instance, whose calls have these limits. Each call can set its own, but the
    /// memory of the instance is bounded by the limit of its first call.
    #[must_use]
    pub fn limits(&self, limits: Limits) -> Self {
        self.with_options(|options| options.limits(limits))
    }

    /// Returns another instance, whose calls are granted more. The instance has the grants of its
    /// first call.
    #[must_use]
    pub fn grant(&self, grants: Grants) -> Self {
        self.with_options(|options| options.grant(grants))
    }

    /// Returns another instance, on which the same sequence of calls does the same each time: see
    /// [`CallOptions::deterministic`].
    #[must_use]
    pub fn deterministic(&self, seed: u64) -> Self {
        self.with_options(|options| options.deterministic(seed))
    }

    fn with_options(&self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        let options = change(self.0.options.clone());
        Self::build(self.0.host.clone(), self.0.module.clone(), options)
    }

    /// Returns the host it is on.
    pub fn host(&self) -> &Host {
        &self.0.host
    }

    /// Returns the module it is an instance of.
    pub fn module(&self) -> &Module {
        &self.0.module
    }

    /// Calls `function`, like [`Bound::call`](crate::Bound::call).
    pub fn call<T>(
        &self,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Call<T, Infallible>
    where
        T: DeserializeOwned + Send + 'static,
    {
        CallTarget::call(self, TaskCall::by_name(&self.0.module, function, arguments))
    }

    /// Calls `function` with encoded arguments, like
    /// [`Bound::call_encoded`](crate::Bound::call_encoded).
    pub fn call_encoded(
        &self,
        function: &str,
        arguments: impl Into<Bytes>,
    ) -> Call<Bytes, Infallible> {
        CallTarget::call(
            self,
            TaskCall::of_bytes(&self.0.module, function, arguments.into()),
        )
    }

    /// Returns its location, which the first call decides.
    pub(crate) async fn place<E: Send + 'static>(&self) -> Result<Location, CallErrorKind<E>> {
        let known = lock(&self.0.place).clone();
        if let Some(place) = known {
            let ended = || CallErrorKind::InstanceGone {
                reason: "the connection to its host has ended".into(),
            };
            return if place.session.is_alive() {
                Ok(place)
            } else {
                Err(ended())
            };
        }
        let Inner {
            host,
            module,
            options,
            ..
        } = &*self.0;
        let prepared = prepare(
            host.clone(),
            Source::Module(module.clone()),
            options.clone().on(host).into_terms().is_metered(),
        );
        let (session, artifact) = Background::new(prepared).await?;
        // Another call may have set the location first.
        let id = session.next_instance();
        Ok(lock(&self.0.place)
            .get_or_insert(Location {
                session,
                artifact,
                id,
            })
            .clone())
    }

    /// Fails if the task that `source` names is in another module.
    pub(crate) async fn check<E: Send + 'static>(
        &self,
        source: &Source,
        function: &str,
    ) -> Result<(), CallErrorKind<E>> {
        let Source::Task(origin) = *source else {
            return Ok(());
        };
        let task = match Module::known_task(&origin) {
            Some(module) => module,
            None => Background::new(async move { Module::of_task(&origin).await })
                .await
                .map_err(CallErrorKind::from)?,
        };
        if task.digest() == self.0.module.digest() {
            return Ok(());
        }
        Err(CallErrorKind::OtherModule {
            function: function.into(),
            module: self.0.module.name().into(),
        })
    }
}

impl CallTarget for Instance {
    type Call<T: Send + 'static, E: Send + 'static> = Call<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(&self, mut call: TaskCall<T, E>) -> Call<T, E> {
        call = call.with_options(|options| options.and(self.0.options.clone()));
        call.instance = Some(self.clone());
        self.0.host.call(call)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let place = lock(&self.place).take();
        if let Some(Location { session, id, .. }) = place {
            session.drop_instance(id);
        }
    }
}

impl fmt::Debug for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instance({:?} on {:?})", self.0.module, self.0.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance() -> Instance {
        let module = Module::from_bytes("empty", &b"\0asm\x01\0\0\0"[..]).unwrap();
        Host::new("ssh:nowhere.invalid").unwrap().instance(&module)
    }

    #[test]
    fn what_is_set_on_an_instance_makes_another_one() {
        let plain = instance();
        let fuel = plain.limits(Limits {
            fuel: Some(7),
            ..Limits::default()
        });
        let terms = |instance: &Instance| instance.0.options.clone().into_terms();
        assert!(!terms(&plain).is_metered() && terms(&fuel).is_metered());
        assert!(terms(&plain.deterministic(1)).is_metered());
        let granted = fuel
            .grant(Grants::none().run("ls"))
            .grant(Grants::none().read("/etc"));
        assert_eq!(
            terms(&granted).grants,
            Grants::none().run("ls").and(Grants::none().read("/etc"))
        );
        assert_eq!(terms(&granted).limits.fuel, Some(7));
        assert!(!Arc::ptr_eq(&plain.0, &granted.0));
    }

    #[test]
    fn a_call_has_what_its_instance_has() {
        let instance = instance()
            .limits(Limits {
                output_bytes: 5,
                ..Limits::default()
            })
            .deterministic(9);
        let call = format!("{:?}", instance.call::<()>("f", &()));
        assert!(
            call.contains("output_bytes: 5") && call.contains("seed: Some(9)"),
            "{call}"
        );
    }
}
