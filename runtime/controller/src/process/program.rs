//! Programs on a host: modules that have a `main` and talk through stdin, stdout and stderr, as
//! processes do.

use std::{ffi::OsStr, io};

use bytes::Bytes;
use serde_bytes::ByteBuf;
use wxec_protocol::{CallRequest, Fault, abi::Exit, cbor};

use crate::{
    base::{operation::Operation, runtime, text::bytes},
    call::{CallOptions, Source, answer, check_size, outcome, prepare},
    error::{CallError, CallErrorKind, fault_error},
    host::Host,
    module::Module,
    process::{
        SHOWN_BYTES,
        attach::{AbortOnDrop, Attach, Input, Sink, drain, feed},
    },
    session::{ProgramCommand, RunningProgram, output::Lines},
};

/// A module to run as a program on a host, with its arguments, environment and grants. Nothing
/// happens until it is [run](Self::run).
///
/// ```no_run
/// # use wxec_controller::__docs as wxec;
/// use wxec::{Grants, Host, Module};
///
/// let host = Host::new("web1")?;
/// let grep = Module::from_file("grep.wasm")?;
/// let found = host.program(&grep).args(["-r", "error", "/var/log"]).grant(Grants::none().read("/var/log")).output("").wait()?;
/// println!("{}: {}", found.exit.code, String::from_utf8_lossy(&found.stdout));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    host: Host,
    module: Module,
    arguments: Vec<ByteBuf>,
    environment: Vec<(ByteBuf, ByteBuf)>,
    options: CallOptions,
}

/// Exit and output of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProgramOutput {
    /// The exit code, and missing grants.
    pub exit: Exit,
    /// Its output on stdout.
    pub stdout: Vec<u8>,
    /// Its output on stderr.
    pub stderr: Vec<u8>,
}

impl Host {
    /// Pairs this host with a module that is a program. Does no I/O.
    pub fn program(&self, module: &Module) -> Program {
        Program {
            host: self.clone(),
            module: module.clone(),
            arguments: vec![bytes(module.name())],
            environment: Vec::new(),
            options: CallOptions::new(),
        }
    }
}

impl Program {
    /// Sets its own name, the first of its arguments. By default this is the module's name.
    pub fn name(mut self, name: impl AsRef<OsStr>) -> Self {
        self.arguments[0] = bytes(name);
        self
    }

    /// Adds an argument: any bytes but NUL.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(bytes(argument));
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(bytes));
        self
    }

    /// Sets a variable of its environment, which is empty otherwise.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((bytes(name), bytes(value)));
        self
    }

    crate::call_option_methods!();

    fn with_options(mut self, change: impl FnOnce(CallOptions) -> CallOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// Runs it to its end.
    pub fn run(self, attach: Attach) -> Operation<Result<Exit, CallError>> {
        let (name, handler) = (self.host.shared_name(), self.host.output());
        Operation::new(async move {
            let (stdin, stdout, stderr) = attach.ends(&name, &handler);
            self.drive(stdin, stdout, stderr)
                .await
                .map(|(exit, ..)| exit)
        })
    }

    /// Runs it to its end with `input` on its stdin, and keeps what it writes, up to 128 MiB of
    /// each stream.
    pub fn output(self, input: impl Into<Bytes>) -> Operation<Result<ProgramOutput, CallError>> {
        let input = Input::bytes(input);
        Operation::new(async move {
            let sink = || Sink::Kept(Vec::new());
            let host = self.host.shared_name();
            let (exit, stdout, stderr) = self.drive(input, sink(), sink()).await?;
            if let Some(limit) = [&stdout, &stderr].into_iter().find_map(Sink::overflow) {
                return Err(CallError::new(host, limit));
            }
            Ok(ProgramOutput {
                exit,
                stdout: stdout.into_kept(),
                stderr: stderr.into_kept(),
            })
        })
    }

    async fn drive(
        self,
        stdin: Input,
        stdout: Sink,
        stderr: Sink,
    ) -> Result<(Exit, Sink, Sink), CallError> {
        let Self {
            host,
            module,
            arguments,
            environment,
            options,
        } = self;
        let (name, output) = (host.shared_name(), host.output());
        let failed = |kind| CallError::new(name.clone(), kind);
        let texts = environment
            .iter()
            .flat_map(|(name, value)| [name, value])
            .chain(&arguments);
        if let Some(text) = texts.clone().find(|text| text.contains(&0)) {
            // A program would read the text only up to the NUL.
            let shown = String::from_utf8_lossy(&text[..text.len().min(SHOWN_BYTES)]);
            let reason =
                format!("{shown:?} has a NUL, which neither arguments nor variables may have");
            return Err(failed(CallErrorKind::BadArguments(reason)));
        }
        let terms = options.on(&host).into_terms();
        let deadline = terms.limits.deadline();
        check_size(&terms.grants, texts.map(|text| text.len()).sum()).map_err(failed)?;
        let (session, artifact) = prepare(host, Source::Module(module), terms.is_metered())
            .await
            .map_err(failed)?;
        let request = CallRequest {
            terms,
            ..CallRequest::new(artifact.digest, "", "")
        };
        let command = ProgramCommand {
            arguments,
            environment,
        };
        let running = session
            .run(
                &artifact,
                request,
                command,
                Lines::new(name.clone(), output),
            )
            .await;
        let RunningProgram {
            call,
            reader,
            writer,
            stderr: errors,
        } = running.map_err(|ended| {
            failed(CallErrorKind::Lost {
                reason: ended.to_string(),
                stderr_tail: String::new(),
            })
        })?;
        // Reading stdin may never end, so its end is not waited for.
        let _feeding = AbortOnDrop(runtime::spawn(feed(stdin, writer)));
        let drained = async { tokio::join!(drain(reader, stdout), drain(errors, stderr)) };
        let mut drained = AbortOnDrop(runtime::spawn(drained));
        let reply = answer(call, deadline).await;
        let outcome = outcome(reply).map_err(failed)?;
        // The rest of the output is still on its way, however the program ended.
        let (stdout, stderr) = (&mut drained.0)
            .await
            .unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        let lost = [(&stdout, "stdout"), (&stderr, "stderr")];
        if let Some(failure) = lost
            .into_iter()
            .find_map(|(sink, stream)| sink.failure(stream))
        {
            return Err(failed(failure));
        }
        if stdout.is_closed() {
            return Err(failed(CallErrorKind::CannotWrite {
                stream: "stdout".into(),
                reader_gone: true,
                reason: io::ErrorKind::BrokenPipe.to_string(),
            }));
        }
        let exit = match outcome {
            Ok(exit) => {
                cbor::decode(&exit).map_err(|error| failed(CallErrorKind::Decode(error)))?
            }
            Err(Fault::NoSuchFunction { .. }) => {
                let reason = "it is no program: it exports no `_start`".into();
                return Err(failed(CallErrorKind::BadModule(reason)));
            }
            Err(fault) => return Err(fault_error(name, fault, Err)),
        };
        Ok((exit, stdout, stderr))
    }
}
