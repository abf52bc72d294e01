//! The common part of `put` and `get`: options, execution and reports.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, IsTerminal, Write},
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use wxec::{
    Host, Links, Transfer, TransferError, TransferErrorKind, TransferEvent, TransferOptions,
    Transferred, Value,
};

use crate::{
    args::Verbosity,
    command_error::CommandError,
    everywhere::on_each,
    exit_code,
    interrupt::{self, Interrupted},
    output::{Format, Results, Style, print_line, printable, say},
    progress, quantity,
};

/// Transfers of one host at once: enough that a short one does not wait for the link.
const MAX_AT_ONCE: usize = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct TransferArgs {
    /// Set the permission bits of files, such as 640; directories get `x` where these have `r`
    /// [default: the source's; existing directories keep theirs]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    mode: Option<u32>,
    /// Set the owner of everything, a name or a number; needs root, as in `web1/sudo:`
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Set the group of everything
    #[arg(long, value_name = "NAME")]
    group: Option<String>,
    /// Leave modification times at now, instead of copying the source's
    #[arg(long)]
    no_times: bool,
    /// Skip only files with the same SHA-256 [default: in trees, files with the same size and time]
    #[arg(short, long)]
    checksum: bool,
    /// Delete everything in the target's tree that is not in the source's
    #[arg(long)]
    delete: bool,
    /// Change nothing, only print what would be changed
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Create missing directories above the target
    #[arg(short, long)]
    parents: bool,
    /// Follow symbolic links, and transfer what they point to [default: only if SRC itself is one]
    #[arg(short = 'L', long, conflicts_with = "keep_links")]
    follow: bool,
    /// Transfer SRC itself as a symbolic link if it is one
    #[arg(long)]
    keep_links: bool,
    /// Do not reconnect and resume when the link is cut
    #[arg(long)]
    no_resume: bool,
    /// Give up when the transfer takes longer than this [default: never]
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    timeout: Option<Duration>,
    /// Print a record of the transfer on stdout, in this format
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

    /// Writes a file of a host to stdout, and nothing else.
    pub(crate) fn run_to_stdout(
        &self,
        host: &Host,
        path: &Path,
        verbosity: Verbosity,
    ) -> Result<u8, CommandError> {
        if self.format.is_some() || self.dry_run {
            let option = if self.dry_run {
                "--dry-run"
            } else {
                "--format"
            };
            return Err(CommandError::usage(format!(
                "{option} prints on standard output, which is for the file"
            )));
        }
        let stdout = Stdout::open()
            .map_err(|error| CommandError::usage(format!("cannot write to stdout: {error}")))?;
        let closed = stdout.closed.clone();
        let transfer = host
            .get_writer(path, stdout)
            .options(self.options(verbosity));
        let transfers = vec![(host.clone(), vec![transfer])];
        self.run_unless("received", transfers, verbosity, &|| {
            closed.load(Ordering::SeqCst)
        })
    }

    /// Runs all transfers, some for each host, and reports their outcome. `verb` says what happened
    /// to the files, such as `sent`.
    pub(crate) fn run(
        &self,
        verb: &str,
        transfers: Vec<(Host, Vec<Transfer>)>,
        verbosity: Verbosity,
    ) -> Result<u8, CommandError> {
        self.run_unless(verb, transfers, verbosity, &|| false)
    }

    /// Like [`run`](Self::run). If `closed` returns true, the exit code is that of a broken pipe,
    /// as in other programs.
    fn run_unless(
        &self,
        verb: &str,
        transfers: Vec<(Host, Vec<Transfer>)>,
        verbosity: Verbosity,
        closed: &dyn Fn() -> bool,
    ) -> Result<u8, CommandError> {
        let several = transfers.len() > 1;
        let style = self.format.map_or(Style::Lines, Style::Format);
        let mut results = Results::new(style, several);
        let mut codes = Vec::new();
        let teller = Arc::new(Teller::new(
            transfers.len(),
            self.dry_run,
            self.format.is_some(),
            verbosity,
        ));
        let (hosts, transfers): (Vec<_>, Vec<_>) = transfers.into_iter().unzip();
        let work = |host: &Host| {
            let start = Instant::now();
            let name = if several {
                format!("[{host}] ")
            } else {
                String::new()
            };
            let index = hosts
                .iter()
                .position(|other| other == host)
                .expect("it is one of them");
            let tell = |transfer: Transfer| {
                let (name, teller) = (name.clone(), teller.clone());
                transfer.on_event(move |event| teller.tell(&name, &event))
            };
            let done = all_of(transfers[index].iter().cloned().map(tell).collect());
            (done, start.elapsed().saturating_sub(host.stats().connect))
        };
        on_each(&hosts, work, |host, (Done { done, errors }, took)| {
            let host = host.name();
            teller.host_done();
            if closed() {
                codes.push(exit_code::BROKEN_PIPE);
                return;
            }
            if let Some(done) = done.as_ref().filter(|_| verbosity > Verbosity::Quiet) {
                let prefix = if several {
                    format!("[{host}] ")
                } else {
                    format!("{host}: ")
                };
                say(&format!(
                    "{prefix}{}",
                    summary(if self.dry_run { "to be" } else { "" }, verb, done, took)
                ));
            }
            let mut failed = None;
            for error in &errors {
                let error = CommandError::of_transfer(error, verbosity);
                codes.push(error.code);
                error.print(&if several {
                    format!("[{host}] error: ")
                } else {
                    format!("error: {host}: ")
                });
                failed.get_or_insert(error);
            }
            match (done, failed) {
                (Some(done), _) if self.format.is_some() => {
                    results.value(host, record(&done, &errors))
                }
                (None, Some(error)) => results.failure(host, &error),
                _ => {}
            }
        });
        progress::clear();
        results.finish();
        if interrupt::happened() {
            Err(Interrupted.into())
        } else {
            Ok(exit_code::of_all(&codes))
        }
    }
}

/// The outcome of the transfers of one host.
#[derive(Default)]
struct Done {
    /// The sum of all that was transferred, if anything was.
    done: Option<Transferred>,
    errors: Vec<TransferError>,
}

impl Done {
    fn add(&mut self, result: Result<Transferred, TransferError>) {
        let done = match result {
            Ok(done) => done,
            Err(error) => {
                // Reports the part of a tree that was transferred, even if another part was not.
                let done = match &error.kind {
                    TransferErrorKind::Incomplete { done, .. } => Some(done.clone()),
                    _ => None,
                };
                self.errors.push(error);
                let Some(done) = done else { return };
                done
            }
        };
        let Some(all) = &mut self.done else {
            self.done = Some(done);
            return;
        };
        all.files += done.files;
        all.bytes += done.bytes;
        all.resumed_bytes += done.resumed_bytes;
        all.skipped += done.skipped;
        all.deleted += done.deleted;
        all.warnings.extend(done.warnings);
        // A digest is of one file, so a sum has none.
        all.sha256 = None;
    }
}

/// Runs the transfers of one host, some at once, and sums up their results in order. Transfers that
/// an interrupt cut off have no result.
fn all_of(transfers: Vec<Transfer>) -> Done {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(transfer) = transfers.get(index).filter(|_| !interrupt::happened()) else {
                return;
            };
            if let Ok(result) = interrupt::block_on(transfer.clone().run()) {
                results
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(index, result);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..transfers.len().min(MAX_AT_ONCE) {
            scope.spawn(work);
        }
        work();
    });
    let mut done = Done::default();
    results
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .into_values()
        .for_each(|result| done.add(result));
    done
}

/// Standard output, for the content of a file. On a terminal, control characters are replaced, as
/// in all output of hosts.
struct Stdout {
    file: File,
    is_terminal: bool,
    /// The first bytes of a character whose rest has yet to come.
    rest: Vec<u8>,
    /// Set when the reader of stdout has gone.
    closed: Arc<AtomicBool>,
}

impl Stdout {
    fn open() -> io::Result<Self> {
        let stdout = io::stdout();
        let file = stdout.as_fd().try_clone_to_owned()?.into();
        Ok(Self {
            file,
            is_terminal: stdout.is_terminal(),
            rest: Vec::new(),
            closed: Arc::default(),
        })
    }

    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rest.extend(bytes);
        let whole = match str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let text = printable(&String::from_utf8_lossy(&self.rest[..whole]));
        self.rest.drain(..whole);
        progress::suspend(|| self.file.write_all(text.as_bytes()))
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = if self.is_terminal {
            self.show(bytes).map(|()| bytes.len())
        } else {
            self.file.write(bytes)
        };
        if written
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        {
            self.closed.store(true, Ordering::SeqCst);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        // A character that is incomplete at the end stays incomplete.
        match std::mem::take(&mut self.rest).is_empty() {
            true => Ok(()),
            false => self.show("\u{fffd}".as_bytes()),
        }
    }
}

/// Reports progress: one bar for all hosts, and lines for warnings and changes.
struct Teller {
    bar: Option<indicatif::ProgressBar>,
    hosts: usize,
    hosts_done: AtomicUsize,
    /// True for a dry run: changes go to stdout, because they are its result.
    changes_are_results: bool,
    /// True if stdout has a format for programs, so that changes must not go there.
    formatted: bool,
}

impl Teller {
    fn new(hosts: usize, dry_run: bool, formatted: bool, verbosity: Verbosity) -> Self {
        let bar = progress::bytes(verbosity);
        Self {
            bar,
            hosts,
            hosts_done: AtomicUsize::new(0),
            changes_are_results: dry_run,
            formatted,
        }
    }

    fn tell(&self, host: &str, event: &TransferEvent<'_>) {
        match event {
            TransferEvent::Warning(text) => say(&format!("{host}warning: {text}")),
            TransferEvent::Change { kind, path } if self.changes_are_results && !self.formatted => {
                print_line(&format!("{host}{kind} {path}"));
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
    let files = if done.files == 1 {
        "1 file".to_owned()
    } else {
        format!("{} files", done.files)
    };
    let mut text = [&*files, to_be, verb]
        .into_iter()
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    text += &format!(" ({})", quantity::show_size(done.bytes));
    for (count, what) in [(done.skipped, "unchanged"), (done.deleted, "deleted")] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    if done.resumed_bytes > 0 {
        text += &format!(
            ", {} of it before the link was cut",
            quantity::show_size(done.resumed_bytes)
        );
    }
    text + &format!(" in {}", quantity::show_duration(took))
}

fn record(done: &Transferred, errors: &[TransferError]) -> Value {
    let entry = |key: &str, value: Value| (Value::from(key), value);
    let sha256 = done.sha256.clone().map_or(Value::Null, Value::from);
    let mut record = vec![
        entry("files", done.files.into()),
        entry("bytes", done.bytes.into()),
        entry("resumed_bytes", done.resumed_bytes.into()),
        entry("skipped", done.skipped.into()),
        entry("deleted", done.deleted.into()),
        entry("sha256", sha256),
        entry(
            "warnings",
            Value::Array(
                done.warnings
                    .iter()
                    .map(|text| text.as_str().into())
                    .collect(),
            ),
        ),
    ];
    if !errors.is_empty() {
        record.push(entry(
            "errors",
            Value::Array(errors.iter().flat_map(texts).map(Value::from).collect()),
        ));
    }
    Value::Map(record)
}

/// Returns the error's message, or one message for each path that was left out.
fn texts(error: &TransferError) -> Vec<String> {
    match &error.kind {
        TransferErrorKind::Incomplete { rest, .. } => {
            let more = (rest.more > 0).then(|| format!("{} more", rest.more));
            rest.left_out
                .iter()
                .map(ToString::to_string)
                .chain(more)
                .collect()
        }
        kind => vec![kind.to_string()],
    }
}

/// Returns true if a path here stands for standard input or output.
pub(crate) fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Returns true if a path on a host names a directory to put things into.
pub(crate) fn names_directory(path: &Path) -> bool {
    let path = path.as_os_str().as_bytes();
    let last = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(last, b"" | b"." | b"..") || (path.starts_with(b"~") && !path.contains(&b'/'))
}

/// Splits `TARGET:PATH`: the path begins after the first colon that is followed by `/`, `.` or `~`,
/// else after the last colon. Colons in brackets belong to the address.
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
    // Ways in that need no value after their colon may share it with the path.
    let bare = target.rsplit(['/', ',']).next().unwrap_or_default();
    let colon = if ["local", "sudo", "su", "doas"].contains(&bare) {
        ":"
    } else {
        ""
    };
    let path = if path.is_empty() { "." } else { path };
    Ok((format!("{target}{colon}"), path.into()))
}

/// Returns the error for text without a colon: a word is most likely a host without its path, and a
/// path lacks its host.
fn without_colon(text: &str) -> CommandError {
    let shown = text.escape_debug();
    if text.is_empty() || text.starts_with(['/', '.', '~']) {
        let message = format!("`{shown}` names no host");
        return CommandError::usage(message).hint("write TARGET:PATH, as in `web1:/etc/motd`");
    }
    let message = format!("`{shown}` has no path behind a colon");
    CommandError::usage(message).hint(format!(
        "write `{shown}:PATH` if it is a host; `{shown}:` is its home"
    ))
}

/// Splits `remote`, the operand of `put` or `get` on a host. The error points to `other`, the
/// opposite command, if the user seems to have swapped `remote` and `here`.
pub(crate) fn split_beside(
    remote: &str,
    here: &Path,
    other: &str,
) -> Result<(String, PathBuf), CommandError> {
    let here_text = here.to_string_lossy();
    split(remote).map_err(|error| match is_remote(here) {
        true => CommandError::usage(format!(
            "`{}` names no host, and `{here_text}` may",
            remote.escape_debug()
        ))
        .hint(format!("the other direction is `wxec {other}`")),
        false => error,
    })
}

/// Returns true if a local path looks like one on a host: there is no such file here, and a target
/// stands before a colon.
pub(crate) fn is_remote(here: &Path) -> bool {
    let text = here.to_string_lossy();
    let is_plain = text.starts_with(['/', '.', '~']);
    !is_plain
        && fs::symlink_metadata(here).is_err()
        && split(&text).is_ok_and(|(target, _)| !target.is_empty())
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777 && !text.starts_with('+'));
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
            (
                r#"exec:["sh","-c","a:/b]"]:/x"#,
                r#"exec:["sh","-c","a:/b]"]"#,
                "/x",
            ),
        ] {
            assert_eq!(
                split(text).unwrap(),
                (target.to_owned(), PathBuf::from(path)),
                "{text}"
            );
        }
        assert_eq!(
            split("/etc/motd").unwrap_err().to_string(),
            "`/etc/motd` names no host; write TARGET:PATH, as in `web1:/etc/motd`"
        );
    }

    #[test]
    fn content_is_shown_on_terminals_and_written_elsewhere_as_it_is() {
        let content = "a\u{1b}[2J\u{9b}é\n"
            .bytes()
            .chain([0xc3])
            .collect::<Vec<_>>();
        for (is_terminal, expected) in [
            (true, "a\u{fffd}[2J\u{fffd}é\n\u{fffd}".as_bytes()),
            (false, &content),
        ] {
            let (mut reader, writer) = io::pipe().unwrap();
            let file = std::os::fd::OwnedFd::from(writer).into();
            let mut stdout = Stdout {
                file,
                is_terminal,
                rest: Vec::new(),
                closed: Arc::default(),
            };
            // Characters may be cut anywhere.
            content
                .iter()
                .for_each(|byte| stdout.write_all(&[*byte]).unwrap());
            stdout.flush().unwrap();
            drop(stdout);
            let mut written = Vec::new();
            io::Read::read_to_end(&mut reader, &mut written).unwrap();
            assert_eq!(written, expected);
        }
    }

    #[test]
    fn paths_of_directories_look_like_that() {
        for path in ["/srv/", ".", "..", "a/..", "~", "~app", "~/"] {
            assert!(names_directory(Path::new(path)), "{path}");
        }
        for path in ["/srv", "a", "~app/x", "a.", "..a"] {
            assert!(!names_directory(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn a_host_without_a_path_and_operands_the_wrong_way_round_are_told() {
        assert_eq!(
            split("web1").unwrap_err().to_string(),
            "`web1` has no path behind a colon; write `web1:PATH` if it is a host; `web1:` is its home"
        );
        let wrong =
            split_beside("notes.txt", Path::new("web1:/etc/motd"), "get SRC DST").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "`notes.txt` names no host, and `web1:/etc/motd` may; the other direction is `wxec get SRC DST`"
        );
        assert!(
            split_beside("web1", Path::new("notes.txt"), "get")
                .unwrap_err()
                .to_string()
                .starts_with("`web1` has")
        );
        assert_eq!(
            split_beside("web1:x", Path::new("a:b"), "get").unwrap().0,
            "web1"
        );
        for (path, expected) in [
            ("web1:x", true),
            ("./web1:x", false),
            ("/a:b", false),
            (":x", false),
            ("x", false),
        ] {
            assert_eq!(is_remote(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(
            (mode("640"), mode("0755"), mode("4755")),
            (Ok(0o640), Ok(0o755), Ok(0o4755))
        );
        for text in ["", "8", "77777", "u+x", "-1", "+5"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
