//! Reports the facts of a host. This module is shipped with wxec: `wxec facts` and `Host::facts`
//! call it.

#![forbid(unsafe_code)]

use std::io;

use wxec::{
    here::{self, Facts},
    remote,
};

/// Returns the host's names, system, processors, memory, addresses and account.
#[remote(facts)]
pub fn facts() -> io::Result<Facts> {
    here::facts()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_of_this_machine_as_well() {
        let facts = facts().unwrap();
        assert!(
            facts.cpus > 0 && facts.memory_bytes > 0 && !facts.hostname.is_empty(),
            "{facts:?}"
        );
    }
}
