//! The files of Python's standard library. They are there while a script is loaded; an image has what
//! the script imported, and not their text.

use std::{cell::UnsafeCell, collections::BTreeMap};

const LENGTH: usize = include_bytes!(concat!(env!("OUT_DIR"), "/library")).len();

/// The packed files, in memory that may be overwritten.
struct Packed(UnsafeCell<[u8; LENGTH]>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Packed {}

static PACKED: Packed = Packed(UnsafeCell::new(*include_bytes!(concat!(
    env!("OUT_DIR"),
    "/library"
))));

/// Returns the text of each file, by its path.
pub(crate) fn files() -> BTreeMap<&'static str, &'static str> {
    // SAFETY: `erase` is called once nothing of this is in use any more.
    let mut rest: &'static [u8] = unsafe { &*PACKED.0.get() };
    let mut take = |length: usize| {
        let (taken, after) = rest.split_at(length);
        rest = after;
        taken
    };
    let mut files = BTreeMap::new();
    let mut left = LENGTH;
    while left > 0 {
        let lengths = [take(4), take(4)];
        let [name, text] = lengths.map(|length| {
            u32::from_le_bytes(length.try_into().expect("it is four bytes")) as usize
        });
        let [name, text] =
            [name, text].map(|length| str::from_utf8(take(length)).expect("sources are UTF-8"));
        left -= 8 + name.len() + text.len();
        files.insert(name, text);
    }
    files
}

/// Overwrites the files with zeroes, which take no place in an image.
///
/// # Safety
///
/// What [`files`] returned is no longer in use, and is not asked for again.
pub(crate) unsafe fn erase() {
    // SAFETY: as the caller promises; a guest has one thread.
    unsafe { PACKED.0.get().write_bytes(0, 1) }
}
