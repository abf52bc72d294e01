//! What connecting to an address would run, without running it.

use std::ffi::OsString;

use crate::{address::Address, bootstrap, transport::ssh};

/// What a socket's path is shown as: the real one is made when it is needed.
const SOCKET: &str = "SOCKET";
/// What the bootstrap's random token is shown as.
const TOKEN: &str = "TOKEN";

/// The command lines that reach `address`, in the order they would run.
///
/// ```
/// use wxec_controller::explain;
///
/// let steps = explain(&"ssh:web1".parse()?);
/// assert_eq!(steps[0][0], "ssh");
/// # Ok::<(), wxec_controller::AddressError>(())
/// ```
pub fn explain(address: &Address) -> Vec<Vec<OsString>> {
    match address {
        Address::Local => vec![vec!["wxec-agent".into()]],
        Address::Ssh(address) => {
            let master = ["ssh".into(), "-S".into(), SOCKET.into()].into_iter().chain(ssh::master_arguments(address));
            let session = ["ssh", "-S", SOCKET, "--"].map(Into::into).into_iter();
            let session = session.chain([address.host.clone().into(), bootstrap::command(TOKEN).into()]);
            vec![master.collect(), session.collect()]
        }
    }
}
