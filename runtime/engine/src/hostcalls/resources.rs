//! Streams and processes of a guest, by the handles that the guest knows them by.

use std::{collections::HashMap, fs::File, sync::Arc};

use wxec_protocol::{
    LimitKind, Limits,
    abi::{self, HostError},
};

use super::{
    process::{Child, Family, Inherited},
    reply::Denial,
    streams::{Duplex, Stream},
};
use crate::{call::supply::Supply, limits::quota::Quota};

/// All resources of one call. Dropping them ends all of them.
pub(crate) struct Resources {
    /// Quota of files, directories, sockets and pipes.
    pub(crate) files: Quota,
    pub(super) children: Quota,
    /// Outputs of processes that go to the output of the call.
    pub(crate) inherited: Inherited,
    streams: HashMap<i32, Stream>,
    /// Streams that came with the call, or `None` for those that the guest took.
    call_streams: Vec<Option<Duplex>>,
    /// Handles of the streams that the guest took.
    taken: Vec<i32>,
    processes: HashMap<i32, Child>,
    last_handle: i32,
    /// Files that stay locked as long as the guest lives, or the agent.
    pub(super) locks: Vec<File>,
    /// Processes that have no handle any more.
    forgotten: Vec<Child>,
    /// Declared behind the processes, to be dropped after them: it looks for what they leave
    /// behind.
    pub(super) family: Family,
    pub(super) supply: Arc<Supply>,
}

impl Resources {
    pub(crate) fn new(limits: &Limits, supply: &Arc<Supply>, call_streams: Vec<Duplex>) -> Self {
        Self {
            files: Quota::new(
                LimitKind::OpenFiles,
                limits.open_files,
                supply.files.clone(),
            ),
            children: Quota::new(
                LimitKind::Children,
                limits.children,
                supply.children.clone(),
            ),
            inherited: Inherited::default(),
            streams: HashMap::new(),
            call_streams: call_streams.into_iter().map(Some).collect(),
            taken: Vec::new(),
            processes: HashMap::new(),
            last_handle: 0,
            locks: Vec::new(),
            forgotten: Vec::new(),
            family: Family::default(),
            supply: supply.clone(),
        }
    }

    pub(super) fn add_stream(&mut self, stream: Stream) -> i32 {
        let handle = self.next_handle();
        self.streams.insert(handle, stream);
        handle
    }

    pub(super) fn add_process(&mut self, process: Child) -> i32 {
        let handle = self.next_handle();
        self.processes.insert(handle, process);
        handle
    }

    pub(super) fn stream(&mut self, handle: i32) -> Result<&mut Stream, Denial> {
        self.streams
            .get_mut(&handle)
            .ok_or_else(|| no_such("stream", handle))
    }

    pub(super) fn close_stream(&mut self, handle: i32) -> Result<(), Denial> {
        self.streams
            .remove(&handle)
            .map(Stream::close)
            .ok_or_else(|| no_such("stream", handle))
    }

    /// Takes the streams of the next call of a resident instance.
    pub(crate) fn give_call_streams(&mut self, call_streams: Vec<Duplex>) {
        self.end_call_streams();
        self.call_streams = call_streams.into_iter().map(Some).collect();
    }

    /// Drops the streams that came with the call.
    pub(crate) fn end_call_streams(&mut self) {
        self.call_streams.clear();
        for handle in self.taken.drain(..) {
            self.streams.remove(&handle);
        }
    }

    /// Gives a handle to one of the call's streams, which can be taken once.
    pub(super) fn take_call_stream(&mut self, index: i32) -> Result<i32, Denial> {
        let place = match index {
            abi::LAST_STREAM => self.call_streams.len().checked_sub(1),
            index => usize::try_from(index).ok(),
        };
        let stream = place.and_then(|place| self.call_streams.get_mut(place)?.take());
        let stream = stream.ok_or_else(|| {
            invalid(format!(
                "the call has no stream {index}, or it was taken before"
            ))
        })?;
        let handle = self.add_stream(Stream::of_call(stream));
        self.taken.push(handle);
        Ok(handle)
    }

    /// Returns a process, and the family it belongs to.
    pub(super) fn process(&mut self, handle: i32) -> Result<(&mut Child, &mut Family), Denial> {
        let process = self
            .processes
            .get_mut(&handle)
            .ok_or_else(|| no_such("process", handle))?;
        Ok((process, &mut self.family))
    }

    /// Takes the handle of a process away. The process goes on.
    pub(super) fn forget_process(&mut self, handle: i32) -> Result<(), Denial> {
        let process = self
            .processes
            .remove(&handle)
            .ok_or_else(|| no_such("process", handle))?;
        self.forgotten.push(process);
        self.look_after_forgotten();
        Ok(())
    }

    /// Gives back the shares of forgotten processes that have ended.
    pub(super) fn look_after_forgotten(&mut self) {
        let Self {
            forgotten, family, ..
        } = self;
        forgotten.retain_mut(|process| matches!(process.try_wait(family), Ok(None)));
    }

    /// Returns a new handle. Handles are not reused: a closed one never means something else.
    /// Opening one takes some microseconds, so that no call gets through two thousand million of
    /// them.
    fn next_handle(&mut self) -> i32 {
        self.last_handle = self
            .last_handle
            .checked_add(1)
            .expect("no call opens so much");
        self.last_handle
    }
}

fn no_such(kind: &str, handle: i32) -> Denial {
    invalid(format!("{handle} is no {kind} of this call, or was closed"))
}

pub(super) fn invalid(message: String) -> Denial {
    Denial::Failed(HostError {
        kind: "InvalidInput".into(),
        message,
        need: None,
    })
}
