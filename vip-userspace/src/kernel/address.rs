//! An address as the kernel is asked for it.

use std::net::IpAddr;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressProtocol,
    AddressScope, CacheInfo,
};

use super::addresses::MARK;
use super::message::AddressRecord;
use super::{Assignment, Key};

/// `IFA_F_MCAUTOJOIN`: the address is a group to join (Linux 3.19).
const IFA_F_MCAUTOJOIN: u32 = 0x400;

/// A message that names an address in full, so that it means this one only.
pub(super) fn message(key: Key, scope: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = match key.address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    message.header.prefix_len = key.prefix;
    message.header.scope = AddressScope::from(scope);
    message.header.index = key.ifindex;
    message.attributes = vec![
        AddressAttribute::Local(key.address),
        AddressAttribute::Address(key.peer.unwrap_or(key.address)),
    ];
    message
}

pub(super) fn addition(wanted: &Assignment) -> AddressMessage {
    /// Seconds that mean "for ever".
    const FOREVER: u32 = u32::MAX;

    let v6 = wanted.address.is_ipv6();
    let mut message = message(wanted.key(), wanted.scope);
    let flags = [
        (v6 && !wanted.detect_duplicates, libc::IFA_F_NODAD),
        (v6 && wanted.home, libc::IFA_F_HOMEADDRESS),
        (v6 && wanted.manage_temporary, libc::IFA_F_MANAGETEMPADDR),
        (wanted.no_prefix_route, libc::IFA_F_NOPREFIXROUTE),
        (wanted.auto_join, IFA_F_MCAUTOJOIN),
    ];
    let flags = flags.iter().filter(|(set, _)| *set);
    let flags = flags.fold(0, |all, (_, flag)| all | flag);
    if flags != 0 {
        message.header.flags = AddressHeaderFlags::from_bits_retain((flags & 0xff) as u8);
        let flags = AddressFlags::from_bits_retain(flags);
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    if !v6 {
        let broadcast = wanted.broadcast.map(AddressAttribute::Broadcast);
        let label = wanted.label.clone().map(AddressAttribute::Label);
        message
            .attributes
            .extend(broadcast.into_iter().chain(label));
    }
    if let Some(preferred) = wanted.preferred {
        let mut info = CacheInfo::default();
        info.ifa_preferred = preferred;
        info.ifa_valid = FOREVER;
        message.attributes.push(AddressAttribute::CacheInfo(info));
    }
    message
        .attributes
        .push(AddressAttribute::Protocol(AddressProtocol::Other(MARK)));
    message
}

pub(super) fn deletion(key: Key) -> AddressMessage {
    message(key, 0)
}

pub(super) fn restoration(record: &AddressRecord) -> AddressMessage {
    let mut message = message(record.key(), record.scope);
    // The kernel finds out anew which address stands first, and whether one
    // lives for ever.
    let flags = record.flags & !(libc::IFA_F_SECONDARY | libc::IFA_F_PERMANENT);
    message.header.flags = AddressHeaderFlags::from_bits_retain((flags & 0xff) as u8);
    let flags = AddressFlags::from_bits_retain(flags);
    message.attributes.push(AddressAttribute::Flags(flags));
    message
        .attributes
        .extend(record.broadcast.map(AddressAttribute::Broadcast));
    message
        .attributes
        .extend(record.label.clone().map(AddressAttribute::Label));
    message
        .attributes
        .extend(record.metric.map(AddressAttribute::RoutePriority));
    if let Some((preferred, valid)) = record.lifetimes {
        let mut info = CacheInfo::default();
        info.ifa_preferred = preferred;
        info.ifa_valid = valid;
        message.attributes.push(AddressAttribute::CacheInfo(info));
    }
    if record.mark != 0 {
        message
            .attributes
            .push(AddressAttribute::Protocol(AddressProtocol::from(
                record.mark,
            )));
    }
    message
}

impl AddressRecord {
    pub(super) fn key(&self) -> Key {
        Key {
            ifindex: self.ifindex,
            address: self.address,
            prefix: self.prefix,
            peer: self.peer,
        }
    }

    /// The address that its prefix belongs to.
    pub(super) fn other_end(&self) -> IpAddr {
        self.peer.unwrap_or(self.address)
    }
}
