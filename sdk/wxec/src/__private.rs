//! Items that the output of the macros names. Other code must not use them: they change without
//! notice.

pub use crate::{
    abi::{
        arguments::Arguments,
        failure::{self, decode_error, describe_error},
        input::Input,
        output::value,
        record::{long_text_head, record, record_length},
        types::{Argument, Kind, OfNoKind, ReturnValue, Returned, is},
    },
    side::for_macros::*,
};
