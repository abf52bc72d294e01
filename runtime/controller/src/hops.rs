//! Hops that chains share: one session with a bastion serves all hosts behind it.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use crate::{
    address::Address,
    host::{Host, WeakHost},
    options::ConnectOptions,
};

/// Shared hops, by their address and the identity of their options.
type Hops = HashMap<(Address, usize), WeakHost>;

static HOPS: LazyLock<Mutex<Hops>> = LazyLock::new(Mutex::default);

/// Returns the hop at `address`. It stays connected as long as there is a handle to it.
pub(crate) fn shared(address: &Address, options: &ConnectOptions) -> Host {
    let mut hops = HOPS.lock().unwrap_or_else(PoisonError::into_inner);
    hops.retain(|_, hop| hop.is_alive());
    let key = (address.clone(), options.identity());
    if let Some(hop) = hops.get(&key).and_then(WeakHost::upgrade) {
        return hop;
    }
    let hop = Host::from(address.clone()).with_options(options);
    hops.insert(key, hop.downgrade());
    hop
}
