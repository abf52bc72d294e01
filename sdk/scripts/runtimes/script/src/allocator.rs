//! An allocator that leaves no traces in images: memory that is freed while a script is loaded is
//! overwritten with zeroes, which take no place in a module.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

/// True until a script is loaded.
static LOADING: AtomicBool = AtomicBool::new(true);

/// The system's allocator, which overwrites freed memory while a script is loaded.
#[derive(Debug)]
pub struct Traceless;

/// Ends the overwriting: calls leave no image.
pub(crate) fn loaded() {
    LOADING.store(false, Relaxed);
}

// SAFETY: all memory is the system allocator's, and nothing uses freed memory when it is
// overwritten.
unsafe impl GlobalAlloc for Traceless {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the rules of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the memory has the layout's size.
        unsafe {
            if LOADING.load(Relaxed) {
                pointer.write_bytes(0, layout.size());
            }
            System.dealloc(pointer, layout);
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above; both blocks hold as many bytes as are copied.
        unsafe {
            if !LOADING.load(Relaxed) {
                return System.realloc(pointer, layout, size);
            }
            let new = System.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            new
        }
    }
}
