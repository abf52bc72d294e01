//! A guest that makes the capability calls its input lists, and gives back what each returned.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use wxec_engine::{Completion, Program, Request, Sandbox};
use wxec_protocol::{
    Fault, Grants, Limits, Terms,
    abi::{
        FileAction, FileCall, HostError, NetConnect, NetLookup, ProcessStart, StdioKind,
        StreamSelect,
    },
    cbor,
};

use crate::{Recorder, load};

/// Each step is an import's number, two of its arguments, and the length of the bytes that follow,
/// which the other arguments point to. Bytes that are read go to the second half of memory.
const INTERPRETER: &str = r#"(module
    (import "wxec_v1" "input_len" (func $input_len (result i32)))
    (import "wxec_v1" "input_read" (func $input_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "output_write" (func $output_write (param i32 i32)))
    (import "wxec_v1" "reply_len" (func $reply_len (result i32)))
    (import "wxec_v1" "reply_read" (func $reply_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "process_start" (func $process_start (param i32 i32) (result i32)))
    (import "wxec_v1" "process_wait" (func $process_wait (param i32) (result i32)))
    (import "wxec_v1" "process_try_wait" (func $process_try_wait (param i32) (result i32)))
    (import "wxec_v1" "process_kill" (func $process_kill (param i32 i32) (result i32)))
    (import "wxec_v1" "process_forget" (func $process_forget (param i32) (result i32)))
    (import "wxec_v1" "stream_read" (func $stream_read (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "stream_write" (func $stream_write (param i32 i32 i32) (result i32)))
    (import "wxec_v1" "stream_select" (func $stream_select (param i32 i32) (result i32)))
    (import "wxec_v1" "stream_timeout" (func $stream_timeout (param i32 i32 i64) (result i32)))
    (import "wxec_v1" "stream_close" (func $stream_close (param i32) (result i32)))
    (import "wxec_v1" "call_stream" (func $call_stream (param i32) (result i32)))
    (import "wxec_v1" "net_connect" (func $net_connect (param i32 i32) (result i32)))
    (import "wxec_v1" "net_lookup" (func $net_lookup (param i32 i32) (result i32)))
    (import "wxec_v1" "net_shutdown" (func $net_shutdown (param i32 i32) (result i32)))
    (import "wxec_v1" "file_call" (func $file_call (param i32 i32) (result i32)))
    (memory (export "memory") 256)
    (global $buffer i32 (i32.const 0x800000))

    (func $step (param $call i32) (param $a i32) (param $b i32) (param $bytes i32) (param $length i32) (result i32)
        (block $give_up (block $file_call (block $call_stream (block $net_shutdown (block $net_lookup (block $net_connect (block $stream_close
        (block $stream_timeout (block $stream_select (block $stream_write (block $stream_read (block $process_forget
        (block $process_kill (block $process_try_wait (block $process_wait (block $process_start
            (br_table $process_start $process_wait $process_try_wait $process_kill $process_forget $stream_read
                $stream_write $stream_select $stream_timeout $stream_close $net_connect $net_lookup $net_shutdown
                $call_stream $give_up $file_call $give_up (local.get $call)))
        (return (call $process_start (local.get $bytes) (local.get $length))))
        (return (call $process_wait (local.get $a))))
        (return (call $process_try_wait (local.get $a))))
        (return (call $process_kill (local.get $a) (local.get $b))))
        (return (call $process_forget (local.get $a))))
        (return (call $stream_read (local.get $a) (global.get $buffer) (local.get $b))))
        (return (call $stream_write (local.get $a) (local.get $bytes) (local.get $length))))
        (return (call $stream_select (local.get $bytes) (local.get $length))))
        (return (call $stream_timeout (local.get $a) (i32.const 0) (i64.extend_i32_s (local.get $b)))))
        (return (call $stream_close (local.get $a))))
        (return (call $net_connect (local.get $bytes) (local.get $length))))
        (return (call $net_lookup (local.get $bytes) (local.get $length))))
        (return (call $net_shutdown (local.get $a) (local.get $b))))
        (return (call $call_stream (local.get $a))))
        (return (call $file_call (local.get $bytes) (local.get $length))))
        unreachable)

    (func (export "wx1_run") (result i32)
        (local $at i32) (local $end i32) (local $bytes i32) (local $length i32)
        (local.set $at (i32.const 16))
        (local.set $end (i32.add (local.get $at) (call $input_read (i32.const 0) (local.get $at) (call $input_len))))
        (loop $next
            (if (i32.ge_u (local.get $at) (local.get $end)) (then (return (i32.const 0))))
            (local.set $bytes (i32.add (local.get $at) (i32.const 16)))
            (local.set $length (i32.load (i32.add (local.get $at) (i32.const 12))))
            (i32.store (i32.const 0) (call $step
                (i32.load (local.get $at)) (i32.load (i32.add (local.get $at) (i32.const 4)))
                (i32.load (i32.add (local.get $at) (i32.const 8))) (local.get $bytes) (local.get $length)))
            ;; What came of it: the number, and as much of the buffer if it was read; the reply.
            (i32.store (i32.const 4) (i32.const 0))
            (if (i32.and (i32.eq (i32.load (local.get $at)) (i32.const 5)) (i32.gt_s (i32.load (i32.const 0)) (i32.const 0)))
                (then (i32.store (i32.const 4) (i32.load (i32.const 0)))))
            (i32.store (i32.const 8) (call $reply_len))
            (call $output_write (i32.const 0) (i32.const 12))
            (call $output_write (global.get $buffer) (i32.load (i32.const 4)))
            (drop (call $reply_read (i32.const 0) (global.get $buffer) (i32.load (i32.const 8))))
            (call $output_write (global.get $buffer) (i32.load (i32.const 8)))
            (local.set $at (i32.add (local.get $bytes) (local.get $length)))
            (br $next))
        unreachable))"#;

/// One call of an import.
pub(crate) struct Step {
    call: u32,
    a: i32,
    b: i32,
    bytes: Vec<u8>,
}

/// Starts a process.
pub(crate) fn start(question: &ProcessStart) -> Step {
    ask(0, question)
}

pub(crate) fn wait(process: i32) -> Step {
    numbers(1, process, 0)
}

pub(crate) fn try_wait(process: i32) -> Step {
    numbers(2, process, 0)
}

pub(crate) fn kill(process: i32, signal: i32) -> Step {
    numbers(3, process, signal)
}

pub(crate) fn forget(process: i32) -> Step {
    numbers(4, process, 0)
}

/// Reads `length` bytes at most.
pub(crate) fn read(stream: i32, length: i32) -> Step {
    numbers(5, stream, length)
}

pub(crate) fn write(stream: i32, bytes: &[u8]) -> Step {
    Step {
        bytes: bytes.into(),
        ..numbers(6, stream, 0)
    }
}

pub(crate) fn select(write: &[i32], read: &[i32]) -> Step {
    ask(
        7,
        &StreamSelect {
            write: write.into(),
            read: read.into(),
        },
    )
}

/// Limits the time that reading may take.
pub(crate) fn timeout(stream: i32, ms: i32) -> Step {
    numbers(8, stream, ms)
}

pub(crate) fn close(stream: i32) -> Step {
    numbers(9, stream, 0)
}

pub(crate) fn connect(host: &str, port: u16, timeout_ms: Option<u64>) -> Step {
    ask(
        10,
        &NetConnect {
            host: host.into(),
            port,
            timeout_ms,
        },
    )
}

pub(crate) fn lookup(host: &str) -> Step {
    ask(11, &NetLookup { host: host.into() })
}

pub(crate) fn shutdown(stream: i32, how: i32) -> Step {
    numbers(12, stream, how)
}

/// Takes a stream of the call.
pub(crate) fn call_stream(index: i32) -> Step {
    numbers(13, index, 0)
}

/// Traps.
pub(crate) fn give_up() -> Step {
    numbers(14, 0, 0)
}

pub(crate) fn file_status(path: &str) -> Step {
    file_call(FileAction::Status, path)
}

pub(crate) fn set_mode(path: &str, mode: u32) -> Step {
    ask(
        15,
        &FileCall {
            mode: Some(mode),
            ..file(FileAction::SetAttributes, path)
        },
    )
}

pub(crate) fn set_owner(path: &str, uid: u32) -> Step {
    ask(
        15,
        &FileCall {
            uid: Some(uid),
            ..file(FileAction::SetAttributes, path)
        },
    )
}

pub(crate) fn file_symlink(target: &str, path: &str) -> Step {
    ask(
        15,
        &FileCall {
            target: Some(target.into()),
            ..file(FileAction::Symlink, path)
        },
    )
}

pub(crate) fn file_sync(path: &str) -> Step {
    file_call(FileAction::SyncDirectory, path)
}

/// An action without what it may need beside the path.
pub(crate) fn file_call(action: FileAction, path: &str) -> Step {
    ask(15, &file(action, path))
}

fn file(action: FileAction, path: &str) -> FileCall {
    FileCall {
        action,
        path: path.into(),
        target: None,
        mode: None,
        uid: None,
        gid: None,
    }
}

/// Asks `process_start` with bytes that are no question.
pub(crate) fn ask_nonsense(bytes: &[u8]) -> Step {
    Step {
        bytes: bytes.into(),
        ..numbers(0, 0, 0)
    }
}

fn ask(call: u32, question: &impl Serialize) -> Step {
    Step {
        bytes: cbor::encode(question).unwrap(),
        ..numbers(call, 0, 0)
    }
}

fn numbers(call: u32, a: i32, b: i32) -> Step {
    Step {
        call,
        a,
        b,
        bytes: Vec::new(),
    }
}

/// A program with arguments; its output goes nowhere.
pub(crate) fn program(program: &str, args: &[&str]) -> ProcessStart {
    let args = args.iter().map(ToString::to_string).collect();
    ProcessStart {
        program: program.into(),
        args,
        ..ProcessStart::default()
    }
}

/// A shell's script, with pipes for stdin (handle 1), stdout (2) and stderr (3). The process is
/// handle 4.
pub(crate) fn piped(script: &str) -> ProcessStart {
    let [stdin, stdout, stderr] = [StdioKind::Piped; 3];
    ProcessStart {
        stdin,
        stdout,
        stderr,
        ..program("sh", &["-c", script])
    }
}

/// Answer to one step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) number: i32,
    /// The bytes that were read.
    pub(crate) bytes: Vec<u8>,
    reply: Vec<u8>,
}

impl Answer {
    #[track_caller]
    pub(crate) fn reply<T: DeserializeOwned>(&self) -> T {
        assert!(self.number >= 0, "{:?}", self.error());
        cbor::decode(&self.reply).unwrap()
    }

    #[track_caller]
    pub(crate) fn error(&self) -> HostError {
        assert_eq!(self.number, -1, "no error: {self:?}");
        cbor::decode(&self.reply).unwrap()
    }
}

/// The guest, with its grants and limits.
pub(crate) struct Scripted {
    pub(crate) sandbox: Sandbox,
    pub(crate) program: Program,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
}

impl Scripted {
    /// Sets a deadline, so that no test hangs; it is shorter than the life of the processes that
    /// tests start.
    pub(crate) fn new(grants: Grants) -> Self {
        let sandbox = Sandbox::new().unwrap();
        let program = load(&sandbox, INTERPRETER).unwrap();
        Self {
            sandbox,
            program,
            grants,
            limits: Limits {
                deadline_ms: Some(50_000),
                ..Limits::default()
            },
        }
    }

    pub(crate) fn start(
        &self,
        steps: &[Step],
        output: Arc<Recorder>,
    ) -> impl Future<Output = Completion> + Send + use<> {
        self.sandbox.run(&self.program, self.request(steps), output)
    }

    pub(crate) fn request(&self, steps: &[Step]) -> Request {
        let mut input = Vec::new();
        for Step { call, a, b, bytes } in steps {
            let length = u32::try_from(bytes.len()).unwrap();
            input.extend(
                [*call, a.cast_unsigned(), b.cast_unsigned(), length]
                    .map(u32::to_le_bytes)
                    .concat(),
            );
            input.extend(bytes);
        }
        let request = Request::new("run", Bytes::from(input));
        Request {
            terms: Terms {
                grants: self.grants.clone(),
                limits: self.limits.clone(),
                ..Terms::default()
            },
            ..request
        }
    }

    /// Runs one call.
    pub(crate) async fn run(&self, steps: &[Step]) -> Result<Vec<Answer>, Fault> {
        let output = self.start(steps, Arc::default()).await.outcome?;
        Ok(answers(&output))
    }

    /// Returns the answer to the last step of a call.
    pub(crate) async fn last(&self, steps: &[Step]) -> Answer {
        self.run(steps).await.unwrap().pop().unwrap()
    }
}

pub(crate) fn answers(mut output: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while let Some((head, rest)) = output.split_first_chunk::<12>() {
        let number = |at: usize| i32::from_le_bytes(*head[at..].first_chunk().unwrap());
        let (bytes, rest) = rest.split_at(usize::try_from(number(4)).unwrap());
        let (reply, rest) = rest.split_at(usize::try_from(number(8)).unwrap());
        answers.push(Answer {
            number: number(0),
            bytes: bytes.into(),
            reply: reply.into(),
        });
        output = rest;
    }
    answers
}
