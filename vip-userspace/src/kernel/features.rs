//! What a driver says that it can do, asked without trying it.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NLM_F_REQUEST, NlaBuffer, NlasIterator};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// The generic netlink family that names the others.
const CONTROL: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;

/// The family `netdev` (Linux 6.3).
const GET_DEVICE: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;
/// The driver runs XDP programs.
const XDP_BASIC: u64 = 1;

const NETLINK_HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
const NLMSG_ERROR: u16 = 2;

/// Whether the driver of an interface says that it has XDP. `None` where the kernel
/// does not know the question, or there is no such interface.
#[must_use]
pub fn has_native_xdp(ifindex: u32) -> Option<bool> {
    let socket = open().ok()?;
    let control = ask(&socket, CONTROL, GET_FAMILY, FAMILY_NAME, b"netdev\0").ok()?;
    let id = attribute(&control, FAMILY_ID)?;
    let family = u16::from_ne_bytes(*id.first_chunk()?);
    let index = ifindex.to_ne_bytes();
    let device = ask(&socket, family, GET_DEVICE, DEVICE_INDEX, &index).ok()?;
    let features = attribute(&device, DEVICE_XDP_FEATURES)?;
    let features = u64::from_ne_bytes(*features.first_chunk()?);
    Some(features & XDP_BASIC != 0)
}

fn open() -> io::Result<OwnedFd> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        Some(SockProtocol::NetlinkGeneric),
    )?;
    // The kernel answers before `send` returns; this bounds what must never happen.
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(2, 0))?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
    Ok(socket)
}

/// Sends a request with one attribute; the attributes of the answer.
fn ask(
    socket: &OwnedFd,
    family: u16,
    command: u8,
    attribute: u16,
    value: &[u8],
) -> io::Result<Vec<u8>> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    send(
        socket.as_raw_fd(),
        &request(family, command, attribute, value),
        MsgFlags::empty(),
    )?;
    let mut answer = vec![0; 16 * 1024];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    answer.truncate(length);
    let kind = answer.get(4..6).ok_or_else(invalid)?;
    if kind == NLMSG_ERROR.to_ne_bytes() {
        return Err(invalid());
    }
    let attributes = answer.get(NETLINK_HEADER + GENERIC_HEADER..);
    attributes.map(<[u8]>::to_vec).ok_or_else(invalid)
}

fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let attribute_length = 4 + value.len();
    let length = NETLINK_HEADER + GENERIC_HEADER + attribute_length.next_multiple_of(4);
    let mut out = Vec::with_capacity(length);
    out.extend(u32::try_from(length).unwrap_or(0).to_ne_bytes());
    out.extend(family.to_ne_bytes());
    out.extend(NLM_F_REQUEST.to_ne_bytes());
    // Sequence and port: one question at a time.
    out.extend([0; 8]);
    out.extend([command, 1, 0, 0]);
    out.extend(u16::try_from(attribute_length).unwrap_or(0).to_ne_bytes());
    out.extend(attribute.to_ne_bytes());
    out.extend(value);
    out.resize(length, 0);
    out
}

fn attribute(attributes: &[u8], kind: u16) -> Option<Vec<u8>> {
    let mut all = NlasIterator::new(attributes).map_while(Result::ok);
    let found = all.find(|nla: &NlaBuffer<&[u8]>| nla.kind() == kind)?;
    Some(found.value().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_length_that_it_says() {
        let request = request(CONTROL, GET_FAMILY, FAMILY_NAME, b"netdev\0");
        assert_eq!(request.len(), 32);
        assert_eq!(request[..4], 32u32.to_ne_bytes());
        assert_eq!(request[20..24], [11, 0, 2, 0]);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_features() {
        assert_eq!(has_native_xdp(u32::MAX >> 1), None);
    }
}
