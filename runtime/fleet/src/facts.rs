//! Facts about each host of a fleet.

use wxec_controller::{CallError, Host};
use wxec_protocol::Facts;

use crate::{fleet::Fleet, run::FleetRun};

impl Fleet {
    /// Returns facts about each of these hosts.
    pub fn facts(&self) -> FleetRun<Facts, CallError> {
        self.work(Host::facts).idempotent().start()
    }
}
