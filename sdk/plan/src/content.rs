//! The content of files, as plans write it.

use std::{fmt, sync::Arc};

use crate::secret::Secret;

/// Bytes of a file. Those that are made of a [`Secret`] are hidden in reports, together with what
/// they replace.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    bytes: Arc<[u8]>,
    is_secret: bool,
}

impl Content {
    /// Makes content of bytes that are no secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into().into(),
            is_secret: false,
        }
    }

    /// Makes the content secret.
    #[must_use]
    pub fn secret(self) -> Self {
        self.secret_if(true)
    }

    /// Makes the content secret if `is_secret`, as other content is that it is made of.
    #[must_use]
    pub fn secret_if(mut self, is_secret: bool) -> Self {
        self.is_secret |= is_secret;
        self
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns true if reports must not show it.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_secret {
            f.write_str("Content(hidden)")
        } else {
            write!(f, "Content({} bytes)", self.bytes.len())
        }
    }
}

macro_rules! content_from {
    ($($type:ty),*) => {
        $(
            impl From<$type> for Content {
                fn from(bytes: $type) -> Self {
                    Self::new(bytes)
                }
            }

            impl From<Secret<$type>> for Content {
                fn from(secret: Secret<$type>) -> Self {
                    Self::from(&secret)
                }
            }

            impl From<&Secret<$type>> for Content {
                fn from(secret: &Secret<$type>) -> Self {
                    Self::new(secret.expose().clone()).secret()
                }
            }
        )*
    };
}

content_from!(String, Vec<u8>);

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::new(text.as_str())
    }
}

impl From<&[u8]> for Content {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes)
    }
}

impl<const N: usize> From<&[u8; N]> for Content {
    fn from(bytes: &[u8; N]) -> Self {
        Self::new(&bytes[..])
    }
}
