//! What the output of the macros names. Nobody else should: it changes without notice.

pub use crate::{
    abi::{
        arguments::Arguments,
        failure::{self, decode_error, describe_error},
        input::Input,
        output::{result, value},
        record::{record, record_length},
        types::{Argument, ResultType, ReturnValue},
    },
    side::for_macros::*,
};
