//! What the kernel says over netlink, and the few fields of it that we read.
//!
//! It is read attribute by attribute, and only those we use: a kernel that says
//! more than we know must not make us blind for an interface.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NlaBuffer, NlasIterator};

pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
/// A table changed while it was told.
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
/// Bytes before the body of a message.
pub(super) const HEADER: usize = 16;

/// What the kernel answered to one request.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The errno.
    pub(super) error: io::Error,
    /// The kernel's own sentence, where it gives one.
    pub(super) note: Option<String>,
}

impl Refusal {
    pub(super) fn is(&self, errno: i32) -> bool {
        self.error.raw_os_error() == Some(errno)
    }
}

/// One message of the kernel.
pub(super) struct Message<'a> {
    /// Its type, `RTM_…` or `NLMSG_…`.
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    body: &'a [u8],
}

impl Message<'_> {
    /// What follows the header.
    pub(super) fn body(&self) -> &[u8] {
        self.body
    }

    /// What an `NLMSG_ERROR` or `NLMSG_DONE` says.
    pub(super) fn verdict(&self) -> Result<(), Refusal> {
        let code = number(self.body, 0).map_or(0, u32::cast_signed);
        if code == 0 {
            return Ok(());
        }
        Err(Refusal {
            error: io::Error::from_raw_os_error(code.wrapping_neg()),
            note: self.note(),
        })
    }

    /// The kernel's sentence about an error: the attributes behind the code
    /// and the request's header.
    fn note(&self) -> Option<String> {
        const NLMSGERR_ATTR_MSG: u16 = 1;
        if self.kind != NLMSG_ERROR || self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let quoted = if self.flags & NLM_F_CAPPED == 0 {
            usize::try_from(number(self.body, 4)?)
                .ok()?
                .next_multiple_of(4)
        } else {
            HEADER
        };
        let note =
            attributes(self.body.get(4 + quoted..)?).find(|nla| nla.kind() == NLMSGERR_ATTR_MSG)?;
        Some(text(note.value()))
    }

    /// The interface that an `RTM_NEWLINK` is about, if an XDP program is on it.
    pub(super) fn link_with_xdp(&self) -> Option<u32> {
        const IFLA_XDP: u16 = 43;
        const IFLA_XDP_ATTACHED: u16 = 2;
        let all = self.body.get(16..)?;
        let xdp = attributes(all).find(|nla| nla.kind() == IFLA_XDP)?;
        let attached = attributes(xdp.value()).find(|nla| nla.kind() == IFLA_XDP_ATTACHED)?;
        (attached.value() != [0]).then(|| number(self.body, 4))?
    }

    /// The name and the table of the VRF that an `RTM_NEWLINK` is about.
    pub(super) fn link_of_vrf(&self) -> Option<(String, u32)> {
        const IFLA_IFNAME: u16 = 3;
        const IFLA_LINKINFO: u16 = 18;
        const IFLA_INFO_KIND: u16 = 1;
        const IFLA_INFO_DATA: u16 = 2;
        const IFLA_VRF_TABLE: u16 = 1;

        let find = |bytes: &[u8], kind| {
            let value = attributes(bytes).find(|nla| nla.kind() == kind)?;
            Some(value.value().to_vec())
        };
        let all = self.body.get(16..)?;
        let about = find(all, IFLA_LINKINFO)?;
        if text(&find(&about, IFLA_INFO_KIND)?) != "vrf" {
            return None;
        }
        let table = find(&find(&about, IFLA_INFO_DATA)?, IFLA_VRF_TABLE)?;
        Some((text(&find(all, IFLA_IFNAME)?), number(&table, 0)?))
    }

    /// Whatever interface an `RTM_NEWLINK` is about, with what is particular to a
    /// macvlan.
    pub(super) fn macvlan(&self) -> Option<Macvlan> {
        const IFLA_LINKINFO: u16 = 18;
        const IFLA_IFALIAS: u16 = 20;
        const IFLA_INFO_DATA: u16 = 2;
        const IFLA_MACVLAN_MODE: u16 = 1;

        let record = self.link()?;
        let is_macvlan = record.kind.as_deref() == Some("macvlan");
        let mut macvlan = Macvlan {
            index: record.index,
            name: record.name,
            mac: record.mac,
            below: record.below,
            up: record.flags & libc::IFF_UP.cast_unsigned() != 0,
            mode: None,
            alias: String::new(),
        };
        for nla in attributes(self.body.get(16..)?) {
            match nla.kind() {
                IFLA_IFALIAS => macvlan.alias = text(nla.value()),
                IFLA_LINKINFO if is_macvlan => {
                    macvlan.mode = attributes(nla.value())
                        .find(|one| one.kind() == IFLA_INFO_DATA)
                        .and_then(|data| {
                            attributes(data.value())
                                .find(|one| one.kind() == IFLA_MACVLAN_MODE)
                                .and_then(|mode| number(mode.value(), 0))
                        });
                }
                _ => {}
            }
        }
        Some(macvlan)
    }

    /// The interface that an `RTM_NEWLINK` or `RTM_DELLINK` is about.
    pub(super) fn link(&self) -> Option<LinkRecord> {
        const IFLA_ADDRESS: u16 = 1;
        const IFLA_IFNAME: u16 = 3;
        const IFLA_MTU: u16 = 4;
        const IFLA_LINK: u16 = 5;
        const IFLA_LINKINFO: u16 = 18;
        const IFLA_LINK_NETNSID: u16 = 37;
        const IFLA_INFO_KIND: u16 = 1;

        // A bridge speaks of its ports in messages of the same type; a port
        // that leaves the bridge is not an interface that is gone.
        if *self.body.first()? != libc::AF_UNSPEC as u8 {
            return None;
        }
        let mut record = LinkRecord {
            index: number(self.body, 4)?,
            flags: number(self.body, 8)?,
            name: String::new(),
            mac: [0; 6],
            mtu: 0,
            kind: None,
            below: None,
        };
        let mut elsewhere = false;
        for nla in attributes(self.body.get(16..)?) {
            let value = nla.value();
            match nla.kind() {
                IFLA_ADDRESS => record.mac = value.try_into().unwrap_or_default(),
                IFLA_IFNAME => record.name = text(value),
                IFLA_MTU => record.mtu = number(value, 0)?,
                IFLA_LINK => record.below = number(value, 0),
                IFLA_LINK_NETNSID => elsewhere = true,
                IFLA_LINKINFO => {
                    record.kind = attributes(value)
                        .find(|nla| nla.kind() == IFLA_INFO_KIND)
                        .map(|nla| text(nla.value()));
                }
                _ => {}
            }
        }
        // The index of an interface in another namespace would name a
        // stranger here.
        if elsewhere {
            record.below = None;
        }
        Some(record)
    }

    /// The address that an `RTM_NEWADDR` or `RTM_DELADDR` is about.
    pub(super) fn address(&self) -> Option<AddressRecord> {
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        const IFA_LABEL: u16 = 3;
        const IFA_BROADCAST: u16 = 4;
        const IFA_CACHEINFO: u16 = 6;
        const IFA_FLAGS: u16 = 8;
        const IFA_RT_PRIORITY: u16 = 9;
        const IFA_PROTO: u16 = 11;

        let &[family, prefix, flags, scope, ..] = self.body else {
            return None;
        };
        if ![libc::AF_INET, libc::AF_INET6].contains(&i32::from(family)) {
            return None;
        }
        let mut local = None;
        let mut record = AddressRecord {
            ifindex: number(self.body, 4)?,
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            peer: None,
            prefix,
            scope,
            flags: u32::from(flags),
            broadcast: None,
            label: None,
            metric: None,
            lifetimes: None,
            mark: 0,
        };
        for nla in attributes(self.body.get(8..)?) {
            let value = nla.value();
            match nla.kind() {
                IFA_LOCAL => local = Some(ip(value)?),
                IFA_ADDRESS => record.address = ip(value)?,
                IFA_LABEL => record.label = Some(text(value)),
                IFA_BROADCAST => record.broadcast = ipv4(value),
                IFA_FLAGS => record.flags = number(value, 0)?,
                IFA_RT_PRIORITY => record.metric = number(value, 0),
                IFA_PROTO => record.mark = *value.first()?,
                IFA_CACHEINFO => record.lifetimes = Some((number(value, 0)?, number(value, 4)?)),
                _ => {}
            }
        }
        // An IPv6 address without another end stands alone; what stands beside an
        // own address is the other end, or that address once more.
        if let Some(local) = local {
            record.peer = Some(record.address).filter(|peer| *peer != local);
            record.address = local;
        }
        Some(record)
    }
}

/// An interface, as one message tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LinkRecord {
    pub(super) index: u32,
    pub(super) flags: u32,
    pub(super) name: String,
    pub(super) mac: [u8; 6],
    pub(super) mtu: u32,
    pub(super) kind: Option<String>,
    /// The interface it sits on, in this namespace.
    pub(super) below: Option<u32>,
}

/// An interface that may be a macvlan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Macvlan {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) mac: [u8; 6],
    pub(super) below: Option<u32>,
    /// Whether it is set up.
    pub(super) up: bool,
    /// None where it is no macvlan.
    pub(super) mode: Option<u32>,
    /// What it says of itself.
    pub(super) alias: String,
}

/// An address, as one message tells it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct AddressRecord {
    pub(super) ifindex: u32,
    pub(super) address: IpAddr,
    /// The other end of a point-to-point address.
    pub(super) peer: Option<IpAddr>,
    pub(super) prefix: u8,
    pub(super) scope: u8,
    pub(super) flags: u32,
    pub(super) broadcast: Option<Ipv4Addr>,
    pub(super) label: Option<String>,
    pub(super) metric: Option<u32>,
    /// Preferred and valid, in seconds; all ones is for ever.
    pub(super) lifetimes: Option<(u32, u32)>,
    /// `IFA_PROTO`: who installed it; zero if nobody says.
    pub(super) mark: u8,
}

impl AddressRecord {
    /// Whether another address of the same subnet stands before it, with
    /// which it lives and dies. In IPv6 the same bit marks a temporary address,
    /// which is no good for speaking from either.
    pub(super) fn is_secondary(&self) -> bool {
        self.flags & libc::IFA_F_SECONDARY != 0
    }

    /// Whether it cannot be spoken from: somebody else may have it, or has.
    pub(super) fn is_tentative(&self) -> bool {
        let optimistic = self.flags & libc::IFA_F_OPTIMISTIC != 0;
        self.flags & libc::IFA_F_DADFAILED != 0
            || self.flags & libc::IFA_F_TENTATIVE != 0 && !optimistic
    }
}

/// The messages of one datagram; stops at what is not whole.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(number(bytes, 0)?).ok()?;
        let body = bytes.get(HEADER..length)?;
        let kind = u16::from_ne_bytes([bytes[4], bytes[5]]);
        let flags = u16::from_ne_bytes([bytes[6], bytes[7]]);
        let sequence = number(bytes, 8)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            kind,
            flags,
            sequence,
            body,
        })
    })
}

pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(bytes).map_while(Result::ok)
}

pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn ipv4(bytes: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = bytes.try_into().ok()?;
    Some(octets.into())
}

/// An address of either family, by its length.
pub(super) fn ip(bytes: &[u8]) -> Option<IpAddr> {
    let sixteen: Result<[u8; 16], _> = bytes.try_into();
    ipv4(bytes)
        .map(IpAddr::V4)
        .or_else(|| Some(IpAddr::from(sixteen.ok()?)))
}

pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&7u32.to_ne_bytes());
        bytes.extend_from_slice(&0u32.to_ne_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&u16::try_from(4 + value.len()).unwrap().to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_error_carries_the_kernels_sentence() {
        let mut body = (-libc::ENODEV).to_ne_bytes().to_vec();
        body.extend_from_slice(&[0; HEADER]);
        body.extend_from_slice(&attribute(1, b"no such device\0"));
        let bytes = message(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &body);
        let refusal = messages(&bytes).next().unwrap().verdict().unwrap_err();
        assert!(refusal.is(libc::ENODEV));
        assert_eq!(refusal.note.as_deref(), Some("no such device"));
    }

    #[test]
    fn what_is_not_whole_ends_the_datagram() {
        let mut bytes = message(NLMSG_DONE, 0, &[0; 4]);
        bytes.extend_from_slice(&message(NLMSG_DONE, 0, &[0; 8])[..20]);
        assert_eq!(messages(&bytes).count(), 1);
        assert_eq!(
            messages(&[0; 32]).count(),
            0,
            "a length of zero is no endless loop"
        );
    }

    #[test]
    fn a_port_that_leaves_a_bridge_is_no_interface_that_is_gone() {
        let mut body = vec![libc::AF_BRIDGE as u8, 0, 0, 0];
        body.extend_from_slice(&3u32.to_ne_bytes());
        body.extend_from_slice(&[0; 8]);
        let bytes = message(17, 0, &body);
        assert_eq!(messages(&bytes).next().unwrap().link(), None);
    }

    #[test]
    fn an_unknown_attribute_hides_nothing() {
        let mut body = vec![libc::AF_INET as u8, 24, 0, 0];
        body.extend_from_slice(&3u32.to_ne_bytes());
        body.extend_from_slice(&attribute(999, &[1, 2, 3]));
        body.extend_from_slice(&attribute(2, &[192, 168, 8, 100]));
        body.extend_from_slice(&attribute(11, &[18]));
        let bytes = message(20, 0, &body);
        let record = messages(&bytes).next().unwrap().address().unwrap();
        assert_eq!((record.ifindex, record.prefix, record.mark), (3, 24, 18));
        assert_eq!(record.address, IpAddr::from([192, 168, 8, 100]));
    }

    #[test]
    fn the_other_end_is_told_from_the_address_itself() {
        let read = |family: i32, attributes: &[(u16, &[u8])]| {
            let mut body = vec![family as u8, 32, 0, 0, 3, 0, 0, 0];
            for (kind, value) in attributes {
                body.extend_from_slice(&attribute(*kind, value));
            }
            let bytes = message(20, 0, &body);
            let record = messages(&bytes).next().unwrap().address().unwrap();
            (record.address.to_string(), record.peer)
        };
        let (one, other) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        assert_eq!(
            read(libc::AF_INET, &[(1, &one), (2, &one)]),
            ("10.0.0.1".to_owned(), None)
        );
        assert_eq!(
            read(libc::AF_INET, &[(1, &other), (2, &one)]),
            ("10.0.0.1".to_owned(), Some(other.into()))
        );
        let six = std::net::Ipv6Addr::LOCALHOST.octets();
        assert_eq!(read(libc::AF_INET6, &[(1, &six)]), ("::1".to_owned(), None));
    }
}
