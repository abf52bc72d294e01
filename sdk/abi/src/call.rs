//! Calls as vectors describe them.

use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use serde::Serialize;
use serde_json::Value as Json;
use wxec::{
    Bytes, Call, CallError, CallErrorKind, CallOptions, Grants, Host, Limits, Module, Receiver,
    Sender,
    call::{Instance, Operation, Value},
    cbor, channel,
};

use crate::{
    notation::{self, Argument, NotationError},
    observed::{End, Listener, Observed},
    scratch::Scratch,
    vectors::{Outcome, Vector},
};

/// Time that a call may take if its vector does not say: an interpreter starts in seconds on a busy
/// machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Items that are taken of a channel: no vector expects so many, and a guest that sends for ever ends
/// there.
const MAX_ITEMS: usize = 100_000;

/// Where a call is made.
#[derive(Debug)]
pub(crate) enum Place<'a> {
    /// In an instance of its own.
    Fresh(&'a Host, &'a Module),
    /// In an instance that stays from call to call.
    Kept(Kept),
}

/// An instance that stays, with the listener to its output.
#[derive(Debug)]
pub(crate) struct Kept {
    instance: Instance,
    listener: Listener,
}

impl Kept {
    pub(crate) fn new(host: &Host, module: &Module) -> Self {
        let listener = Listener::default();
        Self {
            instance: listener.at(host).instance(module),
            listener,
        }
    }
}

/// Returns true if a call leaves its instance as good as new: it returns, and has no grants and
/// limits of its own, because those of an instance are those of its first call.
pub(crate) fn keeps_instance(vector: &Vector) -> bool {
    let returns = matches!(
        vector.expect,
        Outcome::Value(_) | Outcome::Failure(_) | Outcome::Ended | Outcome::BadArguments(_)
    );
    returns && vector.grants.is_none() && vector.limits.is_none()
}

impl Place<'_> {
    fn call(&self, function: &str, arguments: &Arguments) -> Call<Value> {
        match self {
            Self::Fresh(host, module) => host.bind(module).call(function, arguments),
            Self::Kept(kept) => kept.instance.call(function, arguments),
        }
    }

    fn call_encoded(&self, function: &str, arguments: Vec<u8>) -> Call<Bytes> {
        match self {
            Self::Fresh(host, module) => host.bind(module).call_encoded(function, arguments),
            Self::Kept(kept) => kept.instance.call_encoded(function, arguments),
        }
    }
}

/// Makes the call of `vector`, and returns what it did.
pub(crate) fn make(
    place: &Place<'_>,
    function: &str,
    vector: &Vector,
    scratch: &Scratch,
) -> Result<Observed, NotationError> {
    let (host, listener);
    let (place, listener) = match place {
        Place::Fresh(at, module) => {
            listener = Listener::default();
            host = listener.at(at);
            (&Place::Fresh(&host, module), &listener)
        }
        Place::Kept(kept) => (place, &kept.listener),
    };
    let options = options(vector, scratch);
    let (end, sent) = match &vector.arguments_cbor {
        Some(digits) => {
            let call = place.call_encoded(function, notation::bytes(digits)?);
            let end = finish(call.options(options).start(), vector);
            (end.and_then_value(), Vec::new())
        }
        None => {
            let (arguments, outlets) = arguments(&scratch.place_in(&vector.arguments))?;
            let call = place.call(function, &arguments).options(options).start();
            // The call has its own ends of the channels now; these would keep the channels open.
            drop(arguments);
            // Taken in turn: no vector sends on two channels.
            let sent = outlets.into_iter();
            let sent = sent.map(|(outlet, most)| outlet.into_iter().take(most).collect());
            let sent = sent.collect();
            (finish(call, vector), sent)
        }
    };
    Ok(Observed {
        end: match end {
            Finished::Ended(Ok(value)) => End::Returned(value),
            Finished::Ended(Err(error)) => match error.kind {
                CallErrorKind::Decode(reason) => End::Garbled(reason.to_string()),
                kind => End::Failed(kind),
            },
            Finished::Cancelled => End::Cancelled,
        },
        sent,
        printed: listener.take(),
    })
}

fn options(vector: &Vector, scratch: &Scratch) -> CallOptions {
    let mut limits = Limits::default();
    if let Some(bytes) = vector.limits.memory_bytes {
        limits.memory_bytes = bytes;
    }
    let timeout = vector
        .limits
        .time_ms
        .map_or(PATIENCE, Duration::from_millis);
    let granted = &vector.grants;
    let grants = granted.run.iter().fold(Grants::none(), Grants::run);
    let place = |path: &String| scratch.place(path);
    let grants = granted.read.iter().map(place).fold(grants, Grants::read);
    let grants = granted.write.iter().map(place).fold(grants, Grants::write);
    CallOptions::new()
        .limits(limits)
        .timeout(timeout)
        .grant(grants)
}

/// A call that has come to its end, or not.
enum Finished<T> {
    Ended(Result<T, CallError>),
    Cancelled,
}

impl Finished<Bytes> {
    /// Decodes the value.
    fn and_then_value(self) -> Finished<Value> {
        match self {
            Self::Ended(Ok(bytes)) => Finished::Ended(
                cbor::decode(&bytes)
                    .map_err(|error| CallError::new("".into(), CallErrorKind::Decode(error))),
            ),
            Self::Ended(Err(error)) => Finished::Ended(Err(error)),
            Self::Cancelled => Finished::Cancelled,
        }
    }
}

/// Waits for the end of a call, or cancels it at the time that its vector says.
fn finish<T: Send + 'static>(
    mut call: Operation<Result<T, CallError>>,
    vector: &Vector,
) -> Finished<T> {
    let Some(after_ms) = vector.cancel_after_ms else {
        return Finished::Ended(call.wait());
    };
    thread::sleep(Duration::from_millis(after_ms));
    match Pin::new(&mut call).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Finished::Ended(result),
        // Dropping it cancels it.
        Poll::Pending => Finished::Cancelled,
    }
}

/// The arguments of a call.
#[derive(Serialize)]
#[serde(untagged)]
enum Arguments {
    InOrder(Vec<Given>),
    Named(BTreeMap<String, Given>),
}

/// One argument.
#[derive(Serialize)]
#[serde(untagged)]
enum Given {
    Plain(Value),
    Receiver(Receiver<Value>),
    Sender(Sender<Value>),
}

/// An end from which to take what a call sends, and the largest number of items to take.
type Outlet = (Receiver<Value>, usize);

/// Makes the arguments of a call, and the ends from which to take what it sends.
fn arguments(json: &Json) -> Result<(Arguments, Vec<Outlet>), NotationError> {
    let mut outlets = Vec::new();
    let mut sender = |most| {
        let (sender, outlet) = channel();
        outlets.push((outlet, most));
        Given::Sender(sender)
    };
    let mut given = |json: &Json| {
        Ok(match notation::argument(json)? {
            Argument::Plain(value) => Given::Plain(value),
            Argument::Receiver(items) => Given::Receiver(Receiver::from_iter(items)),
            Argument::Sender(_) => sender(MAX_ITEMS),
            Argument::First(items) => sender(items.len()),
        })
    };
    let arguments = match json {
        Json::Object(entries) => Arguments::Named(
            entries
                .iter()
                .map(|(name, json)| Ok((name.clone(), given(json)?)))
                .collect::<Result<_, _>>()?,
        ),
        Json::Array(items) => {
            Arguments::InOrder(items.iter().map(given).collect::<Result<_, _>>()?)
        }
        one => Arguments::InOrder(vec![given(one)?]),
    };
    Ok((arguments, outlets))
}
