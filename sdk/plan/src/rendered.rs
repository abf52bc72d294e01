//! Templates that the controller has rendered, as they travel in an order.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::content::Content;

/// A template of a plan, rendered for one host. A run gives it as [`Content`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rendered {
    /// The template's name, such as `app.conf.j2`.
    pub name: String,
    /// The text.
    pub text: String,
    /// True if a secret may have gone into it.
    #[serde(default)]
    pub is_secret: bool,
}

impl Rendered {
    /// Returns the content of a file.
    pub(crate) fn content(&self) -> Content {
        Content::from(&self.text).secret_if(self.is_secret)
    }
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rendered({}, {:?})", self.name, self.content())
    }
}
