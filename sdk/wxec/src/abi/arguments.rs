//! Encodes the arguments of a call, which a stub sends.

use wxec_protocol::cbor::{self, EncodeError};

use super::types::Argument;
use crate::side::for_macros::{CallArguments, ChannelEnds};

/// The arguments of a call, encoded one after the other. Keeps the first error, for the call to
/// report.
#[derive(Debug)]
pub struct Arguments {
    bytes: Result<Vec<u8>, EncodeError>,
    /// Ends of channels among the arguments.
    ports: ChannelEnds,
}

impl Arguments {
    /// Begins the arguments of a task that has `count` parameters.
    pub fn new(count: usize) -> Self {
        let mut bytes = Vec::new();
        cbor::array_head(count, &mut bytes);
        Self {
            bytes: Ok(bytes),
            ports: ChannelEnds::default(),
        }
    }

    /// Adds an argument.
    pub fn push<T: Argument + ?Sized>(&mut self, argument: &T) {
        self.add(|bytes| cbor::encode_into(argument, bytes));
    }

    /// Adds an argument that is one byte string.
    pub fn push_bytes(&mut self, argument: &[u8]) {
        self.add(|bytes| {
            cbor::bytes_head(argument.len(), bytes);
            bytes.extend(argument);
            Ok(())
        });
    }

    /// Returns the arguments, if all could be encoded.
    pub fn finish(self) -> Result<CallArguments, EncodeError> {
        self.bytes.map(|bytes| self.ports.beside(bytes))
    }

    fn add(&mut self, add: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>) {
        let Self { bytes, ports } = self;
        let added = bytes
            .as_mut()
            .map_err(|error| error.clone())
            .and_then(|bytes| ports.during(|| add(bytes)));
        if let Err(error) = added {
            *bytes = Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::SystemTime};

    use super::*;

    #[test]
    fn arguments_are_an_array() {
        let mut arguments = Arguments::new(4);
        arguments.push::<str>("text");
        arguments.push::<[u8]>(&[1, 2]);
        arguments.push_bytes(&[1, 2]);
        arguments.push::<Path>("/etc".as_ref());
        assert_eq!(
            arguments.finish().unwrap().input,
            b"\x84\x64text\x82\x01\x02\x42\x01\x02\x64/etc"
        );
    }

    #[test]
    fn the_first_error_is_kept() {
        let before_the_epoch = SystemTime::UNIX_EPOCH - std::time::Duration::from_secs(1);
        let mut arguments = Arguments::new(2);
        arguments.push(&before_the_epoch);
        arguments.push(&1);
        let error = arguments.finish().unwrap_err().to_string();
        assert!(
            error.contains("SystemTime must be later than UNIX_EPOCH"),
            "{error}"
        );
    }
}
