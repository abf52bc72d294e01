//! Options of calls, the same for one host, a fleet, an instance and a program.

use std::time::Duration;

use wxec_protocol::{Grants, Limits, Need, Terms};

use crate::{base::time::duration_ms, host::Host};

/// Largest number of times that a call with [`CallOptions::reconnect`] is made again: a host that goes
/// down once more each time would do so for ever.
const MAX_RECONNECTS: u32 = 5;

/// What a call does when its host is lost: it is made again, a few times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retry {
    /// Number of times that are left.
    pub(super) left: u32,
    /// Time that the host has each time to come back.
    pub(super) within: Duration,
}

/// Options of a call: what it may use, what it is granted, and whether it may run twice.
///
/// One value can be given to many calls with `.options(…)`; each option has a short form on the
/// call itself.
///
/// ```
/// # use wxec_controller::__docs as wxec;
/// use std::time::Duration;
/// use wxec::{CallOptions, Grants};
///
/// let careful = CallOptions::new().timeout(Duration::from_secs(5)).grant(Grants::none().read("/etc"));
/// # let _ = careful;
/// ```
#[derive(Debug, Clone, Default)]
pub struct CallOptions {
    limits: Option<Limits>,
    deadline_ms: Option<u64>,
    linger_ms: Option<u64>,
    pub(super) grants: Grants,
    seed: Option<u64>,
    idempotent: bool,
    reconnect: Option<Duration>,
    preview: bool,
}

impl CallOptions {
    /// Creates the default options: default limits, no timeout, no grants, and one attempt.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the call if it has not returned `after` it was sent. Connecting and building do not
    /// count.
    #[must_use]
    pub fn timeout(mut self, after: Duration) -> Self {
        self.deadline_ms = Some(duration_ms(after));
        self
    }

    /// Lets the task go on `within` this time when the call is cancelled, or the connection is lost, so
    /// that it can finish what it must not leave half done; it asks whether it is cancelled. At most 15
    /// minutes. By default a task ends at once, and within two seconds when the connection is lost.
    #[must_use]
    pub fn linger(mut self, within: Duration) -> Self {
        self.linger_ms = Some(duration_ms(within));
        self
    }

    /// Limits what the call may use. Keeps a [`timeout`](Self::timeout) set before, unless `limits`
    /// has a deadline itself.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.deadline_ms = limits.deadline_ms.or(self.deadline_ms);
        self.linger_ms = limits.linger_ms.or(self.linger_ms);
        self.limits = Some(limits);
        self
    }

    /// Grants the call more. Something that was taken away, such as its clock, stays away.
    #[must_use]
    pub fn grant(mut self, grants: Grants) -> Self {
        self.grants = self.grants.and(grants);
        self
    }

    /// Makes the call do the same each time, and use the same [fuel](Limits::fuel). Its random
    /// numbers follow from `seed` (so they keep no secret). Its clock begins with the year 2020; it
    /// advances by a millisecond at each reading, and by the length of each sleep of the task,
    /// without waiting. Other things that are granted to the call may still differ.
    #[must_use]
    pub fn deterministic(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Declares that running the task twice does no harm: if the host is lost on the way, the call
    /// is tried once more.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Declares that the task may cut its own connection, or restart its host, and that running it
    /// again does no harm. If the connection is lost, the host has `within` this time to come back; then
    /// the task is called again, up to five times. The timeout is that of each time. An instance, which
    /// ends with its agent, and a call with channels are not called again; a program's task is, once
    /// and at once.
    #[must_use]
    pub fn reconnect(mut self, within: Duration) -> Self {
        self.reconnect = Some(within);
        self
    }

    /// Makes the call a preview, which cannot change its host: paths that it was to write are granted
    /// for reading, and programs, the network and other hosts are not granted. The agent refuses a
    /// preview that could change anything.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.preview = true;
        self
    }

    /// Adds `more`: its grants are added to these, and what else it sets takes precedence.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            limits: more.limits.or(self.limits),
            deadline_ms: more.deadline_ms.or(self.deadline_ms),
            linger_ms: more.linger_ms.or(self.linger_ms),
            grants: self.grants.and(more.grants),
            seed: more.seed.or(self.seed),
            idempotent: self.idempotent || more.idempotent,
            reconnect: more.reconnect.or(self.reconnect),
            preview: self.preview || more.preview,
        }
    }

    /// Returns these options with the limits of `host` where they set none.
    pub(crate) fn on(self, host: &Host) -> Self {
        match host.limits() {
            Some(limits) => Self::new().limits(limits.clone()).and(self),
            None => self,
        }
    }

    /// Returns the terms of the call, with the timeout as its deadline.
    pub(crate) fn into_terms(self) -> Terms {
        Terms {
            limits: Limits {
                deadline_ms: self.deadline_ms,
                linger_ms: self.linger_ms,
                ..self.limits.unwrap_or_default()
            },
            grants: if self.preview {
                self.grants.harmless()
            } else {
                self.grants
            },
            seed: self.seed,
            preview: self.preview,
        }
    }

    /// Returns true if the call lacks a grant of `need`. A preview lacks none that it cannot have.
    pub(super) fn lacks(&self, need: &Need) -> bool {
        match need {
            Need::Write(path) if self.preview => !self.grants.covers(&Need::Read(path.clone())),
            Need::Run(_) | Need::Net(_) | Need::Host(_) | Need::Attributes if self.preview => false,
            need => !self.grants.covers(need),
        }
    }

    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        self.idempotent
    }

    /// Returns what a call does when its host is lost.
    pub(super) fn retry(&self) -> Retry {
        match self.reconnect {
            Some(within) => Retry {
                left: MAX_RECONNECTS,
                within,
            },
            None => Retry {
                left: u32::from(self.idempotent),
                within: Duration::ZERO,
            },
        }
    }
}

/// Writes the methods with which a builder takes [`CallOptions`] and their short forms. The
/// builder's `with_options` applies a change of the options.
#[doc(hidden)]
#[macro_export]
macro_rules! call_option_methods {
    () => {
        /// Adds options: grants are added to those it has, and what else is set in `options` takes
        /// precedence.
        pub fn options(self, options: $crate::CallOptions) -> Self {
            self.with_options(|own| own.and(options))
        }

        /// Ends it if it has not returned `after` it was sent. Connecting and building do not
        /// count.
        pub fn timeout(self, after: ::std::time::Duration) -> Self {
            self.with_options(|options| options.timeout(after))
        }

        /// Limits what it may use on its host. Keeps a [`timeout`](Self::timeout) set before,
        /// unless `limits` has a deadline itself.
        pub fn limits(self, limits: $crate::Limits) -> Self {
            self.with_options(|options| options.limits(limits))
        }

        /// Grants it more than its task declares. Something that was taken away, such as its clock,
        /// stays away.
        pub fn grant(self, grants: $crate::Grants) -> Self {
            self.with_options(|options| options.grant(grants))
        }

        /// Makes it do the same each time: its random numbers follow from `seed`, and its clock
        /// begins at a fixed date and advances as it is read. See
        /// [`CallOptions::deterministic`]($crate::CallOptions::deterministic).
        pub fn deterministic(self, seed: u64) -> Self {
            self.with_options(|options| options.deterministic(seed))
        }

        /// Makes it a preview, which cannot change its host: see
        /// [`CallOptions::preview`]($crate::CallOptions::preview).
        pub fn preview(self) -> Self {
            self.with_options(|options| options.preview())
        }
    };
    (idempotent) => {
        $crate::call_option_methods!();

        /// Declares that running the task twice does no harm: if a host is lost on the way, the
        /// call is tried once more there.
        pub fn idempotent(self) -> Self {
            self.with_options(|options| options.idempotent())
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_takes_precedence_and_grants_add_up() {
        let fuel = Limits {
            fuel: Some(1),
            ..Limits::default()
        };
        let first = CallOptions::new()
            .timeout(Duration::from_secs(9))
            .limits(fuel)
            .grant(Grants::none().env("A"));
        let both = first.clone().and(
            CallOptions::new()
                .timeout(Duration::from_secs(1))
                .grant(Grants::none().env("B")),
        );
        assert!(!both.is_idempotent());
        let both = both.into_terms();
        assert_eq!(both.limits.deadline(), Some(Duration::from_secs(1)));
        assert_eq!(both.limits.fuel, Some(1));
        assert_eq!(both.grants, Grants::none().env("A").env("B"));
        let same = first.clone().and(CallOptions::new());
        assert_eq!(same.into_terms(), first.into_terms());
    }

    #[test]
    fn a_preview_is_granted_nothing_that_changes_its_host() {
        let grants = Grants::none().write("/srv").run("apt-get").env("A");
        let preview = CallOptions::new().grant(grants).preview();
        for need in [
            Need::Write("/srv/x".into()),
            Need::Read("/srv".into()),
            Need::Run("dpkg".into()),
            Need::Attributes,
        ] {
            assert!(!preview.lacks(&need), "{need}");
        }
        assert!(preview.lacks(&Need::Write("/etc".into())) && preview.lacks(&Need::Facts));
        let terms = CallOptions::new().and(preview).into_terms();
        assert!(terms.preview);
        assert_eq!(terms.grants, Grants::none().read("/srv").env("A"));
    }

    #[test]
    fn limits_of_a_host_hold_where_a_call_sets_none() {
        let limits = Limits {
            fuel: Some(7),
            deadline_ms: Some(9),
            ..Limits::default()
        };
        let host = Host::new("local:").unwrap().with_limits(limits.clone());
        let on_host = |options: CallOptions| options.on(&host).into_terms().limits;
        assert_eq!(on_host(CallOptions::new()), limits);
        let shorter = on_host(CallOptions::new().timeout(Duration::from_millis(3)));
        assert_eq!((shorter.deadline_ms, shorter.fuel), (Some(3), Some(7)));
        assert_eq!(
            on_host(CallOptions::new().limits(Limits::default())).fuel,
            None
        );
    }
}
