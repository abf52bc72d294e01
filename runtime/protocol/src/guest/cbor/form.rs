//! The forms of values, their marks, and the bounds of their depth.

/// Largest number of nested arrays and maps: as many as serde_json accepts, far beyond honest data,
/// and far below the limit of a guest's stack.
pub const MAX_DEPTH: usize = 128;

/// Largest number of options and newtypes open at once, which leave no trace in CBOR: four for each
/// level of [`MAX_DEPTH`]. Otherwise a type that holds only itself would recurse for ever.
pub(super) const MAX_WRAPS: usize = 4 * MAX_DEPTH;

/// Marks an ambiguous `Some`. Its registered meaning is the second alternative of a sum type.
pub const SOME_TAG: u64 = 122;
pub(super) const SOME_HEAD: &[u8] = &[0xd8, 122];
/// In the readable form, the start of a marked `Some`: a map of one entry whose key is `Some`.
pub(super) const SOME_MAP: &[u8] = b"\xa1\x64Some";

/// Tag around a call's arguments in the readable form.
pub const READABLE_TAG: u64 = 0x7778_6563;
/// Tag around a word of a command line, in the readable form: an array of its text and, if that is
/// JSON, of its JSON value.
pub const WORD_TAG: u64 = READABLE_TAG + 1;
/// Tag around a key of a map, in the readable form: an array of its text and, if that is JSON, of
/// its JSON value.
pub const KEY_TAG: u64 = READABLE_TAG + 2;

/// Names by which ciborium's types ask for tags.
pub(super) const TAG_TYPE: &str = "@@TAG@@";
pub(super) const TAGGED: &str = "@@TAGGED@@";
pub(super) const UNTAGGED: &str = "@@UNTAGGED@@";

/// Audience of encoded values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    /// For a program that knows the types.
    #[default]
    Compact,
    /// For people: values that JSON can express.
    Readable,
}
