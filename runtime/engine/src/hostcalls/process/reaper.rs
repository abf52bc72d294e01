//! Ends processes: none is left running when its call is over, and none is left as a zombie.
//!
//! A call can end anywhere by being dropped, and a drop cannot wait. So the drop kills the call's
//! processes on the spot; one thread for all calls waits for them to be gone, and looks for what
//! they leave behind.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    io,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};

use super::sweep::{Left, kill_left};
use crate::limits::quota::Share;

/// Small: the thread waits, and reads `/proc`.
const STACK_BYTES: usize = 128 << 10;

/// Interval of checking if a killed process is gone. Most are gone at the first check.
const ASK_EVERY: Duration = Duration::from_millis(5);

/// Time in which killed processes are gone, unless the kernel itself hangs.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// Called for process groups: with `true` when one begins, with `false` when it ends.
pub type ProcessWatch = fn(Pid, bool);

/// Starts processes, and knows all that run.
pub(crate) struct Reaper {
    /// Prefix of the marks of its calls.
    id: String,
    calls: AtomicU64,
    living: Arc<Mutex<Living>>,
    thread: Mutex<Option<Sender<Order>>>,
}

#[derive(Default)]
struct Living {
    /// Process groups by number. A process in here was not waited for, so its number belongs to no
    /// other process.
    groups: HashSet<Pid>,
    /// True if no process may be started any more.
    closed: bool,
    watch: Option<ProcessWatch>,
}

impl Living {
    fn tell(&self, group: Pid, runs: bool) {
        if let Some(watch) = self.watch {
            watch(group, runs);
        }
    }
}

enum Order {
    Bury(Process),
    LookFor(Left),
    Answer(Sender<()>),
}

impl Default for Reaper {
    fn default() -> Self {
        // Random, because other agents on this host have marks of their own, and in containers the
        // same process number.
        let id = format!("{:016x}.", RandomState::new().hash_one(()));
        Self {
            id,
            calls: AtomicU64::new(0),
            living: Arc::default(),
            thread: Mutex::new(None),
        }
    }
}

impl Reaper {
    /// Returns the mark that all processes of one call have in their environment. A call inside a
    /// call has both marks.
    pub(super) fn new_mark(&self) -> String {
        format!("{}{}", self.id, self.calls.fetch_add(1, Relaxed))
    }

    /// Tells `watch` of all groups from now on.
    pub(crate) fn watch(&self, watch: ProcessWatch) {
        self.living
            .lock()
            .expect("nothing panics while it is held")
            .watch = Some(watch);
    }

    /// Starts a process, in a group of its own.
    pub(super) fn spawn(&self, command: &mut Command, share: Share) -> io::Result<Running> {
        let orders = self.orders()?;
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let process = Process {
            child,
            pid,
            living: self.living.clone(),
            _share: share,
        };
        let mut living = self.living.lock().expect("nothing panics while it is held");
        living.groups.insert(pid);
        living.tell(pid, true);
        let closed = living.closed;
        drop(living);
        let running = Running {
            process: Some(process),
            orders,
        };
        if closed {
            Err(io::Error::other("this session is over"))
        } else {
            Ok(running)
        }
    }

    /// Has the thread kill what is left of the processes of a call: those with its mark, and the
    /// rest of some groups.
    pub(super) fn look_for(&self, left: Left) {
        if let Some(orders) = &*self.thread.lock().expect("nothing panics while it is held") {
            let _ = orders.send(Order::LookFor(left));
        }
    }

    /// Kills all processes, and what they left behind. No more can be started.
    pub(crate) fn shut_down(&self) {
        let mut living = self.living.lock().expect("nothing panics while it is held");
        living.closed = true;
        for group in &living.groups {
            let _ = kill_process_group(*group, Signal::KILL);
        }
        drop(living);
        self.look_for(Left {
            marks: vec![self.id.clone()],
            groups: Vec::new(),
        });
        let Some(orders) = self
            .thread
            .lock()
            .expect("nothing panics while it is held")
            .clone()
        else {
            return;
        };
        let (answer, answered) = channel();
        let _ = orders.send(Order::Answer(answer));
        let _ = answered.recv_timeout(GONE_WITHIN);
    }

    /// Returns the way to the thread, which starts with the first process. The thread ends when all
    /// senders are gone.
    fn orders(&self) -> io::Result<Sender<Order>> {
        let mut thread = self.thread.lock().expect("nothing panics while it is held");
        if let Some(orders) = &*thread {
            return Ok(orders.clone());
        }
        let (sender, orders) = channel();
        thread::Builder::new()
            .name("wxec-reaper".into())
            .stack_size(STACK_BYTES)
            .spawn(move || follow(&orders))?;
        *thread = Some(sender.clone());
        Ok(sender)
    }
}

/// Runs the thread.
fn follow(orders: &Receiver<Order>) {
    let mut dying = Vec::<Process>::new();
    loop {
        let order = if dying.is_empty() {
            orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            orders.recv_timeout(ASK_EVERY)
        };
        match order {
            Ok(Order::Bury(process)) => dying.push(process),
            Ok(Order::LookFor(left)) => kill_left(&left),
            Ok(Order::Answer(to)) => drop(to.send(())),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if dying.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => thread::sleep(ASK_EVERY),
        }
        dying.retain_mut(|process| matches!(process.try_wait(), Ok(None)));
    }
}

/// A process that was not waited for yet.
struct Process {
    child: Child,
    pid: Pid,
    living: Arc<Mutex<Living>>,
    _share: Share,
}

impl Process {
    /// Returns how it ended, if it has. Its number may be another's then, so removes the group
    /// under the same lock.
    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let mut living = self.living.lock().expect("nothing panics while it is held");
        let status = self.child.try_wait();
        if !matches!(status, Ok(None)) && living.groups.remove(&self.pid) {
            living.tell(self.pid, false);
        }
        status
    }
}

/// A process whose call goes on. Dropping it kills it, and all of its group.
///
/// It is killed rather than asked to end: its call is over and its last output is not wanted, and a
/// deadline is the time by which everything is over.
pub(super) struct Running {
    process: Option<Process>,
    orders: Sender<Order>,
}

impl Running {
    /// Takes our ends of its pipes: stdin, stdout and stderr.
    pub(super) fn take_pipes(&mut self) -> [Option<OwnedFd>; 3] {
        let Some(Process { child, .. }) = &mut self.process else {
            return [None, None, None];
        };
        [
            child.stdin.take().map(Into::into),
            child.stdout.take().map(Into::into),
            child.stderr.take().map(Into::into),
        ]
    }

    /// Returns its number, until it was waited for.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Returns how it ended, if it has, and its group if other processes live on in it. Gives the
    /// end once.
    pub(super) fn try_wait(&mut self) -> io::Result<Option<(ExitStatus, Option<Pid>)>> {
        let process = self.process.as_mut().ok_or(io::ErrorKind::InvalidInput)?;
        let Some(status) = process.try_wait()? else {
            return Ok(None);
        };
        // Ask as soon as the number is free. While others of the group live, the kernel does not
        // reuse it.
        let group = Some(process.pid).filter(|group| test_kill_process_group(*group).is_ok());
        self.process = None;
        Ok(Some((status, group)))
    }

    /// Sends it a signal, if it was not waited for.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(
            self.pid().ok_or(io::ErrorKind::InvalidInput)?,
            signal,
        )?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            let _ = kill_process_group(process.pid, Signal::KILL);
            let _ = self.orders.send(Order::Bury(process));
        }
    }
}
