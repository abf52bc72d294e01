//! Things that live as long as one process: a shell makes them, waits for its standard input to
//! end, and removes them. So they also end when the test process is killed.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use super::process::Pid;

/// A running shell. Dropping the holder ends the shell and all that it made.
pub(crate) struct Holder {
    process: Child,
    said: Vec<String>,
}

impl Holder {
    /// Runs `make` in the shell that `command` starts, and later `end`, even if `make` fails
    /// half-way. If `make` fails, the error is the shell's stderr.
    pub(crate) fn start(mut command: Command, make: &str, end: &str) -> Result<Self, String> {
        let script = format!(
            "end() {{\nset +e\n{end}\n}}\ntrap end EXIT\nset -e\n{make}\necho ready\nread -r _ || :"
        );
        let mut errors = tempfile::tempfile().expect("a temporary file");
        let process = command
            .args(["sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().expect("a second handle"))
            // Ctrl-C ends the tests; this shell must survive it to clean up after them.
            .process_group(0)
            .spawn();
        let mut process =
            process.map_err(|error| format!("{:?}: {error}", command.get_program()))?;
        let mut said = Vec::new();
        for line in BufReader::new(process.stdout.take().expect("it is piped"))
            .lines()
            .map_while(Result::ok)
        {
            if line == "ready" {
                return Ok(Self { process, said });
            }
            said.push(line);
        }
        let _ = process.wait();
        Err(text(&mut errors).trim().to_owned())
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// The lines that `make` printed.
    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn text(file: &mut File) -> String {
    let mut text = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut text))
        .expect("it is ours");
    String::from_utf8_lossy(&text).into_owned()
}
