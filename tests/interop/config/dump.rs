//! keepalived's data dump, as far as it speaks of virtual routers.
//!
//! The reader is total: a line that it does not know is passed over, a known one
//! that it cannot read makes the whole dump unreadable, with the line.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use vip::config::estate::Lifetime;

use super::facts::{Address, Facts, Unicast, Vmac, six_digits};

/// The section of the virtual routers, and the one that always comes after it.
const BEGIN: &str = "------< VRRP Topology >------";
pub(super) const END: &str = "------< Interfaces >------";

/// Reads the virtual routers of a dump.
pub(super) fn instances(dump: &str) -> Result<Vec<Facts>> {
    let section = dump
        .lines()
        .skip_while(|line| !line.starts_with(BEGIN))
        .skip(1)
        .take_while(|line| !line.starts_with("------<"));
    let mut all: Vec<Vec<&str>> = Vec::new();
    for line in section {
        match (line.strip_prefix(" VRRP Instance = "), all.last_mut()) {
            (Some(name), _) => all.push(vec![name]),
            (None, Some(lines)) => lines.push(line),
            (None, None) => {}
        }
    }
    all.iter().map(|lines| instance(lines)).collect()
}

/// The lines of one router: its name, `   Key = value` in any order, and lists
/// whose entries are indented by five.
struct Lines<'a> {
    name: &'a str,
    lines: &'a [&'a str],
}

impl<'a> Lines<'a> {
    fn maybe(&self, key: &str) -> Option<&'a str> {
        self.lines.iter().find_map(|line| {
            line.strip_prefix("   ")?
                .strip_prefix(key)?
                .strip_prefix(" = ")
        })
    }

    fn get(&self, key: &str) -> Result<&'a str> {
        let name = self.name;
        self.maybe(key)
            .with_context(|| format!("instance {name} lacks a line with {key}"))
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Result<N> {
        let value = self.get(key)?;
        let number = value.parse().ok();
        number.with_context(|| format!("{key} = {value} is no number"))
    }

    /// Whether there is this line.
    fn has(&self, line: &str) -> bool {
        self.lines
            .iter()
            .any(|one| one.strip_prefix("   ") == Some(line))
    }

    /// The entries under the first line that begins with `title`.
    fn list(&self, title: &str) -> impl Iterator<Item = &'a str> {
        self.lines
            .iter()
            .skip_while(move |line| {
                !line
                    .strip_prefix("   ")
                    .is_some_and(|l| l.starts_with(title))
            })
            .skip(1)
            .map_while(|line| line.strip_prefix("     "))
    }
}

fn instance(lines: &[&str]) -> Result<Facts> {
    let (name, rest) = lines.split_first().map_or(("", lines), |(n, r)| (*n, r));
    let lines = Lines { name, lines: rest };
    let interface = lines.get("Interface")?;
    // `vrrp.13, vmac on eth0, xmit base i/f`: the second one is configured.
    let interface = interface
        .split_once(" on ")
        .map_or(interface, |(_, base)| base);
    let interface = interface.split(',').next().unwrap_or(interface);
    let addresses = |title| lines.list(title).map(address).collect::<Result<_>>();
    let source = lines.get("Using src_ip")?;
    let source = match source.strip_suffix(" (from configuration)") {
        Some(text) => Some(ip(text)?),
        None => None,
    };
    let group = lines.lines.iter().find_map(|line| {
        let rest = line.strip_prefix("   Multicast address ")?;
        Some(rest.split(',').next().unwrap_or(rest))
    });
    let version: u8 = lines.number("VRRP Version")?;
    let priority: u8 = lines.number("Priority")?;
    Ok(Facts {
        name: name.to_owned(),
        version,
        interface: interface.to_owned(),
        vrid: lines.number("Virtual Router ID")?,
        priority,
        interval: span(lines.get("Advert interval")?)?,
        effective: lines.number("Effective priority")?,
        down_interval: span(lines.get("Master down timer")?)?,
        down_timer_adverts: lines.number("Down timer adverts")?,
        preempts: switch(lines.get("Preempt")?)?,
        preempt_delay: six_digits(match lines.maybe("Preempt delay") {
            Some(text) => text.trim_end_matches(" secs").parse()?,
            None => 0.0,
        }),
        lower_prio_no_advert: !truth(
            lines.get("Send advert after receive lower priority advert")?,
        )?,
        higher_prio_send_advert: truth(
            lines.get("Send advert after receive higher priority advert")?,
        )?,
        accepts: priority == 255 || switch(lines.get("Accept")?)?,
        promote_secondaries: switch(lines.get("Promote_secondaries")?)?,
        dont_track_primary: lines.has("VRRP interface tracking disabled"),
        auth: match lines.maybe("Authentication type") {
            None | Some("none") => String::new(),
            Some("SIMPLE_PASSWORD") => format!("PASS {}", lines.get("Password")?),
            Some("IPSEC_AH") => "AH".into(),
            Some(other) => bail!("unknown authentication {other}"),
        },
        source,
        group: group.map(ip).transpose()?,
        unicast: unicast(&lines)?,
        vmac: vmac(&lines)?,
        tracked: lines
            .list("Tracked interfaces")
            .map(str::to_owned)
            .collect(),
        routes: lines
            .list("Virtual Routes")
            .map(|line| {
                let mut words = line.split_whitespace();
                words
                    .find_map(network)
                    .with_context(|| format!("a route without a destination: {line}"))
            })
            .collect::<Result<_>>()?,
        rules: lines
            .list("Virtual Rules")
            .map(|line| {
                let (_, rest) = line
                    .split_once(" priority ")
                    .context("a rule without one")?;
                let number = rest.split(' ').next().unwrap_or(rest);
                Ok(number.parse()?)
            })
            .collect::<Result<_>>()?,
        addresses: addresses("Virtual IP (")?,
        excluded: addresses("Virtual IP Excluded")?,
        garp_delay: Duration::from_secs(lines.number("Gratuitous ARP delay")?),
        garp_repeat: lines.number("Gratuitous ARP repeat")?,
        garp_refresh: Duration::from_secs(lines.number("Gratuitous ARP refresh")?),
        garp_refresh_repeat: lines.number("Gratuitous ARP refresh repeat")?,
        garp_lower_delay: Duration::from_secs(lines.number("Gratuitous ARP lower priority delay")?),
        garp_lower_repeat: lines.number("Gratuitous ARP lower priority repeat")?,
    })
}

/// A destination with its prefix, which a host's own route does not show.
fn network(word: &str) -> Option<String> {
    let (host, prefix) = word.split_once('/').unwrap_or((word, ""));
    let host: IpAddr = host.parse().ok()?;
    let own = if host.is_ipv4() { "32" } else { "128" };
    let prefix = if prefix.is_empty() { own } else { prefix };
    Some(format!("{host}/{prefix}"))
}

/// Its peers, where it has some.
fn unicast(lines: &Lines<'_>) -> Result<Option<Unicast>> {
    if !lines.has("Unicast Peer :") {
        return Ok(None);
    }
    let peer = |line: &str| {
        // `192.168.8.2 min_ttl 0 max_ttl 255`
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            [address, "min_ttl", min, "max_ttl", max] => {
                Ok((ip(address)?, min.parse()?, max.parse()?))
            }
            _ => bail!("no peer: {line}"),
        }
    };
    let checked = lines.lines.iter().find_map(|line| {
        let rest = line.strip_prefix("   Check unicast src : ")?;
        Some(rest == "yes")
    });
    Ok(Some(Unicast {
        peers: lines
            .list("Unicast Peer")
            .map(peer)
            .collect::<Result<_>>()?,
        ttl: match lines.maybe("Unicast TTL") {
            Some(ttl) if !lines.has("Using Native IPv6") => Some(ttl.parse()?),
            _ => None,
        },
        checked: checked.context("no word about checked peers")?,
    }))
}

/// Its interface with a virtual MAC: `Use VMAC, i/f name vrrp.10, is_up = true,
/// xmit_base = false`, and perhaps `MAC = 02:00:00:00:01:10 (using VRID)` below.
fn vmac(lines: &Lines<'_>) -> Result<Option<Vmac>> {
    let line = lines
        .lines
        .iter()
        .find_map(|line| line.strip_prefix("   Use VMAC, i/f name "));
    let Some(line) = line else {
        return Ok(None);
    };
    let (name, rest) = line
        .split_once(',')
        .context("a virtual MAC without a name")?;
    let mut below = lines
        .list("Use VMAC")
        .map_while(|line| line.strip_prefix("MAC = "));
    let mac = below.next().map(|mac| {
        let mac = mac.split(' ').next().unwrap_or(mac);
        mac.to_owned()
    });
    Ok(Some(Vmac {
        name: name.to_owned(),
        from_base: rest.ends_with("xmit_base = true"),
        mac,
    }))
}

fn truth(text: &str) -> Result<bool> {
    text.parse()
        .with_context(|| format!("neither true nor false: {text}"))
}

fn switch(text: &str) -> Result<bool> {
    match text {
        "enabled" => Ok(true),
        "disabled" => Ok(false),
        other => bail!("neither enabled nor disabled: {other}"),
    }
}

fn ip(text: &str) -> Result<IpAddr> {
    text.parse().with_context(|| format!("no address: {text}"))
}

/// `1 sec`, `250 milli-sec`, `3609375 usecs`.
fn span(text: &str) -> Result<Duration> {
    let unreadable = || format!("no time: {text}");
    let (number, unit) = text.split_once(' ').with_context(unreadable)?;
    let number: u64 = number.parse().with_context(unreadable)?;
    match unit {
        "sec" => Ok(Duration::from_secs(number)),
        "milli-sec" => Ok(Duration::from_millis(number)),
        "usecs" => Ok(Duration::from_micros(number)),
        _ => bail!(unreadable()),
    }
}

/// `10.0.0.1/24 brd 10.0.0.255 dev eth1 scope global label eth1:1`; a host's own
/// prefix is not shown, and `dev vrrp.13@eth0` is the virtual MAC's.
fn address(line: &str) -> Result<Address> {
    let unreadable = || format!("no address with options: {line}");
    let mut words = line.split_whitespace();
    let first = words.next().with_context(unreadable)?;
    let (host, prefix) = match first.split_once('/') {
        Some((host, prefix)) => (host, Some(prefix.parse().with_context(unreadable)?)),
        None => (first, None),
    };
    let ip = ip(host)?;
    let mut address = Address {
        ip,
        prefix: prefix.unwrap_or(if ip.is_ipv4() { 32 } else { 128 }),
        device: String::new(),
        label: None,
        scope: 0,
        broadcast: None,
        peer: None,
        options: Vec::new(),
        preferred: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(unreadable);
        match word {
            "dev" => {
                let device = value()?;
                let base = device.rsplit_once('@').map_or(device, |(_, base)| base);
                address.device = base.to_owned();
            }
            "brd" => address.broadcast = Some(self::ip(value()?)?),
            "label" => address.label = Some(value()?.to_owned()),
            "scope" => address.scope = scope(value()?).with_context(unreadable)?,
            "peer" => {
                let (host, prefix) = value()?.split_once('/').with_context(unreadable)?;
                address.peer = Some((self::ip(host)?, prefix.parse()?));
            }
            "deprecated" => address.preferred = Some(Lifetime::Seconds(0)),
            "preferred_lft" => {
                address.preferred = Some(match value()? {
                    "forever" => Lifetime::Forever,
                    seconds => Lifetime::Seconds(seconds.parse()?),
                });
            }
            word => address
                .options
                .extend(OPTIONS.iter().find(|one| **one == word)),
        }
    }
    address.options.sort_unstable();
    Ok(address)
}

/// Options of an address that have no value.
const OPTIONS: [&str; 6] = [
    "-nodad",
    "autojoin",
    "home",
    "mngtmpaddr",
    "no_track",
    "noprefixroute",
];

fn scope(name: &str) -> Option<u8> {
    Some(match name {
        "global" => 0,
        "site" => 200,
        "link" => 253,
        "host" => 254,
        "nowhere" => 255,
        other => other.parse().ok()?,
    })
}

#[test]
fn a_dump_is_read() {
    let dump = "\
------< Global definitions >------
 Router ID = x
------< VRRP Topology >------
 VRRP Instance = inside
   VRRP Version = 3
   Flags:
     Using unicast
   Master down timer = 853515 usecs
   Use VMAC, i/f name vrrp.10, is_up = true, xmit_base = true
     MAC = 02:00:00:00:01:10 (using VRID)
   Interface = vrrp.10, vmac on eth0, xmit base i/f
   VRRP interface tracking disabled
   Using src_ip = 192.0.2.1 (from configuration)
   Multicast address ff02::12, ifindex 5
   Gratuitous ARP delay = 2
   Gratuitous ARP repeat = 3
   Gratuitous ARP refresh = 60
   Gratuitous ARP refresh repeat = 1
   Gratuitous ARP lower priority delay = 7
   Gratuitous ARP lower priority repeat = 6
   Send advert after receive lower priority advert = false
   Send advert after receive higher priority advert = true
   Down timer adverts = 4
   Virtual Router ID = 10
   Priority = 150
   Effective priority = 15
   Advert interval = 250 milli-sec
   Accept = enabled
   Preempt = disabled
   Preempt delay = 5.5 secs
   Promote_secondaries = disabled
   Authentication type = SIMPLE_PASSWORD
   Password = a b
   Virtual IP (2):
     10.0.0.1/24 brd 10.0.0.255 dev eth1 scope link label eth1:1
     fd00::2 dev vrrp.10@eth0 scope 7 deprecated
   Virtual IP Excluded :
     10.1.0.1 dev eth0 scope global peer 10.1.0.2/32 noprefixroute home
   Virtual Routes :
     prepend 10.20.0.0/24 dev eth0 proto 18
     add blackhole 10.21.0.0/24 proto 18 no_track
   Virtual Rules :
     from 10.0.5.0/24 priority 16384 tos 0x0 protocol 18 lookup 100
   Unicast TTL = 9
   Check unicast src : yes
   Unicast Peer :
     192.0.2.2 min_ttl 0 max_ttl 10
   fd_in 15, fd_out 16
   Tracked interfaces :
     eth1 weight 10 reverse
------< Interfaces >------
 VRRP Instance = not one
";
    let address = |ip: &str, prefix, device: &str, scope| Address {
        ip: ip.parse().unwrap(),
        prefix,
        device: device.into(),
        label: None,
        scope,
        broadcast: None,
        peer: None,
        options: Vec::new(),
        preferred: None,
    };
    let expected = Facts {
        name: "inside".into(),
        version: 3,
        interface: "eth0".into(),
        vrid: 10,
        priority: 150,
        effective: 15,
        interval: Duration::from_millis(250),
        down_interval: Duration::from_micros(853_515),
        down_timer_adverts: 4,
        preempts: false,
        preempt_delay: six_digits(5.5),
        lower_prio_no_advert: true,
        higher_prio_send_advert: true,
        accepts: true,
        promote_secondaries: false,
        dont_track_primary: true,
        unicast: Some(Unicast {
            peers: vec![("192.0.2.2".parse().unwrap(), 0, 10)],
            ttl: Some(9),
            checked: true,
        }),
        vmac: Some(Vmac {
            name: "vrrp.10".into(),
            from_base: true,
            mac: Some("02:00:00:00:01:10".into()),
        }),
        tracked: vec!["eth1 weight 10 reverse".into()],
        routes: vec!["10.20.0.0/24".into(), "10.21.0.0/24".into()],
        rules: vec![16384],
        garp_lower_delay: Duration::from_secs(7),
        garp_lower_repeat: 6,
        auth: "PASS a b".into(),
        source: Some("192.0.2.1".parse().unwrap()),
        group: Some("ff02::12".parse().unwrap()),
        addresses: vec![
            Address {
                label: Some("eth1:1".into()),
                broadcast: Some("10.0.0.255".parse().unwrap()),
                ..address("10.0.0.1", 24, "eth1", 253)
            },
            Address {
                preferred: Some(Lifetime::Seconds(0)),
                ..address("fd00::2", 128, "eth0", 7)
            },
        ],
        excluded: vec![Address {
            peer: Some(("10.1.0.2".parse().unwrap(), 32)),
            options: vec!["home", "noprefixroute"],
            ..address("10.1.0.1", 32, "eth0", 0)
        }],
        garp_delay: Duration::from_secs(2),
        garp_repeat: 3,
        garp_refresh: Duration::from_secs(60),
        garp_refresh_repeat: 1,
    };
    assert_eq!(instances(dump).unwrap(), [expected]);
}

#[test]
fn what_is_no_dump_is_said() {
    assert_eq!(instances("").unwrap(), []);
    let lacks = format!("{BEGIN}\n VRRP Instance = a\n   Interface = eth0\n");
    assert!(instances(&lacks).is_err());
    for bad in [
        "",
        "x dev eth0",
        "10.0.0.1/x",
        "10.0.0.1 dev",
        "10.0.0.1 scope far",
    ] {
        assert!(address(bad).is_err(), "{bad}");
    }
    for bad in ["1", "1 hour", "x sec"] {
        assert!(span(bad).is_err(), "{bad}");
    }
}
