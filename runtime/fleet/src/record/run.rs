//! A run as its events tell it, while it goes on or afterwards.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde::Serialize;

use super::event::RunHeader;
use crate::rollout::{Ending, Event, EventKind};

/// A run, as its events tell it. Times are those since its beginning.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct RunRecord {
    /// Its work, and its hosts as they were asked for.
    #[serde(flatten)]
    pub header: RunHeader,
    /// Time of the last event, in milliseconds.
    pub last_ms: u64,
    /// Its hosts, in the order of the run.
    pub hosts: Vec<HostRecord>,
    /// Reason why no other host began, if the run was stopped.
    pub stopped: Option<String>,
    /// Exit code of the program. `None` if the run still goes on, or if the program was killed.
    pub exit_code: Option<u8>,
    /// True once its hosts are known.
    #[serde(skip)]
    pub(super) has_begun: bool,
    /// The place in `hosts` of each name.
    #[serde(skip)]
    places: HashMap<String, usize>,
    /// Number of the batch that goes on; 0 without one.
    #[serde(skip)]
    batch: usize,
}

/// The events of one host, in short.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct HostRecord {
    /// Name of the host.
    pub host: String,
    /// Number of its batch, 1 for the first; 0 if its work never began.
    pub batch: usize,
    /// Its phases, in the order of time.
    pub phases: Vec<Span>,
    /// The final state. `None` if it was under way at the last event, or waiting.
    pub ending: Option<Ending>,
    /// Reason for the failure.
    pub error: Option<String>,
    /// Number of failed attempts that were followed by another.
    pub retries: u32,
    /// True once the work of this attempt has started.
    #[serde(skip)]
    has_started: bool,
}

/// A part of the work on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostPhase {
    /// The agent is being started.
    Connecting,
    /// The work itself: a call, a command, a transfer.
    Working,
}

/// A phase of the work on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Span {
    /// The part.
    pub phase: HostPhase,
    /// Its beginning, in milliseconds.
    pub from_ms: u64,
    /// Its end, in milliseconds, if it has ended.
    pub to_ms: Option<u64>,
}

impl RunRecord {
    /// Returns the run of this header, before its first event.
    pub fn new(header: RunHeader) -> Self {
        Self {
            header,
            last_ms: 0,
            hosts: Vec::new(),
            stopped: None,
            exit_code: None,
            has_begun: false,
            places: HashMap::new(),
            batch: 0,
        }
    }

    /// Adds the next event.
    pub fn add(&mut self, event: &Event) {
        let at = event.at_ms;
        self.last_ms = self.last_ms.max(at);
        match &event.kind {
            EventKind::Begun { hosts, .. } => self.begin(hosts),
            EventKind::BatchBegun { batch, .. } => self.batch = *batch,
            EventKind::Connecting { host, .. } => {
                self.change(host, |host, _| host.begin(HostPhase::Connecting, at));
            }
            EventKind::Connected { host } => self.change(host, |host, _| host.connected(at)),
            EventKind::Started { host, .. } => self.change(host, |host, batch| {
                host.batch = batch;
                host.has_started = true;
                host.begin(HostPhase::Working, at);
            }),
            EventKind::Retrying { host, .. } => self.change(host, |host, _| {
                host.retries += 1;
                host.has_started = false;
                host.end_phase(at);
            }),
            EventKind::Ended {
                host,
                ending,
                error,
            } => self.change(host, |host, _| {
                host.end_phase(at);
                host.ending = Some(*ending);
                host.error.clone_from(error);
            }),
            EventKind::Stopped { reason } => self.stopped = Some(reason.to_string()),
            _ => {}
        }
    }

    fn begin(&mut self, hosts: &[String]) {
        self.has_begun = true;
        self.hosts = hosts.iter().map(|host| HostRecord::new(host)).collect();
        self.places = hosts.iter().cloned().zip(0..).collect();
    }

    /// Changes a host. One that the run did not begin with is ignored.
    fn change(&mut self, name: &str, change: impl FnOnce(&mut HostRecord, usize)) {
        let place = self.places.get(name).copied();
        if let Some(host) = place.and_then(|place| self.hosts.get_mut(place)) {
            change(host, self.batch);
        }
    }

    /// Returns what happened on the host of this name, if it is one of the run's.
    pub fn host(&self, name: &str) -> Option<&HostRecord> {
        self.hosts.get(*self.places.get(name)?)
    }

    /// Returns how many hosts ended which way; `None` are those that have not.
    pub fn counts(&self) -> BTreeMap<Option<Ending>, usize> {
        let mut counts = BTreeMap::new();
        for host in &self.hosts {
            *counts.entry(host.ending).or_default() += 1;
        }
        counts
    }

    /// Returns the time from its beginning to its last event.
    pub fn lasted(&self) -> Duration {
        Duration::from_millis(self.last_ms)
    }
}

impl HostRecord {
    fn new(host: &str) -> Self {
        Self {
            host: host.to_owned(),
            batch: 0,
            phases: Vec::new(),
            ending: None,
            error: None,
            retries: 0,
            has_started: false,
        }
    }

    /// Returns the phase that it is in.
    pub fn phase(&self) -> Option<HostPhase> {
        let span = self.phases.last()?;
        (self.ending.is_none() && span.to_ms.is_none()).then_some(span.phase)
    }

    /// Returns how long its phases took, without the time between them, until `now_ms` for one that
    /// goes on. `None` if it had none.
    pub fn took(&self, now_ms: u64) -> Option<Duration> {
        self.phases.first()?;
        let took = |span: &Span| span.to_ms.unwrap_or(now_ms).saturating_sub(span.from_ms);
        Some(Duration::from_millis(self.phases.iter().map(took).sum()))
    }

    fn connected(&mut self, at: u64) {
        if self.has_started {
            self.begin(HostPhase::Working, at);
        } else {
            self.end_phase(at);
        }
    }

    fn begin(&mut self, phase: HostPhase, at: u64) {
        self.end_phase(at);
        // Work that connects first has not worked before.
        self.phases
            .pop_if(|span| span.phase == HostPhase::Working && span.from_ms == at);
        self.phases.push(Span {
            phase,
            from_ms: at,
            to_ms: None,
        });
    }

    fn end_phase(&mut self, at: u64) {
        if let Some(span) = self.phases.last_mut() {
            span.to_ms.get_or_insert(at);
        }
    }
}
