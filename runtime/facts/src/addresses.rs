//! The addresses of a machine, asked of the kernel itself over netlink.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect,
        netlink::SocketAddrNetlink,
        recv, send, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};

/// Timeout of the answer. The kernel answers while it is asked; the timeout is for systems where
/// something else listens.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Most bytes that the kernel fills at once.
const PART_BYTES: usize = 32 << 10;

/// Most addresses. No machine that a person looks after has more; a router may.
const MAX_ADDRESSES: usize = 1000;

// From linux/netlink.h and linux/rtnetlink.h.
const NLMSG_DONE: u16 = 3;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_SITE: u8 = 200;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Sizes of the heads of a message, of its part about an address, and of each attribute.
const MESSAGE_HEAD: usize = 16;
const ADDRESS_HEAD: usize = 8;
const ATTRIBUTE_HEAD: usize = 4;

/// Returns addresses by which others may reach this machine: neither loopback nor link-local ones.
pub(crate) fn local() -> Result<Vec<IpAddr>, Errno> {
    // `None` is protocol 0, which is NETLINK_ROUTE.
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WITHIN))?;
    connect(&socket, &SocketAddrNetlink::new(0, 0))?;
    send(&socket, &question(), SendFlags::empty())?;
    let mut addresses = Vec::new();
    let mut part = vec![0; PART_BYTES];
    loop {
        let (length, _) = recv(&socket, &mut *part, RecvFlags::empty())?;
        let more = read(&part[..length], &mut addresses);
        if !more || length == 0 || addresses.len() >= MAX_ADDRESSES {
            addresses.truncate(MAX_ADDRESSES);
            return Ok(addresses);
        }
    }
}

/// Returns the request `RTM_GETADDR` for all families. Its length comes first: 24 bytes.
fn question() -> [u8; MESSAGE_HEAD + ADDRESS_HEAD] {
    let mut message = [0; MESSAGE_HEAD + ADDRESS_HEAD];
    message[..4].copy_from_slice(&24_u32.to_ne_bytes());
    message[4..6].copy_from_slice(&RTM_GETADDR.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST_DUMP.to_ne_bytes());
    message
}

/// Adds the addresses in one part of the answer. Returns true if more will follow.
fn read(mut part: &[u8], addresses: &mut Vec<IpAddr>) -> bool {
    while let Some((length, kind)) = head(part) {
        match kind {
            NLMSG_DONE | NLMSG_ERROR => return false,
            RTM_NEWADDR => addresses.extend(address(&part[MESSAGE_HEAD..length])),
            _ => {}
        }
        part = part.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

/// Returns length and kind of the message that `part` begins with.
fn head(part: &[u8]) -> Option<(usize, u16)> {
    let length = u32::from_ne_bytes(*part.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*part.get(4..)?.first_chunk()?);
    (MESSAGE_HEAD..=part.len())
        .contains(&length)
        .then_some((length, kind))
}

/// Returns the address in a message, if others may reach this machine by it.
fn address(message: &[u8]) -> Option<IpAddr> {
    let scope = *message.get(3)?;
    let mut rest = message.get(ADDRESS_HEAD..)?;
    let mut found = None;
    while let Some(length) = rest
        .first_chunk()
        .map(|length| usize::from(u16::from_ne_bytes(*length)))
    {
        let attribute = rest.get(..length).filter(|_| length >= ATTRIBUTE_HEAD)?;
        let kind = u16::from_ne_bytes([attribute[2], attribute[3]]);
        // On a point-to-point link, `IFA_ADDRESS` is the other end's.
        if kind == IFA_LOCAL || (kind == IFA_ADDRESS && found.is_none()) {
            found = parse(&attribute[ATTRIBUTE_HEAD..]);
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found.filter(|address| {
        matches!(scope, RT_SCOPE_UNIVERSE | RT_SCOPE_SITE) && !address.is_loopback()
    })
}

fn parse(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
        16 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a message of `kind` that is about an address.
    fn message(kind: u16, scope: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = vec![2, 24, 0, scope, 1, 0, 0, 0];
        for (kind, value) in attributes {
            body.extend(
                u16::try_from(ATTRIBUTE_HEAD + value.len())
                    .unwrap()
                    .to_ne_bytes(),
            );
            body.extend(kind.to_ne_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = u32::try_from(MESSAGE_HEAD + body.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        message.extend(kind.to_ne_bytes());
        message.resize(MESSAGE_HEAD, 0);
        [message, body].concat()
    }

    fn read_all(part: &[u8]) -> (Vec<String>, bool) {
        let mut addresses = Vec::new();
        let more = read(part, &mut addresses);
        (addresses.iter().map(ToString::to_string).collect(), more)
    }

    #[test]
    fn addresses_that_lead_somewhere_are_told() {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        let part = [
            message(RTM_NEWADDR, 254, &[(IFA_LOCAL, &[127, 0, 0, 1])]),
            message(
                RTM_NEWADDR,
                0,
                &[
                    (IFA_ADDRESS, &[10, 0, 0, 1]),
                    (IFA_LOCAL, &[10, 0, 0, 5]),
                    (3, b"eth0\0"),
                ],
            ),
            message(RTM_NEWADDR, 0, &[(IFA_ADDRESS, &v6)]),
            message(RTM_NEWADDR, 253, &[(IFA_ADDRESS, &[0xfe; 16])]),
        ];
        assert_eq!(
            read_all(&part.concat()),
            (vec!["10.0.0.5".into(), "2001:db8::1".into()], true)
        );
        assert_eq!(read_all(&message(NLMSG_DONE, 0, &[])), (Vec::new(), false));
    }

    #[test]
    fn an_answer_that_is_cut_or_lies_ends_early() {
        let whole = message(RTM_NEWADDR, 0, &[(IFA_LOCAL, &[10, 0, 0, 5])]);
        for length in 0..whole.len() {
            assert_eq!(
                read_all(&whole[..length]).0,
                Vec::<String>::new(),
                "{length}"
            );
        }
        let mut lies = whole;
        lies[MESSAGE_HEAD + ADDRESS_HEAD] = 1;
        assert_eq!(read_all(&lies), (Vec::new(), true));
    }

    #[test]
    fn what_the_kernel_says_here_is_understood() {
        // A machine may have no address but its loopback; a sandbox may have no netlink.
        if let Ok(addresses) = local() {
            assert!(
                addresses
                    .iter()
                    .all(|address| !address.is_loopback() && !address.is_unspecified())
            );
        }
    }
}
