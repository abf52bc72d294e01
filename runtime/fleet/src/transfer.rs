//! The same transfer, to many hosts or from them.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::Semaphore, task::JoinSet};
use wxec_controller::{
    Host, Operation,
    transfer::{Transfer, TransferError, TransferErrorKind, TransferOptions, Transferred},
};

use crate::{
    fleet::Fleet,
    judge::{Judge, transfer_error},
    rollout::Verdict,
    run::FleetRun,
};

/// Transfers of one host at once: enough that a short one does not wait for the link.
const MAX_AT_ONCE: usize = 8;

/// The placeholder for the name of a host in a path.
const HOST: &str = "{host}";

/// A transfer on each host of a fleet, in parallel. It starts when it is [run](Self::run).
#[derive(Debug, Clone)]
#[must_use = "a transfer does nothing until it is run"]
pub struct FleetTransfer {
    fleet: Fleet,
    direction: Direction,
    options: TransferOptions,
}

#[derive(Debug, Clone)]
enum Direction {
    Put { local: PathBuf, remote: PathBuf },
    Get { remote: PathBuf, local: PathBuf },
}

impl Fleet {
    /// Pairs a file or tree here with a place on each host. `{host}` in either path stands for the
    /// host's name.
    pub fn put(&self, local: impl Into<PathBuf>, remote: impl Into<PathBuf>) -> FleetTransfer {
        self.transfer(Direction::Put {
            local: local.into(),
            remote: remote.into(),
        })
    }

    /// Pairs a file or tree on each host with a place of its own here: `{host}` in either path
    /// stands for the host's name.
    ///
    /// ```no_run
    /// # use wxec_fleet::__docs as wxec;
    /// use wxec::Fleet;
    ///
    /// let fleet = Fleet::new(["web1", "web2"])?;
    /// for outcome in fleet.get("/etc/hosts", "hosts.{host}").run()? {
    ///     println!("{}: {:?}", outcome.host, outcome.result);
    /// }
    /// # Ok::<(), wxec::Error>(())
    /// ```
    pub fn get(&self, remote: impl Into<PathBuf>, local: impl Into<PathBuf>) -> FleetTransfer {
        self.transfer(Direction::Get {
            remote: remote.into(),
            local: local.into(),
        })
    }

    fn transfer(&self, direction: Direction) -> FleetTransfer {
        FleetTransfer {
            fleet: self.clone(),
            direction,
            options: TransferOptions::default(),
        }
    }
}

impl FleetTransfer {
    /// Sets the options.
    pub fn options(mut self, options: TransferOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the transfer for each host. Fails if two hosts would write the same file here.
    pub fn each(&self) -> Result<Vec<Transfer>, TransferError> {
        if let Direction::Get { local, .. } = &self.direction {
            check_unique(self.fleet.hosts(), local)?;
        }
        let hosts = self.fleet.hosts().iter();
        Ok(hosts.map(|host| self.on_host(host)).collect())
    }

    fn on_host(&self, host: &Host) -> Transfer {
        let name = |path: &Path| name_for_host(path, host.name());
        let transfer = match &self.direction {
            Direction::Put { local, remote } => host.put(name(local), name(remote)),
            Direction::Get { remote, local } => host.get(name(remote), name(local)),
        };
        transfer.options(self.options.clone())
    }

    /// Starts all transfers. Fails before anything is transferred if two hosts would write the same
    /// file here.
    pub fn run(self) -> Result<FleetRun<Transferred, TransferError>, TransferError> {
        self.each()?;
        let fleet = self.fleet.clone();
        let judge = Judge::of_errors(Verdict::of_transfer, transfer_error);
        // A transfer that begins again finds what is in place already.
        let work = fleet.work(move |host| self.on_host(host).run());
        Ok(work.idempotent().judged_by(judge).start())
    }
}

/// Runs several transfers of one host, some of them at once. Returns their results in the order
/// given.
pub fn transfer_all(
    transfers: Vec<Transfer>,
) -> Operation<Vec<Result<Transferred, TransferError>>> {
    Operation::new(async move {
        let places = Arc::new(Semaphore::new(MAX_AT_ONCE));
        let mut running = JoinSet::new();
        for (index, transfer) in transfers.into_iter().enumerate() {
            let places = places.clone();
            running.spawn(async move {
                let _place = places.acquire().await;
                (index, transfer.run().await)
            });
        }
        let mut results = running.join_all().await;
        results.sort_by_key(|(index, _)| *index);
        results.into_iter().map(|(_, result)| result).collect()
    })
}

/// Returns a path with a host's name in place of `{host}`. Characters of the name that are
/// impossible or awkward in a file's name become `_`.
///
/// ```
/// # use wxec_fleet::__docs as wxec;
/// use wxec::transfer::name_for_host;
///
/// assert_eq!(name_for_host("logs/{host}.log", "web1").to_str(), Some("logs/web1.log"));
/// assert_eq!(name_for_host("{host}", "bastion/ssh:inner").to_str(), Some("bastion_ssh_inner"));
/// ```
pub fn name_for_host(template: impl AsRef<Path>, host: &str) -> PathBuf {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let template = template.as_ref().as_os_str().as_bytes();
    let usual = |c: char| {
        if c.is_alphanumeric() || "._-@+".contains(c) {
            c
        } else {
            '_'
        }
    };
    let mut name: String = host.chars().map(usual).collect();
    if name.starts_with('.') {
        name.replace_range(..1, "_");
    }
    let mut path = Vec::new();
    let mut rest = template;
    while let Some(at) = rest
        .windows(HOST.len())
        .position(|window| window == HOST.as_bytes())
    {
        path.extend(&rest[..at]);
        path.extend(name.bytes());
        rest = &rest[at + HOST.len()..];
    }
    path.extend(rest);
    std::ffi::OsString::from_vec(path).into()
}

fn check_unique(hosts: &[Host], template: &Path) -> Result<(), TransferError> {
    let mut taken = HashMap::new();
    for host in hosts {
        let path = name_for_host(template, host.name());
        if let Some(other) = taken.insert(path.clone(), host.name().into()) {
            let kind = TransferErrorKind::SameTarget {
                other,
                path: path.display().to_string(),
            };
            return Err(TransferError::new(host.name().into(), kind));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_hosts_never_write_the_same_file() {
        let fleet = Fleet::new(["web1", "web2"]).unwrap();
        let error = fleet.get("/etc/hosts", "hosts").each().unwrap_err();
        assert_eq!(
            error.to_string(),
            "web2: web1 would have the same target, hosts"
        );
        assert_eq!(
            fleet
                .get("/etc/hosts", "{host}/hosts")
                .each()
                .unwrap()
                .len(),
            2
        );
        // Names that differ only in a character that cannot be in a file's name.
        let fleet = Fleet::new(["web1/sudo:", "web1/su:root"]).unwrap();
        assert!(fleet.get("/etc/hosts", "{host}").each().is_ok());
    }

    #[test]
    fn a_hosts_name_leads_nowhere_else() {
        for (host, name) in [
            ("../x", "_._x"),
            ("..", "_."),
            ("a/b", "a_b"),
            ("[::1]:22", "___1__22"),
        ] {
            assert_eq!(name_for_host("{host}", host).to_str(), Some(name));
        }
        assert_eq!(
            name_for_host("a/{host}/{host}{", "h").to_str(),
            Some("a/h/h{")
        );
    }
}
