//! Links host calls through pointers, so that all calls of a kind have one type: wasmtime is compiled
//! for each type of host function, which takes 2 kB of the agent.

use wasmtime::{Caller, Linker, Result};
use wxec_protocol::abi;

use crate::call::guest::Guest;

/// The future of a call that waits.
type Waiting<'a> = Box<dyn Future<Output = Result<i32>> + Send + 'a>;

/// A call with a question in the guest's memory, given by its pointer and its length.
pub(crate) type Asking = for<'a> fn(Caller<'a, Guest>, u32, u32) -> Waiting<'a>;

/// A call that reads or writes a stream: its handle, and bytes in the guest's memory.
pub(super) type Streaming = for<'a> fn(Caller<'a, Guest>, i32, u32, u32) -> Waiting<'a>;

/// Writes functions that link calls of one type.
macro_rules! links {
    ($($(#[$doc:meta])* $link:ident($($argument:ident: $type:ty),*) -> $returned:ty;)*) => {$(
        $(#[$doc])*
        pub(super) fn $link<const N: usize>(
            linker: &mut Linker<Guest>,
            calls: [(&str, fn(Caller<'_, Guest>, $($type),*) -> $returned); N],
        ) -> Result<()> {
            for (name, call) in calls {
                let call = move |caller: Caller<'_, Guest>, $($argument: $type),*| call(caller, $($argument),*);
                linker.func_wrap(abi::IMPORTS, name, call)?;
            }
            Ok(())
        }
    )*};
}

links! {
    /// Links calls without arguments.
    link_plain() -> i32;
    /// Links calls about a handle.
    link_handling(handle: i32) -> i32;
    /// Links calls about a handle, with a number.
    link_numbering(handle: i32, number: i32) -> i32;
    /// Links calls that copy to the guest's memory: from an offset on, to a pointer, so many bytes.
    link_reading(offset: u32, pointer: u32, length: u32) -> Result<u32>;
    /// Links calls that take bytes of the guest's memory.
    link_writing(pointer: u32, length: u32) -> Result<()>;
}

/// Links calls with a question.
pub(super) fn link_asking<const N: usize>(
    linker: &mut Linker<Guest>,
    calls: [(&str, Asking); N],
) -> Result<()> {
    calls
        .into_iter()
        .try_for_each(|(name, call)| link_asking_of(linker, abi::IMPORTS, name, call))
}

/// Links a call of any module that has the same type as one with a question.
pub(crate) fn link_asking_of(
    linker: &mut Linker<Guest>,
    module: &str,
    name: &str,
    call: Asking,
) -> Result<()> {
    linker.func_wrap_async(module, name, move |caller, (pointer, length)| {
        call(caller, pointer, length)
    })?;
    Ok(())
}

/// Links calls that read or write a stream.
pub(super) fn link_streaming<const N: usize>(
    linker: &mut Linker<Guest>,
    calls: [(&str, Streaming); N],
) -> Result<()> {
    for (name, call) in calls {
        linker.func_wrap_async(
            abi::IMPORTS,
            name,
            move |caller, (stream, pointer, length)| call(caller, stream, pointer, length),
        )?;
    }
    Ok(())
}
