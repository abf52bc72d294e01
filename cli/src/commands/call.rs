//! `wxec call`: calls a function of a module on one host, or on several at once.

use wxec::{Host, Limits, history::RunWork};

use crate::{
    args::{
        call_arguments::CallArguments, connect_args::ConnectArgs, feature_args::FeatureArgs,
        grant_args::GrantArgs, limit_args::LimitArgs, misplaced, module_name::split_function,
        negative_numbers::without_mark, rollout_args::RolloutArgs, target,
    },
    base::{exit_code, quantity, verbosity::Verbosity},
    hosts::{
        job::{Job, OwnInputs, print_everywhere},
        rollout::Rollout,
        streaming::{self, Streaming},
    },
    module::{functions::find_function, load::load},
    output::{
        command_error::CommandError,
        guest_output::guest_output,
        results::{Format, Style},
    },
};

/// Call a function, and print its value as JSON
///
/// MODULE::FUNC is a module and the path of a function inside its crate. MODULE is a package of the
/// cargo workspace here, a folder of a package or of a project in another language (with a `/` in
/// its name), a .wasm file, or a module that wxec ships (`facts`). All but files are built as needed.
/// A program that knows nothing of wxec has the functions that a file NAME.tasks.toml states.
///
/// Each ARG is JSON, as values are printed. A bare word will do where the function takes a string,
/// or a type that is written as one (addresses, dates, variants without content). For bytes, a bare
/// word is taken as it is, and `@FILE` stands for the content of the file; in JSON, bytes are a
/// string in base64, or a list of numbers. JSON may nest 128 levels deep. `wxec inspect MODULE`
/// shows what a function takes.
///
/// Without grants, the function has access to a clock and random numbers, and to nothing else of
/// its host. An `--allow-…` grants everything of a kind, or only the values after its `=`,
/// separated by commas: `--allow-read=/etc/hosts,/etc/ssl`.
///
/// Items that the function sends on a `Sender`, or returns as a `Receiver`, are printed as they
/// arrive, one in a line. Items that it takes from a `Receiver` are the lines of stdin. Neither
/// channel is given as an ARG.
///
/// Values are printed in one line on stdout: bytes as a string in base64, map keys that are not
/// strings as their JSON, NaN and infinities as strings, and `Some` of a value that is itself null
/// as `{"Some":null}`. Output of the function goes to stderr. On several hosts each line begins
/// with `[host]`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// An address, such as `local:`, `web1` or `bastion/ssh:inner/sudo:app`, or hosts of the
    /// inventory, such as `@web`; or several with commas between them (see `wxec hosts --help`)
    #[arg(value_parser = without_mark)]
    target: String,
    /// The function to call, such as `words::stats::lengths` or `./words.wasm::count`
    #[arg(value_name = "MODULE::FUNC", value_parser = without_mark)]
    function: String,
    /// The function's arguments, in order
    #[arg(value_name = "ARG", allow_negative_numbers = true, value_parser = without_mark)]
    arguments: Vec<String>,
    /// Pass all arguments at once: a JSON list, or an object by name; `@FILE` and `-` (stdin) hold
    /// the same
    #[arg(long, value_name = "JSON", conflicts_with = "arguments", allow_hyphen_values = true, value_parser = without_mark)]
    args: Option<String>,
    /// Print strings and bytes as they are, not as JSON
    #[arg(short, long, conflicts_with = "format")]
    raw: bool,
    /// Print values in this format
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Limit the encoded size of the returned value [default: 128MiB]
    #[arg(long, value_name = "SIZE", value_parser = quantity::size)]
    output: Option<u64>,
    /// Print the costs of the call on stderr at the end, as one JSON object
    #[arg(long)]
    stats: bool,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    features: FeatureArgs,
    #[command(flatten)]
    grants: GrantArgs,
    /// Let --retries run it again where it has failed: running it twice does no harm
    #[arg(long, display_order = 42, help_heading = "Many hosts")]
    idempotent: bool,
    /// Print equal values of hosts together, when all have answered: `[web[1-12]] …`
    #[arg(
        long,
        conflicts_with = "format",
        display_order = 51,
        help_heading = "Many hosts"
    )]
    fold: bool,
    #[command(flatten)]
    rollout: RolloutArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

const EXAMPLES: &str = r#"Examples:
  wxec call local: words::count "to be or not to be"
  wxec call web1 words::top '"a b a"' 1
  wxec call -K web1/sudo:app words::count "runs as app"
  wxec call docker:web,docker-run:debian words::count "runs in containers"
  wxec call web1,web2 logs::tail /var/log/syslog --allow-read=/var/log
  wxec call web1,web2,web3 app::restart --batch 1,rest --pause 30s --gate 'app::is_healthy 5'
  wxec call web1,web2 updates::pending --allow-read=/var/lib/apt,/etc/apt --allow-run=apt-get
  wxec call web1 updates::pending --allow-declared
  wxec call web1 ./words-in-go::count "to be"
  wxec call web1,deploy@web2:2222 ./words.wasm::stats::lengths --args '{"text": "a b a"}'
  wxec call web1 thumbnails::shrink @photo.jpg 200 --raw --memory 1GiB >small.jpg"#;

pub(crate) fn run(args: Args, verbosity: Verbosity) -> Result<u8, CommandError> {
    if let Some(error) = misplaced::function_for_target(&args.target, &args.function) {
        return Err(error);
    }
    let (source, name) = split_function(&args.function)?;
    let without_target =
        || misplaced::argument_for_target(&args.target, &args.function, &args.arguments);
    let with_target = |error: CommandError| match without_target() {
        Some(hint) => error.hint(hint),
        None => error,
    };
    let hosts = target::hosts(&args.target, &args.connect, |several| {
        guest_output(several, verbosity)
    });
    let mut chosen = args.rollout.chosen(hosts.map_err(with_target)?)?;
    let given = args.given()?;

    let module = load(&source, &args.features.features(), verbosity)?;
    let function = find_function(&module, name)?;
    let streaming = function
        .map(|function| Streaming::of(function, chosen.hosts.len()))
        .transpose()?
        .flatten();
    let input = given
        .into_value(function.map(streaming::without_channels).as_ref())
        .map_err(with_target)?;
    let declared = function.map(|function| function.wants.clone());
    // A function with channels goes on for as long as it likes, also on several hosts.
    let may_stop = chosen.several && streaming.is_none();
    for host in &mut chosen.hosts {
        *host = host.with_limits(args.limits(host, may_stop));
    }
    let job = Job {
        function: function.map_or(name, |function| &function.path).to_owned(),
        input,
        own_inputs: OwnInputs::none(),
        judge: |_| exit_code::OK,
        on_denial: None,
        options: args.grants.options(Some(&declared.unwrap_or_default())),
        streaming,
        module,
    };
    // Nothing takes back the items that a call with channels has sent.
    let again = args.idempotent && job.streaming.is_none();
    let work = RunWork {
        command: "call".into(),
        what: args.function.clone(),
        module: Some(job.module.digest().to_string()),
        target: args.target.clone(),
        ..RunWork::default()
    };
    let rollout = Rollout::new(chosen, &args.rollout, work, verbosity)?.idempotent(again);
    let results = rollout.results(args.style(), args.fold);
    print_everywhere(rollout, job, results, args.stats, verbosity)
}

impl Args {
    fn given(&self) -> Result<CallArguments, CommandError> {
        match &self.args {
            Some(option) => CallArguments::from_option(option),
            None => Ok(CallArguments::Words(self.arguments.clone())),
        }
    }

    fn limits(&self, host: &Host, several: bool) -> Limits {
        let limits = self.limits.limits(host, several);
        Limits {
            output_bytes: self.output.unwrap_or(limits.output_bytes),
            ..limits
        }
    }

    fn style(&self) -> Style {
        match self.format {
            Some(format) => Style::Format(format),
            None if self.raw => Style::Raw,
            None => Style::Lines,
        }
    }
}
