//! Traits of the types that travel, with an explanation for types that do not.

use std::{
    convert::Infallible,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::side::{Receiver, Sender};

/// A type that a task may take: an owned value, or the borrowed form of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a task",
    label = "cannot travel to another host",
    note = "an argument must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside"
)]
pub trait Argument: Serialize {
    /// The type that the guest decodes. A task that takes a borrow gets a reference to this value.
    type Owned: DeserializeOwned + 'static;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Argument for T {
    type Owned = T;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> Argument for [T] {
    type Owned = Vec<T>;
}

#[diagnostic::do_not_recommend]
impl Argument for str {
    type Owned = String;
}

#[diagnostic::do_not_recommend]
impl Argument for Path {
    type Owned = PathBuf;
}

/// A type that a task may return, by itself or in the `Ok` of its `Result`, if it is no stream.
pub trait ReturnValue: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> ReturnValue for T {}

/// Tells the kind of a type: rustc looks through aliases, which a macro cannot do.
#[derive(Debug)]
pub struct Kind<T: ?Sized>(PhantomData<T>);

impl<T, E> Kind<Result<T, E>> {
    /// True if the type is a `Result`.
    pub const IS_RESULT: bool = true;
}

impl<T> Kind<Sender<T>> {
    /// True if the type is the sending end of a channel.
    pub const IS_SENDER: bool = true;
}

impl<T> Kind<Receiver<T>> {
    /// True if the type is the receiving end of a channel.
    pub const IS_RECEIVER: bool = true;
}

/// Says `false` for all other types: rustc prefers the constants of a type to those of its traits.
pub trait OfNoKind {
    /// The type is no `Result`.
    const IS_RESULT: bool = false;
    /// The type is no sender.
    const IS_SENDER: bool = false;
    /// The type is no receiver.
    const IS_RECEIVER: bool = false;
}

impl<T: ?Sized> OfNoKind for Kind<T> {}

/// Reads one of the constants of [`Kind`] for a type.
#[doc(hidden)]
#[macro_export]
macro_rules! __wxec_is {
    ($constant:ident $type:ty) => {{
        #[allow(unused_imports, reason = "not if it is of the kind")]
        use $crate::__private::OfNoKind as _;
        $crate::__private::Kind::<$type>::$constant
    }};
}
pub use __wxec_is as is;

/// Splits the return value of a task. `IS_RESULT` says if the type is a [`Result`](Kind).
pub trait Returned<const IS_RESULT: bool> {
    /// Type of its value.
    type Value;
    /// Type of its error.
    type Error;

    /// Returns its value or its error.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Returned<true> for Result<T, E> {
    type Value = T;
    type Error = E;

    fn into_result(self) -> Self {
        self
    }
}

impl<T> Returned<false> for T {
    type Value = T;
    type Error = Infallible;

    fn into_result(self) -> Result<T, Infallible> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Outcome<T> = Result<T, String>;
    type Turned<E, T> = Result<T, E>;
    type Lines = Receiver<String>;

    /// A user's own types, with the same names.
    mod own {
        pub(super) struct Result<T>(pub T);
        pub(super) struct Receiver;
    }

    #[test]
    fn types_are_known_by_any_name() {
        let results = [
            is!(IS_RESULT Outcome<u8>),
            is!(IS_RESULT Turned<u8, ()>),
            is!(IS_RESULT std::io::Result<()>),
        ];
        assert_eq!(results, [true; 3]);
        assert_eq!(
            [
                is!(IS_RESULT own::Result<u8>),
                is!(IS_RESULT Lines),
                is!(IS_RESULT str)
            ],
            [false; 3]
        );
        assert_eq!(
            [is!(IS_RECEIVER Lines), is!(IS_RECEIVER own::Receiver)],
            [true, false]
        );
        assert_eq!(
            [is!(IS_SENDER Sender<u8>), is!(IS_SENDER Lines)],
            [true, false]
        );
    }

    #[test]
    fn what_is_returned_is_taken_apart_by_its_type() {
        fn error<R: Returned<IS_RESULT>, const IS_RESULT: bool>(returned: R) -> Option<R::Error> {
            returned.into_result().err()
        }
        assert_eq!(
            error::<Outcome<u8>, { is!(IS_RESULT Outcome<u8>) }>(Err("no".into())),
            Some("no".to_owned())
        );
        assert_eq!(
            error::<_, { is!(IS_RESULT own::Result<u8>) }>(own::Result(1_u8)),
            None
        );
    }
}
