//! Hops that chains share: one session with a bastion serves all hosts behind it.

use std::{
    collections::HashMap,
    sync::{LazyLock, Mutex},
};

use super::link::{Link, WeakLink};
use crate::{address::Address, base::sync::lock, options::ConnectOptions};

/// Shared hops, by their address and the identity of their options.
type Hops = HashMap<(Address, usize), WeakLink>;

static HOPS: LazyLock<Mutex<Hops>> = LazyLock::new(Mutex::default);

/// Returns the link to the hop at `address`. It stays connected as long as there is a handle to it.
pub(super) fn shared(address: &Address, options: &ConnectOptions) -> Link {
    let mut hops = lock(&HOPS);
    hops.retain(|_, hop| hop.is_alive());
    let key = (address.clone(), options.identity());
    if let Some(hop) = hops.get(&key).and_then(WeakLink::upgrade) {
        return hop;
    }
    let hop = Link::new(address.clone(), options.clone(), None);
    hops.insert(key, hop.downgrade());
    hop
}
