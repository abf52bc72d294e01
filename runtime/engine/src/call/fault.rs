//! Makes the [`Fault`] of a guest that stopped, from wasmtime's error and the notes of its host
//! calls.

use wasmtime::{Error, Trap, WasmBacktrace};
use wxec_protocol::{Fault, Frame, LimitKind, abi::Panic};

use crate::{
    call::guest::Guest,
    limits::growth::LimitHit,
    limits::text::bounded,
    load::config::{MAX_FRAMES, MAX_STACK_BYTES},
    wasi,
};

/// Longest name of a function in a backtrace. Real ones are shorter, and a fault holds up to 32.
const MAX_NAME_BYTES: usize = 1 << 10;

/// Returns the fault of a `guest` that was ended by `error`.
pub(crate) fn from_error(error: &Error, guest: Guest) -> Fault {
    if let Some(hit) = error.downcast_ref::<LimitHit>() {
        return (*hit).into();
    }
    let frames = frames(error);
    let trap = error.downcast_ref::<Trap>();
    if trap == Some(&Trap::OutOfFuel) {
        return out_of_fuel(guest.fuel);
    }
    let exit = wasi::exit_code(error);

    // A guest that does not get what it wants gives up in its own way, and few can say why: so the
    // refusal is the reason. A stack overflow and an exit with 0 have other reasons.
    let gave_up = trap != Some(&Trap::StackOverflow) && exit != Some(0);
    if let Some(refusal) = guest.growth.into_refusal()
        && guest.panic.as_ref().is_none_or(is_about_memory)
        && gave_up
    {
        return refusal.into_fault(String::new(), None);
    }
    if let (Some(refusal), true) = (guest.refused, gave_up) {
        let last_words = guest
            .panic
            .map_or_else(|| error.root_cause().to_string(), |panic| panic.message);
        return refusal.into_fault(last_words, None);
    }
    if let Some(panic) = guest.panic {
        return Fault::Panic { panic, frames };
    }
    match (trap, exit) {
        (Some(Trap::StackOverflow), _) => stack_overflow(),
        (Some(trap), _) => Fault::Trap {
            reason: reason(trap, &frames),
            frames,
        },
        (None, Some(code)) => Fault::Trap {
            reason: format!("the guest exited with code {code}"),
            frames,
        },
        // No guest function is on the stack: wasmtime failed before the guest ran.
        (None, None) if frames.is_empty() => Fault::Agent(bounded(format!("{error:#}"))),
        (None, None) => Fault::Trap {
            reason: bounded(error.root_cause().to_string()),
            frames,
        },
    }
}

/// Returns the fault of a module that cannot be loaded.
pub(crate) fn bad_module(error: &Error) -> Fault {
    Fault::BadModule(bounded(format!("{error:#}")))
}

/// Returns true for the panic of an allocation that failed and was not handled, with or without a
/// standard library.
fn is_about_memory(panic: &Panic) -> bool {
    panic.message.starts_with("memory allocation of ")
}

/// Reports one byte more than the limit: the trap does not say how much stack was wanted.
fn stack_overflow() -> Fault {
    let limit = MAX_STACK_BYTES as u64;
    LimitHit {
        which: LimitKind::Stack,
        limit,
        asked: limit + 1,
    }
    .into()
}

/// Reports one unit too many: the trap comes with the first missing one.
fn out_of_fuel(given: Option<u64>) -> Fault {
    let limit = given.unwrap_or(u64::MAX);
    LimitHit {
        which: LimitKind::Fuel,
        limit,
        asked: limit.saturating_add(1),
    }
    .into()
}

fn reason(trap: &Trap, frames: &[Frame]) -> String {
    // A Rust or C guest keeps a part of its stack in memory. That part reaches address 0 before
    // wasmtime's own limit is hit.
    let deep = *trap == Trap::MemoryOutOfBounds && frames.len() == MAX_FRAMES.get();
    let hint = if deep {
        ", probably a stack overflow: many functions are active"
    } else {
        ""
    };
    let text = trap.to_string();
    format!(
        "{}{hint}",
        text.strip_prefix("wasm trap: ").unwrap_or(&text)
    )
}

fn frames(error: &Error) -> Vec<Frame> {
    let frames = error
        .downcast_ref::<WasmBacktrace>()
        .map_or(&[][..], WasmBacktrace::frames);
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        Some(name) => name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned(),
        None => format!("function {}", frame.func_index()),
    };
    frames
        .iter()
        .map(|frame| Frame {
            function: name(frame),
            offset: frame.module_offset().map(|offset| offset as u64),
        })
        .collect()
}
