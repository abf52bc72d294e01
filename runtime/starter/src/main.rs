//! The starter: becomes the agent whose image arrives on stdin.
//!
//! The bootstrap's script places this program and runs it, with these arguments: the token that marks
//! its answers, the agent's title, the directory for kept images or nothing, the digest of a kept
//! image or nothing, the starter's own file if that still has a name, a name for files, and the
//! directories in which the image may lie if memory is none.
//!
//! It answers with marked lines, as the script does: `start` when the agent begins, `image` if a kept
//! one is missing, `again` if what arrived is another image, `error:` and the reason. An image comes
//! behind a line that describes it; what follows it is for the agent.

#![no_std]
#![no_main]

mod program;

use core::{
    ffi::{CStr, c_char, c_int},
    panic::PanicInfo,
};

use program::{Arguments, Environment, run};

// Rust's std would ask the linker for the C library.
#[link(name = "c")]
unsafe extern "C" {}

/// Runs the program. The C library's startup code calls this.
#[unsafe(no_mangle)]
extern "C" fn main(
    count: c_int,
    words: *const *const c_char,
    environment: *const *const c_char,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0).min(Arguments::MAX);
    let mut arguments = [c""; Arguments::MAX];
    for (index, argument) in arguments[..count].iter_mut().enumerate() {
        // SAFETY: the system passes as many strings, which live as long as the process.
        *argument = unsafe { CStr::from_ptr(*words.add(index)) };
    }
    let arguments = Arguments::new(&arguments[..count]);
    run(&arguments, Environment(environment))
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    program::give_up()
}
