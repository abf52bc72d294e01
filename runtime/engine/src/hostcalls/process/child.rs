//! A process that a guest started.

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    time::Duration,
};

use rustix::{
    event::PollFlags,
    process::{PidfdFlags, Signal, pidfd_open},
};
use tokio::{
    io::{Interest, unix::AsyncFd},
    time::sleep,
};
use wxec_protocol::abi::ProcessEnd;

use super::{
    super::streams::{is_ready, watched},
    family::Family,
    reaper::Running,
};
use crate::limits::quota::Share;

/// Interval of asking if a process has ended, on kernels before 5.3, which do not tell. A person
/// notices no shorter delay.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A process that a guest started, running or ended.
pub(crate) struct Child {
    id: u32,
    running: Running,
    /// Readable once it has ended.
    pidfd: Option<AsyncFd<OwnedFd>>,
    end: Option<ProcessEnd>,
    /// Counts the pidfd as one more open file, and the process as one more entry in a table.
    _share: Share,
}

impl Child {
    pub(super) fn new(running: Running, share: Share) -> Self {
        let pid = running.pid();
        let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let pidfd = pidfd.and_then(|fd| watched(fd, Interest::READABLE).ok());
        let id = pid.map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned());
        Self {
            id,
            running,
            pidfd,
            end: None,
            _share: share,
        }
    }

    /// Returns its number. Another process may have that number once this one has ended.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Returns how it ended, if it has.
    pub(in super::super) fn try_wait(
        &mut self,
        family: &mut Family,
    ) -> io::Result<Option<ProcessEnd>> {
        if self.end.is_none()
            && let Some((status, group)) = self.running.try_wait()?
        {
            group.into_iter().for_each(|group| family.add(group));
            self.pidfd = None;
            self.end = Some(ProcessEnd {
                code: status.code(),
                signal: status.signal(),
            });
        }
        Ok(self.end)
    }

    /// Waits until it has ended. Other processes may still have its files open.
    pub(super) async fn wait(&mut self, family: &mut Family) -> io::Result<ProcessEnd> {
        loop {
            if let Some(end) = self.try_wait(family)? {
                return Ok(end);
            }
            let Some(pidfd) = &self.pidfd else {
                sleep(ASK_EVERY).await;
                continue;
            };
            let mut ready = pidfd.readable().await?;
            if !is_ready(pidfd, PollFlags::IN) {
                ready.clear_ready();
            }
        }
    }

    /// Sends it a signal, unless it was waited for.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        self.running.signal(signal)
    }
}

#[cfg(test)]
mod tests {
    use std::{process::Command, sync::Arc};

    use tokio::sync::Semaphore;
    use wxec_protocol::LimitKind;

    use super::{super::Reaper, *};
    use crate::limits::quota::Quota;

    #[tokio::test]
    async fn a_kernel_that_does_not_tell_is_asked() {
        let quota = Quota::new(LimitKind::Children, 2, Arc::new(Semaphore::new(2)));
        let reaper = Reaper::default();
        let running = reaper
            .spawn(Command::new("sleep").arg("60"), quota.take().unwrap())
            .unwrap();
        let mut child = Child {
            pidfd: None,
            ..Child::new(running, quota.take().unwrap())
        };
        assert_eq!(child.try_wait(&mut Family::default()).unwrap(), None);
        child.signal(Signal::KILL).unwrap();
        let end = child.wait(&mut Family::default()).await.unwrap();
        assert_eq!(
            end,
            ProcessEnd {
                code: None,
                signal: Some(9)
            }
        );
    }
}
