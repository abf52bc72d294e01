//! The agent's allocator: quick for what is small, and for what is large at the cost of giving it
//! back.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr::copy_nonoverlapping,
};

use dlmalloc::GlobalDlmalloc;
use rustix::mm::{Advice, madvise};

/// Requests of this size and more go to musl's allocator, which maps each by itself: an artifact or
/// a payload leaves no hole when it is freed, and grows without being copied. With all requests
/// there, a call would cost 38 µs instead of 10, because musl maps and unmaps small pages as well.
const LARGE_BYTES: usize = 128 << 10;

/// The allocator of the whole program.
pub struct Heap;

/// Blocks of this size and more get huge pages, where the system has them: half of the time that a
/// payload of megabytes takes goes into giving it small ones. A huge page has 2 MiB. Blocks that are
/// asked for as zeros get none, because most of them are tables of which little is used.
const HUGE_BYTES: usize = 4 << 20;

/// Size of a small page, or a larger power of two on some machines; the kernel refuses the advice
/// there.
const PAGE_BYTES: usize = 4 << 10;

/// Advises the kernel to use huge pages for a block, if it is so large. Returns the block.
///
/// # Safety
///
/// The block has at least `bytes` bytes, or is null.
unsafe fn huge(block: *mut u8, bytes: usize) -> *mut u8 {
    if bytes >= HUGE_BYTES && !block.is_null() {
        let start = block.align_offset(PAGE_BYTES);
        let length = (bytes - start) / PAGE_BYTES * PAGE_BYTES;
        // SAFETY: the range lies in the block, and this advice changes no contents.
        let _ = unsafe { madvise(block.add(start).cast(), length, Advice::LinuxHugepage) };
    }
    block
}

fn is_large(bytes: usize) -> bool {
    bytes >= LARGE_BYTES
}

// SAFETY: each method passes its arguments on unchanged, to one of two allocators that keep the
// contract themselves. The size of a block decides which, and every caller of `dealloc` and
// `realloc` names the size that the block has now, so a block goes back to where it came from.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is that of either allocator.
        unsafe {
            if is_large(layout.size()) {
                huge(System.alloc(layout), layout.size())
            } else {
                GlobalDlmalloc.alloc(layout)
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above, and the block is of this allocator.
        unsafe {
            if is_large(layout.size()) {
                System.dealloc(block, layout);
            } else {
                GlobalDlmalloc.dealloc(block, layout);
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is that of either allocator.
        unsafe {
            if is_large(layout.size()) {
                System.alloc_zeroed(layout)
            } else {
                GlobalDlmalloc.alloc_zeroed(layout)
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above, and the block is of this allocator. A block that crosses the limit is a
        // new one, to which the smaller of both sizes is copied; the old one is freed only if there
        // is a new one. The caller promises that `bytes` and the alignment are valid together.
        unsafe {
            match (is_large(layout.size()), is_large(bytes)) {
                (true, true) => huge(System.realloc(block, layout, bytes), bytes),
                (false, false) => GlobalDlmalloc.realloc(block, layout, bytes),
                _ => {
                    let new = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
                    if !new.is_null() {
                        copy_nonoverlapping(block, new, layout.size().min(bytes));
                        self.dealloc(block, layout);
                    }
                    new
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_bytes_across_the_limit_in_both_directions() {
        let sizes = [
            1,
            LARGE_BYTES - 1,
            LARGE_BYTES,
            HUGE_BYTES,
            LARGE_BYTES,
            64,
            2,
        ];
        let layout = |bytes| Layout::from_size_align(bytes, 1).unwrap();
        // SAFETY: the layout of each step is that of the block, no size is zero, and no byte is read
        // before it was written.
        unsafe {
            let mut block = Heap.alloc(layout(sizes[0]));
            block.write(42);
            for step in sizes.windows(2) {
                block = Heap.realloc(block, layout(step[0]), step[1]);
                assert_eq!(block.read(), 42, "{step:?}");
                block.add(step[1] - 1).write(7);
                block.write(42);
            }
            Heap.dealloc(block, layout(2));
        }
    }

    #[test]
    fn blocks_that_were_used_before_are_zeroed() {
        for bytes in [64, LARGE_BYTES - 1, LARGE_BYTES, HUGE_BYTES] {
            let layout = Layout::from_size_align(bytes, 8).unwrap();
            // SAFETY: each block has `bytes` bytes. Those of the first are written, and so are those
            // of the second by `alloc_zeroed`.
            unsafe {
                // What is zeroed next is probably this block.
                let block = Heap.alloc(layout);
                block.write_bytes(0xff, bytes);
                Heap.dealloc(block, layout);
                let block = Heap.alloc_zeroed(layout);
                let all = std::slice::from_raw_parts(block, bytes);
                assert!(all.iter().all(|byte| *byte == 0), "{bytes}");
                Heap.dealloc(block, layout);
            }
        }
    }
}
