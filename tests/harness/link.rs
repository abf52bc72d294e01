//! Cables between machines. This kernel, like many, cannot delay packets by itself (`netem`), so a
//! long cable is a thread that carries each packet to the other end after a delay.

use std::{
    collections::VecDeque,
    fs::File,
    io::{ErrorKind, Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::Command,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
    ioctl::{Setter, ioctl},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use super::Machine;

/// One end of a cable: a machine with a network of its own, and its address.
pub(super) struct End<'a> {
    pub(super) machine: &'a Machine,
    pub(super) address: &'a str,
}

/// A cable. A short one lasts as long as its machines; a long one until it is dropped.
pub(super) struct Link {
    carrier: Option<(OwnedFd, JoinHandle<()>)>,
}

impl Link {
    /// Connects two machines by an interface `name` on each. Packets take `delay` each way.
    pub(super) fn between(a: &End<'_>, b: &End<'_>, name: &str, delay: Duration) -> Self {
        let carrier = if delay.is_zero() {
            let peer = b.machine.pid().as_raw_nonzero().to_string();
            ip(
                a,
                &[
                    "link", "add", name, "type", "veth", "peer", "name", name, "netns", &peer,
                ],
            );
            None
        } else {
            let ends = [a, b].map(|end| tunnel(end.machine.namespace("net"), name));
            let (stop, stopped) = rustix::pipe::pipe()
                .map(|(read, write)| (write, read))
                .expect("a pipe");
            Some((stop, thread::spawn(move || carry(ends, &stopped, delay))))
        };
        for (end, peer) in [(a, b), (b, a)] {
            ip(
                end,
                &[
                    "address",
                    "add",
                    end.address,
                    "peer",
                    peer.address,
                    "dev",
                    name,
                ],
            );
            ip(end, &["link", "set", name, "up"]);
        }
        Self { carrier }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.carrier.take() {
            drop(stop);
            let _ = thread.join();
        }
    }
}

fn ip(end: &End<'_>, arguments: &[&str]) {
    let namespace = format!("--net={}", end.machine.namespace("net"));
    let output = Command::new("nsenter")
        .args([&namespace, "ip"])
        .args(arguments)
        .output()
        .expect("it is everywhere");
    assert!(
        output.status.success(),
        "ip {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `TUNSETIFF`, and the flags for bare IP packets.
const SET_INTERFACE: u32 = 0x4004_54ca;
const BARE_PACKETS: u16 = 0x1001;

/// Returns the near end of an interface in a network namespace: what is sent there is read here.
fn tunnel(namespace: String, name: &str) -> File {
    let mut request = [0; 40];
    request[..name.len()].copy_from_slice(name.as_bytes());
    request[16..18].copy_from_slice(&BARE_PACKETS.to_ne_bytes());
    // Only the thread that enters a namespace is in it, and stays there; so this is one of its own.
    let made = thread::spawn(move || {
        let namespace = File::open(namespace)?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let tunnel = rustix::fs::open(
            "/dev/net/tun",
            OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        // SAFETY: the kernel reads a `struct ifreq` for this operation, which has 40 bytes: the
        // name, the flags, and bytes that it ignores; all bytes are set.
        unsafe { ioctl(&tunnel, Setter::<SET_INTERFACE, [u8; 40]>::new(request))? };
        std::io::Result::Ok(File::from(tunnel))
    });
    made.join()
        .expect("it does not panic")
        .expect("root may make interfaces in its own namespaces")
}

/// Carries packets both ways until the other end of `stopped` is closed.
fn carry(ends: [File; 2], stopped: &OwnedFd, delay: Duration) {
    let mut under_way = VecDeque::<(Instant, usize, Vec<u8>)>::new();
    let mut packet = vec![0; 65536];
    loop {
        let now = Instant::now();
        while under_way.front().is_some_and(|(due, ..)| *due <= now) {
            let (_, end, packet) = under_way.pop_front().expect("it was looked at");
            // The packet is lost if there is no room, or the machine is gone.
            let _ = (&ends[end]).write(&packet);
        }
        let rest = under_way
            .front()
            .map(|(due, ..)| Timespec::try_from(*due - now).expect("it is short"));
        let mut waiting = [
            PollFd::new(stopped, PollFlags::IN),
            PollFd::new(&ends[0], PollFlags::IN),
            PollFd::new(&ends[1], PollFlags::IN),
        ];
        let polled = poll(&mut waiting, rest.as_ref());
        if polled.is_err_and(|error| error != rustix::io::Errno::INTR)
            || !waiting[0].revents().is_empty()
        {
            return;
        }
        for (end, mut from) in ends.iter().enumerate() {
            loop {
                match from.read(&mut packet) {
                    Ok(size) => under_way.push_back((
                        Instant::now() + delay,
                        1 - end,
                        packet[..size].to_vec(),
                    )),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    // The machine is gone, and its end of the cable with it.
                    Err(_) => return,
                }
            }
        }
    }
}
