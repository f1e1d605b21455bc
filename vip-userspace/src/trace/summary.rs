//! What was seen in a trace, in numbers: text, document and picture are made of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use super::book::{Book, Flow};
use super::claims::Claims;
use super::figures::{Figures, Histogram, class_bound, nanos};
use super::habit::Habit;
use super::news::{Direction, Who};

/// All of a trace.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// When it began, in ns of `CLOCK_MONOTONIC`.
    pub begin_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// Each sender of each virtual router.
    pub senders: Vec<Sender>,
    /// The virtual addresses that anybody has claimed.
    pub addresses: Vec<Address>,
    /// Sights that found no room in the ring.
    pub unread: u64,
    /// Adverts of senders that were too many to follow.
    pub unfollowed: u64,
}

/// One sender of one virtual router.
#[derive(Clone, Debug, Serialize)]
pub struct Sender {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// What it last said.
    pub version: u8,
    /// What it last said.
    pub priority: u8,
    /// What it last said, in ns.
    pub interval_ns: u64,
    /// How it numbers its packets: `counts`, `constant`, `irregular`, `absent` or
    /// `learning`.
    pub habit: &'static str,
    /// The same in words.
    pub numbering: String,
    /// Adverts that came and can be believed.
    pub adverts: u64,
    /// The gaps between them.
    pub gaps: Option<Spread>,
    /// How late each was, in time or early being zero.
    pub lateness: Option<Spread>,
    /// How much one gap differs from the one before on average, in ns.
    pub jitter_ns: Option<u64>,
    /// The least margin before a backup would have taken over.
    pub closest: Option<ClosestCall>,
    /// Lost or late adverts, by place.
    pub losses: BTreeMap<String, u64>,
    /// Packets that this host dropped and nobody missed, by reason.
    pub harmless: BTreeMap<String, u64>,
    /// How often gaps came by how far they were from the interval.
    pub histogram: Vec<Bar>,
    /// The classes of it, for text.
    #[serde(skip)]
    pub deviations: Vec<(i8, u64)>,
    /// The time line, for the picture.
    #[serde(skip)]
    pub points: Vec<super::figures::Point>,
}

impl Sender {
    /// Whether this host is the sender.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.who.direction == Direction::Out
    }
}

/// How spans are spread, in ns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Spread {
    /// The shortest.
    pub min_ns: u64,
    /// Half of them are not above this.
    pub p50_ns: u64,
    /// 99 in 100 are not.
    pub p99_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// The least margin before a backup would have taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct ClosestCall {
    /// What was left, in ns; negative where nothing was.
    pub margin_ns: i64,
    /// The gap, in ns.
    pub gap_ns: u64,
    /// How long that backup waits, in ns.
    pub deadline_ns: u64,
    /// The priority of that backup.
    pub backup_priority: u8,
    /// When the advert came that ended the gap, in ns of `CLOCK_MONOTONIC`.
    pub stamp_ns: u64,
}

/// How many gaps were so far from the interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Bar {
    /// From here on, away from zero, in ns; with 0 nearer than the first bound.
    pub from_ns: i64,
    /// How many.
    pub count: u64,
}

/// Who has claimed an address.
#[derive(Clone, Debug, Serialize)]
pub struct Address {
    /// The address.
    pub address: IpAddr,
    /// By whom.
    pub claimants: Vec<ClaimantSum>,
    /// Whether two did at once.
    pub conflict: bool,
}

/// One who has.
#[derive(Clone, Debug, Serialize)]
pub struct ClaimantSum {
    /// His MAC.
    pub mac: String,
    /// On which interface.
    pub interface: String,
    /// How often.
    pub count: u64,
    /// The shortest time between two of his claims, in ns.
    pub shortest_ns: Option<u64>,
}

impl Summary {
    /// Of what was seen from `begin` to `end`.
    #[must_use]
    pub fn new(
        (begin, end): (MonoTime, MonoTime),
        book: &Book,
        claims: &Claims,
        backup: Priority,
        unread: u64,
    ) -> Self {
        let senders = book.flows().map(|(who, flow)| sender(who, flow, backup));
        let addresses = claims.all().map(|(address, by, conflict)| Address {
            address,
            claimants: by
                .iter()
                .map(|((ifindex, mac), one)| ClaimantSum {
                    mac: mac.to_string(),
                    interface: book.name(*ifindex),
                    count: one.count,
                    shortest_ns: one.shortest.map(nanos),
                })
                .collect(),
            conflict,
        });
        Self {
            begin_ns: begin.as_nanos(),
            end_ns: end.as_nanos().max(begin.as_nanos()),
            senders: senders.collect(),
            addresses: addresses.collect(),
            unread,
            unfollowed: book.unfollowed(),
        }
    }

    /// Whether two have claimed an address at once.
    #[must_use]
    pub fn has_conflict(&self) -> bool {
        self.addresses.iter().any(|one| one.conflict)
    }
}

fn sender(who: Who, flow: &Flow, backup: Priority) -> Sender {
    let Figures {
        adverts,
        gaps,
        lateness,
        ..
    } = &flow.figures;
    let figures = &flow.figures;
    let habit = flow.habit();
    let deviations: Vec<_> = figures.deviations.iter().map(|(a, b)| (*a, *b)).collect();
    let bar = |(class, count): &(i8, u64)| {
        let bound = i64::try_from(class_bound(*class)).unwrap_or(i64::MAX);
        Bar {
            from_ns: bound * i64::from(class.signum()),
            count: *count,
        }
    };
    Sender {
        who,
        version: flow.version.get(),
        priority: flow.priority.get(),
        interval_ns: nanos(flow.interval),
        habit: match habit {
            Habit::Learning => "learning",
            Habit::Counts(_) => "counts",
            Habit::Constant(_) => "constant",
            Habit::Irregular => "irregular",
            Habit::Absent => "absent",
        },
        numbering: habit.to_string(),
        adverts: *adverts,
        gaps: spread(gaps, figures.shortest, figures.longest),
        lateness: spread(lateness, None, None),
        jitter_ns: figures.jitter(),
        closest: figures.closest.map(|closest| ClosestCall {
            margin_ns: closest.margin,
            gap_ns: closest.gap,
            deadline_ns: closest.deadline,
            backup_priority: backup.get(),
            stamp_ns: closest.stamp.as_nanos(),
        }),
        losses: figures.losses.clone(),
        harmless: figures.harmless.clone(),
        histogram: deviations.iter().map(bar).collect(),
        deviations,
        points: figures.points().collect(),
    }
}

fn spread(spans: &Histogram, shortest: Option<u64>, longest: Option<u64>) -> Option<Spread> {
    let (min, max) = (spans.quantile(0.0)?, spans.quantile(1.0)?);
    let (min_ns, max_ns) = (shortest.unwrap_or(min), longest.unwrap_or(max));
    Some(Spread {
        min_ns,
        p50_ns: spans.quantile(0.5)?.clamp(min_ns, max_ns),
        p99_ns: spans.quantile(0.99)?.clamp(min_ns, max_ns),
        max_ns,
    })
}
