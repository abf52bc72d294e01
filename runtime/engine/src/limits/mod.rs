//! Bounds of guests: what each may take, what all share, and the record of a refusal.

pub(crate) mod budget;
pub(crate) mod capacity;
pub(crate) mod growth;
pub(crate) mod quota;
pub(crate) mod refusal;
pub(crate) mod text;
