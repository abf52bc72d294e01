//! Pipes to and from a program.
//!
//! A task has one thread. While it writes to a program, the program may print, and wait for a
//! reader while the task waits for the program: a deadlock. So a write to the program also reads
//! its output, and keeps it for later reads: the task's memory is the only bound.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    mem,
    sync::{Arc, Mutex, MutexGuard},
};

use wxec_protocol::abi::ProcessStarted;

use super::super::stream::{Stream, select};

/// Bytes that are read at once: the capacity of a pipe.
const CHUNK_BYTES: usize = 64 << 10;

/// The standard input of a program. Dropping this closes it.
#[derive(Debug)]
pub struct ChildStdin {
    stream: Stream,
    outputs: Outputs,
}

/// The standard output of a program.
#[derive(Debug)]
pub struct ChildStdout(End);

/// The standard error of a program.
#[derive(Debug)]
pub struct ChildStderr(End);

/// The outputs of one program that are open.
type Outputs = Arc<Mutex<[Option<Output>; 2]>>;

#[derive(Debug)]
struct Output {
    stream: Stream,
    held: VecDeque<u8>,
    ended: bool,
}

/// The reading end of one of the outputs; `place` is its index.
#[derive(Debug)]
struct End {
    outputs: Outputs,
    place: usize,
}

/// Takes over the pipes that the host has opened.
pub(super) fn connect(
    started: &ProcessStarted,
) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
    let output = |handle| Output {
        stream: Stream::of(handle),
        held: VecDeque::new(),
        ended: false,
    };
    let outputs: Outputs = Arc::new(Mutex::new([
        started.stdout.map(output),
        started.stderr.map(output),
    ]));
    let end = |place| End {
        outputs: outputs.clone(),
        place,
    };
    (
        started.stdin.map(|handle| ChildStdin {
            stream: Stream::of(handle),
            outputs: outputs.clone(),
        }),
        started.stdout.map(|_| ChildStdout(end(0))),
        started.stderr.map(|_| ChildStderr(end(1))),
    )
}

/// Reads both outputs to their ends, each whenever it is ready.
pub(super) fn read_to_end(
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let ends = [
        stdout.as_ref().map(|stdout| &stdout.0),
        stderr.as_ref().map(|stderr| &stderr.0),
    ];
    let Some(end) = ends.into_iter().flatten().next() else {
        return Ok((Vec::new(), Vec::new()));
    };
    let mut outputs = lock(&end.outputs);
    loop {
        let (places, handles) = unread(&outputs);
        if handles.is_empty() {
            break;
        }
        let place = select(Vec::new(), handles)?;
        take(&mut outputs, places[place])?;
    }
    let mut all = |place: usize| {
        outputs[place]
            .as_mut()
            .map(|output| mem::take(&mut output.held).into())
    };
    Ok((all(0).unwrap_or_default(), all(1).unwrap_or_default()))
}

fn lock(outputs: &Outputs) -> MutexGuard<'_, [Option<Output>; 2]> {
    outputs.lock().expect("a panic ends the task")
}

/// Returns the places and the handles of the outputs that have not ended.
fn unread(outputs: &[Option<Output>; 2]) -> (Vec<usize>, Vec<i32>) {
    let places = outputs.iter().enumerate();
    let open = places.filter_map(|(place, output)| {
        Some((place, output.as_ref().filter(|output| !output.ended)?))
    });
    open.map(|(place, output)| (place, output.stream.handle()))
        .unzip()
}

/// Reads from the output at `place`, which is ready, and keeps the bytes.
fn take(outputs: &mut [Option<Output>; 2], place: usize) -> io::Result<()> {
    let output = outputs[place]
        .as_mut()
        .expect("it was among those that are open");
    let mut chunk = vec![0; CHUNK_BYTES];
    let length = output.stream.read(&mut chunk)?;
    output.ended = length == 0;
    output.held.extend(&chunk[..length]);
    Ok(())
}

impl Write for ChildStdin {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            let mut outputs = lock(&self.outputs);
            let (places, handles) = unread(&outputs);
            // Index 0 is the input; the outputs in `places` follow.
            match select(vec![self.stream.handle()], handles)?.checked_sub(1) {
                None => return self.stream.write(bytes),
                Some(place) => take(&mut outputs, places[place])?,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for End {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut outputs = lock(&self.outputs);
        let output = outputs[self.place]
            .as_mut()
            .expect("it is open as long as this end");
        if output.held.is_empty() && !output.ended {
            output.stream.read(buffer)
        } else {
            output.held.read(buffer)
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Ok(mut outputs) = self.outputs.lock() {
            outputs[self.place] = None;
        }
    }
}

impl Read for ChildStdout {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Read for ChildStderr {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
