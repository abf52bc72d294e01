//! The other programs that wxec is compared with: ssh itself, and a bare pipe.

use std::{
    env,
    io::{self, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::pipe::fcntl_setpipe_size;

/// The largest size that Linux allows every user.
const PIPE_BYTES: usize = 1 << 20;

/// A command that runs `command` on `host` by the system's ssh, with the configuration that wxec
/// has.
pub(crate) fn ssh(host: &str, command: &str) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", &config(), host, command]);
    ssh
}

/// The path of the configuration that wxec has.
pub(crate) fn config() -> String {
    env::var(wxec::host::SSH_CONFIG_VARIABLE).expect("jobs have one")
}

/// A program behind two pipes. Dropping it ends it.
pub(crate) struct Piped {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
}

impl Piped {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the floor's program starts");
        let (to, from) = (
            child.stdin.take().expect("it is piped"),
            child.stdout.take().expect("it is piped"),
        );
        fcntl_setpipe_size(&to, PIPE_BYTES).expect("it is a pipe");
        fcntl_setpipe_size(&from, PIPE_BYTES).expect("it is a pipe");
        Self { child, to, from }
    }

    /// Like [`start`](Self::start), but waits until the program says `go` and a newline.
    pub(crate) fn start_and_wait(command: &mut Command) -> Self {
        let mut piped = Self::start(command);
        let mut line = [0; 3];
        piped.from.read_exact(&mut line).expect("it says something");
        assert_eq!(&line, b"go\n");
        piped
    }

    /// Returns the time that 16 bytes take there and back, through a program that acts as `cat`.
    pub(crate) fn echo(&mut self) -> Duration {
        echo_at_once(std::slice::from_mut(self))
    }

    /// Writes all of `source` to the program, and waits until it says `ok` and a newline.
    pub(crate) fn pour(&mut self, source: &mut impl Read) {
        io::copy(source, &mut self.to).expect("the program reads");
        let mut answer = [0; 3];
        self.from
            .read_exact(&mut answer)
            .expect("it says something");
        assert_eq!(&answer, b"ok\n");
    }

    /// Writes a newline to the program, and all that it says from then on to `target`.
    pub(crate) fn drain(&mut self, target: &mut impl Write) {
        self.to.write_all(b"\n").expect("the program reads");
        io::copy(&mut self.from, target).expect("the program writes");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Returns the time that 16 bytes take there and back, through all these programs at once.
pub(crate) fn echo_at_once(programs: &mut [Piped]) -> Duration {
    let mut bytes = [7; 16];
    let start = Instant::now();
    for program in &mut *programs {
        program.to.write_all(&bytes).expect("cat reads");
    }
    for program in programs {
        program.from.read_exact(&mut bytes).expect("cat writes");
    }
    start.elapsed()
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the time it takes to send `payload` to a host, and to hear that it arrived. Connecting
/// does not count.
pub(crate) fn send(payload: &[u8]) -> Duration {
    let command = format!(
        "echo go; dd of=/dev/null bs=256k iflag=fullblock count={} 2>/dev/null; echo ok",
        blocks(payload)
    );
    let mut session = Piped::start_and_wait(&mut ssh("host", &command));
    let mut answer = [0; 3];
    let start = Instant::now();
    session.to.write_all(payload).expect("dd reads");
    session.from.read_exact(&mut answer).expect("echo writes");
    start.elapsed()
}

/// Returns the time it takes to ask a host for as many bytes as `buffer` holds, and to receive
/// them.
pub(crate) fn receive(buffer: &mut [u8]) -> Duration {
    let command = format!(
        "echo go; read line; dd if=/dev/zero bs=256k count={} 2>/dev/null",
        blocks(buffer)
    );
    let mut session = Piped::start_and_wait(&mut ssh("host", &command));
    let start = Instant::now();
    session.to.write_all(b"\n").expect("read reads");
    session.from.read_exact(buffer).expect("dd writes");
    start.elapsed()
}

fn blocks(payload: &[u8]) -> usize {
    payload.len() / (256 << 10)
}
