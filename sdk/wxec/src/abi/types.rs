//! The types that travel, as traits that explain themselves when a type is not one of them.

use std::path::{Path, PathBuf};

use serde::{Serialize, de::DeserializeOwned};

/// What a task may take: an owned value, or the borrowed form of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a task",
    label = "cannot travel to another host",
    note = "an argument must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside"
)]
pub trait Argument: Serialize {
    /// What the guest decodes, and lends to the task if that takes a borrow.
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

/// What a task may return, or have in the `Ok` of its `Result`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the value of a task",
    label = "cannot travel back from another host",
    note = "a value must implement `serde::Serialize` and `serde::Deserialize`, and own what is inside",
    note = "if it is an alias of `Result`, spell its generics: `Result<…>`"
)]
pub trait ReturnValue: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> ReturnValue for T {}

/// Takes a `Result` apart, so that aliases of it work.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `core::result::Result`",
    note = "`#[remote]` reads a return type that ends in `Result<…>` as one; give this type another name by an alias"
)]
pub trait ResultType {
    /// Type of its value.
    type Ok;
    /// Type of its error.
    type Err;
}

#[diagnostic::do_not_recommend]
impl<T, E> ResultType for Result<T, E> {
    type Ok = T;
    type Err = E;
}
