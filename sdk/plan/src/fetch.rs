//! Files that come from elsewhere: a program of the host fetches them, and the plan reads what it
//! says, so that nothing is visible before it is verified.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use wxec::{
    module::{Digest, Hasher},
    process::{Command, Stdio},
};

use crate::{
    fault::{Fault, FaultKind},
    owner::Owner,
};

/// A file that is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub(crate) path: PathBuf,
    pub(crate) url: String,
    /// The digest that it must have, if one is known.
    pub(crate) digest: Option<Digest>,
    pub(crate) max_bytes: u64,
    pub(crate) mode: u32,
    pub(crate) owner: Owner,
}

/// Bytes of a failed program's errors that are told.
const MAX_TOLD_BYTES: u64 = 2 << 10;
/// Longest time of a transfer: a gigabyte at 5 Mbit/s.
const MAX_TIME: Duration = Duration::from_secs(1800);
/// Bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

impl Fetch {
    /// Fetches it into `file`, which is visible under a temporary name only, and verifies it.
    pub(crate) fn into(&self, file: &mut File) -> Result<(), Fault> {
        for words in self.programs() {
            if self.by(&words, file)? {
                return Ok(());
            }
        }
        let message = "the host has neither `curl` nor `wget` to fetch it with";
        Err(Fault::of(FaultKind::Unsupported, message))
    }

    /// The programs that can do it, with their arguments. They write it to their output, and give up
    /// if nothing comes for a minute.
    fn programs(&self) -> [Vec<String>; 2] {
        let max_bytes = self.max_bytes.to_string();
        let max_time = MAX_TIME.as_secs().to_string();
        // No redirection leads out of an encrypted connection.
        let redirects = if self.url.starts_with("https:") {
            "=https"
        } else {
            "=http,https"
        };
        let curl = [
            // No settings of the account that the plan runs as.
            "curl",
            "--disable",
            "--silent",
            "--show-error",
            "--fail",
            "--location",
            "--globoff",
            "--connect-timeout",
            "60",
            "--speed-limit",
            "1",
            "--speed-time",
            "60",
            "--max-time",
            &max_time,
            "--proto-redir",
            redirects,
            "--max-filesize",
            &max_bytes,
            "--url",
            &self.url,
        ];
        let wget = ["wget", "-q", "-T", "60", "-O", "-", "--", &self.url];
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        [owned(&curl), owned(&wget)]
    }

    /// Fetches it by a program. Returns false if the host lacks that.
    fn by(&self, words: &[String], file: &mut File) -> Result<bool, Fault> {
        let program = &words[0];
        let failed = |how: &str| {
            let message = format!("`{program}` cannot fetch {}: {how}", self.url);
            Fault::of(FaultKind::Command, message)
        };
        let mut command = Command::new(program);
        command.args(&words[1..]).stdin(Stdio::null());
        let spawned = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            spawned => spawned.map_err(|error| failed(&error.to_string()))?,
        };
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // `wget` has no limit for all of a transfer.
        let copied = stdout.map(|stdout| copy(Until::now(stdout, MAX_TIME), file, self.max_bytes));
        let copied = copied.unwrap_or_else(|| Ok(Some(Digest::of(b""))));
        let Ok(Some(digest)) = copied else {
            // It would wait for ever to say the rest.
            let _ = child.kill();
            let _ = child.wait();
            if matches!(&copied, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
                return Err(failed(&format!("it takes longer than {MAX_TIME:?}")));
            }
            copied.map_err(Fault::io("cannot write it", &self.path))?;
            let message = format!("it has more than {} bytes", self.max_bytes);
            return Err(Fault::of(FaultKind::TooLarge, message));
        };
        let mut said = Vec::new();
        if let Some(stderr) = stderr {
            // What it says is for people: an error here hides none.
            let _ = stderr.take(MAX_TOLD_BYTES).read_to_end(&mut said);
        }
        let status = child.wait().map_err(|error| failed(&error.to_string()))?;
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            return Err(failed(
                format!("{status}: {}", said.trim()).trim_end_matches(": "),
            ));
        }
        match self.digest {
            Some(wanted) if wanted != digest => {
                let message = format!(
                    "what {} gives has the sha256 {digest}, and not {wanted}",
                    self.url
                );
                Err(Fault::of(FaultKind::Verify, message))
            }
            _ => Ok(true),
        }
    }
}

/// A reader that fails once its time is over, at the next bytes that come.
struct Until<R> {
    from: R,
    began: Instant,
    time: Duration,
}

impl<R> Until<R> {
    fn now(from: R, time: Duration) -> Self {
        let began = Instant::now();
        Self { from, began, time }
    }
}

impl<R: Read> Read for Until<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        if count > 0 && self.began.elapsed() > self.time {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(count)
    }
}

/// Copies all of it, and returns its digest; `None` if there is more than `max_bytes`.
fn copy(mut from: impl Read, to: &mut impl Write, max_bytes: u64) -> io::Result<Option<Digest>> {
    let (mut hasher, mut chunk) = (Hasher::default(), vec![0; CHUNK_BYTES]);
    let mut left = max_bytes;
    loop {
        let count = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        if count == 0 {
            return Ok(Some(hasher.finish()));
        }
        let Some(rest) = left.checked_sub(count as u64) else {
            return Ok(None);
        };
        left = rest;
        hasher.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
    }
}

/// Returns the digest of a file of any size.
pub(crate) fn digest_of(path: &Path) -> io::Result<Digest> {
    let digest = copy(File::open(path)?, &mut io::sink(), u64::MAX)?;
    Ok(digest.expect("no file has so many bytes"))
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    /// Answers each request with these bytes. Returns the address.
    fn server(answer: &'static [u8], requests: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().take(requests) {
                let mut stream = stream.unwrap();
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                let _ = stream.write_all(answer);
            }
        });
        format!("http://{address}/file")
    }

    fn fetch(url: &str, max_bytes: u64) -> Fetch {
        Fetch {
            path: "/file".into(),
            url: url.into(),
            digest: Some(Digest::of(b"hello")),
            max_bytes,
            mode: 0o644,
            owner: Owner::default(),
        }
    }

    fn by_each(fetch: &Fetch, check: impl Fn(Result<(), Fault>, &[u8])) {
        for words in fetch.programs() {
            let mut file = tempfile::tempfile().unwrap();
            let result = match fetch.by(&words, &mut file) {
                Ok(false) => {
                    eprintln!("skipped: there is no `{}` here", words[0]);
                    continue;
                }
                result => result.map(drop),
            };
            let mut content = Vec::new();
            io::Seek::rewind(&mut file).unwrap();
            file.read_to_end(&mut content).unwrap();
            check(result, &content);
        }
    }

    #[test]
    fn a_transfer_that_goes_on_for_ever_ends() {
        let read = |time| copy(Until::now(io::repeat(7), time), &mut io::sink(), 1 << 20);
        assert_eq!(
            read(Duration::ZERO).unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert_eq!(read(MAX_TIME).unwrap(), None);
    }

    #[test]
    fn each_program_fetches_and_what_it_gives_is_verified() {
        let hello = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        by_each(&fetch(&server(hello, 2), 5), |result, content| {
            result.unwrap();
            assert_eq!(content, b"hello");
        });
        let other = b"HTTP/1.0 200 OK\r\n\r\nother";
        by_each(&fetch(&server(other, 2), 5), |result, _| {
            let fault = result.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Verify, "{fault}");
        });
        // Its length is not told before, so that the programs do not know it either.
        by_each(&fetch(&server(other, 2), 4), |result, content| {
            let kind = result.unwrap_err().kind;
            assert!(matches!(kind, FaultKind::TooLarge | FaultKind::Command));
            assert!(content.len() <= 4);
        });
        let absent = b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        by_each(&fetch(&server(absent, 2), 5), |result, content| {
            let fault = result.unwrap_err();
            assert_eq!(fault.kind, FaultKind::Command, "{fault}");
            assert!(content.is_empty());
        });
    }
}
