//! What `put` and `get` have in common: how it is typed, done, and told.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use wxec::{Host, Links, Transfer, TransferError, TransferEvent, TransferOptions, Transferred, Value};

use crate::{
    args::Verbosity,
    command_error::CommandError,
    everywhere::on_each,
    exit_code,
    interrupt::{self, Interrupted},
    output::{Format, Results, Style, print_line, printable, say},
    progress, quantity,
};

#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// Permission bits of files, such as 640 [default: the source's]; directories get `x` where these have `r`
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// Give everything this owner, a name or a number; takes root, as in `web1/sudo:`
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Give everything this group
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Leave times of modification at now, rather than the source's
    #[arg(long)]
    no_times: bool,
    /// Skip what has the same SHA-256, and only that [default: in trees, what has the same size and time]
    #[arg(short, long)]
    checksum: bool,
    /// Delete what is in the target's tree and not in the source's
    #[arg(long)]
    delete: bool,
    /// Change nothing, and print what would be changed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Make the directories above the target where they are missing
    #[arg(short, long)]
    parents: bool,
    /// Transfer what symbolic links lead to [default: only if SRC itself is one]
    #[arg(short = 'L', long, conflicts_with = "keep_links")]
    follow: bool,
    /// Transfer SRC as a symbolic link if it is one
    #[arg(long)]
    keep_links: bool,
    /// Do not connect again and go on when the link is cut
    #[arg(long)]
    no_resume: bool,
    /// Give up when it takes longer [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Print what was done on stdout
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl TransferArgs {
    pub(crate) fn options(&self, verbosity: Verbosity) -> TransferOptions {
        let links = match (self.follow, self.keep_links) {
            (true, _) => Links::Follow,
            (_, true) => Links::Keep,
            _ => Links::FollowFirst,
        };
        let mut options = TransferOptions::new()
            .times(!self.no_times)
            .links(links)
            .checksum(self.checksum)
            .delete(self.delete)
            .report(verbosity >= Verbosity::Verbose)
            .dry_run(self.dry_run)
            .parents(self.parents)
            .resume(!self.no_resume);
        if let Some(mode) = self.mode {
            options = options.mode(mode);
        }
        if let Some(owner) = &self.owner {
            options = options.owner(owner);
        }
        if let Some(group) = &self.group {
            options = options.group(group);
        }
        match self.timeout {
            Some(after) => options.timeout(after),
            None => options,
        }
    }

    /// Does all of them, one for each host, and tells how they went. `verb` is what was done to files.
    pub(crate) fn run(
        &self,
        verb: &str,
        transfers: Vec<(Host, Transfer)>,
        verbosity: Verbosity,
    ) -> Result<u8, CommandError> {
        let several = transfers.len() > 1;
        let style = self.format.map_or(Style::Lines, Style::Format);
        let mut results = Results::new(style, several);
        let mut codes = Vec::new();
        let mut printed = Ok(());
        let teller = Arc::new(Teller::new(transfers.len(), self.dry_run, self.format.is_some(), verbosity));
        let (hosts, transfers): (Vec<_>, Vec<_>) = transfers.into_iter().unzip();
        let work = |host: &Host| {
            let start = Instant::now();
            let (name, teller) = (if several { format!("[{host}] ") } else { String::new() }, teller.clone());
            let index = hosts.iter().position(|other| other == host).expect("it is one of them");
            let transfer = transfers[index].clone().on_event(move |event| teller.tell(&name, &event));
            let done = if interrupt::happened() { Err(Interrupted) } else { interrupt::block_on(transfer.run()) };
            (done, start.elapsed().saturating_sub(host.stats().connect))
        };
        on_each(&hosts, work, |host, (done, took): (Result<Result<_, TransferError>, _>, _)| {
            let host = host.name();
            teller.host_done();
            let print = match done {
                Ok(Ok(done)) => {
                    if verbosity > Verbosity::Quiet {
                        let prefix = if several { format!("[{host}] ") } else { format!("{host}: ") };
                        say(&format!(
                            "{prefix}{}",
                            summary(if self.dry_run { "to be" } else { "" }, verb, &done, took)
                        ));
                    }
                    if self.format.is_some() { results.value(host, record(&done)) } else { Ok(()) }
                }
                Ok(Err(error)) => {
                    let error = CommandError::of_transfer(&error, verbosity);
                    codes.push(error.code);
                    error.print(&if several { format!("[{host}] error: ") } else { format!("error: {host}: ") });
                    results.failure(host, &error)
                }
                Err(Interrupted) => Ok(()),
            };
            if printed.is_ok() {
                printed = print;
            }
        });
        progress::clear();
        printed.and_then(|()| results.finish()).map_err(CommandError::cannot_print)?;
        if interrupt::happened() { Err(Interrupted.into()) } else { Ok(exit_code::of_all(&codes)) }
    }
}

/// Tells how far it is: one bar for all hosts, and lines for what cannot wait.
struct Teller {
    bar: Option<indicatif::ProgressBar>,
    hosts: usize,
    hosts_done: AtomicUsize,
    /// Changes go to stdout, as nothing else does.
    changes_are_results: bool,
    /// Stdout belongs to a program.
    formatted: bool,
}

impl Teller {
    fn new(hosts: usize, dry_run: bool, formatted: bool, verbosity: Verbosity) -> Self {
        let bar = progress::bytes(verbosity);
        Self { bar, hosts, hosts_done: AtomicUsize::new(0), changes_are_results: dry_run, formatted }
    }

    fn tell(&self, host: &str, event: &TransferEvent<'_>) {
        match event {
            TransferEvent::Warning(text) => say(&format!("{host}warning: {text}")),
            TransferEvent::Change { kind, path } if self.changes_are_results && !self.formatted => {
                let _ = print_line(&format!("{host}{kind} {path}"));
            }
            TransferEvent::Change { kind, path } => say(&format!("{host}{kind} {path}")),
            _ => {}
        }
        let Some(bar) = &self.bar else { return };
        match event {
            TransferEvent::File { path, size } => {
                bar.inc_length(*size);
                if self.hosts == 1 {
                    bar.set_message(printable(path).replace('\n', "\u{fffd}"));
                }
            }
            TransferEvent::Bytes(bytes) | TransferEvent::Resumed(bytes) => bar.inc(*bytes),
            TransferEvent::Void(bytes) => bar.dec(*bytes),
            _ => {}
        }
    }

    fn host_done(&self) {
        let done = self.hosts_done.fetch_add(1, Ordering::Relaxed) + 1;
        if let (Some(bar), 2..) = (&self.bar, self.hosts) {
            bar.set_message(format!("{done} of {} hosts done", self.hosts));
        }
    }
}

fn summary(to_be: &str, verb: &str, done: &Transferred, took: Duration) -> String {
    let files = if done.files == 1 { "1 file".to_owned() } else { format!("{} files", done.files) };
    let mut text = [&*files, to_be, verb].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    text += &format!(" ({})", quantity::show_size(done.bytes));
    for (count, what) in [(done.skipped, "unchanged"), (done.deleted, "deleted")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    if done.resumed_bytes > 0 {
        text += &format!(", {} of it before the link was cut", quantity::show_size(done.resumed_bytes));
    }
    text + &format!(" in {}", quantity::show_duration(took))
}

fn record(done: &Transferred) -> Value {
    let entry = |key: &str, value: Value| (Value::from(key), value);
    let sha256 = done.sha256.clone().map_or(Value::Null, Value::from);
    Value::Map(vec![
        entry("files", done.files.into()),
        entry("bytes", done.bytes.into()),
        entry("resumed_bytes", done.resumed_bytes.into()),
        entry("skipped", done.skipped.into()),
        entry("deleted", done.deleted.into()),
        entry("sha256", sha256),
        entry("warnings", Value::Array(done.warnings.iter().map(|text| text.as_str().into()).collect())),
    ])
}

/// Cuts `TARGET:PATH`: the path begins behind the first colon that `/`, `.` or `~` follows, else behind the last one.
/// Colons in brackets are of the address.
pub(crate) fn split(text: &str) -> Result<(String, PathBuf), CommandError> {
    let (mut depth, mut in_string, mut escaped) = (0_i32, false, false);
    let (mut first, mut last) = (None, None);
    for (index, c) in text.char_indices() {
        match c {
            _ if std::mem::take(&mut escaped) => {}
            '\\' if in_string => escaped = true,
            '"' if depth > 0 => in_string = !in_string,
            '[' if !in_string => depth += 1,
            ']' if !in_string => depth -= 1,
            ':' if depth == 0 => {
                last = Some(index);
                if first.is_none() && text[index + 1..].starts_with(['/', '.', '~']) {
                    first = last;
                }
            }
            _ => {}
        }
    }
    let Some(at) = first.or(last) else {
        return Err(without_colon(text));
    };
    let (target, path) = (&text[..at], &text[at + 1..]);
    // Ways in that need nothing behind their colon may share that of the path.
    let bare = target.rsplit(['/', ',']).next().unwrap_or_default();
    let colon = if ["local", "sudo", "su", "doas"].contains(&bare) { ":" } else { "" };
    let path = if path.is_empty() { "." } else { path };
    Ok((format!("{target}{colon}"), path.into()))
}

/// A word is a host whose path is missing, most likely; a path has no host.
fn without_colon(text: &str) -> CommandError {
    let shown = text.escape_debug();
    if text.is_empty() || text.starts_with(['/', '.', '~']) {
        let message = format!("`{shown}` names no host");
        return CommandError::usage(message).hint("write TARGET:PATH, as in `web1:/etc/motd`");
    }
    let message = format!("`{shown}` has no path behind a colon");
    CommandError::usage(message).hint(format!("write `{shown}:PATH` if it is a host; `{shown}:` is its home"))
}

/// What `put` or `get` says of its operand on a host, `remote`, given the one that is to be here: the two may be the wrong
/// way round.
pub(crate) fn split_beside(remote: &str, here: &Path, other: &str) -> Result<(String, PathBuf), CommandError> {
    let here_text = here.to_string_lossy();
    split(remote).map_err(|error| match is_remote(here) {
        true => CommandError::usage(format!("`{}` names no host, and `{here_text}` may", remote.escape_debug()))
            .hint(format!("the other direction is `wxec {other}`")),
        false => error,
    })
}

/// Whether a path that is to be here reads as a host's: there is no such file, and something stands before a colon.
pub(crate) fn is_remote(here: &Path) -> bool {
    let text = here.to_string_lossy();
    let is_plain = text.starts_with(['/', '.', '~']);
    !is_plain && fs::symlink_metadata(here).is_err() && split(&text).is_ok_and(|(target, _)| !target.is_empty())
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
    mode.ok_or_else(|| "write an octal number such as 640 or 0755".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_where_people_expect_it() {
        for (text, target, path) in [
            ("web1:/etc/motd", "web1", "/etc/motd"),
            ("web1:notes.txt", "web1", "notes.txt"),
            ("web1:", "web1", "."),
            ("web1:~/a:b", "web1", "~/a:b"),
            ("web1:./a:b", "web1", "./a:b"),
            ("ssh:h:2222:/x", "ssh:h:2222", "/x"),
            ("deploy@h:2222:x", "deploy@h:2222", "x"),
            ("ssh:[::1]:22:/x", "ssh:[::1]:22", "/x"),
            ("local:/x", "local:", "/x"),
            ("local::x", "local:", "x"),
            ("local:x", "local:", "x"),
            ("web1/sudo:/etc/motd", "web1/sudo:", "/etc/motd"),
            ("web1/sudo::/etc/motd", "web1/sudo:", "/etc/motd"),
            ("web1/sudo:app:/etc/motd", "web1/sudo:app", "/etc/motd"),
            ("web1,web2:/x", "web1,web2", "/x"),
            ("docker:web:/x", "docker:web", "/x"),
            (r#"exec:["sh","-c","a:/b]"]:/x"#, r#"exec:["sh","-c","a:/b]"]"#, "/x"),
        ] {
            assert_eq!(split(text).unwrap(), (target.to_owned(), PathBuf::from(path)), "{text}");
        }
        assert_eq!(
            split("/etc/motd").unwrap_err().to_string(),
            "`/etc/motd` names no host; write TARGET:PATH, as in `web1:/etc/motd`"
        );
    }

    #[test]
    fn a_host_without_a_path_and_operands_the_wrong_way_round_are_told() {
        assert_eq!(
            split("web1").unwrap_err().to_string(),
            "`web1` has no path behind a colon; write `web1:PATH` if it is a host; `web1:` is its home"
        );
        let wrong = split_beside("notes.txt", Path::new("web1:/etc/motd"), "get SRC DST").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "`notes.txt` names no host, and `web1:/etc/motd` may; the other direction is `wxec get SRC DST`"
        );
        assert!(split_beside("web1", Path::new("notes.txt"), "get").unwrap_err().to_string().starts_with("`web1` has"));
        assert_eq!(split_beside("web1:x", Path::new("a:b"), "get").unwrap().0, "web1");
        for (path, expected) in [("web1:x", true), ("./web1:x", false), ("/a:b", false), (":x", false), ("x", false)] {
            assert_eq!(is_remote(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!((mode("640"), mode("0755"), mode("4755")), (Ok(0o640), Ok(0o755), Ok(0o4755)));
        for text in ["", "8", "77777", "u+x", "-1", "+5"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
