//! `wxec run`: runs a WASI program on one host, attached to this terminal, or on several at once.

use std::ffi::{OsStr, OsString};

use clap::builder::{OsStringValueParser, TypedValueParser};
use wxec::{
    CallError, CallErrorKind, Grants, Host, Module,
    command::{Attach, Exit, Program, ProgramOutput},
    fleet::Verdict,
    history::RunWork,
};

use crate::{
    args::{
        connect_args::ConnectArgs, environment, feature_args::FeatureArgs, grant_args::GrantArgs,
        limit_args::LimitArgs, misplaced, module_name::ModuleSource, rollout_args::RolloutArgs,
        target,
    },
    base::{exit_code, verbosity::Verbosity},
    hosts::{
        fan_out::{Followed, Reported, on_each},
        rollout::Rollout,
    },
    module::{
        functions::{is_plain_library, plain_library},
        load::load,
    },
    output::{
        collected::{Collected, Form, ProgramFormat},
        command_error::CommandError,
        guest_output::program_output,
    },
    terminal::{interrupt, stderr::say},
};

/// A shell's exit code for a program that aborts, as a trap does. `wasmtime run` uses it as well.
const TRAPPED: u8 = 134;

/// Run a WASI program, with stdin, stdout and stderr attached
///
/// MODULE is a .wasm file that has a `main`. The program runs on the host, in a sandbox: it has the
/// directories, variables and arguments given here, a clock and random numbers; an `--allow-…`
/// grants more. The exit code is the program's own, or 134 if it trapped.
///
/// A program is a core module of WASI preview 1 (wasm32-wasip1) and WebAssembly 2.0. Components
/// (WASI 0.2) do not run, nor do programs with later features: threads, 64-bit memory, exceptions,
/// garbage collection, tail calls and others. Paths that are not granted fail with ENOTCAPABLE: if
/// the program goes on, the exit code is its own; if it then traps, 4.
///
/// On several hosts the program's stdin is empty, and each line it prints begins with `[host]`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:`, `web1` or `bastion/ssh:inner/sudo:app`, or hosts of the
    /// inventory, such as `@web`; or several with commas between them (see `wxec hosts --help`)
    target: String,
    /// A WASI program, or a package of the cargo workspace here
    module: String,
    /// The program's arguments; write `--` before those that begin with a dash
    #[arg(value_name = "ARG", trailing_var_arg = true)]
    arguments: Vec<OsString>,
    /// Let the program read and change a directory of the host, which it finds at GUEST [default:
    /// at the same path]; a directory that does not exist is left out
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = directory)]
    directories: Vec<(String, String)>,
    /// Set NAME=VALUE; a bare NAME copies it from this environment
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(environment::variable))]
    environment: Vec<OsString>,
    /// Set the program's own name, `argv[0]` [default: the file's name]
    #[arg(long, value_name = "NAME")]
    argv0: Option<OsString>,
    /// Print the output for programs, in this format
    #[arg(long, value_enum)]
    format: Option<ProgramFormat>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    features: FeatureArgs,
    #[command(flatten)]
    grants: GrantArgs,
    /// Let --retries run it again where it has failed: running it twice does no harm
    #[arg(long, display_order = 42, help_heading = "Many hosts")]
    idempotent: bool,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec run web1 hello.wasm
  wxec run web1 grep.wasm --allow-read=/var/log -- -r error /var/log
  wxec run docker:web sort.wasm --env LANG=C <words.txt >sorted.txt
  wxec run web1 convert.wasm --dir /srv/photos::/photos -- /photos/1.png /photos/1.jpg
  wxec run web1,web2 check.wasm --timeout 10s";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    if let Some(error) = misplaced::module_for_target(&args.target, &args.module) {
        return Err(error);
    }
    if args.grants.wants_declared() {
        return Err(CommandError::usage(
            "`--allow-declared` is for functions, and a program declares nothing",
        )
        .hint("grant what it needs by name, such as `--allow-read=/etc`; `-A` grants everything"));
    }
    let hosts = target::hosts(&args.target, &args.connect, |several| {
        program_output(several, verbosity)
    })?;
    let mut chosen = args.rollout.chosen(hosts)?;
    let environment = environment::variables(&args.environment);
    let module = load_program(args, verbosity)?;
    for host in &mut chosen.hosts {
        *host = host.with_limits(args.limits.limits(host, chosen.several));
    }
    let programs: Vec<_> = (chosen.hosts.iter())
        .map(|host| args.program(host, &module, &environment))
        .collect();
    if let ([host], [program]) = (&*chosen.hosts, &*programs)
        && !args.rollout.concerns_one_host()
        && args.format.is_none()
    {
        let ended = interrupt::block_on(program.clone().run(Attach::Here));
        host.close().wait();
        return Ok(report(&format!("{host}: "), ended?, verbosity));
    }
    let work = RunWork {
        command: "run".into(),
        what: args.module.clone(),
        module: Some(module.digest().to_string()),
        target: args.target.clone(),
        ..RunWork::default()
    };
    let rollout = Rollout::new(chosen, &args.rollout, work, verbosity)?;
    let rollout = rollout.idempotent(args.idempotent);
    let run = if args.format.is_some() {
        collect(rollout, programs, verbosity)
    } else if rollout.has_several() {
        run_on_all(rollout, programs, verbosity)
    } else {
        let run = |program: Program| program.run(Attach::Here);
        on_each(rollout, programs, run, judge, |host, ended| {
            report(&format!("{host}: "), ended, verbosity)
        })
    };
    Ok(run.end()?)
}

/// Loads the module, and refuses one that is no program.
fn load_program(args: &Args, verbosity: Verbosity) -> Result<Module, CommandError> {
    let source = ModuleSource::parse(&args.module);
    let module = load(&source, &args.features.features(), verbosity)?;
    if is_plain_library(&module) {
        return Err(plain_library(&module));
    }
    if module.is_program() {
        return Ok(module);
    }
    let error = CommandError::usage(format!(
        "{} is no program: it exports no `_start`",
        module.name()
    ));
    Err(match module.exports().next() {
        Some(_) => error.hint("call one of its functions: `wxec call TARGET MODULE::FUNC`"),
        None => {
            error.hint("it exports no function at all; a program has a `main`, and is no cdylib")
        }
    })
}

/// Runs a program, and prints its output when it has ended.
fn collect(rollout: Rollout, programs: Vec<Program>, verbosity: Verbosity) -> Followed {
    let rollout = rollout.styled(Collected::EVENTS);
    let several = rollout.has_several();
    let mut collected = Collected::new(Form::Ndjson, rollout.hosts(), several);
    let run = |program: Program| program.output("");
    let judge = |output: &ProgramOutput| judge(&output.exit);
    on_each(rollout, programs, run, judge, |host, ended| match ended {
        Ok(output) => {
            hint(&format!("{host}: "), &output.exit);
            let code = match output.exit.code {
                0 => exit_code::OK,
                _ => exit_code::TASK_FAILED,
            };
            Reported::new(code, collected.add(host.name(), output.into()))
        }
        Err(error) => {
            let said = CommandError::of_call(&error, verbosity);
            said.print(&if several {
                format!("[{host}] error: ")
            } else {
                format!("error: {host}: ")
            });
            collected.failure(host.name(), &said);
            said.code.into()
        }
    })
}

/// Runs a program on several hosts, and prints its lines as they arrive.
fn run_on_all(rollout: Rollout, programs: Vec<Program>, verbosity: Verbosity) -> Followed {
    let run = |program: Program| program.run(Attach::Listener);
    on_each(rollout, programs, run, judge, |host, ended| {
        let by_itself = ended.is_ok();
        match (by_itself, report(&format!("[{host}] "), ended, verbosity)) {
            (true, exit_code::OK) => exit_code::OK,
            // Programs' own codes have other meanings than ours.
            (true, _) | (false, TRAPPED) => exit_code::TASK_FAILED,
            (false, code) => code,
        }
    })
}

fn judge(exit: &Exit) -> Verdict {
    match exit.code {
        0 => Verdict::ok(),
        code => Verdict::failed(format!("exit code {code}")),
    }
}

impl Args {
    fn program(
        &self,
        host: &Host,
        module: &Module,
        environment: &[(OsString, OsString)],
    ) -> Program {
        let mut options = self.grants.options(None);
        for (directory, guest_path) in &self.directories {
            options = options.grant(Grants::none().dir(directory, guest_path, true));
        }
        let file = || module.path()?.file_name();
        let name = self
            .argv0
            .as_deref()
            .or_else(file)
            .unwrap_or_else(|| OsStr::new(module.name()));
        let mut program = host
            .program(module)
            .name(name)
            .args(&self.arguments)
            .options(options);
        for (name, value) in environment {
            program = program.env(name, value);
        }
        program
    }
}

fn directory(text: &str) -> Result<(String, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err("write a directory, or HOST::GUEST".into());
    }
    Ok((host.into(), guest.into()))
}

/// Prints why a program failed, or a hint if it was refused something. Returns its exit code.
fn report(prefix: &str, ended: Result<Exit, CallError>, verbosity: Verbosity) -> u8 {
    match ended {
        Ok(exit) => {
            hint(prefix, &exit);
            // Keeps the low 8 bits, as the operating system does with codes that are too large.
            exit.code.to_le_bytes()[0]
        }
        // The reader of our output has read enough, as in `wxec run … | head -1`.
        Err(CallError {
            kind: CallErrorKind::CannotWrite {
                reader_gone: true, ..
            },
            ..
        }) => exit_code::BROKEN_PIPE,
        Err(error) => {
            let trapped = matches!(error.kind, CallErrorKind::Trap { .. });
            let error = CommandError::of_call(&error, verbosity);
            error.print(&format!("error: {prefix}"));
            if trapped { TRAPPED } else { error.code }
        }
    }
}

/// Says what would allow what a program was refused.
fn hint(prefix: &str, exit: &Exit) {
    if let Some(need) = exit.needs.first() {
        say(&format!(
            "hint: {prefix}it was refused something that {need} would allow"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_may_have_another_name_inside() {
        assert_eq!(directory("/srv"), Ok(("/srv".into(), "/srv".into())));
        assert_eq!(directory("."), Ok((".".into(), ".".into())));
        assert_eq!(
            directory("/srv/a::/data"),
            Ok(("/srv/a".into(), "/data".into()))
        );
        for text in ["", "::", "/srv::", "::/data"] {
            assert!(directory(text).is_err(), "{text}");
        }
    }
}
