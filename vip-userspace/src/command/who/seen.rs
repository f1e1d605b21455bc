//! What was heard of one address, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use vip_common::ids::{Family, MacAddr, Version, Vrid};
use vip_common::reject::RejectReason;
use vip_common::time::Centis;
use vip_common::wire::TRAILER_LEN;
use vip_common::wire::admit::AH_LEN;
use vip_common::wire::vrrp::{self, AUTH_LEN, Auth, Expect, HEADER_LEN};

/// An advert of anybody, as it is on the wire. It is shown whatever it is; one that
/// no router would take says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Advert {
    pub(super) source: IpAddr,
    pub(super) mac: MacAddr,
    pub(super) vrid: u8,
    /// Zero: it gives up.
    pub(super) priority: u8,
    pub(super) version: u8,
    /// Between its adverts; zero in one that is wrong.
    pub(super) interval: Duration,
    pub(super) addresses: Vec<IpAddr>,
    /// Why nobody would take it.
    pub(super) wrong: Option<RejectReason>,
    /// Whether this host has sent it.
    pub(super) is_ours: bool,
}

impl Advert {
    /// Reads a whole frame; `None` if it is no advert, or ends before its own list
    /// of addresses does.
    pub(super) fn read(frame: &[u8], is_ours: bool) -> Option<Self> {
        // Behind the kind of IP header that is there, whatever follows it.
        let (header, mac, body) = vrrp::locate(frame)?;
        let (protocol, family) = match header.source {
            IpAddr::V4(_) => (*frame.get(14 + 9)?, Family::V4),
            IpAddr::V6(_) => (*frame.get(14 + 6)?, Family::V6),
        };
        let body = match protocol {
            112 => body,
            // An authentication header, and what it says comes next.
            51 if body.first() == Some(&112) => body.get(AH_LEN..)?,
            _ => return None,
        };
        let [kind, vrid, priority, count, high, low, ..] = *body else {
            return None;
        };
        let version = kind >> 4;
        let interval = if version == 2 {
            Duration::from_secs(low.into())
        } else {
            let centis = u16::from_be_bytes([high & 0x0f, low]);
            Duration::from_millis(u64::from(centis) * 10)
        };
        let width = if family == Family::V4 { 4 } else { 16 };
        let list = body.get(HEADER_LEN..HEADER_LEN + usize::from(count) * width)?;
        let address = |octets: &[u8]| -> Option<IpAddr> {
            match family {
                Family::V4 => Some(<[u8; 4]>::try_from(octets).ok()?.into()),
                Family::V6 => Some(<[u8; 16]>::try_from(octets).ok()?.into()),
            }
        };
        let wrong = if header.ttl == 255 || !header.destination.is_multicast() {
            judge(&header, family, body, list.len())
        } else {
            Some(RejectReason::Ttl)
        };
        Some(Self {
            source: header.source,
            mac,
            vrid,
            priority,
            version,
            interval,
            addresses: list.chunks(width).filter_map(address).collect(),
            wrong,
            is_ours,
        })
    }

    /// After how long without an advert somebody else takes over, at most: three
    /// intervals and a skew time.
    pub(super) fn down_interval(&self) -> Duration {
        self.interval * 4
    }
}

/// What a router that is configured alike would have against it. One that is signed
/// cannot be judged without its key, and is believed.
fn judge(header: &vrrp::Header, family: Family, body: &[u8], list: usize) -> Option<RejectReason> {
    let [kind, vrid, _, _, auth, low, ..] = *body else {
        return Some(RejectReason::Truncated);
    };
    let (version, auth_len) = match kind >> 4 {
        2 => (Version::V2, AUTH_LEN),
        3 => (Version::V3, 0),
        _ => return Some(RejectReason::Version),
    };
    let message = HEADER_LEN + list + auth_len;
    if body.len() == message + TRAILER_LEN {
        return None;
    }
    let password = body.get(message - auth_len..message);
    let password = password.and_then(|octets| octets.try_into().ok());
    let expect = Expect {
        family,
        vrid: match Vrid::new(vrid) {
            Some(vrid) => vrid,
            None => return Some(RejectReason::Vrid),
        },
        version,
        interval: match version {
            Version::V2 => Centis::from_secs(low).unwrap_or(Centis::ONE_SECOND),
            Version::V3 => Centis::ONE_SECOND,
        },
        auth: match (auth, password) {
            (1, Some(password)) if version == Version::V2 => Auth::Password(password),
            _ => Auth::None,
        },
        old_unicast: true,
    };
    vrrp::decode(header.source, header.destination, body, &expect).err()
}

/// How often something was heard, and when, since the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Heard {
    pub(super) count: u32,
    first: Duration,
    last: Duration,
}

impl Heard {
    const fn new(at: Duration) -> Self {
        Self {
            count: 1,
            first: at,
            last: at,
        }
    }

    fn again(&mut self, at: Duration) {
        self.count += 1;
        self.last = at;
    }

    /// Whether both were there at one time: one that takes over from another begins
    /// when that has ended.
    fn overlaps(&self, other: &Self) -> bool {
        self.last >= other.first && other.last >= self.first
    }
}

/// A router, by VRID and source.
pub(super) type Router = (u8, IpAddr);

/// A router that was heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Spoken {
    /// Its last advert.
    pub(super) advert: Advert,
    /// When it was heard; the vip of this host tells of what it sends and hears
    /// without that.
    pub(super) heard: Option<Heard>,
}

/// Everything that was heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Seen {
    address: IpAddr,
    claims: BTreeMap<MacAddr, Heard>,
    spoken: BTreeMap<Router, Spoken>,
    probes: BTreeMap<MacAddr, u32>,
    own: BTreeMap<MacAddr, (String, Heard)>,
    /// When it was asked the last time.
    asked: Option<Duration>,
    /// Who has answered that time, and how often.
    answers: BTreeMap<MacAddr, u32>,
    /// How many questions a MAC has answered more than once.
    twice: BTreeMap<MacAddr, u32>,
}

/// Somebody who has the address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Holder {
    pub(super) mac: MacAddr,
    /// How often it answered for it, or announced it.
    pub(super) answers: u32,
    /// The interface of this host that has it.
    pub(super) own: Option<String>,
    /// Who speaks for the address by this MAC.
    pub(super) routers: Vec<Router>,
    /// Whether another has taken its place while we listened.
    pub(super) gone: bool,
}

impl Holder {
    /// The family and VRID of a virtual MAC (RFC 9568 section 7.3), by which one
    /// router cannot be told from another.
    pub(super) fn virtual_router(&self) -> Option<(Family, u8)> {
        virtual_router(self.mac)
    }
}

/// The family and VRID that a MAC is the virtual one of.
pub(super) const fn virtual_router(mac: MacAddr) -> Option<(Family, u8)> {
    match mac.0 {
        [0, 0, 0x5e, 0, 1, vrid] if vrid != 0 => Some((Family::V4, vrid)),
        [0, 0, 0x5e, 0, 2, vrid] if vrid != 0 => Some((Family::V6, vrid)),
        _ => None,
    }
}

impl Seen {
    pub(super) const fn new(address: IpAddr) -> Self {
        Self {
            address,
            claims: BTreeMap::new(),
            spoken: BTreeMap::new(),
            probes: BTreeMap::new(),
            own: BTreeMap::new(),
            asked: None,
            answers: BTreeMap::new(),
            twice: BTreeMap::new(),
        }
    }

    /// The question has gone out.
    pub(super) fn asked(&mut self, at: Duration) {
        self.asked = Some(at);
        self.answers.clear();
    }

    /// Somebody says so to us alone, having been asked.
    pub(super) fn answer(&mut self, at: Duration, mac: MacAddr) {
        self.claim(at, mac);
        let answers = self.answers.entry(mac).or_default();
        *answers += 1;
        if *answers == 2 {
            *self.twice.entry(mac).or_default() += 1;
        }
    }

    /// The address that it is about.
    pub(super) const fn address(&self) -> IpAddr {
        self.address
    }

    /// Somebody says that the address is his.
    pub(super) fn claim(&mut self, at: Duration, mac: MacAddr) {
        let heard = self.claims.entry(mac).and_modify(|heard| heard.again(at));
        heard.or_insert(Heard::new(at));
    }

    /// Somebody asks whether the address is free.
    pub(super) fn probe(&mut self, mac: MacAddr) {
        *self.probes.entry(mac).or_default() += 1;
    }

    /// This host has it on an interface of this MAC.
    pub(super) fn own(&mut self, at: Duration, mac: MacAddr, interface: &str) {
        let own = self.own.entry(mac).and_modify(|(_, heard)| heard.again(at));
        own.or_insert((interface.to_owned(), Heard::new(at)));
    }

    /// A router speaks.
    pub(super) fn advert(&mut self, at: Duration, advert: Advert) {
        let key = (advert.vrid, advert.source);
        match self.spoken.get_mut(&key) {
            Some(spoken) => {
                spoken.advert = advert;
                match &mut spoken.heard {
                    Some(heard) => heard.again(at),
                    None => spoken.heard = Some(Heard::new(at)),
                }
            }
            None => {
                let heard = Some(Heard::new(at));
                self.spoken.insert(key, Spoken { advert, heard });
            }
        }
    }

    /// The vip of this host knows of a router that was not heard here: it takes
    /// adverts off the wire before they come to anybody else.
    pub(super) fn known(&mut self, advert: Advert) {
        let key = (advert.vrid, advert.source);
        let unheard = Spoken {
            advert,
            heard: None,
        };
        self.spoken.entry(key).or_insert(unheard);
    }

    /// The routers whose last advert names the address.
    pub(super) fn naming(&self) -> impl Iterator<Item = (&Router, &Spoken)> {
        let names = |spoken: &Spoken| spoken.advert.addresses.contains(&self.address);
        self.spoken.iter().filter(move |(_, one)| names(one))
    }

    /// Routers that speak from the MAC of a holder and do not name the address.
    pub(super) fn beside(&self, mac: MacAddr) -> impl Iterator<Item = &Spoken> {
        self.spoken.values().filter(move |one| {
            one.advert.mac == mac && !one.advert.addresses.contains(&self.address)
        })
    }

    /// The MACs of others that answer for it.
    pub(super) fn claimants(&self) -> impl Iterator<Item = MacAddr> {
        self.claims.keys().copied()
    }

    /// A router.
    pub(super) fn spoken(&self, router: &Router) -> Option<&Spoken> {
        self.spoken.get(router)
    }

    /// Who asked whether the address is free, and how often.
    pub(super) fn probes(&self) -> impl Iterator<Item = (MacAddr, u32)> {
        self.probes.iter().map(|(mac, count)| (*mac, *count))
    }

    /// Everybody who has the address or says so, this host first.
    pub(super) fn holders(&self) -> Vec<Holder> {
        // Who gives up, or sends what nobody takes, holds nothing by that.
        let speaks = |one: &&Spoken| one.advert.priority > 0 && one.advert.wrong.is_none();
        let routers = self.naming().filter(|(_, one)| speaks(one));
        let routers: Vec<(Router, MacAddr, Option<Heard>)> = routers
            .map(|(key, one)| (*key, self.seat(&one.advert), one.heard))
            .collect();
        let mut macs: Vec<MacAddr> = self.own.keys().copied().collect();
        let others = self.claims.keys().copied();
        for mac in others.chain(routers.iter().map(|(_, mac, _)| *mac)) {
            if !macs.contains(&mac) {
                macs.push(mac);
            }
        }
        // All that is known of when each was there.
        let times = |mac: MacAddr| -> Vec<Heard> {
            let own = self.own.get(&mac).map(|(_, heard)| *heard);
            let spoke = routers.iter().filter(|(_, from, _)| *from == mac);
            let spoke = spoke.filter_map(|(_, _, heard)| *heard);
            let claimed = self.claims.get(&mac).copied();
            own.into_iter().chain(claimed).chain(spoke).collect()
        };
        let replaced = |mac: MacAddr| {
            let its = times(mac);
            let Some(last) = its.iter().map(|heard| heard.last).max() else {
                return false;
            };
            let other = |other: &MacAddr| {
                let first = times(*other).into_iter().map(|heard| heard.first).min();
                *other != mac && first.is_some_and(|first| first > last)
            };
            macs.iter().any(other) && self.asked.is_some_and(|asked| asked > last)
        };
        let holder = |mac: &MacAddr| Holder {
            mac: *mac,
            answers: self.claims.get(mac).map_or(0, |heard| heard.count),
            own: self.own.get(mac).map(|(interface, _)| interface.clone()),
            routers: routers
                .iter()
                .filter(|(_, from, _)| from == mac)
                .map(|(key, ..)| *key)
                .collect(),
            gone: replaced(*mac),
        };
        macs.iter().map(holder).collect()
    }

    /// The MAC by which a router has the address: the virtual one, where that
    /// answers (adverts may leave by another, `vmac_xmit_base`), else its adverts'.
    fn seat(&self, advert: &Advert) -> MacAddr {
        let router = Some((Family::of(advert.source), advert.vrid));
        let mut claimed = self.claims.keys().chain(self.own.keys());
        let by = claimed.find(|mac| virtual_router(**mac) == router);
        by.copied().unwrap_or(advert.mac)
    }

    /// How many have the address: a MAC is one, and a virtual MAC as many as there
    /// are routers that speak by it at one time.
    pub(super) fn count(&self) -> usize {
        let standing = self.holders();
        let standing = standing.iter().filter(|holder| !holder.gone);
        standing.map(|holder| self.behind(holder)).sum()
    }

    fn behind(&self, holder: &Holder) -> usize {
        let heard = |router: &Router| self.spoken.get(router).and_then(|one| one.heard);
        let at_once = |one: &Router, other: &Router| match (heard(one), heard(other)) {
            (Some(one), Some(other)) => one.overlaps(&other),
            _ => true,
        };
        let with = |one: &Router| {
            // A host may run several routers by one address.
            let others = holder.routers.iter();
            let others = others.filter(|other| other.1 != one.1 && at_once(one, other));
            others.map(|other| other.1).collect::<BTreeSet<_>>().len() + 1
        };
        let speak = holder.routers.iter().map(with).max().unwrap_or(1);
        // A host answers once. One frame may come twice by accident, and a MAC that is
        // not virtual is one host's.
        let twice = self.twice.get(&holder.mac).copied().unwrap_or(0);
        let answer = usize::from(twice >= 2 && holder.virtual_router().is_some());
        speak.max(1 + answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MacAddr = MacAddr([2, 0, 0, 0, 0, 4]);
    const B: MacAddr = MacAddr([2, 0, 0, 0, 0, 6]);
    const VIRTUAL: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 51]);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn address() -> IpAddr {
        [192, 0, 2, 100].into()
    }

    fn advert(vrid: u8, last: u8, mac: MacAddr) -> Advert {
        Advert {
            source: [192, 0, 2, last].into(),
            mac,
            vrid,
            priority: 100,
            version: 3,
            interval: ms(100),
            addresses: vec![address()],
            wrong: None,
            is_ours: false,
        }
    }

    fn seen() -> Seen {
        let mut seen = Seen::new(address());
        seen.asked(ms(900));
        seen
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!((seen().count(), seen().holders()), (0, vec![]));
    }

    #[test]
    fn who_answers_and_speaks_is_one() {
        let mut seen = seen();
        for at in [1, 301, 901] {
            seen.claim(ms(at), A);
            seen.advert(ms(at), advert(51, 4, A));
        }
        assert_eq!(seen.count(), 1);
        let [holder] = &seen.holders()[..] else {
            panic!()
        };
        assert_eq!(
            (holder.answers, &holder.routers[..]),
            (3, &[(51, [192, 0, 2, 4].into())][..])
        );
    }

    #[test]
    fn two_who_answer_are_two_and_one_who_takes_over_is_one() {
        let mut both = seen();
        for at in [1, 301, 901] {
            both.claim(ms(at), A);
            both.claim(ms(at + 1), B);
        }
        assert_eq!(both.count(), 2);
        let mut moved = seen();
        moved.claim(ms(1), A);
        moved.advert(ms(200), advert(51, 4, A));
        moved.claim(ms(301), B);
        moved.claim(ms(901), B);
        moved.advert(ms(302), advert(51, 6, B));
        assert_eq!(moved.count(), 1);
        assert!(moved.holders().iter().all(|one| one.gone == (one.mac == A)));
    }

    #[test]
    fn one_virtual_mac_may_be_two_hosts() {
        let mut seen = seen();
        for at in [100, 200, 300] {
            seen.claim(ms(at), VIRTUAL);
            seen.advert(ms(at), advert(51, 4, VIRTUAL));
            seen.advert(ms(at + 50), advert(51, 6, VIRTUAL));
        }
        assert_eq!(seen.count(), 2);
        assert_eq!(seen.holders().len(), 1);
    }

    #[test]
    fn a_virtual_mac_that_answers_twice_is_two_hosts() {
        let answered = |mac| {
            let mut seen = seen();
            for at in [0, 300, 900] {
                seen.asked(ms(at));
                seen.answer(ms(at + 1), mac);
                seen.answer(ms(at + 2), mac);
            }
            seen.count()
        };
        assert_eq!((answered(VIRTUAL), answered(A)), (2, 1));
    }

    #[test]
    fn adverts_by_another_mac_than_the_virtual_one_are_of_the_same_host() {
        let mut seen = seen();
        seen.claim(ms(1), VIRTUAL);
        seen.advert(ms(2), advert(51, 4, A));
        assert_eq!(seen.count(), 1);
        seen.advert(ms(2), advert(52, 6, B));
        assert_eq!(seen.count(), 2);
    }

    #[test]
    fn who_gives_up_or_sends_nonsense_holds_nothing() {
        let mut seen = seen();
        seen.advert(
            ms(1),
            Advert {
                priority: 0,
                ..advert(51, 4, A)
            },
        );
        seen.advert(
            ms(1),
            Advert {
                wrong: Some(RejectReason::Checksum),
                ..advert(52, 6, B)
            },
        );
        assert_eq!(seen.count(), 0);
        assert_eq!(seen.naming().count(), 2);
    }

    #[test]
    fn this_host_counts() {
        let mut seen = seen();
        seen.own(ms(0), A, "eth0");
        seen.known(advert(51, 4, A));
        seen.own(ms(1500), A, "eth0");
        assert_eq!(seen.count(), 1);
        seen.claim(ms(301), B);
        assert_eq!(seen.count(), 2);
    }
}
