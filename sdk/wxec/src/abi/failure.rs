//! Turns a task's error into a [`TaskFailure`] and back, by the traits that its type implements.
//!
//! The macros know the type, but must not name a trait that it may lack. So they use "autoref
//! specialisation": `(&&probe).method()` takes the implementation for `&Probe<E>` if its bounds
//! hold, else the one for `Probe<E>`. Each further `&` is one more choice; rustc tries the longest
//! chain first.

use std::{
    any::type_name,
    error::Error,
    fmt::{Debug, Display},
    iter,
    marker::PhantomData,
};

use serde::{Serialize, de::DeserializeOwned};
use wxec_protocol::{abi::TaskFailure, cbor};

/// Makes a [`Describer`] for an error type.
#[doc(hidden)]
#[macro_export]
macro_rules! __wxec_describe_error {
    ($error:ty) => {{
        use $crate::__private::failure::{Encode as _, Probe, Tell as _, describer};
        let probe = Probe::<$error>::NEW;
        describer((&&probe).encoder(), (&&&&&&probe).teller())
    }};
}
pub use __wxec_describe_error as describe_error;

/// Makes a `fn(TaskFailure) -> Result<E, TaskFailure>` for an error type.
#[doc(hidden)]
#[macro_export]
macro_rules! __wxec_decode_error {
    ($error:ty) => {{
        use $crate::__private::failure::{Decode as _, Encode as _, Probe, Tell as _, describer};
        let probe = Probe::<$error>::NEW;
        // Only the module describes errors, but this refuses a type that cannot be described before
        // the module is built.
        let _ = describer((&&probe).encoder(), (&&&&&&probe).teller());
        (&&&probe).decoder()
    }};
}
pub use __wxec_decode_error as decode_error;

/// Stands for a type, to find out which traits it implements.
#[derive(Debug)]
pub struct Probe<E>(PhantomData<E>);

impl<E> Probe<E> {
    /// The only value.
    pub const NEW: Self = Self(PhantomData);
}

/// Chooses how to encode the error itself, if its type can be encoded.
pub trait Encode {
    /// The error's type.
    type Error;
    /// Returns the chosen encoder.
    fn encoder(&self) -> fn(&Self::Error) -> Option<Vec<u8>>;
}

impl<E: Serialize> Encode for &Probe<E> {
    type Error = E;
    fn encoder(&self) -> fn(&E) -> Option<Vec<u8>> {
        |error| cbor::encode(error).ok()
    }
}

impl<E> Encode for Probe<E> {
    type Error = E;
    fn encoder(&self) -> fn(&E) -> Option<Vec<u8>> {
        |_| None
    }
}

/// Chooses how to decode the output of [`Encode`]. A decoder that cannot decode it gives the
/// failure back.
pub trait Decode {
    /// The error's type.
    type Error;
    /// Returns the chosen decoder.
    fn decoder(&self) -> fn(TaskFailure) -> Result<Self::Error, TaskFailure>;
}

/// A borrow cannot be decoded. Without this implementation, rustc would take the one below, because
/// it ignores lifetimes in this choice.
impl<E: ?Sized> Decode for &&Probe<&'static E> {
    type Error = &'static E;
    fn decoder(&self) -> fn(TaskFailure) -> Result<&'static E, TaskFailure> {
        Err
    }
}

impl<E: DeserializeOwned> Decode for &Probe<E> {
    type Error = E;
    fn decoder(&self) -> fn(TaskFailure) -> Result<E, TaskFailure> {
        |failure| {
            failure
                .data
                .as_ref()
                .and_then(|data| cbor::decode(data).ok())
                .ok_or(failure)
        }
    }
}

impl<E> Decode for Probe<E> {
    type Error = E;
    fn decoder(&self) -> fn(TaskFailure) -> Result<E, TaskFailure> {
        Err
    }
}

/// Chooses how to put an error in words.
pub trait Tell {
    /// A `fn(E) -> Words`, or [`Speechless`].
    type Teller;
    /// Returns the chosen teller.
    fn teller(&self) -> Self::Teller;
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Tell for &&&&&Probe<E> {
    type Teller = fn(E) -> Words;
    fn teller(&self) -> Self::Teller {
        |error| Words::of(&*error.into())
    }
}

impl<E: Into<Box<dyn Error>>> Tell for &&&&Probe<E> {
    type Teller = fn(E) -> Words;
    fn teller(&self) -> Self::Teller {
        |error| Words::of(&*error.into())
    }
}

impl<E: Display> Tell for &&&Probe<E> {
    type Teller = fn(E) -> Words;
    fn teller(&self) -> Self::Teller {
        |error| error.to_string().into()
    }
}

impl<E: Debug> Tell for &&Probe<E> {
    type Teller = fn(E) -> Words;
    fn teller(&self) -> Self::Teller {
        |error| format!("{error:?}").into()
    }
}

impl<E: Serialize> Tell for &Probe<E> {
    type Teller = fn(E) -> Words;
    fn teller(&self) -> Self::Teller {
        |_| type_name::<E>().to_owned().into()
    }
}

impl<E> Tell for Probe<E> {
    type Teller = Speechless;
    fn teller(&self) -> Self::Teller {
        Speechless
    }
}

/// An error in words.
#[derive(Debug)]
pub struct Words {
    message: String,
    chain: Vec<String>,
}

/// The choice for an error that cannot be put in words: it is no [`Teller`], so rustc refuses the
/// error.
#[derive(Debug)]
pub struct Speechless;

impl Words {
    fn of(error: &dyn Error) -> Self {
        let sources = iter::successors(error.source(), |error| (*error).source());
        Self {
            message: error.to_string(),
            chain: sources.take(MAX_CHAIN).map(ToString::to_string).collect(),
        }
    }
}

impl From<String> for Words {
    fn from(message: String) -> Self {
        Self {
            message,
            chain: Vec::new(),
        }
    }
}

/// A choice of [`Tell`] that puts an error in words.
#[diagnostic::on_unimplemented(
    message = "`{E}` cannot be the error of a task",
    label = "says nothing about itself to another host",
    note = "implement `std::error::Error`, `Display` or `Debug` for it, or derive `serde::Serialize` and \
            `serde::Deserialize` to have the error itself arrive"
)]
pub trait Teller<E> {
    /// Puts the error in words.
    fn tell(self, error: E) -> Words;
}

#[diagnostic::do_not_recommend]
impl<E> Teller<E> for fn(E) -> Words {
    fn tell(self, error: E) -> Words {
        self(error)
    }
}

/// Describes errors with the encoder and the teller that were chosen for their type.
#[derive(Debug)]
pub struct Describer<E, T> {
    encoder: fn(&E) -> Option<Vec<u8>>,
    teller: T,
}

impl<E, T: Teller<E>> Describer<E, T> {
    /// Describes `error`.
    pub fn describe(self, error: E) -> TaskFailure {
        let data = (self.encoder)(&error);
        let Words { message, chain } = self.teller.tell(error);
        TaskFailure {
            type_name: type_name::<E>().to_owned(),
            message,
            chain,
            data,
        }
    }
}

/// Puts two choices together.
pub fn describer<E, T: Teller<E>>(
    encoder: fn(&E) -> Option<Vec<u8>>,
    teller: T,
) -> Describer<E, T> {
    Describer { encoder, teller }
}

/// Encodes a failure, and shortens it to what an agent takes.
pub fn encode(mut failure: TaskFailure) -> Vec<u8> {
    if failure
        .data
        .as_ref()
        .is_some_and(|data| data.len() > MAX_DATA_BYTES)
    {
        failure.data = None;
    }
    shorten(&mut failure.message, MAX_MESSAGE_BYTES);
    failure.chain.truncate(MAX_CHAIN);
    failure
        .chain
        .iter_mut()
        .for_each(|text| shorten(text, MAX_SOURCE_BYTES));
    cbor::encode(&failure).expect("texts and bytes always encode")
}

/// Cuts `text` to at most `max` bytes, and adds `…` to show the cut.
pub fn shorten(text: &mut String, max: usize) {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push('…');
    }
}

/// Limit of a message: more text than people read, and far below the 1 MiB that an agent takes of
/// an error.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Limit of a chain of sources, which may be endless: no real chain is as deep.
const MAX_CHAIN: usize = 32;
/// Limit of the text of a source: with [`MAX_CHAIN`] and the message, the texts stay below 200 KiB.
const MAX_SOURCE_BYTES: usize = 4 << 10;
/// Limit of the encoded error: it leaves room for the texts in the 1 MiB that an agent takes of an
/// error.
const MAX_DATA_BYTES: usize = 700 << 10;

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io};

    use anyhow::Context;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Refusal {
        TooLong { by: usize },
    }

    #[derive(Serialize, Deserialize)]
    struct Mute(u8);

    #[derive(Debug)]
    struct Shown;

    struct Quoted;

    impl Display for Quoted {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("quoted")
        }
    }

    macro_rules! described {
        ($error:expr => $type:ty) => {
            describe_error!($type).describe($error)
        };
    }

    fn no_such_file() -> io::Error {
        io::Error::new(io::ErrorKind::NotFound, "no such file")
    }

    #[test]
    fn an_error_is_told_with_its_sources() {
        let error = Err::<(), _>(no_such_file())
            .context("cannot read words.txt")
            .context("cannot count")
            .unwrap_err();
        let failure = described!(error => anyhow::Error);
        assert_eq!(failure.type_name, "anyhow::Error");
        assert_eq!(failure.message, "cannot count");
        assert_eq!(failure.chain, ["cannot read words.txt", "no such file"]);
        assert_eq!(failure.data, None);
    }

    #[test]
    fn every_kind_of_error_has_words() {
        type Boxed = Box<dyn Error>;
        type BoxedForThreads = Box<dyn Error + Send + Sync>;

        let failures = [
            described!(no_such_file() => io::Error),
            described!(no_such_file().into() => Boxed),
            described!(no_such_file().into() => BoxedForThreads),
            described!("no such file".into() => String),
            described!("no such file" => &'static str),
        ];
        assert!(
            failures
                .iter()
                .all(|failure| failure.message == "no such file"),
            "{failures:?}"
        );
        assert_eq!(described!(Quoted => Quoted).message, "quoted");
        assert_eq!(described!(Shown => Shown).message, "Shown");
        assert_eq!(
            described!(Mute(1) => Mute).message,
            "wxec::abi::failure::tests::Mute"
        );
    }

    #[test]
    fn a_serialisable_error_arrives_as_itself() {
        let failure = described!(Refusal::TooLong { by: 3 } => Refusal);
        assert_eq!(failure.message, "TooLong { by: 3 }");

        let decode = decode_error!(Refusal);
        assert_eq!(decode(failure.clone()), Ok(Refusal::TooLong { by: 3 }));
        let other = TaskFailure {
            data: Some(b"\x01".to_vec()),
            ..failure
        };
        assert_eq!(decode(other.clone()), Err(other));
    }

    #[test]
    fn other_errors_arrive_as_their_description() {
        let failure = described!("too long" => &'static str);
        assert!(decode_error!(anyhow::Error)(failure.clone()).is_err());
        assert!(decode_error!(Infallible)(failure.clone()).is_err());
        assert_eq!(decode_error!(&'static str)(failure.clone()), Err(failure));
    }

    #[test]
    fn a_failure_fits_the_agent() {
        let failure = TaskFailure {
            type_name: "T".into(),
            message: "é".repeat(1 << 20),
            chain: vec!["source".repeat(1 << 16); 100],
            data: Some(vec![0; 1 << 20]),
        };
        let encoded = encode(failure);
        assert!(encoded.len() < 200 << 10);
        let failure: TaskFailure = cbor::decode(&encoded).unwrap();
        assert!(failure.message.starts_with("éé") && failure.message.ends_with("é…"));
        assert_eq!(failure.data, None);
    }
}
