//! `wxec run`: runs a WASI program on one host, attached to this terminal, or on several at once.

use std::{sync::Arc, thread, time::Duration};

use wxec::{Attach, CallError, CallErrorKind, Exit, Grants, Host, Limits, Module, OutputHandler, OutputStream, Program};

use crate::{
    access::Access,
    args::Verbosity,
    command_error::CommandError,
    exit_code,
    interrupt::{self, Interrupted},
    module::Source,
    output::{print_text, say},
    quantity, target,
};

/// One stuck host must not hold up the others for ever.
const FLEET_TIMEOUT: Duration = Duration::from_secs(60);

/// What a shell makes of a program that aborts, as a trap does. `wasmtime run` says the same.
const TRAPPED: u8 = 134;

/// Run a WASI program, with stdin, stdout and stderr attached
///
/// MODULE is a .wasm file that has a `main`. It runs on the host, in a sandbox: it sees the directories, variables and
/// arguments given here, and nothing else. The exit code is the program's own, and 134 if it trapped.
///
/// On several hosts the program has nothing to read, and each line it prints begins with `[host]`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:`, `web1` or `bastion/ssh:inner/sudo:app`; or several with commas between them
    target: String,
    /// A WASI program, or a package of the cargo workspace here
    module: String,
    /// Its arguments; write `--` before those that begin with a dash
    #[arg(value_name = "ARG", trailing_var_arg = true)]
    arguments: Vec<String>,
    /// Let it read and change this directory of the host, which it finds at GUEST [default: at the same path]
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = directory)]
    directories: Vec<(String, String)>,
    /// Set a variable; without a value, to what it is here
    #[arg(long = "env", value_name = "NAME[=VALUE]")]
    environment: Vec<String>,
    /// What it finds as its own name [default: the file's name]
    #[arg(long, value_name = "NAME")]
    argv0: Option<String>,
    /// End it when it has run for this long [default: none; on several hosts 60s]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Memory it may use [default: 256MiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    memory: Option<u64>,
    #[command(flatten)]
    access: Access,
}

const EXAMPLES: &str = "\
Examples:
  wxec run web1 hello.wasm
  wxec run web1 grep.wasm --dir /var/log -- -r error /var/log
  wxec run --env LANG=C docker:web sort.wasm <words.txt >sorted.txt
  wxec run web1,web2 check.wasm --timeout 10s";

fn directory(text: &str) -> Result<(String, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err("write a directory, or HOST::GUEST".into());
    }
    Ok((host.into(), guest.into()))
}

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let hosts = target::hosts(&args.target, &args.access, |_| lines())?;
    let environment = args.environment()?;
    let module = Source::parse(&args.module).load()?;
    if !module.is_program() {
        let message = format!("{} is no program: it exports no `_start`", module.name());
        return Err(CommandError::usage(message).hint("call one of its functions: `wxec call TARGET MODULE::FUNC`"));
    }
    let program = |host: &Host| args.program(host, &module, &environment, hosts.len() > 1);
    if let [host] = &*hosts {
        let ended = interrupt::block_on(program(host).run(Attach::Terminal));
        host.close().wait();
        return report(host, "", ended?, verbosity);
    }
    let codes = thread::scope(|scope| {
        let each = hosts.iter().map(|host| {
            let program = program(host);
            scope.spawn(move || {
                let ended = interrupt::block_on(program.run(Attach::Listener));
                host.close().wait();
                report(host, &format!("[{host}] "), ended?, verbosity)
            })
        });
        let running: Vec<_> = each.collect();
        running.into_iter().map(|thread| thread.join().expect("our panics end the program")).collect::<Vec<_>>()
    });
    let codes = codes.into_iter().collect::<Result<Vec<_>, _>>()?;
    let failed = codes.iter().map(|code| if *code == exit_code::OK { *code } else { exit_code::of_program(*code) });
    Ok(exit_code::of_all(&failed.collect::<Vec<_>>()))
}

/// Says how a program ended, if that is worth a word. Returns its exit code.
fn report(host: &Host, prefix: &str, ended: Result<Exit, CallError>, verbosity: Verbosity) -> Result<u8, CommandError> {
    match ended {
        Ok(exit) => {
            if let Some(need) = exit.needs.first() {
                say(&format!("{prefix}hint: it was refused something; {need} would allow it"));
            }
            // As the operating system does with codes that are too large.
            Ok(exit.code.to_le_bytes()[0])
        }
        Err(error) => {
            let trapped = matches!(error.kind, CallErrorKind::Trap { .. } | CallErrorKind::Panic { .. });
            let error = CommandError::of_call(&error, verbosity);
            error.print(&if prefix.is_empty() { format!("error: {host}: ") } else { format!("{prefix}error: ") });
            Ok(if trapped { TRAPPED } else { error.code })
        }
    }
}

/// Prints what programs on several hosts print, behind the host's name.
fn lines() -> OutputHandler {
    Arc::new(|host, stream, line| {
        let text = String::from_utf8_lossy(line);
        let text = format!("[{host}] {}", text.strip_suffix('\n').unwrap_or(&text));
        match stream {
            // Who reads no more, as in `wxec run … | head -1`, misses nothing.
            OutputStream::Stdout => _ = print_text(&text),
            _ => say(&text),
        }
    })
}
