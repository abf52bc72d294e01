//! Hosts of an inventory as fleets.

use std::collections::BTreeMap;

use wxec_controller::ConnectOptions;

use crate::{
    fleet::Fleet,
    inventory::{Connecting, Inventory, Selection, TargetError},
};

impl Inventory {
    /// Returns the hosts that `target` selects, with the options that the inventory has for them.
    /// `docs/inventory.md` describes targets.
    pub fn select(&self, target: &str) -> Result<Fleet, TargetError> {
        Ok(self.resolve(target)?.into_fleet(Connecting::options))
    }
}

impl Selection {
    /// Returns the hosts as a fleet, reached with what `options` makes of the inventory's options.
    /// It is called once for all hosts with the same ones, which share the hops that they have in
    /// common.
    pub fn into_fleet(self, mut options: impl FnMut(Connecting) -> ConnectOptions) -> Fleet {
        let mut made = BTreeMap::new();
        let hosts = self.into_hosts().map(|(host, connecting)| {
            let options = made
                .entry(connecting)
                .or_insert_with(|| options(connecting));
            host.with_options(options)
        });
        hosts.collect()
    }
}
