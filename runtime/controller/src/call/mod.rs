//! One call of a task: typed where a `#[remote]` function exists, by name where it does not.

mod asks;
mod describe;
mod facts;
mod instance;
mod make;
mod options;
mod stdio;
mod streaming;
mod task;

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    base::{operation::Operation, wait::block_on},
    channel::ReturnedStream,
    error::CallError,
    host::Host,
    module::Module,
};

pub use self::{
    instance::Instance,
    options::CallOptions,
    task::{Planned, Task, TaskCall},
};
pub(crate) use self::{
    make::{answer, check_size, outcome, prepare, run},
    task::{Source, Value},
};
pub use crate::channel::Arguments;

/// A target of calls: a [`Host`] gives a [`Call`], a fleet a call on each of its
/// hosts.
pub trait CallTarget {
    /// A call on this kind of target.
    type Call<T: Send + 'static, E: Send + 'static>;

    /// Builds a call. `#[remote]` functions do this in their `on`.
    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Self::Call<T, E>;
}

impl CallTarget for Host {
    type Call<T: Send + 'static, E: Send + 'static> = Call<T, E>;

    fn call<T: Send + 'static, E: Send + 'static>(&self, call: TaskCall<T, E>) -> Call<T, E> {
        Call {
            host: self.clone(),
            call,
        }
    }
}

/// A call on one host. It starts when it is awaited, in any executor, or [waited](Self::wait) for
/// in blocking code. Dropping it while it runs cancels it on the host.
#[derive(Debug)]
#[must_use = "a call does nothing until it is awaited or waited for"]
pub struct Call<T, E = Infallible> {
    host: Host,
    call: TaskCall<T, E>,
}

impl<T: Send + 'static, E: Send + 'static> Call<T, E> {
    crate::call_option_methods!(idempotent);

    fn with_options(mut self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        self.call = self.call.with_options(change);
        self
    }

    /// Starts the call, so that the caller can send and receive while it runs. Dropping the
    /// operation cancels the call.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// # use wxec::{Call, Receiver};
    /// # fn f(call: Call<()>, lines: Receiver<String>) -> Result<(), Box<dyn std::error::Error>> {
    /// let call = call.start();
    /// for line in &lines {
    ///     println!("{line}");
    /// }
    /// call.wait()?;
    /// # Ok(()) }
    /// ```
    pub fn start(self) -> Operation<Result<T, CallError<E>>> {
        Operation::new(run(self.host, self.call))
    }

    /// Runs the call and blocks until it returns.
    pub fn wait(self) -> Result<T, CallError<E>> {
        block_on(self.into_future())
    }
}

impl<T: Send + 'static, E: Send + 'static> IntoFuture for Call<T, E> {
    type Output = Result<T, CallError<E>>;
    type IntoFuture = CallFuture<T, E>;

    fn into_future(self) -> CallFuture<T, E> {
        CallFuture(Box::pin(run(self.host, self.call)))
    }
}

/// A call under way. Dropping it cancels the call on the host.
#[must_use = "dropping it cancels the call"]
pub struct CallFuture<T, E = Infallible>(
    Pin<Box<dyn Future<Output = Result<T, CallError<E>>> + Send>>,
);

impl<T, E> Future for CallFuture<T, E> {
    type Output = Result<T, CallError<E>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl<T, E> fmt::Debug for CallFuture<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallFuture")
    }
}

/// A module on a host: makes calls by name, for callers that do not have the task's types.
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::{Host, Module};
///
/// let words = Host::new("web1")?.bind(&Module::from_file("words.wasm")?);
/// let n: usize = words.call("count", &("to be or not to be",)).wait()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bound {
    host: Host,
    module: Module,
}

impl Host {
    /// Pairs this host with a module, for calls by name. Does no I/O.
    pub fn bind(&self, module: &Module) -> Bound {
        Bound {
            host: self.clone(),
            module: module.clone(),
        }
    }
}

impl Bound {
    /// Calls `function`, named by its whole path or its path inside the crate, with a tuple, list
    /// or map of arguments.
    ///
    /// The needs that the function declares are not granted automatically, unless the module is
    /// wxec's [own](Module::shipped): a call that lacks one of them is
    /// [`Denied`](crate::CallErrorKind::Denied) before anything is sent. To grant all of them, look
    /// them up: `module.function(name).map(|function| function.wants.grants())`.
    pub fn call<T>(
        &self,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Call<T, Infallible>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.host
            .call(TaskCall::by_name(&self.module, function, arguments))
    }

    /// Calls a function like [`call`](Self::call), for callers that encode arguments and decode
    /// values themselves. The arguments are the CBOR of a list, or of a map by names; the value is
    /// CBOR as well. Neither is looked into on the way.
    ///
    /// ```no_run
    /// # use wxec_controller::__docs as wxec;
    /// use wxec::{Host, Module};
    ///
    /// let words = Host::new("web1")?.bind(&Module::from_file("words.wasm")?);
    /// let n = words.call_encoded("count", &b"\x81\x65to be"[..]).wait()?;
    /// assert_eq!(n, &b"\x02"[..]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn call_encoded(
        &self,
        function: &str,
        arguments: impl Into<Bytes>,
    ) -> Call<Bytes, Infallible> {
        self.host
            .call(TaskCall::of_bytes(&self.module, function, arguments.into()))
    }

    /// Calls a function that returns a [`Receiver`](crate::Receiver), like [`call`](Self::call).
    pub fn stream<T>(
        &self,
        function: &str,
        arguments: &(impl Serialize + ?Sized),
    ) -> Call<T, Infallible>
    where
        T: ReturnedStream + Send + 'static,
    {
        self.host.call(TaskCall::named(
            &self.module,
            function,
            arguments,
            Value::Streamed(T::open),
        ))
    }
}

#[cfg(test)]
mod tests {
    use wxec_build::Origin;
    use wxec_protocol::{
        Grants, Need,
        abi::{self, Function, Wants},
    };

    use super::*;
    use crate::{channel::ChannelEnds, error::CallErrorKind};

    /// A module with the task `hand::upgrade`, which declares `wants`, on a host that does not
    /// exist.
    fn declaring(wants: Wants) -> Bound {
        let function = Function {
            path: String::new(),
            name: "upgrade".into(),
            doc: String::new(),
            parameters: Vec::new(),
            returns: "()".into(),
            error: None,
            wants,
            readable: false,
            plan: Some(abi::Plan::default()),
        };
        let record: String = abi::record("hand", &function)
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect();
        let task = r#"(func (export "wx1_hand::upgrade") (result i32) (i32.const 0))"#;
        let wasm = wat::parse_str(format!(
            r#"(module {task} (@custom "{}" "{record}"))"#,
            abi::SECTION
        ))
        .unwrap();
        Host::new("ssh:nowhere.invalid")
            .unwrap()
            .bind(&Module::from_bytes("hand", wasm).unwrap())
    }

    fn upgrade() -> Bound {
        declaring(Wants {
            read: vec!["/etc/apt".into()],
            run: vec!["apt-get".into()],
            ..Wants::default()
        })
    }

    #[test]
    fn what_a_module_declares_is_not_granted_by_that() {
        let error = upgrade().call::<()>("upgrade", &()).wait().unwrap_err();
        let needs = [Need::Read("/etc/apt".into()), Need::Run("apt-get".into())];
        assert!(
            matches!(&error.kind, CallErrorKind::Denied { needs: missing, message } if *missing == needs && message.is_empty()),
            "nothing was connected: {error:?}"
        );
        assert_eq!(
            error.to_string(),
            "nowhere.invalid: not granted: needs --allow-read=/etc/apt --allow-run=apt-get"
        );
    }

    #[test]
    fn an_order_for_a_preview_makes_the_call_one() {
        #[derive(serde::Serialize)]
        struct Order {
            mode: &'static str,
            preview: bool,
        }
        let order = |preview| Order {
            mode: "install",
            preview,
        };
        let named = |preview| std::collections::BTreeMap::from([("order", order(preview))]);
        let readable = |preview| {
            let arguments = ciborium::Value::serialized(&(order(preview),)).unwrap();
            ciborium::Value::Tag(wxec_protocol::cbor::READABLE_TAG, arguments.into())
        };
        let missing = |arguments: &dyn Fn(&Bound) -> Call<(), Infallible>| {
            let error = arguments(&upgrade()).wait().unwrap_err();
            let CallErrorKind::Denied { needs, .. } = error.kind else {
                panic!("{error}")
            };
            needs.len()
        };
        // A preview needs no program.
        for (preview, needs) in [(true, 1), (false, 2)] {
            assert_eq!(
                missing(&|bound| bound.call("upgrade", &(order(preview),))),
                needs
            );
            assert_eq!(
                missing(&|bound| bound.call("upgrade", &named(preview))),
                needs
            );
            assert_eq!(
                missing(&|bound| bound.call("upgrade", &readable(preview))),
                needs
            );
        }
    }

    #[test]
    fn only_what_is_missing_is_named() {
        let missing = |grants| {
            upgrade()
                .call::<()>("hand::upgrade", &())
                .grant(grants)
                .call
                .missing()
        };
        assert_eq!(
            missing(Grants::none().read("/etc")),
            [Need::Run("apt-get".into())]
        );
        assert_eq!(missing(Grants::none().run("apt-get").read("/etc/apt")), []);
        assert_eq!(missing(Grants::all()), []);
        assert_eq!(
            declaring(Wants::default())
                .call::<()>("upgrade", &())
                .call
                .missing(),
            []
        );
    }

    #[test]
    fn for_a_programs_own_task_the_declaration_is_the_grant() {
        let origin = Origin {
            package: "own",
            version: "1.0.0",
            manifest_dir: "/",
            binary: None,
            crate_name: "own",
            file: "src/lib.rs",
            embedded: None,
        };
        let task = Task {
            origin,
            function: "own::upgrade",
            grants: || Grants::none().run("apt-get"),
            plan: None,
        };
        let call = TaskCall::<(), Infallible>::new(
            task,
            Ok(Arguments {
                input: Vec::new(),
                ports: ChannelEnds::default(),
            }),
            Err,
        );
        assert_eq!(call.missing(), []);
        let call = Host::new("ssh:nowhere.invalid")
            .unwrap()
            .call(call)
            .grant(Grants::none().env("HOME"));
        assert_eq!(
            *call.call.options.grants(),
            Grants::none().run("apt-get").env("HOME")
        );
    }
}
