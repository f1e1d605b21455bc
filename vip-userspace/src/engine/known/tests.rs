//! An engine, a clock that is stepped, and a program at the NIC that does what
//! [`Memory`] promises: adverts that are known wake nobody, and their silence does.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vip_common::ids::MacAddr;
use vip_common::layout::AddressKey;
use vip_common::wire::eth;
use vip_common::wire::vrrp::{AdvertFrame, FrameSpec};

use super::super::published::{Published, Snapshot, Standing};
use super::super::queue::{self, Wake, queue};
use super::super::rt::pretended;
use super::super::{LinkFacts, LinkNews, Links, Own};
use super::*;
use crate::config;
use crate::dataplane::{AddressNote, Ear, EarEvent, Left, Memory, Repeats};
use crate::kernel::FrameSender;
use crate::kernel::hands::{Attached, Outcome, Request};
use crate::plan::Plan;

const IFINDEX: u32 = 7;
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);

/// Where adverts of one sender may differ: the identification and the checksum of the
/// IPv4 header.
const CHANGES: [usize; 4] = [eth::LEN + 4, eth::LEN + 5, eth::LEN + 10, eth::LEN + 11];

/// For an engine that waits awake, and looks at its clock a few times on the way.
const AT_ONCE: Duration = Duration::from_micros(10);

fn at(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(1_000_000 + millis)
}

fn facts() -> LinkFacts {
    LinkFacts {
        ifindex: IFINDEX,
        mac: MacAddr([2, 0, 0, 0, 0, 2]),
        running: true,
        own: Own {
            v4: Some(OURS),
            v6: None,
        },
        others: 0,
        forwards_v6: false,
    }
}

enum Record {
    Advert(MonoTime, Vec<u8>),
    Silence(MonoTime),
}

struct Lent {
    lending: u64,
    frame: Vec<u8>,
    silence: Duration,
}

/// The program at the NIC, and the ring that it fills.
#[derive(Default)]
struct Program {
    lent: Option<Lent>,
    lendings: u64,
    follows: Option<(IpAddr, MacAddr)>,
    noted: Option<Repeats>,
    /// Whether the timer runs for what is lent.
    watches: bool,
    /// Whether its timer has ceased to work.
    broken: bool,
    ring: VecDeque<Record>,
    /// What comes in the moment before the next loan ends.
    at_the_last: Option<(MonoTime, Vec<u8>)>,
}

impl Program {
    fn hears(&mut self, stamp: MonoTime, frame: Vec<u8>) {
        let is_same = |lent: &&Lent| {
            let mut bytes = lent.frame.iter().zip(&frame).enumerate();
            lent.frame.len() == frame.len()
                && bytes.all(|(at, (one, other))| one == other || CHANGES.contains(&at))
        };
        let Some(lent) = self.lent.as_ref().filter(is_same) else {
            return self.ring.push_back(Record::Advert(stamp, frame));
        };
        let before = self.noted.filter(|noted| noted.lending == lent.lending);
        self.noted = Some(Repeats {
            lending: lent.lending,
            stamp,
            before: before.map(|noted| noted.stamp),
            count: before.map_or(0, |noted| noted.count) + 1,
        });
        self.watches = !self.broken;
    }

    /// When its timer elapses.
    fn rings_at(&self) -> Option<MonoTime> {
        let lent = self.lent.as_ref().filter(|_| self.watches)?;
        let noted = self.noted.filter(|noted| noted.lending == lent.lending)?;
        Some(noted.stamp + lent.silence)
    }
}

/// Both sides of it.
#[derive(Clone, Default)]
struct Nic(Arc<Mutex<Program>>);

impl Nic {
    fn program(&self) -> MutexGuard<'_, Program> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory for Nic {
    fn lend(&self, slot: u32, known: Option<Known<'_>>) -> Option<u64> {
        assert_eq!(slot, 0);
        let mut program = self.program();
        if program.lent.is_some()
            && let Some((stamp, frame)) = program.at_the_last.take()
        {
            program.hears(stamp, frame);
        }
        program.lent = None;
        program.watches = false;
        let known = known?;
        program.lendings += 1;
        program.lent = Some(Lent {
            lending: program.lendings,
            frame: known.frame.to_vec(),
            silence: known.silence,
        });
        Some(program.lendings)
    }

    fn follow(&self, slot: u32, who: Option<(IpAddr, MacAddr)>) {
        assert_eq!(slot, 0);
        self.program().follows = who;
    }

    fn repeats(&self, slot: u32) -> Option<Repeats> {
        assert_eq!(slot, 0);
        let program = self.program();
        program
            .noted
            .filter(|noted| noted.lending == program.lendings)
    }
}

struct Ring {
    nic: Nic,
    readable: Wake,
}

impl Ear for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    fn drain(&mut self, sink: &mut dyn FnMut(EarEvent<'_>)) -> Left {
        loop {
            // The engine may lend while it listens.
            let Some(record) = self.nic.program().ring.pop_front() else {
                return Left::Nothing;
            };
            match record {
                Record::Advert(stamp, frame) => sink(EarEvent::Advert {
                    stamp,
                    slot: 0,
                    ifindex: IFINDEX,
                    frame: &frame,
                }),
                Record::Silence(stamp) => sink(EarEvent::Silence { stamp, slot: 0 }),
            }
        }
    }

    fn note_address(&mut self, _: AddressKey, _: AddressNote) {}

    fn memory(&self) -> Option<Arc<dyn Memory>> {
        Some(Arc::new(self.nic.clone()))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        pretended::end();
    }
}

/// A Backup of priority 100 at an interval of 10 ms, the NIC and the kernel around it.
struct Host {
    engine: Engine,
    nic: Nic,
    plan: Arc<Plan>,
    published: Arc<Published>,
    news: queue::Sender<LinkNews>,
    outcomes: queue::Sender<Outcome>,
    requests: queue::Receiver<Request>,
    /// The other end of what the engine sends by.
    wire: UnixDatagram,
    sender: Option<FrameSender>,
    /// How often the engine has been awake.
    turns: u32,
    /// When it last asked whether its ear is alive.
    doubted: Option<MonoTime>,
    /// When its first advert was on the wire.
    spoke: Option<MonoTime>,
    sent: u16,
    /// Services, who have nothing to say and must not have gone.
    _others: (
        queue::Sender<super::super::Command>,
        queue::Receiver<super::super::Report>,
    ),
}

impl Host {
    /// It takes part from `at(0)` on.
    fn new() -> Self {
        let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nversion 3\n\
                    priority 100\nadvert_int 0.01\nvirtual_ipaddress {\n192.0.2.9/24\n}\n}\n";
        let plan = Arc::new(Plan::new(&config::parse(text, "test").configuration));
        pretended::set(at(0));
        let wake = Wake::new().unwrap();
        let (news, news_out) = queue(16, &wake);
        let (outcomes, outcomes_out) = queue(16, &wake);
        let (commands, commands_out) = queue(16, &wake);
        let (hands, requests) = queue(64, &wake);
        let (reports, reports_out) = queue(64, &wake);
        let shown = plan.routers.iter();
        let shown = Published::new(shown.map(|router| Snapshot::new(router.priority())));
        let published = Arc::new(shown);
        let links = Links {
            wake: wake.clone(),
            news: news_out,
            outcomes: outcomes_out,
            commands: commands_out,
            hands,
            reports,
        };
        let nic = Nic::default();
        let ring = Ring {
            nic: nic.clone(),
            readable: wake,
        };
        let engine = Engine::new(
            Arc::clone(&plan),
            Some(Box::new(ring)),
            links,
            Arc::clone(&published),
        )
        .unwrap();
        let (ours, wire) = UnixDatagram::pair().unwrap();
        wire.set_nonblocking(true).unwrap();
        let sender = FrameSender::over(OwnedFd::from(ours)).unwrap();
        let mut host = Self {
            engine,
            nic,
            plan,
            published,
            news,
            outcomes,
            requests,
            wire,
            sender: Some(sender),
            turns: 0,
            doubted: None,
            spoke: None,
            sent: 0,
            _others: (commands, reports_out),
        };
        let link = Some(facts());
        assert!(host.news.send(LinkNews::Link { port: 0, link }).is_ok());
        host.turn();
        assert_eq!(host.standing(), Standing::Backup);
        host
    }

    fn standing(&self) -> Standing {
        self.published.read(0).unwrap().standing
    }

    /// The engine is awake, until it has nothing more to do now.
    fn turn(&mut self) {
        loop {
            self.turns += 1;
            self.engine.turn();
            let mut frame = [0; 2048];
            while let Ok(length) = self.wire.recv(&mut frame) {
                let is_advert = length > eth::LEN && frame[12..14] == eth::TYPE_IPV4.to_be_bytes();
                if is_advert && self.spoke.is_none() {
                    self.spoke = pretended::now();
                }
            }
            if !self.answer() {
                return;
            }
        }
    }

    /// The hands do at once what they are asked for.
    fn answer(&mut self) -> bool {
        let mut answered = false;
        while let Some(request) = self.requests.receive() {
            let outcome = match &request {
                Request::Attach { port, ifindex } => {
                    let LinkFacts {
                        mac, own, others, ..
                    } = facts();
                    Outcome::Attached(Box::new(Attached {
                        port: *port,
                        ifindex: *ifindex,
                        mac,
                        own,
                        others,
                        sender: self.sender.take(),
                        ear: None,
                    }))
                }
                Request::Prove { port, .. } => {
                    self.doubted = pretended::now();
                    Outcome::Proven { port: *port }
                }
                Request::Install { slot, generation } => Outcome::Installed {
                    slot: *slot,
                    generation: *generation,
                },
                Request::StandBy { .. } => continue,
                Request::Rejoin { .. }
                | Request::PlaceRoads
                | Request::Detach { .. }
                | Request::Remove { .. }
                | Request::Adopt(_)
                | Request::Look { .. }
                | Request::Forget { .. }
                | Request::Close(_)
                | Request::Stop => panic!("{request:?}"),
            };
            assert!(self.outcomes.send(outcome).is_ok());
            answered = true;
        }
        answered
    }

    /// Lets time pass, and the engine be awake when it wants to be or the NIC wakes it.
    fn until(&mut self, end: MonoTime) {
        loop {
            let woken = (!self.nic.program().ring.is_empty()).then_some(MonoTime::ZERO);
            let rings_at = self.nic.program().rings_at();
            let wakes = [woken, rings_at, self.engine.planned];
            let Some(next) = wakes.into_iter().flatten().min().filter(|at| *at <= end) else {
                return pretended::set(end);
            };
            pretended::set(next);
            if woken.is_none() && rings_at == Some(next) {
                let mut program = self.nic.program();
                program.watches = false;
                program.ring.push_back(Record::Silence(next));
            }
            self.turn();
        }
    }

    fn frame(&mut self, source: Ipv4Addr, priority: u8) -> Vec<u8> {
        let plan = &self.plan.routers[0];
        let mut frame = AdvertFrame::new(&FrameSpec {
            source_mac: MacAddr([2, 0, 0, 0, 0, source.octets()[3]]),
            destination_mac: eth::group_mac(Ipv4Addr::new(224, 0, 0, 18)),
            source: source.into(),
            destination: plan.group,
            ttl: 255,
            vrid: plan.params.vrid,
            version: plan.params.version,
            interval: plan.params.adver_interval,
            auth: plan.expect.auth,
            addresses: &plan.listed,
            dialect: plan.dialect,
        })
        .unwrap();
        self.sent += 1;
        frame.seal(self.sent, Priority::new(priority).unwrap());
        frame.frame().to_vec()
    }

    /// An advert of the one who is followed comes in.
    fn hears(&mut self, stamp: MonoTime) {
        let frame = self.frame(PEER, 200);
        self.nic.program().hears(stamp, frame);
    }

    /// One each 10 ms, in `from..to` ms; when the last was.
    fn hears_from(&mut self, from: u64, to: u64) -> MonoTime {
        for millis in (from..to).step_by(10) {
            self.until(at(millis));
            self.hears(at(millis));
        }
        at(from + (to - 1 - from) / 10 * 10)
    }

    /// What the silence after `last` must end with, neither before nor late.
    fn takes_over_after(&mut self, last: MonoTime) {
        let params = self.plan.routers[0].params;
        let due = last + params.active_down_interval(params.adver_interval);
        self.until(due + Duration::from_secs(60));
        let spoke = self.spoke.expect("the silence is seen");
        assert!(spoke >= due, "{:?} early", due.since(spoke));
        let late = spoke.since(due);
        assert!(late < AT_ONCE, "{late:?} late");
        // The proof that it hears is there long before, and costs the takeover nothing.
        let doubted = self.doubted.expect("the silence is doubted first");
        assert!(last < doubted && due.since(doubted) > params.adver_interval.span());
        assert_eq!(self.standing(), Standing::Active);
    }
}

#[test]
fn the_same_advert_wakes_nobody_and_its_silence_is_seen_in_time() {
    let mut host = Host::new();
    host.hears_from(10, 30);
    host.until(at(35));
    let before = host.turns;
    let doubted = host.doubted;
    // Far longer than the engine sleeps without the program's word.
    let last = host.hears_from(40, 10_000);
    let woken = host.turns - before;
    assert!(woken <= 40, "woken {woken} times by 996 adverts");
    assert_eq!((host.standing(), host.spoke), (Standing::Backup, None));
    assert_eq!(host.doubted, doubted, "whoever is heard is not doubted");
    let params = host.plan.routers[0].params;
    let patience = params.active_down_interval(params.adver_interval);
    // The one at 30 ms was left out.
    let left = patience - params.adver_interval.span() * 2;
    let margin = host.published.meter(0).unwrap().read().margin;
    assert_eq!(margin, u64::try_from(left.as_nanos()).ok());
    let peer = host.published.read(0).unwrap().peers[0].unwrap();
    assert_eq!(peer.address, PEER);
    host.takes_over_after(last);
}

#[test]
fn an_advert_that_was_lent_and_never_came_again_is_missed_in_time() {
    let mut host = Host::new();
    let last = host.hears_from(10, 11);
    host.until(at(11));
    assert!(host.nic.program().lent.is_some());
    host.takes_over_after(last);
}

#[test]
fn one_that_comes_while_the_silence_is_told_ends_it() {
    let mut host = Host::new();
    host.hears_from(10, 1000);
    host.until(at(1000));
    // Five milliseconds late: the timer has rung, and nobody has been awake yet.
    let rung = host.nic.program().rings_at().unwrap();
    assert!(rung < at(1007));
    host.nic.program().ring.push_back(Record::Silence(rung));
    host.hears(at(1007));
    pretended::set(at(1008));
    host.turn();
    assert_eq!(host.spoke, None);
    // The next ones are noted again, and wake nobody.
    host.until(at(1010));
    let before = host.turns;
    let last = host.hears_from(1010, 1400);
    assert!(host.turns - before < 10, "{}", host.turns - before);
    host.takes_over_after(last);
}

#[test]
fn an_engine_that_was_not_let_run_finds_what_was_noted_meanwhile() {
    let mut host = Host::new();
    host.hears_from(10, 11);
    host.until(at(12));
    let before = host.turns;
    // Two looks and a whole takeover too late.
    for millis in [20, 30, 40, 50] {
        host.hears(at(millis));
    }
    pretended::set(at(55));
    host.turn();
    assert_eq!(host.turns - before, 1, "and has nothing to ask");
    host.takes_over_after(at(50));
}

#[test]
fn one_that_comes_in_the_moment_in_which_the_loan_ends_counts() {
    let mut host = Host::new();
    host.hears_from(10, 1000);
    host.until(at(1000));
    let last = host.frame(PEER, 200);
    host.nic.program().at_the_last = Some((at(1001), last));
    // An advert that is none of the lent one's: it is an event, and ends the loan.
    let other = host.frame(STRANGER, 150);
    host.nic.program().hears(at(1001) - AT_ONCE, other);
    pretended::set(at(1002));
    host.turn();
    assert!(
        host.nic.program().at_the_last.is_none(),
        "the loan has ended"
    );
    host.takes_over_after(at(1001));
}

#[test]
fn a_program_that_does_not_ring_any_more_makes_a_takeover_late_and_not_impossible() {
    let mut host = Host::new();
    host.nic.program().broken = true;
    let last = host.hears_from(10, 1000);
    host.until(last + LONGEST_SLEEP);
    assert_eq!(host.standing(), Standing::Active);
}

#[test]
fn who_is_followed_is_known_at_the_nic_whatever_strangers_say() {
    const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 77);
    let mut host = Host::new();
    assert_eq!(host.nic.program().follows, None);
    host.hears_from(0, 100);
    let peer = Some((PEER.into(), MacAddr([2, 0, 0, 0, 0, PEER.octets()[3]])));
    assert_eq!(host.nic.program().follows, peer);
    assert!(host.nic.program().lent.is_some());
    // Of a lower priority than ours: discarded, and the loan ends.
    let frame = host.frame(STRANGER, 50);
    host.nic.program().hears(at(101), frame);
    host.until(at(102));
    assert!(host.nic.program().lent.is_none());
    assert_eq!(host.nic.program().follows, peer);
    host.hears_from(110, 200);
    assert_eq!(host.standing(), Standing::Backup);
    assert!(host.nic.program().lent.is_some());
}
