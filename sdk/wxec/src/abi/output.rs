//! Output of a guest's task: an encoded value, or the reason why there is none.

use std::any::Any;

use bytes::Bytes;
use serde::Serialize;
use wxec_protocol::{abi::TaskFailure, cbor};

use super::form;

/// A task's value, encoded.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// The CBOR of the value, or its beginning.
    pub head: Vec<u8>,
    /// The rest of the CBOR: the content of [`Bytes`], without a copy.
    pub body: Bytes,
}

/// The reason why there is no [`Output`].
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The task returned an error.
    Failed(TaskFailure),
    /// The arguments do not fit; the text says why.
    BadArguments(String),
    /// The value cannot be encoded; the text says why.
    Internal(String),
}

/// Encodes what a task returned.
pub fn value<T: Serialize + 'static>(value: T) -> Result<Output, Stop> {
    if let Some(body) = (&value as &dyn Any).downcast_ref::<Bytes>() {
        let mut head = Vec::new();
        cbor::bytes_head(body.len(), &mut head);
        return Ok(Output {
            head,
            body: body.clone(),
        });
    }
    let mut head = Vec::new();
    match cbor::encode_as(form::current(), &value, &mut head) {
        Ok(()) => Ok(Output {
            head,
            body: Bytes::new(),
        }),
        Err(error) => Err(Stop::Internal(format!("the task's value {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_one_string_that_is_not_copied() {
        let bytes = Bytes::from(vec![7; 300]);
        let output = value(bytes.clone()).unwrap();
        assert_eq!(output.body.as_ptr(), bytes.as_ptr());
        assert_eq!(
            [&output.head[..], &output.body].concat(),
            cbor::encode(&bytes).unwrap()
        );
    }

    #[test]
    fn other_values_are_encoded() {
        assert_eq!(value(vec![1, 2]).unwrap().head, [0x82, 1, 2]);
        assert_eq!(value(()).unwrap().head, [0xf6]);
    }
}
