//! Values that nobody is to read in logs, reports or errors.

use std::{cell::Cell, fmt, marker::PhantomData, thread::LocalKey};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, Visitor},
    ser::Error as _,
};

/// A value that cannot be printed, such as a password in a plan's config.
///
/// It has no `Display`, and its `Debug` hides it. It travels to the host in an
/// [`Order`](crate::Order) and in nothing else: serde writes `(hidden)` in formats for people, and
/// fails in formats for machines.
///
/// ```
/// use wxec_plan::Secret;
///
/// let password = Secret::new("hunter2".to_owned());
/// assert_eq!(format!("{password:?}"), "Secret(hidden)");
/// assert_eq!(password.expose(), "hunter2");
/// ```
#[derive(Clone, Default)]
pub struct Secret<T>(T);

/// The text in place of a secret.
pub const HIDDEN: &str = "(hidden)";

impl<T> Secret<T> {
    /// Hides `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Returns the value. What is made of it is no longer hidden.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Secret<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl<T: Serialize> Serialize for Secret<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if EXPOSED.get() {
            self.0.serialize(serializer)
        } else if serializer.is_human_readable() {
            serializer.serialize_str(HIDDEN)
        } else if TRAVELS.get() {
            self.0.serialize(serializer)
        } else {
            Err(S::Error::custom("a secret travels in a plan's order only"))
        }
    }
}

/// The name by which serde knows a secret.
pub(crate) const NAME: &str = "wxec_plan::Secret";

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secret<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Hider<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Hider<T> {
            type Value = Secret<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<Secret<T>, D::Error> {
                // The error of another type would quote the value.
                T::deserialize(deserializer)
                    .map(Secret)
                    .map_err(|_| D::Error::custom("the secret does not fit its type"))
            }
        }

        deserializer.deserialize_newtype_struct(NAME, Hider(PhantomData))
    }
}

thread_local! {
    /// True while an order is encoded on this thread.
    static TRAVELS: Cell<bool> = const { Cell::new(false) };
    /// True while a config is written for a template, or for the one who has just sent it.
    static EXPOSED: Cell<bool> = const { Cell::new(false) };
}

/// Lets secrets travel in what `encode` encodes.
pub(crate) fn travelling<T>(encode: impl FnOnce() -> T) -> T {
    permitted(&TRAVELS, encode)
}

/// Writes secrets as they are in what `encode` encodes, also in a format for people.
pub(crate) fn exposing<T>(encode: impl FnOnce() -> T) -> T {
    permitted(&EXPOSED, encode)
}

fn permitted<T>(permission: &'static LocalKey<Cell<bool>>, encode: impl FnOnce() -> T) -> T {
    /// Ends the permission also if `encode` panics.
    struct End(&'static LocalKey<Cell<bool>>, bool);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _end = End(permission, permission.replace(true));
    encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_written_nowhere_but_in_an_order() {
        let secret = Secret::new("canary");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(hidden)\"");
        let refused = wxec::cbor::encode(&secret).unwrap_err().to_string();
        assert!(refused.contains("in a plan's order only"), "{refused}");
        assert!(!refused.contains("canary"));

        let travelled = travelling(|| wxec::cbor::encode(&secret)).unwrap();
        let arrived: Secret<String> = wxec::cbor::decode(&travelled).unwrap();
        assert_eq!(arrived.expose(), "canary");
        // People who print what travels do not see it either.
        let printed = travelling(|| serde_json::to_string(&secret)).unwrap();
        assert_eq!(printed, "\"(hidden)\"");
        assert!(wxec::cbor::encode(&secret).is_err());
        let exposed = exposing(|| serde_json::to_string(&secret)).unwrap();
        assert_eq!(exposed, "\"canary\"");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"(hidden)\"");
    }

    #[test]
    fn a_secret_of_another_type_is_not_quoted() {
        let refused = serde_json::from_str::<Secret<u16>>("\"canary\"").unwrap_err();
        let message = "the secret does not fit its type";
        assert_eq!(refused.to_string(), message);
        #[derive(Debug, Deserialize)]
        struct Config {
            #[expect(dead_code, reason = "it is missing")]
            key: Secret<String>,
        }
        let missing = serde_json::from_str::<Config>("{}").unwrap_err();
        assert!(missing.to_string().starts_with("missing field `key`"));
    }
}
