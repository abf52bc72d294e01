//! Agreements of a guest and its host: the ABI, the encoding of values, the items of channels.

pub mod abi;
pub mod cbor;
pub(crate) mod channel;
pub(crate) mod items;
