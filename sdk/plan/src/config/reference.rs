//! Secrets by reference: settings that name the place of a secret, which is read last.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    str::FromStr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use wxec::call::Value;

use crate::secret::Secret;

/// Longest secret that is read: private keys and chains of certificates are far shorter.
pub const MAX_SECRET_BYTES: u64 = 1 << 20;

/// Time limit for a program that prints a secret. A person may have to unlock it first.
const PRINTED_WITHIN: Duration = Duration::from_secs(60);

/// Time between two looks whether such a program has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The key of a table that is a reference.
pub(super) const KEY: &str = "secret";

/// The place of a secret on the controller's machine.
///
/// A setting refers to it by a table whose only key is `secret`: `key = { secret = "file:/path" }`.
///
/// ```
/// use wxec_plan::config::Reference;
///
/// let token: Reference = "env:TOKEN".parse().unwrap();
/// assert_eq!(token, Reference::Env("TOKEN".into()));
/// assert_eq!("vault:x".parse::<Reference>().unwrap_err().to_string(), "it begins with no place: \
///     write `file:PATH`, `env:NAME` or `command:PROGRAM ARGUMENT…`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reference {
    /// The content of a file. A relative path begins at the folder of the inventory that has the
    /// setting, or at the working directory.
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
    /// The output of a program, given by its words. No shell reads them.
    Command(Vec<String>),
}

/// The reason why there is no secret at the place that a setting names. It never has a part of the
/// secret.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReferenceFault {
    /// The text names no place.
    NoPlace,
    /// The file cannot be read.
    File(io::Error),
    /// The variable is not set.
    NotSet,
    /// The program cannot be run.
    Run(io::Error),
    /// The program failed.
    Failed(ExitStatus),
    /// The program did not end in time.
    Late(Duration),
    /// The secret is longer than [`MAX_SECRET_BYTES`].
    TooLong,
    /// The secret is no UTF-8.
    NotText,
}

impl fmt::Display for ReferenceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace => f.write_str(
                "it begins with no place: write `file:PATH`, `env:NAME` or `command:PROGRAM ARGUMENT…`",
            ),
            Self::File(error) => write!(f, "the file cannot be read: {error}"),
            Self::NotSet => f.write_str("the variable is not set"),
            Self::Run(error) => write!(f, "the program cannot be run: {error}"),
            Self::Failed(status) => write!(f, "the program failed with {status}"),
            Self::Late(within) => {
                write!(f, "the program did not end within {} s", within.as_secs())
            }
            Self::TooLong => write!(f, "the secret is longer than {MAX_SECRET_BYTES} bytes"),
            Self::NotText => f.write_str("the secret is no UTF-8"),
        }
    }
}

impl std::error::Error for ReferenceFault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) | Self::Run(error) => Some(error),
            _ => None,
        }
    }
}

impl FromStr for Reference {
    type Err = ReferenceFault;

    fn from_str(text: &str) -> Result<Self, ReferenceFault> {
        let found = match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Some(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Some(Self::Env(name.into())),
            Some(("command", words)) => {
                let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
                (!words.is_empty()).then_some(Self::Command(words))
            }
            _ => None,
        };
        found.ok_or(ReferenceFault::NoPlace)
    }
}

impl Reference {
    /// Returns the text of a setting that is a reference.
    pub(super) fn text_in(value: &Value) -> Option<&str> {
        match value {
            Value::Map(entries) => match &**entries {
                [(key, place)] if key.as_text() == Some(KEY) => place.as_text(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads the secret, without the newlines at its end.
    ///
    /// A program has a minute to print it. It gets no input, and what it says on stderr goes to this
    /// program's.
    pub fn read(&self, folder: &Path) -> Result<Secret<String>, ReferenceFault> {
        let bytes = match self {
            Self::File(path) => {
                let file = File::open(folder.join(path)).map_err(ReferenceFault::File)?;
                bounded(file).map_err(ReferenceFault::File)?
            }
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or(ReferenceFault::NotSet)?;
                value.into_encoded_bytes()
            }
            Self::Command(words) => printed(words, folder, PRINTED_WITHIN)?,
        };
        if bytes.len() as u64 > MAX_SECRET_BYTES {
            return Err(ReferenceFault::TooLong);
        }
        let mut text = String::from_utf8(bytes).map_err(|_| ReferenceFault::NotText)?;
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        Ok(Secret::new(text))
    }
}

/// Reads a byte more than a secret may have.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(MAX_SECRET_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Runs a program, and returns what it prints.
fn printed(words: &[String], folder: &Path, within: Duration) -> Result<Vec<u8>, ReferenceFault> {
    let (program, arguments) = words.split_first().ok_or(ReferenceFault::NoPlace)?;
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        })
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(ReferenceFault::Run)?;
    let printed = wait(&mut child, within);
    if printed.is_err() {
        // The error that led here is the one to report.
        let _ = child.kill();
        let _ = child.wait();
    }
    printed
}

/// Waits for a program's output and its end, on a thread of its own: what the program has started
/// may keep its stdout open for ever.
fn wait(child: &mut Child, within: Duration) -> Result<Vec<u8>, ReferenceFault> {
    let (until, late) = (Instant::now() + within, ReferenceFault::Late(within));
    let stdout = child.stdout.take();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(stdout.map_or_else(|| Ok(Vec::new()), bounded)));
    let bytes = match receive.recv_timeout(within) {
        Ok(bytes) => bytes.map_err(ReferenceFault::Run)?,
        Err(_) => return Err(late),
    };
    if bytes.len() as u64 > MAX_SECRET_BYTES {
        return Err(ReferenceFault::TooLong);
    }
    loop {
        match child.try_wait().map_err(ReferenceFault::Run)? {
            Some(status) if status.success() => return Ok(bytes),
            Some(status) => return Err(ReferenceFault::Failed(status)),
            None if Instant::now() >= until => return Err(late),
            None => thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Secrets that were read, each once: a program that prints one may ask a person.
#[derive(Debug, Default)]
pub struct References {
    read: HashMap<(Reference, PathBuf), Secret<String>>,
}

impl References {
    /// Makes references of which none was read.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the secret at a place, unless that was done before.
    pub fn read(&mut self, place: &str, folder: &Path) -> Result<Secret<String>, ReferenceFault> {
        let reference: Reference = place.parse()?;
        let key = (reference, folder.to_owned());
        if let Some(secret) = self.read.get(&key) {
            return Ok(secret.clone());
        }
        let secret = key.0.read(folder)?;
        self.read.insert(key, secret.clone());
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(place: &str, folder: &Path) -> Result<String, String> {
        let read = References::new().read(place, folder);
        read.map(|secret| secret.expose().clone())
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn secrets_are_read_where_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "can ary\n\n").unwrap();
        assert_eq!(read("file:key", folder.path()).unwrap(), "can ary");
        let absolute = format!("file:{}", folder.path().join("key").display());
        assert_eq!(read(&absolute, Path::new("")).unwrap(), "can ary");
        assert_eq!(
            read("command:printf %s\\r\\n $HOME", folder.path()).unwrap(),
            "$HOME"
        );
        assert_eq!(
            read("command:cat key", folder.path()).unwrap(),
            "can ary",
            "programs run where paths begin"
        );
        let path = std::env::var("PATH").unwrap();
        assert_eq!(read("env:PATH", folder.path()).unwrap(), path);
    }

    #[test]
    fn a_secret_that_is_not_there_is_an_error_without_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("bytes"), b"canary\xff").unwrap();
        let refused = |place: &str| read(place, folder.path()).unwrap_err();
        assert!(refused("file:none").starts_with("the file cannot be read: "));
        assert_eq!(refused("file:bytes"), "the secret is no UTF-8");
        assert_eq!(refused("env:WXEC_NOT_SET"), "the variable is not set");
        assert_eq!(
            refused("command:false"),
            "the program failed with exit status: 1"
        );
        assert!(refused("command:/does/not/exist").starts_with("the program cannot be run: "));
        assert_eq!(
            refused("command:cat /dev/zero"),
            format!("the secret is longer than {MAX_SECRET_BYTES} bytes")
        );
        assert_eq!(
            refused("file:/dev/zero"),
            format!("the secret is longer than {MAX_SECRET_BYTES} bytes")
        );
        for place in ["", "key", "file:", "env:", "command: ", "vault:x"] {
            assert!(refused(place).starts_with("it begins with no place"));
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_given_up() {
        for words in [
            &["sleep", "600"][..],
            &["sh", "-c", "exec >&-; exec sleep 600"],
        ] {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let late = printed(&words, Path::new("."), Duration::from_millis(1));
            assert!(
                matches!(late, Err(ReferenceFault::Late(_))),
                "{words:?}: {late:?}"
            );
        }
    }

    #[test]
    fn a_secret_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let runs = folder.path().join("runs");
        let place = format!("command:tee -a {}", runs.display());
        let mut references = References::new();
        references.read(&place, folder.path()).unwrap();
        std::fs::remove_file(&runs).unwrap();
        references.read(&place, folder.path()).unwrap();
        assert!(!runs.exists());
    }
}
