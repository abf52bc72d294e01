//! Processes for guests: granted programs, with as little of the agent's own environment as they
//! can run with.
//!
//! No process outlives its call, or its resident instance. See [`reaper`] for how they end and
//! [`sweep`] for processes that may escape.

mod child;
mod environment;
mod family;
mod inherited;
mod program;
mod reaper;
mod sweep;

use std::{
    os::{fd::OwnedFd, unix::process::CommandExt},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use wasmtime::{Caller, Linker, Result};
use wxec_protocol::{
    Grants,
    abi::{self, HostError, ProcessEnd, ProcessStart, ProcessStarted, StdioKind},
};

pub use self::reaper::ProcessWatch;
pub(crate) use self::reaper::Reaper;
pub(super) use self::{child::Child, family::Family, inherited::Inherited};
use self::{
    environment::environment,
    inherited::Print,
    program::{Program, directory},
};
use super::{
    linking::{link_asking, link_handling, link_numbering},
    reply::{Denial, answer, question},
    streams::{Direction, Stream},
};
use crate::{call::guest::Guest, call::output::Stdio as CallStdio, limits::quota::Share};

pub(super) fn link(linker: &mut Linker<Guest>) -> Result<()> {
    link_asking(
        linker,
        [("process_start", |caller, pointer, length| {
            Box::new(process_start(caller, pointer, length))
        })],
    )?;
    linker.func_wrap_async(abi::IMPORTS, "process_wait", |caller, (process,)| {
        Box::new(process_wait(caller, process))
    })?;
    link_handling(
        linker,
        [
            ("process_try_wait", process_try_wait),
            ("process_forget", process_forget),
        ],
    )?;
    link_numbering(linker, [("process_kill", process_kill)])
}

async fn process_start(mut caller: Caller<'_, Guest>, pointer: u32, length: u32) -> Result<i32> {
    let started = match question(&mut caller, pointer, length)? {
        Ok(question) => start(caller.data_mut(), question).await,
        Err(denial) => Err(denial),
    };
    Ok(answer(caller.data_mut(), started))
}

async fn process_wait(mut caller: Caller<'_, Guest>, process: i32) -> i32 {
    let guest = caller.data_mut();
    let ended = wait(guest, process).await;
    answer(guest, ended.map(|end| (0, end)))
}

fn process_try_wait(mut caller: Caller<'_, Guest>, process: i32) -> i32 {
    let guest = caller.data_mut();
    let ended = try_wait(guest, process);
    answer(guest, ended.map(|end| (i32::from(end.is_some()), end)))
}

fn process_kill(mut caller: Caller<'_, Guest>, process: i32, signal: i32) -> i32 {
    let guest = caller.data_mut();
    let killed = kill(guest, process, signal);
    answer(guest, killed.map(|()| (0, ())))
}

fn process_forget(mut caller: Caller<'_, Guest>, process: i32) -> i32 {
    let guest = caller.data_mut();
    let forgotten = guest.resources.forget_process(process);
    answer(guest, forgotten.map(|()| (0, ())))
}

async fn start(guest: &mut Guest, question: ProcessStart) -> Result<(i32, ProcessStarted), Denial> {
    let Guest {
        grants, resources, ..
    } = guest;
    let program = Program::wanted(&question, grants)?;
    resources.look_after_forgotten();
    let (share, own_file) = (resources.children.take()?, resources.files.take()?);
    let kinds = [question.stdin, question.stdout, question.stderr];
    let [stdin, stdout, stderr] = kinds.map(|kind| {
        (kind != StdioKind::Null)
            .then(|| resources.files.take())
            .transpose()
    });
    let (stdin, stdout, stderr) = (stdin?, stdout?, stderr?);

    let (supply, grants) = (resources.supply.clone(), grants.clone());
    let (mark, marks) = resources.family.mark(&supply);
    let started = resources.supply.starts.run(move || {
        let mut command = command(&program, &question, &grants)?;
        command.env(mark, marks);
        Ok::<_, Denial>(supply.reaper.spawn(&mut command, share)?)
    });
    let mut running = started.await?;

    let [input, output, errors] = running.take_pipes();
    let child = Child::new(running, own_file);
    let id = child.id();
    let mut connect =
        |pipe: Option<OwnedFd>, direction, print: Print, kind, share: Option<Share>| {
            let (Some(pipe), Some(share)) = (pipe, share) else {
                return Ok(None);
            };
            match kind {
                StdioKind::Inherit => resources
                    .inherited
                    .add(pipe, print, id, share)
                    .map(|()| None),
                _ => Stream::new(pipe, direction, share)
                    .map(|stream| Some(resources.add_stream(stream))),
            }
        };
    let stdin = connect(
        input,
        Direction::Writing,
        CallStdio::stdout,
        kinds[0],
        stdin,
    )?;
    let stdout = connect(
        output,
        Direction::Reading,
        CallStdio::stdout,
        kinds[1],
        stdout,
    )?;
    let stderr = connect(
        errors,
        Direction::Reading,
        CallStdio::stderr,
        kinds[2],
        stderr,
    )?;
    Ok((
        resources.add_process(child),
        ProcessStarted {
            id,
            stdin,
            stdout,
            stderr,
        },
    ))
}

/// Builds the command that starts a program.
fn command(program: &Program, question: &ProcessStart, grants: &Grants) -> Result<Command, Denial> {
    let mut command = Command::new(program.find()?);
    // A group of its own, so that it can be ended with all that it starts.
    command
        .arg0(&question.program)
        .args(&question.args)
        .process_group(0);
    command.env_clear().envs(environment(question, grants)?);
    if let Some(cwd) = &question.cwd {
        command.current_dir(directory(cwd, grants)?);
    }
    let output = |kind| {
        if kind == StdioKind::Null {
            Stdio::null()
        } else {
            Stdio::piped()
        }
    };
    // `Inherit` is empty too, because the call's own input is empty.
    command.stdin(if question.stdin == StdioKind::Piped {
        Stdio::piped()
    } else {
        Stdio::null()
    });
    command
        .stdout(output(question.stdout))
        .stderr(output(question.stderr));
    Ok(command)
}

async fn wait(guest: &mut Guest, handle: i32) -> Result<ProcessEnd, Denial> {
    let (process, family) = guest.resources.process(handle)?;
    let end = process.wait(family).await?;
    let id = process.id();
    guest.resources.inherited.drain(&guest.stdio, id);
    Ok(end)
}

fn try_wait(guest: &mut Guest, handle: i32) -> Result<Option<ProcessEnd>, Denial> {
    let (process, family) = guest.resources.process(handle)?;
    let end = process.try_wait(family)?;
    let id = process.id();
    if end.is_some() {
        guest.resources.inherited.drain(&guest.stdio, id);
    }
    Ok(end)
}

fn kill(guest: &mut Guest, handle: i32, signal: i32) -> Result<(), Denial> {
    let invalid = |message: String| {
        Denial::Failed(HostError {
            kind: "InvalidInput".into(),
            message,
            need: None,
        })
    };
    let signal =
        Signal::from_named_raw(signal).ok_or_else(|| invalid(format!("{signal} is no signal")))?;
    let (process, _) = guest.resources.process(handle)?;
    Ok(process.signal(signal)?)
}
