//! Ends of channels as arguments: each is written as the index of its stream.

use std::sync::{Arc, Mutex, atomic::Ordering::SeqCst};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, de::DeserializeOwned, ser};

use super::{
    delivery::Delivery,
    ports::{ChannelEnds, Port},
    running::Bridge,
    supply::Supply,
};
use crate::{
    base::sync::lock,
    channel::{Receiver, Sender},
};

impl<T: DeserializeOwned + Send + 'static> Port for Sender<T> {
    fn is_shared(&self) -> bool {
        true
    }

    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>> {
        Some(Box::new(Delivery::new(self, host)))
    }
}

impl<T: Serialize + Send + 'static> Port for Mutex<Option<Receiver<T>>> {
    fn is_shared(&self) -> bool {
        false
    }

    fn bridge(&self, host: &Arc<str>) -> Option<Box<dyn Bridge>> {
        let receiver = lock(self).take()?;
        Some(Box::new(Supply {
            receiver,
            host: host.clone(),
        }))
    }
}

/// Error for a channel end that is serialised outside of a call's arguments.
const NO_ARGUMENT: &str = "an end of a channel travels only as an argument of a task";

impl<T: DeserializeOwned + Send + 'static> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index =
            ChannelEnds::add(self.clone()).ok_or_else(|| ser::Error::custom(NO_ARGUMENT))?;
        serializer.serialize_u32(index)
    }
}

impl<T: Serialize + Send + 'static> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let taken = Self {
            source: self.source.clone(),
            given: false.into(),
        };
        let already = self.given.swap(true, SeqCst);
        let port = Mutex::new((!already).then_some(taken));
        let index = ChannelEnds::add(port).ok_or_else(|| ser::Error::custom(NO_ARGUMENT))?;
        serializer.serialize_u32(index)
    }
}

/// Error for a channel end that is deserialised here: only a task in its module gets any.
const NO_TASK: &str = "an end of a channel arrives only in a task";

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(NO_TASK))
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(NO_TASK))
    }
}
