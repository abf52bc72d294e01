//! Items that the output of `#[plan]` names. Other code must not use them: they change without
//! notice.

pub use wxec;
