//! Tasks that use the programs, the network and the files of the host they run on, as far as they are
//! granted.

#![forbid(unsafe_code)]

use std::{
    io::{self, Read, Write},
    net::Shutdown,
};

use wxec::{
    Bytes, fs,
    net::{TcpStream, lookup},
    process::{Command, ExitStatusExt, Stdio},
    remote,
};

/// The limit of an answer's length.
const MAX_ANSWER_BYTES: u64 = 1 << 20;

/// Returns the first line that a program prints for `--version`.
#[remote]
pub fn version(program: &str) -> io::Result<String> {
    let output = Command::new(program).arg("--version").output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{program}: {}", output.status)));
    }
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Runs a program that prints where the task does. Gives back its exit code, or its signal as a
/// negative number.
#[remote]
pub fn run(program: &str, args: Vec<String>) -> io::Result<i32> {
    let status = Command::new(program).args(args).status()?;
    Ok(status
        .code()
        .unwrap_or_else(|| -status.signal().unwrap_or_default()))
}

/// Returns the output of a shell's script, which sees one additional variable.
#[remote]
pub fn script(script: &str, name: &str, value: &str) -> io::Result<String> {
    let output = Command::new("sh")
        .args(["-c", script])
        .env(name, value)
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program with an input of any length, and returns its output.
#[remote]
pub fn filter(program: &str, args: Vec<String>, input: Bytes) -> io::Result<Bytes> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().expect("it is piped").write_all(&input)?;
    Ok(child.wait_with_output()?.stdout.into())
}

/// Returns the stdout and the stderr of a shell's script.
#[remote]
pub fn outputs(script: &str) -> io::Result<(Bytes, Bytes)> {
    let output = Command::new("sh").args(["-c", script]).output()?;
    Ok((output.stdout.into(), output.stderr.into()))
}

/// Starts a program, sees that it runs, and kills it. Gives back the signal that ended it.
#[remote]
pub fn start_and_kill(program: &str, args: Vec<String>) -> io::Result<Option<i32>> {
    let mut child = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(status) = child.try_wait()? {
        return Err(io::Error::other(format!(
            "{program} has ended already: {status}"
        )));
    }
    child.kill()?;
    Ok(child.wait()?.signal())
}

/// Sends a request, and gives back the answer to it.
#[remote]
pub fn fetch(host: &str, port: u16, request: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port))?;
    stream.write_all(request.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Returns the addresses of a name, as the host resolves it.
#[remote]
pub fn addresses(name: &str) -> io::Result<Vec<String>> {
    Ok(lookup(name)?.iter().map(ToString::to_string).collect())
}

/// Sets the mode of a file, and returns the mode it has now.
#[remote]
pub fn protect(path: &str, mode: u32) -> io::Result<u32> {
    fs::set_mode(path, mode)?;
    Ok(fs::status(path)?.mode)
}

/// Writes a file to the disk under another name and puts it in its place, with a link beside it that
/// leads anywhere. Returns the link's target.
#[remote]
pub fn replace(path: &str, content: &str, link: &str, target: &str) -> io::Result<String> {
    let new = format!("{path}.new");
    std::fs::write(&new, content)?;
    fs::rename(&new, path)?;
    fs::symlink(target, link)?;
    Ok(fs::read_link(link)?.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_programs_here_as_well() {
        assert_eq!(script("echo $NEW", "NEW", "1").unwrap(), "1\n");
        assert_eq!(run("sh", vec!["-c".into(), "exit 3".into()]).unwrap(), 3);
        assert_eq!(
            filter("cat", Vec::new(), b"abc"[..].into()).unwrap(),
            b"abc"[..]
        );
        assert_eq!(start_and_kill("sleep", vec!["60".into()]).unwrap(), Some(9));
        assert_eq!(
            version("no-such-program").unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
