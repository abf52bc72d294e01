//! Ends of channels as arguments: a task gets them from its caller, and cannot pass them on.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use super::super::{ask, imports, stream::Stream};
use super::{
    items::Incoming,
    receiver::{In, Receiver},
    sender::{Out, Sender},
};

/// Takes the stream of the call whose index stands in an argument.
fn taken<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Stream, D::Error> {
    let index = i32::try_from(u32::deserialize(deserializer)?).map_err(de::Error::custom)?;
    ask::done(imports::call_stream(index))
        .map(Stream::of)
        .map_err(de::Error::custom)
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Out::Caller(Arc::new(taken(deserializer)?))))
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let incoming = Incoming::new(taken(deserializer)?);
        Ok(Self(In::Caller(Mutex::new(incoming))))
    }
}

/// Error for an end of a channel that a task tries to send to another host.
const STAYS: &str = "an end of a channel does not travel from a task to another host";

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(STAYS))
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(ser::Error::custom(STAYS))
    }
}
