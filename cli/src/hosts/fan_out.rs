//! Runs work on all hosts of a command, and passes results on as they arrive.

use std::convert::Infallible;

use wxec::{Fleet, Host};

use crate::terminal::interrupt::{self, Interrupted};

/// Runs what `work` returns for each host, and passes the results to `each` as they arrive. Each
/// host is closed after its work. An interrupt cancels what is under way.
pub(crate) fn on_each<T, F>(
    hosts: &[Host],
    mut work: impl FnMut(&Host) -> F,
    mut each: impl FnMut(&Host, T),
) -> Result<(), Interrupted>
where
    T: Send + 'static,
    F: IntoFuture<Output = T>,
    F::IntoFuture: Send + 'static,
{
    let fleet: Fleet = hosts.iter().cloned().collect();
    let mut run = fleet.each(|host| {
        let (host, work) = (host.clone(), work(host).into_future());
        async move {
            let result = work.await;
            host.close().await;
            Ok::<_, Infallible>(result)
        }
    });
    let ended = loop {
        match interrupt::block_on(run.next_outcome()) {
            Ok(Some(outcome)) => {
                let Ok(result) = outcome.result;
                each(&fleet.hosts()[outcome.index], result);
            }
            Ok(None) => break Ok(()),
            Err(interrupted) => break Err(interrupted),
        }
    };
    drop(run);
    fleet.close().wait();
    ended
}
