//! The place of an inventory: a file that is found or named, or a program that prints one.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use super::error::InventoryError;

/// The name of the file that is looked for.
const FILE: &str = "wxec.toml";

/// Size limit for an inventory: some 100,000 hosts with variables.
const MAX_BYTES: u64 = 16 << 20;

/// Time limit for a program that prints an inventory. Those that ask a cloud take some seconds.
const PRINTED_WITHIN: Duration = Duration::from_secs(30);

/// Bytes kept of what such a program says on stderr, for the error.
const KEPT_OF_STDERR: u64 = 4096;

/// Bytes at the start of a file that show whether it is a program.
const START_BYTES: usize = 512;

/// Bits of a file's mode: all may write; somebody may execute.
const WRITABLE_BY_ALL: u32 = 0o002;
const EXECUTABLE: u32 = 0o111;

/// The text of an inventory.
pub(super) enum Source {
    Toml(String),
    Json(Vec<u8>),
}

/// Returns the next `wxec.toml` from `directory` upwards: up to `home`, or to the root outside of
/// that.
pub(super) fn find(directory: &Path, home: Option<&Path>) -> Option<PathBuf> {
    for directory in directory.ancestors() {
        let file = directory.join(FILE);
        if fs::symlink_metadata(&file).is_ok() {
            return Some(file);
        }
        if home == Some(directory) {
            break;
        }
    }
    None
}

/// Reads a file that was found. It is refused if others may have written it, and never run: a
/// directory that somebody else filled must not decide what runs here.
pub(super) fn read_found(file: &Path) -> Result<Source, InventoryError> {
    let refused = |reason: String| {
        let named = format!("{reason}; name it with --inventory if it is to be used");
        InventoryError::whole(file, named)
    };
    let unreadable = |error| InventoryError::whole(file, format!("cannot be read: {error}"));
    let link = fs::symlink_metadata(file).map_err(unreadable)?;
    let (bytes, metadata) = read(file).map_err(unreadable)?;
    if let Some(reason) = reason_to_distrust(&link, &metadata) {
        return Err(refused(reason));
    }
    if is_program(&bytes, &metadata) {
        return Err(refused(
            "is a program, and one that is only found is not run".into(),
        ));
    }
    text(file, bytes)
}

/// Returns the reason why a file that was found, and not named, is not to be read, if there is one:
/// another account may have written it.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("found");
/// std::fs::write(&file, "")?;
/// assert_eq!(wxec_fleet::inventory::distrusted(&file)?, None);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn distrusted(file: &Path) -> io::Result<Option<String>> {
    let (link, metadata) = (fs::symlink_metadata(file)?, fs::metadata(file)?);
    Ok(reason_to_distrust(&link, &metadata))
}

fn reason_to_distrust(link: &Metadata, file: &Metadata) -> Option<String> {
    let own = geteuid().as_raw();
    let mut owners = [link.uid(), file.uid()].into_iter();
    if let Some(owner) = owners.find(|owner| *owner != own && *owner != 0) {
        return Some(format!("belongs to another account ({owner})"));
    }
    let all_may_write = file.mode() & WRITABLE_BY_ALL != 0;
    all_may_write.then(|| "can be written by every account".into())
}

/// Reads a file that was named, or runs it if it is a program.
pub(super) async fn read_named(file: &Path) -> Result<Source, InventoryError> {
    let failed = |message: String| InventoryError::whole(file, message);
    let (bytes, metadata) =
        read(file).map_err(|error| failed(format!("cannot be read: {error}")))?;
    if !is_program(&bytes, &metadata) {
        return text(file, bytes);
    }
    // A path without a slash would be looked for in PATH.
    let program = std::path::absolute(file).map_err(|error| failed(error.to_string()))?;
    run(&program, PRINTED_WITHIN)
        .await
        .map(Source::Json)
        .map_err(failed)
}

async fn run(program: &Path, within: Duration) -> Result<Vec<u8>, String> {
    tokio::time::timeout(within, print(program))
        .await
        .unwrap_or_else(|_| Err(format!("did not end within {} s", within.as_secs())))
}

fn read(file: &Path) -> io::Result<(Vec<u8>, Metadata)> {
    let mut opened = File::open(file)?;
    let metadata = opened.metadata()?;
    let mut bytes = Vec::new();
    opened
        .by_ref()
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)?;
    Ok((bytes, metadata))
}

/// Returns true for a script with its interpreter's name, or a binary, that may be executed. A text
/// without such a name is none, whatever its mode: on some file systems all files may be executed.
fn is_program(bytes: &[u8], metadata: &Metadata) -> bool {
    let start = &bytes[..bytes.len().min(START_BYTES)];
    metadata.is_file()
        && metadata.mode() & EXECUTABLE != 0
        && (start.starts_with(b"#!") || start.contains(&0))
}

/// Takes a text that begins with `{` for JSON: TOML never does.
fn text(file: &Path, bytes: Vec<u8>) -> Result<Source, InventoryError> {
    if bytes.len() as u64 > MAX_BYTES {
        return Err(InventoryError::whole(file, too_long()));
    }
    if bytes.trim_ascii_start().starts_with(b"{") {
        return Ok(Source::Json(bytes));
    }
    String::from_utf8(bytes)
        .map(Source::Toml)
        .map_err(|_| InventoryError::whole(file, "is not UTF-8"))
}

fn too_long() -> String {
    format!("is longer than {} MiB", MAX_BYTES >> 20)
}

/// Ends a program's process group, unless the program has ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self(pid.and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a program, and returns what it prints.
async fn print(program: &Path) -> Result<Vec<u8>, String> {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    wxec_controller::secret_variables(|name| {
        command.env_remove(name);
    });
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot be run: {error}"))?;
    // Dropped before the child, which is not reaped by then: no other group can have its number.
    let mut group = Group::of(&child);
    let stderr = tokio::spawn(beginning(child.stderr.take().expect("it is piped")));
    let mut stdout = child
        .stdout
        .take()
        .expect("it is piped")
        .take(MAX_BYTES + 1);
    let mut printed = Vec::new();
    let read = stdout.read_to_end(&mut printed).await;
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if printed.len() as u64 > MAX_BYTES {
        return Err(format!("what it prints {}", too_long()));
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() {
        group.0 = None;
        return Ok(printed);
    }
    drop(group);
    let said = stderr.await.unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let said = last.map(|line| format!(": {}", line.trim().escape_debug()));
    Err(format!("failed with {status}{}", said.unwrap_or_default()))
}

/// Reads all, and keeps the beginning.
async fn beginning(mut stderr: impl AsyncRead + Unpin) -> Vec<u8> {
    let mut kept = Vec::new();
    let _ = (&mut stderr)
        .take(KEPT_OF_STDERR)
        .read_to_end(&mut kept)
        .await;
    let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
    kept
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use wxec_controller::Operation;

    use super::*;

    fn written(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let file = directory.join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        file
    }

    fn named(file: &Path) -> Result<Source, String> {
        let file = file.to_owned();
        Operation::new(async move { read_named(&file).await })
            .wait()
            .map_err(|error| error.problems[0].message.clone())
    }

    #[test]
    fn the_next_file_upwards_is_found_up_to_the_home_directory() {
        let root = tempfile::tempdir().unwrap();
        let (home, work) = (root.path().join("home"), root.path().join("home/a/b"));
        fs::create_dir_all(&work).unwrap();
        let outside = written(root.path(), FILE, "", 0o644);
        assert_eq!(find(&work, Some(&home)), None);
        assert_eq!(find(&work, None), Some(outside));
        let own = written(&home, FILE, "", 0o644);
        assert_eq!(find(&work, Some(&home)), Some(own));
        let nearer = written(&home.join("a"), FILE, "", 0o644);
        assert_eq!(find(&work, Some(&home)), Some(nearer));
    }

    #[test]
    fn a_found_file_that_others_may_have_written_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = |text, mode| {
            let file = written(directory.path(), FILE, text, mode);
            read_found(&file)
                .err()
                .map(|error| error.problems[0].message.clone())
        };
        assert_eq!(refused("", 0o664), None);
        assert_eq!(refused("# text", 0o755), None);
        assert_eq!(
            refused("", 0o666).unwrap(),
            "can be written by every account; name it with --inventory if it is to be used"
        );
        assert!(
            refused("#!/bin/sh\n", 0o755)
                .unwrap()
                .starts_with("is a program")
        );
        if geteuid().is_root() {
            let file = written(directory.path(), FILE, "", 0o644);
            std::os::unix::fs::chown(&file, Some(12), None).unwrap();
            let error = read_found(&file).err().unwrap();
            assert!(
                error
                    .to_string()
                    .contains("belongs to another account (12)")
            );
        }
    }

    #[test]
    fn a_program_prints_the_inventory() {
        let directory = tempfile::tempdir().unwrap();
        let program = |text| written(directory.path(), "program", text, 0o755);
        let Ok(Source::Json(text)) = named(&program("#!/bin/sh\necho '{}'; echo hm >&2\n")) else {
            panic!("JSON")
        };
        assert_eq!(text, b"{}\n");
        for (text, message) in [
            (
                "#!/bin/sh\necho one >&2; echo two >&2; exit 3\n",
                "failed with exit status: 3: two",
            ),
            ("#!/bin/sh\nkill -9 $$\n", "failed with signal: 9 (SIGKILL)"),
            (
                "#!/bin/sh\nexec cat /dev/zero\n",
                "what it prints is longer than 16 MiB",
            ),
        ] {
            assert_eq!(named(&program(text)).err().unwrap(), message);
        }
        let error = named(&program("#!/does/not/exist\n")).err().unwrap();
        assert!(error.starts_with("cannot be run: "), "{error}");
    }

    #[test]
    fn a_program_is_given_up_at_its_deadline() {
        let directory = tempfile::tempdir().unwrap();
        let program = written(
            directory.path(),
            "program",
            "#!/bin/sh\nexec sleep 600\n",
            0o755,
        );
        let error = Operation::new(async move { run(&program, Duration::from_millis(1)).await });
        assert_eq!(error.wait().unwrap_err(), "did not end within 0 s");
    }

    #[test]
    fn a_program_that_is_given_up_ends_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let text = format!(
            "#!/bin/sh\nexec 3>{}\n(echo begun; sleep 600; echo late) >&3 &\nwait\n",
            fifo.display()
        );
        let program = written(directory.path(), "program", &text, 0o755);
        let mut fifo = Operation::new(async move {
            let begun = tokio::task::spawn_blocking(move || {
                let mut fifo = File::open(fifo).unwrap();
                fifo.read_exact(&mut [0; 6]).unwrap();
                fifo
            });
            tokio::select! {
                printed = print(&program) => panic!("{printed:?}"),
                fifo = begun => fifo.unwrap(),
            }
        })
        .wait();
        // The end of the pipe comes when all that could write to it are gone.
        let mut rest = String::new();
        fifo.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }

    #[test]
    fn json_is_told_from_toml() {
        let directory = tempfile::tempdir().unwrap();
        let file = |text| written(directory.path(), "file", text, 0o644);
        assert!(matches!(named(&file("\n {}")), Ok(Source::Json(_))));
        assert!(matches!(named(&file("#!/bin/sh\n")), Ok(Source::Toml(_))));
        assert!(
            named(&directory.path().join("none"))
                .err()
                .unwrap()
                .starts_with("cannot be read")
        );
    }
}
