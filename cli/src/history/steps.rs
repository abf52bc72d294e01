//! Steps of plans on their hosts, while they are taken.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::sync::mpsc;
use wxec::output::{GuestOutput, OutputHandler};
use wxec_plan::Progress;

use crate::base::sync::lock;

/// News that wait to be printed: as many as a thousand hosts tell of plans of fifty steps.
const MAX_NEWS: usize = 100_000;

/// A step that begins or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepNews {
    pub(crate) host: String,
    pub(crate) step: String,
    /// `None` if it begins.
    pub(crate) state: Option<String>,
}

/// The steps that are under way.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// By the names of hosts, with the time at which they began.
    under_way: Mutex<BTreeMap<String, (String, Instant)>>,
    /// Takes all news, if these are wanted.
    news: Mutex<Option<mpsc::Sender<StepNews>>>,
}

impl Steps {
    /// Returns all news from here on, in place of the receiver before.
    pub(crate) fn news(&self) -> mpsc::Receiver<StepNews> {
        let (news, received) = mpsc::channel(MAX_NEWS);
        *lock(&self.news) = Some(news);
        received
    }

    /// Returns a handler that takes the news out of what guests say, and leaves the rest to `others`.
    pub(crate) fn listen(self: &Arc<Self>, others: OutputHandler) -> OutputHandler {
        let steps = self.clone();
        Arc::new(move |host, output| {
            let progress = match &output {
                GuestOutput::Log(record) => Progress::of(record),
                _ => None,
            };
            match progress {
                Some(progress) => steps.note(host, &progress),
                None => others(host, output),
            }
        })
    }

    fn note(&self, host: &str, progress: &Progress<'_>) {
        match progress.state {
            None => {
                let step = (progress.step.to_owned(), Instant::now());
                lock(&self.under_way).insert(host.to_owned(), step);
            }
            Some(_) => self.forget(host),
        }
        if let Some(news) = &*lock(&self.news) {
            // Without a receiver the run is over. Without room the news are lost: only hosts that tell
            // more steps than they take get there.
            let _ = news.try_send(StepNews {
                host: host.to_owned(),
                step: progress.step.to_owned(),
                state: progress.state.map(str::to_owned),
            });
        }
    }

    /// Notes that no step is under way on a host.
    pub(crate) fn forget(&self, host: &str) {
        lock(&self.under_way).remove(host);
    }

    /// Returns the steps under way by their hosts, the oldest first, each with its beginning.
    pub(crate) fn under_way(&self) -> Vec<(String, String, Instant)> {
        let under_way = lock(&self.under_way);
        let all = under_way.iter();
        let mut all: Vec<_> = all
            .map(|(host, (step, began))| (host.clone(), step.clone(), *began))
            .collect();
        all.sort_by_key(|(.., began)| *began);
        all
    }
}

#[cfg(test)]
mod tests {
    use wxec::output::{LogLevel, LogRecord};

    use super::*;

    #[test]
    fn a_step_is_under_way_from_its_beginning_to_its_end() {
        let (steps, others) = (Arc::new(Steps::default()), Arc::new(Mutex::new(Vec::new())));
        let mut news = steps.news();
        let kept = others.clone();
        let listen = steps.listen(Arc::new(move |host, _| lock(&kept).push(host.to_owned())));
        let say = |host: &str, target: &str, message: &str| {
            let record = LogRecord::new(LogLevel::Trace, target, message);
            listen(host, GuestOutput::Log(record));
        };
        let under_way = || {
            let steps = steps.under_way().into_iter();
            steps
                .map(|(host, step, _)| format!("{host} {step}"))
                .collect::<Vec<_>>()
        };
        say("web1", "wxec_plan::step", "begins site/file /a b");
        say("web2", "wxec_plan::step", "begins site/package nginx");
        say("web2", "site", "begins nothing");
        assert_eq!(
            under_way(),
            ["web1 site/file /a b", "web2 site/package nginx"]
        );
        say("web1", "wxec_plan::step", "changed site/file /a b");
        assert_eq!(under_way(), ["web2 site/package nginx"]);
        steps.forget("web2");
        assert!(under_way().is_empty());
        assert_eq!(*lock(&others), ["web2"]);
        let told = [(); 3].map(|()| news.try_recv().unwrap().state);
        assert_eq!(told, [None, None, Some("changed".into())]);
    }
}
