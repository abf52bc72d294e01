//! Imports that tell guests of their host, and call tasks on other hosts.

use bytes::Bytes;
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::{
    Ask, LimitKind, MAX_ADDRESS_BYTES, MAX_ASK_BYTES, MAX_FUNCTION_BYTES, Need,
    abi::{self, HostCall, HostError},
};

use super::{
    memory, range,
    reply::{Denial, answer, question},
};
use crate::{call::guest::Guest, limits::growth::LimitHit, limits::refusal::Refusal};

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    linker.func_wrap_async(
        abi::IMPORTS,
        "host_call",
        |caller, (pointer, length, input, input_length)| {
            Box::new(host_call(caller, pointer, length, input, input_length))
        },
    )?;
    Ok(())
}

pub(super) fn host_facts(mut caller: Caller<'_, Guest>) -> i32 {
    let guest = caller.data_mut();
    let facts = match &guest.host_services {
        _ if !guest.grants.facts => Err(Refusal::Denied(Need::Facts).into()),
        Some(host_services) => Ok((0, host_services.facts())),
        None => Err(no_controller()),
    };
    answer(guest, facts)
}

/// Calls a task of the guest's own module on another host. The question is a [`HostCall`]; the
/// arguments are apart from it, as they may be long. Waits for the answer.
async fn host_call(
    mut caller: Caller<'_, Guest>,
    pointer: u32,
    length: u32,
    input_pointer: u32,
    input_length: u32,
) -> Result<i32> {
    let question = question::<HostCall>(&mut caller, pointer, length)?;
    let (memory, guest) = memory(&mut caller)?;
    let input = &memory[range(memory, input_pointer, input_length)?];
    let place = guest.askers.clone().try_acquire_owned();
    let asking = match question
        .and_then(|question| granted(guest, question, input))
        .and_then(|asking| {
            let place = place.map_err(|_| {
                Refusal::Busy("too many guests of this host wait for other hosts".into())
            })?;
            Ok((asking, place))
        }) {
        Ok(asking) => asking,
        Err(denial) => return Ok(answer::<()>(guest, Err(denial))),
    };
    let (asking, _place) = asking;
    let outcome = asking.await;
    let guest = caller.data_mut();
    let (number, reply) = match outcome {
        Some(Ok(value)) => (abi::CALL_RETURNED, value),
        Some(Err(error)) => (abi::CALL_FAILED, error),
        None => return Ok(answer::<()>(guest, Err(no_controller()))),
    };
    guest.refused = None;
    guest.reply = reply.into();
    Ok(number)
}

/// Asks the question, if the guest may ask it.
fn granted(
    guest: &Guest,
    question: HostCall,
    input: &[u8],
) -> Result<crate::call::host_services::Asking, Denial> {
    let HostCall {
        address,
        function,
        timeout_ms,
    } = question;
    if address.len() > MAX_ADDRESS_BYTES || function.len() > MAX_FUNCTION_BYTES {
        return Err(Denial::Failed(HostError {
            kind: "InvalidInput".into(),
            message: "an address or the name of a task that is too long to be one".into(),
            need: None,
        }));
    }
    let need = Need::Host(address.clone());
    if !guest.grants.covers(&need) {
        return Err(Refusal::Denied(need).into());
    }
    let (limit, asked) = (MAX_ASK_BYTES as u64, input.len() as u64);
    if asked > limit {
        return Err(Refusal::Limit(LimitHit {
            which: LimitKind::Input,
            limit,
            asked,
        })
        .into());
    }
    let host_services = guest.host_services.as_ref().ok_or_else(no_controller)?;
    let input = Bytes::copy_from_slice(input);
    Ok(host_services.ask(Ask {
        address,
        function,
        input,
        deadline_ms: timeout_ms,
    }))
}

fn no_controller() -> Denial {
    Denial::Failed(HostError {
        kind: "Unsupported".into(),
        message: "nobody is here to ask".into(),
        need: None,
    })
}
