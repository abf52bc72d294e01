//! Calls that guests make to tasks on other hosts. The controller makes them, and reads their
//! addresses as seen from the guest's host.
//!
//! The protocol's state machine has already refused asks for hosts that the guest was not granted.
//! A guest calls tasks of its own module, with the usual limits and without any grants.

use std::{collections::HashMap, pin::Pin, time::Instant};

use bytes::Bytes;
use tokio::{sync::mpsc, task::JoinSet};
use wxec_protocol::{Ask, Limits, MAX_ASK_BYTES, abi::TaskFailure};

use crate::{
    address::{Address, AddressError, Hop},
    base::{runtime::Background, time::duration_ms},
    call::{TaskCall, run},
    error::{CallErrorKind, Phase, Unreachable},
    host::Host,
    module::Module,
    session::Asked,
};

/// Limit for hosts that the guest of one call may have open. Each is a process here or behind a
/// hop.
const MAX_HOSTS: usize = 64;

/// Reason why a guest gets no value. It arrives there as it is.
type Failure = CallErrorKind<TaskFailure>;

/// Host and module of a call whose guest may ask.
pub(crate) struct Asker {
    pub(crate) host: Host,
    pub(crate) module: Module,
    /// Time at which the call will have ended.
    pub(crate) deadline: Option<Instant>,
}

impl Asker {
    /// Makes the calls that its guest asks for until the sender is dropped, then closes their
    /// hosts. Dropping the returned task cancels the calls.
    pub(crate) fn serve(self) -> (mpsc::UnboundedSender<Asked>, Background<()>) {
        // Unbounded, because the protocol's state machine limits how many asks are open.
        let (sender, asked) = mpsc::unbounded_channel();
        // Boxed, because the future of a call contains the calls its guest asks for, and so itself.
        let serving: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.answer_all(asked));
        (sender, Background::new(serving))
    }

    async fn answer_all(self, mut asked: mpsc::UnboundedReceiver<Asked>) {
        let mut hosts = Hosts {
            here: self.host.clone(),
            others: HashMap::new(),
        };
        let mut calls = JoinSet::new();
        while let Some(asked) = asked.recv().await {
            while calls.try_join_next().is_some() {}
            let call = hosts
                .at(&asked.question.address)
                .map(|host| (host, self.call(&asked.question)));
            calls.spawn(async move {
                let outcome = match call {
                    Ok((host, call)) => run(host, call).await.map_err(|error| error.kind),
                    Err(error) => Err(error),
                };
                asked.answer(outcome.map_err(for_guest));
            });
        }
        calls.shutdown().await;
        hosts.close().await;
    }

    fn call(&self, question: &Ask) -> TaskCall<Bytes, TaskFailure> {
        let left = self
            .deadline
            .map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let left_ms = left.map(duration_ms);
        let limits = Limits {
            deadline_ms: [left_ms, question.deadline_ms].into_iter().flatten().min(),
            output_bytes: MAX_ASK_BYTES as u64,
            ..Limits::default()
        };
        TaskCall::undecoded(
            self.module.clone(),
            question.function.clone(),
            question.input.clone(),
            limits,
        )
    }
}

/// The hosts that one guest uses, connected from their first use until the guest's call ends.
struct Hosts {
    /// The guest's host.
    here: Host,
    /// Other hosts by address, as seen from the guest's host.
    others: HashMap<Address, Host>,
}

impl Hosts {
    /// Returns the host at `address`, as seen from the guest's host. `local:` is that host itself.
    fn at(&mut self, address: &str) -> Result<Host, Failure> {
        let address: Address = address.parse().map_err(|error| bad_address(&error))?;
        let hops = match address.hops() {
            [Hop::Local, hops @ ..] => hops,
            hops => hops,
        };
        if hops.is_empty() {
            return Ok(self.here.clone());
        }
        if let Some(host) = self.others.get(&address) {
            return Ok(host.clone());
        }
        if self.others.len() >= MAX_HOSTS {
            let reason = format!("a call may use no more than {MAX_HOSTS} hosts");
            let failure = Unreachable::new(Phase::Local, reason);
            return Err(CallErrorKind::Unreachable(failure));
        }
        let host = hops
            .iter()
            .try_fold(self.here.clone(), |via, hop| via.beyond(hop.clone()));
        let host = host.map_err(|error| bad_address(&error))?;
        self.others.insert(address, host.clone());
        Ok(host)
    }

    async fn close(self) {
        let closing = self
            .others
            .into_values()
            .map(|host| async move { host.close().await });
        closing.collect::<JoinSet<_>>().join_all().await;
    }
}

/// Takes out what programs on this side said, such as ssh: that is not for guests.
fn for_guest(mut error: Failure) -> Failure {
    match &mut error {
        CallErrorKind::Unreachable(Unreachable { stderr_tail, .. })
        | CallErrorKind::Lost { stderr_tail, .. } => stderr_tail.clear(),
        _ => {}
    }
    error
}

fn bad_address(error: &AddressError) -> Failure {
    CallErrorKind::Unreachable(Unreachable::new(Phase::Address, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(here: &str) -> Hosts {
        Hosts {
            here: Host::new(here).unwrap(),
            others: HashMap::new(),
        }
    }

    #[test]
    fn addresses_are_seen_from_where_the_guest_is() {
        for (here, asked, there) in [
            ("ssh:web1", "ssh:db1", "ssh:web1/ssh:db1"),
            ("ssh:web1", "db1", "ssh:web1/ssh:db1"),
            (
                "bastion/ssh:web1",
                "sudo:app/docker:db",
                "ssh:bastion/ssh:web1/sudo:app/docker:db",
            ),
            ("ssh:web1", "local:", "ssh:web1"),
            ("ssh:web1", "local:/sudo:", "ssh:web1/sudo:"),
            ("local:", "exec:[\"sh\"]", "local:/exec:[\"sh\"]"),
        ] {
            assert_eq!(
                hosts(here).at(asked).unwrap().address().to_string(),
                there,
                "{asked} from {here}"
            );
        }
    }

    #[test]
    fn there_are_no_more_hops_than_a_chain_may_have() {
        let mut hosts = hosts("a/ssh:b/ssh:c/ssh:d/ssh:e/ssh:f/ssh:g");
        assert!(hosts.at("ssh:h").is_ok());
        let error = hosts.at("ssh:h/ssh:i").unwrap_err().to_string();
        assert!(
            error.contains("9 hops are more than the 8 allowed"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "ssh:-oProxyCommand=x", "sudo:root/local:", "nothing:"] {
            let error = hosts("ssh:web1").at(text).unwrap_err().to_string();
            assert!(
                error.starts_with("unreachable (reading its address): "),
                "{error}"
            );
        }
    }

    #[test]
    fn a_host_is_connected_once() {
        let mut hosts = hosts("ssh:web1");
        let [first, second] = [(); 2].map(|()| hosts.at("ssh:db1").unwrap());
        assert_eq!(first, second);
        assert_eq!(hosts.others.len(), 1);
        for number in 0..MAX_HOSTS {
            let at = hosts.at(&format!("ssh:db{number}"));
            assert!(at.is_ok() || number == MAX_HOSTS - 1, "{number}");
        }
        assert!(matches!(
            hosts.at("ssh:other"),
            Err(CallErrorKind::Unreachable(_))
        ));
    }

    #[test]
    fn guests_do_not_get_what_programs_here_said() {
        let unreachable = Unreachable::new(Phase::Connect, "no route").stderr("secret".into());
        let kept = Unreachable::new(Phase::Connect, "no route");
        assert_eq!(
            for_guest(CallErrorKind::Unreachable(unreachable)),
            CallErrorKind::Unreachable(kept)
        );
        let lost = |stderr_tail: &str| CallErrorKind::Lost {
            reason: "it ended".into(),
            stderr_tail: stderr_tail.into(),
        };
        assert_eq!(for_guest(lost("secret")), lost(""));
    }
}
