//! Bound of the texts in faults.

/// Longest text in a fault. Guests write some of these texts, people read them, and a fault must
/// fit into a frame.
const MAX_TEXT_BYTES: usize = 64 << 10;

/// Cuts a text that is longer than a fault may carry.
pub(crate) fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
    text
}
