//! A guest's state of preview 1. It is made when the guest first calls a function of preview 1; most
//! tasks never do.

use std::{
    collections::HashMap,
    ffi::OsString,
    ops::{Deref, DerefMut},
    os::unix::ffi::OsStringExt,
    sync::Arc,
};

use serde_bytes::ByteBuf;
use wasmtime_wasi::{WasiCtxBuilder, p1::WasiP1Ctx};
use wxec_protocol::{ANY, PathGrant};

use super::{
    RANDOM_PIECE_BYTES,
    listing::Listing,
    places::Places,
    record,
    stdio::{Pipe, Stdin, TaskOutput},
    texts::Given,
};
use crate::{
    call::determinism::{self, Clock},
    call::guest::Guest,
    call::output::Stdio,
    call::run::Command,
    limits::quota::Share,
    sync::blocking,
};

/// The state of preview 1 of one guest, or the parts that it will be made of.
pub(crate) struct World {
    parts: Option<Parts>,
    state: Option<Box<State>>,
}

/// The state of preview 1.
pub(crate) struct State {
    pub(super) ctx: WasiP1Ctx,
    /// The guest's arguments and environment.
    pub(super) given: Given,
    /// The granted part of this host's files.
    pub(crate) places: Places,
    /// Files and directories the guest has opened, by file descriptor.
    pub(super) open_files: HashMap<u32, Share>,
    /// Listings of those directories that the guest has listed, by file descriptor.
    pub(super) listings: HashMap<u32, Listing>,
    pub(super) stdin: Stdin,
    /// The clock of a call with a seed.
    pub(super) clock: Option<Clock>,
}

/// Parts of a state.
#[derive(Default)]
pub(crate) struct Parts {
    /// Makes up random numbers and time.
    pub(crate) seed: Option<u64>,
    /// Names of granted variables of this host's environment.
    pub(crate) environment: Vec<String>,
    /// Granted files, `None` if there are none.
    pub(crate) opened: Option<Opened>,
    /// True if the guest can ask for files.
    pub(crate) uses_files: bool,
    /// A program's arguments, environment and stdio; `None` for a task.
    pub(crate) command: Option<Command>,
}

/// Granted files and directories, opened before the guest runs.
pub(crate) struct Opened(Box<(WasiCtxBuilder, Places)>);

impl Opened {
    /// Opens what is granted, on a thread that may block: disks may be slow or remote.
    /// With `roots`, host calls can look up paths as well.
    pub(crate) async fn open(mut grants: Vec<PathGrant>, roots: bool) -> Self {
        blocking(move || {
            let mut builder = builder();
            grants.iter_mut().for_each(record::resolve);
            let places = Places::open(&mut builder, &grants, roots);
            Self(Box::new((builder, places)))
        })
        .await
    }
}

impl World {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts: Some(parts),
            state: None,
        }
    }
}

/// The state is there in every function of preview 1.
impl Deref for World {
    type Target = State;

    fn deref(&self) -> &State {
        self.state.as_ref().expect("the linker makes it first")
    }
}

impl DerefMut for World {
    fn deref_mut(&mut self) -> &mut State {
        self.state.as_mut().expect("the linker makes it first")
    }
}

impl Guest {
    /// Returns the guest, ready for functions of preview 1.
    pub(crate) fn with_wasi(&mut self) -> &mut Self {
        if let Some(parts) = self.wasi.parts.take() {
            self.wasi.state = Some(Box::new(parts.assemble(&self.stdio)));
        }
        self
    }
}

impl Parts {
    fn assemble(self, stdio: &Arc<Stdio>) -> State {
        let (mut builder, places) = match self.opened {
            Some(Opened(opened)) => *opened,
            None => {
                let mut builder = builder();
                let places = if self.uses_files {
                    Places::open(&mut builder, &[], false)
                } else {
                    Places::default()
                };
                (builder, places)
            }
        };
        let clock = self
            .seed
            .map(|seed| determinism::configure(&mut builder, seed));
        let environment = granted_environment(&self.environment);
        let given = match self.command {
            None => connect_task(&mut builder, stdio, &environment),
            Some(command) => connect_program(&mut builder, command, environment),
        };
        State {
            ctx: builder.build_p1(),
            given,
            places,
            open_files: HashMap::new(),
            listings: HashMap::new(),
            stdin: Stdin::default(),
            clock,
        }
    }
}

fn builder() -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder.max_random_size(RANDOM_PIECE_BYTES.into());
    builder
}

fn connect_task(
    builder: &mut WasiCtxBuilder,
    stdio: &Arc<Stdio>,
    environment: &[(ByteBuf, ByteBuf)],
) -> Given {
    let mut given = Given::default();
    given.add_variables(environment);
    builder
        .stdout(TaskOutput {
            stdio: stdio.clone(),
            print: Stdio::stdout,
        })
        .stderr(TaskOutput {
            stdio: stdio.clone(),
            print: Stdio::stderr,
        });
    given
}

fn connect_program(
    builder: &mut WasiCtxBuilder,
    command: Command,
    mut granted: Vec<(ByteBuf, ByteBuf)>,
) -> Given {
    let Command {
        arguments,
        environment,
        stdin,
        stdout,
        stderr,
    } = command;
    // Variables set by the caller go before granted ones; libraries take the first of a name.
    granted.retain(|(name, _)| !environment.iter().any(|(given, _)| given == name));
    let mut given = Given::default();
    arguments
        .iter()
        .for_each(|argument| given.arguments.push(&[argument]));
    given.add_variables(&environment);
    given.add_variables(&granted);
    builder
        .stdin(Pipe::new(stdin))
        .stdout(Pipe::new(stdout))
        .stderr(Pipe::new(stderr));
    given
}

fn granted_environment(names: &[String]) -> Vec<(ByteBuf, ByteBuf)> {
    let bytes = |text: OsString| ByteBuf::from(text.into_vec());
    if names.iter().any(|name| name == ANY) {
        return std::env::vars_os()
            .map(|(name, value)| (bytes(name), bytes(value)))
            .collect();
    }
    names
        .iter()
        .filter_map(|name| Some((bytes(name.into()), bytes(std::env::var_os(name)?))))
        .collect()
}
