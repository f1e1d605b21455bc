//! What a person asks for, and what becomes of it: values that are complete
//! and make sense together.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use vip_common::ids::{Priority, Version, Vrid};
use vip_common::time::{Centis, active_down_interval};

use super::host::Host;

/// Priority of node A, which has the address while both nodes live.
pub(super) const PRIORITY_A: Priority = Priority::from_wire(150);
/// Priority of node B.
pub(super) const PRIORITY_B: Priority = Priority::from_wire(100);

/// The interval of version 3 where none is asked for: ten adverts a second.
const INTERVAL_V3: Centis = match Centis::new(10) {
    Some(interval) => interval,
    None => Centis::ONE_SECOND,
};

/// An address that moves, as a person writes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moving {
    /// The address.
    pub address: Ipv4Addr,
    /// Length of its prefix, 0 to 32; the interface's where it is left out.
    pub prefix: Option<u8>,
}

impl FromStr for Moving {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: Ipv4Addr = address
            .parse()
            .map_err(|_| format!("`{text}` is not an IPv4 address like 192.168.8.100/24"))?;
        if address.is_unspecified() || address.is_multicast() || address.is_broadcast() {
            return Err(format!("{address} is not an address that a host can hold"));
        }
        if address.is_loopback() {
            return Err(format!("{address} never leaves its host"));
        }
        let prefix = match prefix.map(str::parse) {
            None => None,
            Some(Ok(prefix @ 1..=32)) => Some(prefix),
            Some(_) => {
                return Err(format!(
                    "the prefix of `{text}` is not 1 to 32; 24 is a subnet of 256 addresses"
                ));
            }
        };
        Ok(Self { address, prefix })
    }
}

/// The name of an interface, as a file can hold it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface(pub String);

impl FromStr for Interface {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 15 {
            return Err("the name of an interface has 1 to 15 bytes".into());
        }
        if !text.chars().all(is_plain) {
            return Err(format!(
                "`{}` is not the name of an interface; `ip link` lists them",
                text.escape_debug()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Reads the name of an instance.
pub fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 60 || !text.chars().all(is_plain) {
        return Err("a name has up to 60 letters, digits, `-`, `_` and `.`".into());
    }
    Ok(text.to_owned())
}

/// Letters and signs that mean nothing to the language of the file.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// Reads `100ms`, `1s`, or seconds as the file has them: `0.1`.
pub fn interval(text: &str) -> Result<Centis, String> {
    let (digits, centis_per_unit) = match text.strip_suffix("ms") {
        Some(digits) => (digits, 0.1),
        None => (text.strip_suffix('s').unwrap_or(text), 100.0),
    };
    let number: f64 = digits
        .trim_end()
        .parse()
        .map_err(|_| "say it as 100ms or 1s")?;
    let centis = number * centis_per_unit;
    let whole = centis.round();
    if !(1.0..=25_500.0).contains(&whole) || (centis - whole).abs() > 1e-6 {
        return Err("10ms to 255s, in steps of 10ms".into());
    }
    Centis::new(whole as u16).ok_or_else(|| "it is zero".into())
}

/// What a person asks for; what is left out has a default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wish {
    pub(super) interface: String,
    /// The other node's, where it has another name.
    pub(super) peer_interface: Option<String>,
    /// At least one.
    pub(super) addresses: Vec<Moving>,
    /// The other node's own address.
    pub(super) peer: Option<Ipv4Addr>,
    pub(super) vrid: Option<Vrid>,
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) interval: Option<Centis>,
    pub(super) preempt: bool,
}

/// Two nodes, complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Group {
    /// Node A, which has the address while both live, and node B.
    pub(super) nodes: [Node; 2],
    pub(super) name: String,
    pub(super) version: Version,
    pub(super) vrid: Vrid,
    pub(super) interval: Centis,
    pub(super) preempt: bool,
    /// Version 2 only.
    pub(super) password: Option<String>,
    /// With their prefix lengths.
    pub(super) addresses: Vec<(Ipv4Addr, u8)>,
}

/// What differs from node to node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Node {
    /// `A` or `B`.
    pub(super) letter: char,
    pub(super) interface: String,
    pub(super) priority: Priority,
    /// Its own address, where it is known.
    pub(super) address: Option<Ipv4Addr>,
}

impl Node {
    /// The name of its file.
    pub(super) fn file(&self) -> String {
        file_name(self.letter)
    }
}

/// What the nodes are called.
pub(super) const LETTERS: [char; 2] = ['A', 'B'];

/// The name of the file of the node with this letter.
pub(super) fn file_name(letter: char) -> String {
    format!("node-{}.conf", letter.to_ascii_lowercase())
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.letter)?;
        match self.address {
            Some(address) => write!(f, " ({address})"),
            None => Ok(()),
        }
    }
}

impl Group {
    /// How long after node A's last advert node B takes over.
    pub(super) fn takeover(&self) -> Duration {
        active_down_interval(self.version, PRIORITY_B, self.interval, 3)
    }
}

/// Fills in defaults from the host and holds all of it together. `password` is
/// version 2's. With the group comes what is worth saying about it; a wish that
/// makes no sense is refused with a sentence.
pub(super) fn settle(
    wish: &Wish,
    host: &Host,
    password: Option<String>,
) -> Result<(Group, Vec<String>), String> {
    let mut remarks = Vec::new();
    let Wish {
        interface, version, ..
    } = wish;
    if interface == "lo" {
        return Err("lo reaches no other node; take the interface that both share".into());
    }
    match host.link(interface) {
        None => remarks.push(format!(
            "{interface} is not an interface of this host; nothing could be held against it"
        )),
        Some(link) if !link.running => {
            remarks.push(format!("{interface} is down or has no carrier"));
        }
        Some(link) if link.ipv4().next().is_none() => {
            remarks.push(format!(
                "{interface} has no IPv4 address; a node needs one of its own to speak from"
            ));
        }
        Some(_) => {}
    }
    let interval = interval_for(*version, wish.interval)?;
    let addresses = addresses(wish, host, &mut remarks)?;
    let own = host.own_address(interface, &addresses);
    if let Some(peer) = wish.peer {
        check_peer(peer, wish, host, &addresses, &mut remarks)?;
    }
    let vrid = match (wish.vrid, addresses.first()) {
        (Some(vrid), _) => vrid,
        (None, Some((first, _))) => vrid_of(*first),
        (None, None) => return Err("there is no address that could move".into()),
    };
    let node = |letter, interface: &String, priority, address| Node {
        letter,
        interface: interface.clone(),
        priority,
        address,
    };
    let [a, b] = LETTERS;
    let peer_interface = wish.peer_interface.as_ref().unwrap_or(interface);
    let group = Group {
        nodes: [
            node(a, interface, PRIORITY_A, own),
            node(b, peer_interface, PRIORITY_B, wish.peer),
        ],
        name: wish.name.clone(),
        version: *version,
        vrid,
        interval,
        preempt: wish.preempt,
        password: password.filter(|_| *version == Version::V2),
        addresses,
    };
    Ok((group, remarks))
}

/// The last number of the address: easy to find again, and unlikely to be
/// another group's on the same network.
fn vrid_of(address: Ipv4Addr) -> Vrid {
    let [.., third, last] = address.octets();
    [last, third, 51]
        .into_iter()
        .find_map(Vrid::new)
        .unwrap_or(LAST_RESORT)
}

const LAST_RESORT: Vrid = match Vrid::new(51) {
    Some(vrid) => vrid,
    None => unreachable!(),
};

fn interval_for(version: Version, asked: Option<Centis>) -> Result<Centis, String> {
    match (version, asked) {
        (Version::V2, None) => Ok(Centis::ONE_SECOND),
        (Version::V3, None) => Ok(INTERVAL_V3),
        (Version::V2, Some(interval)) if !interval.get().is_multiple_of(100) => Err(format!(
            "VRRP version 2 speaks in whole seconds, not {interval}; take version 3"
        )),
        (Version::V3, Some(interval)) if interval > Centis::V3_MAX => Err(format!(
            "VRRP version 3 has intervals of up to 40.95 s, not {interval}"
        )),
        (_, Some(interval)) => Ok(interval),
    }
}

/// The addresses with their prefixes, held against the host's.
fn addresses(
    wish: &Wish,
    host: &Host,
    remarks: &mut Vec<String>,
) -> Result<Vec<(Ipv4Addr, u8)>, String> {
    let interface = &wish.interface;
    let mut addresses: Vec<(Ipv4Addr, u8)> = Vec::new();
    for Moving { address, prefix } in &wish.addresses {
        let subnet = host.subnet_of(interface, *address);
        let Some(prefix) = prefix.or(subnet) else {
            return Err(format!(
                "{address} is in no subnet of {interface}; say its prefix, as in {address}/24"
            ));
        };
        let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
        let number = address.to_bits() & hosts;
        if hosts > 1 && (number == 0 || number == hosts) {
            let what = if number == 0 {
                "the subnet itself"
            } else {
                "the subnet's broadcast address"
            };
            return Err(format!("{address}/{prefix} is {what}, which no host holds"));
        }
        if addresses.iter().any(|(other, _)| other == address) {
            return Err(format!("{address} is given twice"));
        }
        if let Some(holder) = host.holder(*address) {
            remarks.push(format!(
                "{address} is on {holder} now; unless vip or keepalived has put it there, take it out of this host's own network configuration"
            ));
        } else if subnet.is_none() && host.has_addresses(interface) {
            remarks.push(format!(
                "{address} is in no subnet of {interface}; its neighbours need a route to it"
            ));
        }
        addresses.push((*address, prefix));
    }
    Ok(addresses)
}

fn check_peer(
    peer: Ipv4Addr,
    wish: &Wish,
    host: &Host,
    addresses: &[(Ipv4Addr, u8)],
    remarks: &mut Vec<String>,
) -> Result<(), String> {
    if addresses.iter().any(|(address, _)| *address == peer) {
        return Err(format!(
            "{peer} is the address that moves; the other node needs one of its own"
        ));
    }
    if let Some(holder) = host.holder(peer) {
        return Err(format!(
            "{peer} is this host's own address, on {holder}; give the other node's"
        ));
    }
    let interface = &wish.interface;
    if host.has_addresses(interface) && host.subnet_of(interface, peer).is_none() {
        remarks.push(format!(
            "{peer} is in no subnet of {interface}; adverts do not pass a router, both nodes must be on one network"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::host::tests::host;
    use super::*;

    pub(super) fn wish(address: &str) -> Wish {
        Wish {
            interface: "eth0".into(),
            peer_interface: None,
            addresses: vec![address.parse().unwrap()],
            peer: None,
            vrid: None,
            name: "VI_1".into(),
            version: Version::V3,
            interval: None,
            preempt: true,
        }
    }

    fn settled(wish: &Wish) -> Result<(Group, Vec<String>), String> {
        settle(wish, &host(), Some("password".into()))
    }

    fn refused(wish: &Wish) -> String {
        settled(wish).unwrap_err()
    }

    #[test]
    fn the_rest_follows_from_interface_and_address() {
        let (group, remarks) = settled(&wish("192.168.8.100")).unwrap();
        assert_eq!(remarks, [""; 0]);
        assert_eq!(group.vrid.get(), 100);
        assert_eq!(group.interval.to_string(), "100 ms");
        assert_eq!(group.password, None);
        assert_eq!(
            group.addresses,
            [(Ipv4Addr::new(192, 168, 8, 100), 24)],
            "the prefix of the interface's subnet"
        );
        let [a, b] = &group.nodes;
        assert_eq!(a.to_string(), "node A (192.168.8.11)");
        assert_eq!(b.to_string(), "node B");
        assert_eq!(
            (a.file(), b.file()),
            ("node-a.conf".into(), "node-b.conf".into())
        );
        assert!(a.priority > b.priority);
        assert_eq!(group.takeover(), Duration::from_nanos(360_937_500));
    }

    #[test]
    fn version_2_has_a_password_and_whole_seconds() {
        let mut v2 = wish("192.168.8.100/24");
        v2.version = Version::V2;
        let (group, _) = settled(&v2).unwrap();
        assert_eq!(group.password.as_deref(), Some("password"));
        assert_eq!(group.interval, Centis::ONE_SECOND);
        v2.interval = Some(interval("0.5").unwrap());
        assert_eq!(
            refused(&v2),
            "VRRP version 2 speaks in whole seconds, not 500 ms; take version 3"
        );
        let mut v3 = wish("192.168.8.100/24");
        v3.interval = Some(interval("41s").unwrap());
        assert!(refused(&v3).contains("40.95"));
    }

    #[test]
    fn the_vrid_is_never_zero() {
        let vrid = |text: &str| vrid_of(text.parse().unwrap()).get();
        assert_eq!(vrid("10.0.3.0"), 3);
        assert_eq!(vrid("10.0.0.0"), 51);
        assert_eq!(vrid("10.0.0.255"), 255);
    }

    #[test]
    fn addresses_that_no_host_can_hold_are_refused() {
        for bad in [
            "",
            "eth0",
            "192.168.8",
            "0.0.0.0",
            "224.0.0.18/24",
            "255.255.255.255",
            "127.0.0.5/8",
            "192.168.8.100/33",
            "192.168.8.100/0",
            "192.168.8.100/x",
            "192.168.8.100/",
            "2001:db8::1/64",
        ] {
            assert!(bad.parse::<Moving>().is_err(), "{bad}");
        }
        assert_eq!(
            refused(&wish("192.168.8.255/24")),
            "192.168.8.255/24 is the subnet's broadcast address, which no host holds"
        );
        assert_eq!(
            refused(&wish("192.168.8.0/24")),
            "192.168.8.0/24 is the subnet itself, which no host holds"
        );
        assert!(settled(&wish("192.168.8.0/31")).is_ok(), "RFC 3021");
        assert!(settled(&wish("192.168.8.0/32")).is_ok());
        let mut twice = wish("192.168.8.100/24");
        twice.addresses.push("192.168.8.100/32".parse().unwrap());
        assert_eq!(refused(&twice), "192.168.8.100 is given twice");
        assert_eq!(
            refused(&wish("10.9.9.9")),
            "10.9.9.9 is in no subnet of eth0; say its prefix, as in 10.9.9.9/24"
        );
        let mut alone = wish("192.168.8.100/24");
        alone.addresses.clear();
        assert_eq!(refused(&alone), "there is no address that could move");
    }

    #[test]
    fn what_the_host_says_against_it_is_remarked() {
        let remarks = |wish: &Wish| settled(wish).unwrap().1.join("; ");
        assert!(remarks(&wish("192.168.8.11/24")).starts_with("192.168.8.11 is on eth0 now"));
        assert!(remarks(&wish("10.9.9.9/24")).contains("need a route"));
        let mut other = wish("192.168.8.100/24");
        other.interface = "eth9".into();
        assert_eq!(
            remarks(&other),
            "eth9 is not an interface of this host; nothing could be held against it"
        );
        other.interface = "eth1".into();
        assert!(remarks(&other).contains("eth1 is down"));
        other.interface = "eth2".into();
        assert!(remarks(&other).contains("eth2 has no IPv4 address"));
        other.interface = "lo".into();
        assert!(refused(&other).contains("reaches no other node"));
    }

    #[test]
    fn the_peer_is_another_host_of_the_same_network() {
        let with = |peer: &str| Wish {
            peer: Some(peer.parse().unwrap()),
            ..wish("192.168.8.100/24")
        };
        let (group, remarks) = settled(&with("192.168.8.12")).unwrap();
        assert_eq!(group.nodes[1].to_string(), "node B (192.168.8.12)");
        assert_eq!(remarks, [""; 0]);
        assert!(refused(&with("192.168.8.100")).contains("one of its own"));
        assert!(refused(&with("192.168.8.11")).contains("this host's own address"));
        assert!(settled(&with("10.0.0.1")).unwrap().1[0].contains("do not pass a router"));
    }

    #[test]
    fn names_cannot_bring_syntax_into_the_file() {
        for bad in [
            "",
            "eth0 }",
            "a\nb",
            "x{",
            "$X",
            "a#b",
            "a!b",
            "\"a\"",
            "eth0:1",
            "eth0@if3",
            "a/b",
            "a".repeat(16).as_str(),
        ] {
            assert!(bad.parse::<Interface>().is_err(), "{bad:?}");
        }
        assert!("bond0.100".parse::<Interface>().is_ok());
        for bad in ["", "a b", "a}", "$a", "${x}", "a\"", &"a".repeat(61)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
        assert_eq!(name("web-1.example"), Ok("web-1.example".into()));
    }

    #[test]
    fn intervals_as_people_write_them() {
        for (text, centis) in [
            ("100ms", 10),
            ("0.1", 10),
            ("1", 100),
            ("1s", 100),
            ("255s", 25_500),
            ("10ms", 1),
            ("2.5 s", 250),
        ] {
            assert_eq!(interval(text).map(Centis::get), Ok(centis), "{text}");
        }
        for bad in [
            "", "0", "5ms", "15ms", "1h", "-1", "256s", "nan", "inf", "1e9",
        ] {
            assert!(interval(bad).is_err(), "{bad}");
        }
    }
}
