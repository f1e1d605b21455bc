//! What the engine lets others see: one slot per router, written by the
//! engine alone without waiting for anyone, read at any time by services.
//!
//! A slot is a sequence lock over atomic words: a reader that meets a writer
//! reads again.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use vip_common::election::Fault;
use vip_common::ids::{MacAddr, Priority};
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

use super::meter::Meter;
use super::record::Record;
use crate::dataplane::{Memory, Repeats};
use crate::plan::Tracked;

/// Routers heard by one of ours that are remembered; the one that was silent
/// for longest gives way.
pub const PEERS: usize = 8;

/// Where a router stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Takes no part, for a reason.
    Initialize(Fault),
    /// Watches.
    Backup,
    /// Holds the addresses.
    Active,
}

/// Another router of the same VRID.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its primary address.
    pub address: IpAddr,
    /// Its last priority that was accepted.
    pub priority: Priority,
    /// When its last accepted advert was at the NIC.
    pub last_accepted: Option<MonoTime>,
    /// The same of the one before.
    pub accepted_before: Option<MonoTime>,
    /// When its last refused one was.
    pub last_refused: Option<MonoTime>,
    /// How many were accepted.
    pub accepted: u32,
    /// How many were refused by the controller.
    pub refused: u32,
    /// Why the last one was refused.
    pub reason: Option<RejectReason>,
    /// Whether its last accepted advert named other addresses than ours.
    pub other_list: bool,
}

impl Peer {
    /// A peer at its first advert.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self {
            address,
            priority: Priority::RESIGN,
            last_accepted: None,
            accepted_before: None,
            last_refused: None,
            accepted: 0,
            refused: 0,
            reason: None,
            other_list: false,
        }
    }

    /// When it was last heard, accepted or not.
    #[must_use]
    pub fn last_heard(&self) -> Option<MonoTime> {
        self.last_accepted.max(self.last_refused)
    }
}

/// One router as the engine sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub since: MonoTime,
    /// Our priority in the election now.
    pub priority: Priority,
    /// When this standing ends by itself if nothing is heard.
    pub deadline: Option<MonoTime>,
    /// Our own address on the interface.
    pub primary: Option<IpAddr>,
    /// What is wrong with it, also where it is out for another reason.
    pub obstacle: Option<Fault>,
    /// The interface or tracker of the plan that this is about.
    pub hindered_by: Option<Tracked>,
    /// The Active Router that a Backup follows.
    pub active: Option<(IpAddr, Priority)>,
    /// Its MAC, whose claims of our addresses are no conflict; zero if none.
    pub active_mac: MacAddr,
    /// Whether the kernel has acknowledged our addresses.
    pub installed: bool,
    /// Adverts sent.
    pub sent: u64,
    /// Adverts that the interface would not take.
    pub unsent: u64,
    /// Gratuitous ARPs sent.
    pub announced: u64,
    /// Times it became Active.
    pub takeovers: u64,
    /// Adverts accepted for the password that a reload has replaced.
    pub by_former: u64,
    /// Times that addresses were put back which somebody else had removed.
    pub put_back: u64,
    /// The number of what is lent to the program at the NIC, and how many that were
    /// the same are counted here; those that came since are added when this is read.
    pub known: Option<(u64, u64)>,
    /// Adverts that the controller refused, by the number of the reason.
    pub refused: [u64; REASONS],
    /// The others.
    pub peers: [Option<Peer>; PEERS],
}

impl Snapshot {
    /// A router before the engine has looked at it.
    #[must_use]
    pub const fn new(priority: Priority) -> Self {
        Self {
            standing: Standing::Initialize(Fault::Starting),
            since: MonoTime::ZERO,
            priority,
            deadline: None,
            primary: None,
            obstacle: None,
            hindered_by: None,
            active: None,
            active_mac: MacAddr::ZERO,
            installed: false,
            sent: 0,
            unsent: 0,
            announced: 0,
            takeovers: 0,
            by_former: 0,
            put_back: 0,
            known: None,
            refused: [0; REASONS],
            peers: [None; PEERS],
        }
    }
}

const REASONS: usize = RejectReason::ALL.len();
const HEAD_WORDS: usize = 16;
const PEER_WORDS: usize = 7;
const PEERS_AT: usize = HEAD_WORDS + REASONS;
const WORDS: usize = PEERS_AT + PEERS * PEER_WORDS;

impl Snapshot {
    /// Adds what was heard of the Active Router since, as the engine will.
    fn add(&mut self, repeats: &Repeats) {
        let (Some((lending, told)), Some((active, _))) = (self.known, self.active) else {
            return;
        };
        let count = repeats.count.saturating_sub(told);
        if lending != repeats.lending || count == 0 {
            return;
        }
        self.known = Some((lending, repeats.count));
        let mut peers = self.peers.iter_mut().flatten();
        let Some(peer) = peers.find(|peer| peer.address == active) else {
            return;
        };
        let Some(last) = peer.last_accepted.replace(repeats.stamp) else {
            return;
        };
        peer.accepted_before = Some(repeats.before.unwrap_or(last));
        peer.accepted = peer.accepted.wrapping_add(count as u32);
        self.deadline = self.deadline.map(|at| at + repeats.stamp.since(last));
    }
}

/// Zero means "never"; the clock's origin itself is not a time of ours.
fn time_word(at: Option<MonoTime>) -> u64 {
    at.map_or(0, MonoTime::as_nanos)
}

fn word_time(word: u64) -> Option<MonoTime> {
    (word != 0).then(|| MonoTime::from_nanos(word))
}

/// Sixteen octets in two words, IPv4 as it is mapped into IPv6; zero means "none".
fn address_words(address: Option<IpAddr>) -> [u64; 2] {
    let bits = match address {
        None => 0,
        Some(IpAddr::V4(v4)) => v4.to_ipv6_mapped().to_bits(),
        Some(IpAddr::V6(v6)) => v6.to_bits(),
    };
    [(bits >> 64) as u64, bits as u64]
}

fn words_address([high, low]: [u64; 2]) -> Option<IpAddr> {
    let bits = u128::from(high) << 64 | u128::from(low);
    (bits != 0).then(|| Ipv6Addr::from_bits(bits).to_canonical())
}

fn fault_number(fault: Fault) -> u64 {
    Fault::ALL
        .iter()
        .position(|known| *known == fault)
        .map_or(0, |at| at as u64)
}

/// Set in the number of a tracker.
const TRACKER: u32 = 1 << 31;

/// Zero is nothing.
fn tracked_number(what: Option<Tracked>) -> u32 {
    let number = |at: usize| u32::try_from(at).map_or(0, |at| at.saturating_add(1) & !TRACKER);
    match what {
        None => 0,
        Some(Tracked::Port(port)) => number(port),
        Some(Tracked::Tracker(at)) => number(at) | TRACKER,
    }
}

fn tracked_of(number: u32) -> Option<Tracked> {
    let at = usize::try_from((number & !TRACKER).checked_sub(1)?).ok()?;
    Some(if number & TRACKER == 0 {
        Tracked::Port(at)
    } else {
        Tracked::Tracker(at)
    })
}

fn encode(snapshot: &Snapshot) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    let standing = match snapshot.standing {
        Standing::Backup => 0,
        Standing::Active => 1,
        Standing::Initialize(fault) => 2 + fault_number(fault),
    };
    let (active, active_priority) = snapshot
        .active
        .map_or((None, 0), |(at, priority)| (Some(at), priority.get()));
    words[0] = standing
        | u64::from(snapshot.priority.get()) << 8
        | u64::from(active_priority) << 16
        | u64::from(snapshot.installed) << 24
        | snapshot.obstacle.map_or(0, |fault| fault_number(fault) + 1) << 25
        | u64::from(tracked_number(snapshot.hindered_by)) << 32;
    words[1] = snapshot.since.as_nanos();
    words[2] = time_word(snapshot.deadline);
    [words[3], words[10]] = address_words(snapshot.primary);
    [words[4], words[11]] = address_words(active);
    words[5] = snapshot.sent;
    words[6] = snapshot.unsent;
    words[7] = snapshot.announced;
    words[8] = snapshot.takeovers;
    words[12] = snapshot.by_former;
    words[13] = snapshot.put_back;
    // No loan has the number zero.
    (words[14], words[15]) = snapshot.known.unwrap_or_default();
    let [a, b, c, d, e, f] = snapshot.active_mac.0;
    words[9] = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    words[HEAD_WORDS..PEERS_AT].copy_from_slice(&snapshot.refused);
    for (peer, words) in snapshot
        .peers
        .iter()
        .zip(words[PEERS_AT..].chunks_exact_mut(PEER_WORDS))
    {
        let Some(peer) = peer else { continue };
        [words[5], words[6]] = address_words(Some(peer.address));
        words[0] = u64::from(peer.priority.get()) << 32
            | u64::from(peer.reason.map_or(0, |reason| reason as u8 + 1)) << 40
            | u64::from(peer.other_list) << 48;
        words[1] = time_word(peer.last_accepted);
        words[2] = time_word(peer.last_refused);
        words[4] = time_word(peer.accepted_before);
        words[3] = u64::from(peer.accepted) | u64::from(peer.refused) << 32;
    }
    words
}

fn decode(words: &[u64; WORDS]) -> Snapshot {
    let octet = |word: u64, shift: u32| (word >> shift & 0xff) as u8;
    let standing = match words[0] & 0xff {
        0 => Standing::Backup,
        1 => Standing::Active,
        fault => {
            let at = usize::try_from(fault - 2).unwrap_or(usize::MAX);
            Standing::Initialize(Fault::ALL.get(at).copied().unwrap_or(Fault::Starting))
        }
    };
    let mut peers = [None; PEERS];
    for (peer, words) in peers
        .iter_mut()
        .zip(words[PEERS_AT..].chunks_exact(PEER_WORDS))
    {
        *peer = words_address([words[5], words[6]]).map(|address| Peer {
            address,
            priority: Priority::from_wire(octet(words[0], 32)),
            last_accepted: word_time(words[1]),
            accepted_before: word_time(words[4]),
            last_refused: word_time(words[2]),
            accepted: (words[3] & u64::from(u32::MAX)) as u32,
            refused: (words[3] >> 32) as u32,
            reason: octet(words[0], 40)
                .checked_sub(1)
                .and_then(RejectReason::from_number),
            other_list: words[0] >> 48 & 1 == 1,
        });
    }
    Snapshot {
        standing,
        since: MonoTime::from_nanos(words[1]),
        priority: Priority::from_wire(octet(words[0], 8)),
        deadline: word_time(words[2]),
        primary: words_address([words[3], words[10]]),
        obstacle: usize::try_from(words[0] >> 25 & 0x7f)
            .ok()
            .and_then(|number| Fault::ALL.get(number.checked_sub(1)?).copied()),
        hindered_by: tracked_of((words[0] >> 32) as u32),
        active: words_address([words[4], words[11]])
            .map(|at| (at, Priority::from_wire(octet(words[0], 16)))),
        active_mac: {
            let [_, _, a, b, c, d, e, f] = words[9].to_be_bytes();
            MacAddr([a, b, c, d, e, f])
        },
        installed: words[0] >> 24 & 1 == 1,
        sent: words[5],
        unsent: words[6],
        announced: words[7],
        takeovers: words[8],
        by_former: words[12],
        put_back: words[13],
        known: (words[14] != 0).then_some((words[14], words[15])),
        refused: std::array::from_fn(|at| words[HEAD_WORDS + at]),
        peers,
    }
}

#[derive(Debug)]
struct Slot {
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

/// The slots of all routers.
pub struct Published {
    slots: Vec<Slot>,
    /// What the engine counts beside them.
    meters: Vec<Meter>,
    /// What has happened lately.
    record: Record,
    /// Where adverts are taken note of that the engine is not woken for.
    memory: Option<Arc<dyn Memory>>,
    /// How often something has become of an interface or an address of this host.
    stirs: AtomicU64,
}

impl Published {
    /// Slots that show what the routers are before they start.
    #[must_use]
    pub fn new(routers: impl IntoIterator<Item = Snapshot>) -> Self {
        let slot = |snapshot| Slot {
            sequence: AtomicU64::new(0),
            words: encode(&snapshot).map(AtomicU64::new),
        };
        let slots: Vec<Slot> = routers.into_iter().map(slot).collect();
        Self {
            meters: slots.iter().map(|_| Meter::default()).collect(),
            slots,
            record: Record::new(),
            memory: None,
            stirs: AtomicU64::new(0),
        }
    }

    /// With what the program at the NIC takes note of.
    #[must_use]
    pub fn with_memory(self, memory: Option<Arc<dyn Memory>>) -> Self {
        Self { memory, ..self }
    }

    /// Something has become of an interface or an address of this host: the link
    /// reader says so.
    pub fn stir(&self) {
        self.stirs.fetch_add(1, Ordering::Release);
    }

    /// How often that was.
    #[must_use]
    pub fn stirs(&self) -> u64 {
        self.stirs.load(Ordering::Acquire)
    }

    /// What the engine counts of a router; `None` if there is no such router.
    #[must_use]
    pub fn meter(&self, router: usize) -> Option<&Meter> {
        self.meters.get(router)
    }

    /// What has happened lately.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// How many routers can be shown: a reload adds none beyond.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is room for none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Shows a router anew. Only the engine may call it.
    pub fn write(&self, router: usize, snapshot: &Snapshot) {
        let Some(slot) = self.slots.get(router) else {
            return;
        };
        let sequence = slot.sequence.load(Ordering::Relaxed);
        slot.sequence.store(sequence + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (to, from) in slot.words.iter().zip(encode(snapshot)) {
            to.store(from, Ordering::Relaxed);
        }
        slot.sequence.store(sequence + 2, Ordering::Release);
    }

    /// The router as last shown, with what was heard since; `None` if there is no such
    /// router.
    #[must_use]
    pub fn read(&self, router: usize) -> Option<Snapshot> {
        let mut snapshot = self.shown(router)?;
        let number = u32::try_from(router).ok()?;
        let memory = self.memory.as_ref();
        if let Some(repeats) = memory.and_then(|memory| memory.repeats(number)) {
            snapshot.add(&repeats);
        }
        Some(snapshot)
    }

    fn shown(&self, router: usize) -> Option<Snapshot> {
        let slot = self.slots.get(router)?;
        loop {
            let before = slot.sequence.load(Ordering::Acquire);
            let words = std::array::from_fn(|at| slot.words[at].load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if before % 2 == 0 && slot.sequence.load(Ordering::Relaxed) == before {
                return Some(decode(&words));
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy() -> Snapshot {
        let mut snapshot = Snapshot::new(Priority::from_wire(90));
        snapshot.standing = Standing::Active;
        snapshot.since = MonoTime::from_nanos(7);
        snapshot.deadline = Some(MonoTime::from_nanos(u64::MAX));
        snapshot.primary = Some(IpAddr::from([192, 168, 8, 6]));
        snapshot.hindered_by = Some(Tracked::Port(70_000));
        snapshot.active = Some((
            IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1_u16]),
            Priority::OWNER,
        ));
        snapshot.active_mac = MacAddr([1, 2, 3, 4, 5, 6]);
        snapshot.installed = true;
        snapshot.sent = u64::MAX;
        snapshot.unsent = 1;
        snapshot.announced = 5;
        snapshot.takeovers = 2;
        snapshot.known = Some((3, u64::MAX));
        snapshot.refused = std::array::from_fn(|at| at as u64 + 1);
        snapshot.peers[7] = Some(Peer {
            address: IpAddr::from([255, 255, 255, 254]),
            priority: Priority::from_wire(1),
            last_accepted: None,
            accepted_before: Some(MonoTime::from_nanos(8)),
            last_refused: Some(MonoTime::from_nanos(9)),
            accepted: u32::MAX,
            refused: 41,
            reason: Some(RejectReason::AuthPassword),
            other_list: true,
        });
        snapshot
    }

    #[test]
    fn what_is_written_is_read() {
        let published = Published::new([Snapshot::new(Priority::DEFAULT), busy()]);
        assert_eq!(published.read(0), Some(Snapshot::new(Priority::DEFAULT)));
        assert_eq!(published.read(1), Some(busy()));
        published.write(0, &busy());
        assert_eq!(published.read(0), Some(busy()));
        assert_eq!(published.read(2), None);
    }

    #[test]
    fn what_the_engine_was_not_woken_for_is_added() {
        let at = MonoTime::from_nanos;
        let mut snapshot = busy();
        snapshot.standing = Standing::Backup;
        snapshot.deadline = Some(at(350));
        snapshot.known = Some((7, 2));
        let active = IpAddr::from([10, 0, 0, 1]);
        snapshot.active = Some((active, Priority::DEFAULT));
        snapshot.peers[3] = Some(Peer {
            last_accepted: Some(at(50)),
            accepted: 10,
            ..Peer::new(active)
        });
        let repeats = |lending, count| Repeats {
            lending,
            stamp: at(250),
            before: Some(at(150)),
            count,
        };
        for nothing in [repeats(8, 5), repeats(7, 2)] {
            let mut same = snapshot;
            same.add(&nothing);
            assert_eq!(same, snapshot);
        }
        let mut later = snapshot;
        later.add(&repeats(7, 5));
        assert_eq!(later.deadline, Some(at(550)));
        assert_eq!(later.known, Some((7, 5)));
        let peer = later.peers[3].unwrap();
        assert_eq!((peer.accepted, peer.last_accepted), (13, Some(at(250))));
        assert_eq!(peer.accepted_before, Some(at(150)));
        assert_eq!(later.peers[7], snapshot.peers[7]);
    }

    #[test]
    fn every_fault_survives() {
        for fault in Fault::ALL {
            let mut snapshot = busy();
            snapshot.standing = Standing::Initialize(*fault);
            snapshot.obstacle = Some(*fault);
            snapshot.hindered_by = Some(Tracked::Tracker(*fault as usize));
            assert_eq!(decode(&encode(&snapshot)), snapshot);
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_write() {
        let published = Published::new([Snapshot::new(Priority::DEFAULT)]);
        let of = |count: u64| {
            let mut snapshot = busy();
            (snapshot.sent, snapshot.announced, snapshot.takeovers) = (count, count, count);
            snapshot
        };
        published.write(0, &of(0));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..20_000).for_each(|count| published.write(0, &of(count))));
            for _ in 0..20_000 {
                let seen = published.read(0).unwrap();
                assert_eq!(seen, of(seen.sent));
            }
        });
    }
}
