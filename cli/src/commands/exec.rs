//! `wxec exec`: runs a program that is installed on the host, attached to this terminal, or on
//! several hosts at once.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, time::Duration};

use clap::builder::{OsStringValueParser, TypedValueParser};
use wxec::{
    CallError, CallErrorKind, Host, Limits,
    call::LimitKind,
    command::{Attach, Command, CommandOutput, ExitStatus},
    fleet::Verdict,
    history::RunWork,
};

use crate::{
    args::{connect_args::ConnectArgs, environment, rollout_args::RolloutArgs, target},
    base::{exit_code, quantity, verbosity::Verbosity},
    hosts::{
        attached::{at_terminal, on_terminal},
        fan_out::{Followed, Reported, on_each},
        rollout::Rollout,
    },
    output::{
        collected::{Collected, Form, ProgramFormat},
        command_error::CommandError,
        guest_output::program_output,
    },
    terminal::{
        interrupt,
        stderr::{say, say_tagged},
    },
};

/// A shell's exit code for a program that it cannot start.
const NOT_STARTED: u8 = 127;

const SIGPIPE: i32 = 13;

/// Run a program that is installed on the host; no shell, no sandbox
///
/// The program's stdin, stdout and stderr are those of this command. The exit code is the
/// program's: 128 and the signal's number if a signal ended it, 127 if it could not be started.
/// Ctrl-C ends the program on the host, with everything it started in its process group.
///
/// The command ends when the program does. Output of processes that the program left running is
/// read for half a second after that, and a warning says that something may be missing;
/// --wait-output waits until they close it.
///
/// On several hosts, and where output is collected, the program's stdin is empty, each line it
/// prints begins with `[host]` (except with JSON), and the exit code is 1 if it failed on any host.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:`, `web1` or `bastion/ssh:inner/sudo:app`, or hosts of the
    /// inventory, such as `@web`; or several with commas between them (see `wxec hosts --help`)
    target: String,
    /// The program and its arguments
    #[arg(
        value_name = "CMD",
        trailing_var_arg = true,
        required_unless_present = "sh"
    )]
    command: Vec<OsString>,
    /// Run this text with the host's sh; the words of CMD are its $1, $2, …
    #[arg(long, value_name = "TEXT")]
    sh: Option<OsString>,
    /// Set NAME=VALUE; a bare NAME copies it from this environment
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = OsStringValueParser::new().try_map(environment::variable))]
    environment: Vec<OsString>,
    /// Run the program in this directory; `~` is the account's home
    #[arg(short = 'C', long = "cwd", value_name = "DIR")]
    directory: Option<OsString>,
    /// End the program, with its process group, when it has run for this long
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Allocate a terminal (for editors, `top`, shells); one host only
    #[arg(short = 't', long)]
    pty: bool,
    /// Wait until processes that the program left running close its output, as ssh does
    #[arg(long)]
    wait_output: bool,
    /// Show output in this form
    #[arg(long, value_name = "FORM", default_value = "stream")]
    output: Form,
    /// Print the output for programs, in this format
    #[arg(long, value_enum, conflicts_with_all = ["output", "pty"])]
    format: Option<ProgramFormat>,
    /// Let --retries run it again where it has failed: running it twice does no harm
    #[arg(long, display_order = 42, help_heading = "Many hosts")]
    idempotent: bool,
    /// Print equal output of hosts together, when all have ended: `[web[1-12]] …`
    #[arg(
        long,
        conflicts_with_all = ["output", "format", "pty"],
        display_order = 51,
        help_heading = "Many hosts"
    )]
    fold: bool,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = "\
Examples:
  wxec exec web1 -- uname -a
  wxec exec web1,web2 --timeout 5m -- apt-get -qy upgrade
  wxec exec web1,web2,web3,web4 --batch 1,50% --max-fail 1 -- systemctl restart app
  wxec exec bastion/ssh:db/sudo:postgres -- pg_dump shop >shop.sql
  wxec exec web1 --sh 'df -h | grep \"$1\"' -- /srv
  wxec exec -t docker:web -- bash";

pub(crate) fn run(args: &Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    let hosts = target::hosts(&args.target, &args.connect, |several| {
        program_output(several, verbosity)
    })?;
    let chosen = args.rollout.chosen(hosts)?;
    let environment = environment::variables(&args.environment);
    let form = args.form(chosen.several);
    if args.pty && chosen.several && form == Form::Stream {
        return Err(CommandError::usage("--pty is for one host"));
    }
    if args.pty && args.rollout.concerns_one_host() {
        return Err(CommandError::usage(
            "--pty goes with no retries, deadline, batches or limits",
        ));
    }
    let commands: Vec<_> = (chosen.hosts.iter())
        .map(|host| args.command(host, &environment))
        .collect();
    if let ([host], [command], Form::Stream) = (&*chosen.hosts, &*commands, form)
        && !args.rollout.concerns_one_host()
    {
        let ended = if args.pty {
            at_terminal(command.clone())
        } else {
            interrupt::block_on(command.clone().run(Attach::Here))
        };
        host.close().wait();
        return Ok(report_one(host, &args.command, ended?, verbosity));
    }
    let rollout = Rollout::new(chosen, &args.rollout, args.work(&environment), verbosity)?;
    let rollout = rollout.idempotent(args.idempotent);
    let run = match form {
        Form::Stream if rollout.has_several() => on_all(args, rollout, commands, verbosity),
        Form::Stream => on_one(args, rollout, commands, verbosity),
        form => collect(args, form, rollout, commands, verbosity),
    };
    Ok(run.end()?)
}

impl Args {
    fn form(&self, several: bool) -> Form {
        match self.format {
            Some(ProgramFormat::Ndjson) => Form::Ndjson,
            None if self.fold && several => Form::Folded,
            None => self.output,
        }
    }

    /// The program alone, and a digest of the rest: arguments and a text for a shell may hold secrets.
    fn work(&self, environment: &[(OsString, OsString)]) -> RunWork {
        let program = match self.sh {
            Some(_) => "sh".into(),
            None => self
                .command
                .first()
                .map(|program| program.to_string_lossy())
                .unwrap_or_default(),
        };
        RunWork {
            command: "exec".into(),
            what: program.into_owned(),
            target: self.target.clone(),
            ..RunWork::default()
        }
        .of_words(self.words(environment))
    }

    /// Returns all that makes it another command.
    fn words(&self, environment: &[(OsString, OsString)]) -> Vec<Vec<u8>> {
        let mut words = vec![
            self.sh.clone().unwrap_or_default(),
            self.directory.clone().unwrap_or_default(),
            environment.len().to_string().into(),
        ];
        let variables = environment.iter().flat_map(|(name, value)| [name, value]);
        words.extend(variables.chain(&self.command).cloned());
        words.into_iter().map(OsString::into_vec).collect()
    }

    fn command(&self, host: &Host, environment: &[(OsString, OsString)]) -> Command {
        let mut command = match (&self.sh, &*self.command) {
            (Some(text), arguments) => host.shell(text).arg("sh").args(arguments),
            (None, [program, arguments @ ..]) => host.command(program).args(arguments),
            (None, []) => unreachable!("clap asks for one"),
        };
        for (name, value) in environment {
            command = command.env(name, value);
        }
        if let Some(directory) = &self.directory {
            command = command.current_dir(directory);
        }
        let own = host.limits().and_then(Limits::deadline);
        if let Some(timeout) = self.timeout.or(own) {
            command = command.timeout(timeout);
        }
        if self.wait_output {
            command = command.wait_output();
        }
        if self.pty {
            command = on_terminal(command);
        }
        command
    }
}

/// Runs the command on all hosts, and prints its lines as they arrive.
fn on_all(args: &Args, rollout: Rollout, commands: Vec<Command>, verbosity: Verbosity) -> Followed {
    let run = |command: Command| command.run(Attach::Listener);
    on_each(rollout, commands, run, judge, |host, ended| match ended {
        Ok(status) => report_status(host, status),
        Err(error) => report_error(host, &args.command, &error, verbosity).code,
    })
}

/// Runs the command on the only host, by rules.
fn on_one(args: &Args, rollout: Rollout, commands: Vec<Command>, verbosity: Verbosity) -> Followed {
    let run = |command: Command| command.run(Attach::Here);
    on_each(rollout, commands, run, judge, |host, ended| {
        report_one(host, &args.command, ended, verbosity)
    })
}

fn judge(status: &ExitStatus) -> Verdict {
    if status.success() {
        Verdict::ok()
    } else {
        Verdict::failed(status.to_string())
    }
}

/// Runs the command on all hosts, and prints output when the command has ended there, or everywhere.
fn collect(
    args: &Args,
    form: Form,
    mut rollout: Rollout,
    commands: Vec<Command>,
    verbosity: Verbosity,
) -> Followed {
    if form == Form::Ndjson {
        rollout = rollout.styled(Collected::EVENTS);
    }
    let mut collected = Collected::new(form, rollout.hosts(), rollout.has_several());
    let run = |command: Command| command.output("");
    let judge = |output: &CommandOutput| judge(&output.status);
    let run = on_each(rollout, commands, run, judge, |host, ended| match ended {
        Ok(output) => {
            let status = output.status;
            let value = collected.add(host.name(), output.into());
            let code = match form {
                Form::Json | Form::Ndjson if status.success() => exit_code::OK,
                Form::Json | Form::Ndjson => exit_code::TASK_FAILED,
                _ => report_status(host, status),
            };
            Reported::new(code, value)
        }
        Err(error) => {
            let said = report_error(host, &args.command, &error, verbosity);
            collected.failure(host.name(), &said);
            said.code.into()
        }
    });
    collected.finish();
    run
}

/// Reports the end of a program on one host. Returns the program's exit code.
fn report_one(
    host: &Host,
    command: &[OsString],
    ended: Result<ExitStatus, CallError>,
    verbosity: Verbosity,
) -> u8 {
    match ended {
        Ok(status) => {
            // SIGPIPE is no error: our reader has read enough, as in `wxec exec … | head -1`.
            let nobody_reads = ExitStatus::Signal(SIGPIPE);
            if matches!(status, ExitStatus::Signal(_)) && status != nobody_reads {
                say(&format!("error: {host}: {status}"));
            }
            status.shell_code()
        }
        Err(error) => {
            let said = with_shell_hint(&error, command, CommandError::of_call(&error, verbosity));
            said.print(&format!("error: {host}: "));
            if matches!(error.kind, CallErrorKind::NotStarted { .. }) {
                NOT_STARTED
            } else {
                said.code
            }
        }
    }
}

/// Adds a hint if the user gave a shell's line as the name of a program. With `--sh` the program is
/// the shell, which always exists.
fn with_shell_hint(error: &CallError, command: &[OsString], said: CommandError) -> CommandError {
    match (&error.kind, command) {
        (CallErrorKind::NotStarted { .. }, [line])
            if line
                .to_string_lossy()
                .contains([' ', '|', ';', '&', '<', '>', '$', '*']) =>
        {
            said.hint(
                "no shell reads this; write `--sh TEXT` for a shell's line, or its words apart",
            )
        }
        _ => said,
    }
}

/// Reports the end of a program on one of several hosts. Prints the program's own exit code, which
/// may mean anything, and returns one of ours.
fn report_status(host: &Host, status: ExitStatus) -> u8 {
    if status.success() {
        return exit_code::OK;
    }
    say_tagged(host.name(), format!("error: {status}").as_bytes());
    exit_code::TASK_FAILED
}

fn report_error(
    host: &Host,
    command: &[OsString],
    error: &CallError,
    verbosity: Verbosity,
) -> CommandError {
    let mut said = with_shell_hint(error, command, CommandError::of_call(error, verbosity));
    if matches!(
        error.kind,
        CallErrorKind::Limit {
            which: LimitKind::Output,
            ..
        }
    ) {
        said = said.hint("so much is not kept: leave `--output` away to see it as it comes");
    }
    said.print(&format!("[{host}] error: "));
    said
}
