//! The matrix: routers of two makes, each way of speaking, each thing that
//! happens to the one with the higher priority.

use std::path::Path;

use vip::lab::pair::VRID;
use vip::lab::{Frame, LabError, What};
use vip_common::time::MonoTime;
use vip_common::wire::vrrp::TRAILER_LEN;

use crate::field::Field;
use crate::peer::{Make, VIRTUAL_MAC, Way};

/// What happens to A, which has the higher priority, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Both start; A becomes master.
    Election,
    /// A takes leave; B follows.
    Leave,
    /// A is killed; B follows.
    Kill,
    /// A's cable is pulled; B follows.
    Cut,
    /// After each of these A comes back and is master again.
    Return,
}

impl Event {
    /// The columns of the table.
    pub const ALL: [Self; 5] = [
        Self::Election,
        Self::Leave,
        Self::Kill,
        Self::Cut,
        Self::Return,
    ];

    /// What it is called in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Election => "election",
            Self::Leave => "leave",
            Self::Kill => "kill",
            Self::Cut => "link cut",
            Self::Return => "return",
        }
    }
}

/// How one event went.
#[derive(Debug)]
pub enum Cell {
    /// As it should.
    Passed,
    /// One of the two cannot speak so; why.
    Impossible(String),
    /// Otherwise; how.
    Failed(String),
    /// An earlier one has failed.
    NotReached,
}

/// Who runs where, and how they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// On A, with the higher priority.
    pub first: Make,
    /// On B.
    pub second: Make,
    /// How they speak.
    pub way: Way,
}

impl Row {
    /// Every row: `vip` with each make, both ways round.
    #[must_use]
    pub fn all() -> Vec<Self> {
        const PAIRS: [(Make, Make); 5] = [
            (Make::Vip, Make::Vip),
            (Make::Vip, Make::Keepalived),
            (Make::Keepalived, Make::Vip),
            (Make::Vip, Make::Frr),
            (Make::Frr, Make::Vip),
        ];
        let rows = PAIRS.into_iter().flat_map(|(first, second)| {
            Way::ALL
                .into_iter()
                .map(move |way| Self { first, second, way })
        });
        rows.collect()
    }

    /// Runs all events of the row on real hosts.
    #[must_use]
    pub fn run(self, program: &Path) -> Vec<(Event, Cell)> {
        let makes = [self.first, self.second];
        if let Some(why) = makes.iter().find_map(|make| make.impossible(self.way)) {
            return Event::ALL
                .map(|event| (event, Cell::Impossible(why.clone())))
                .into();
        }
        let mut cells = Vec::new();
        let outcome = Field::new(program.to_owned(), &makes, self.way)
            .and_then(|mut field| all_events(&mut field, &mut cells));
        let mut why = outcome.err().map(|error| error.to_string());
        Event::ALL
            .map(|event| {
                let cell = if cells.contains(&event) {
                    Cell::Passed
                } else {
                    why.take().map_or(Cell::NotReached, Cell::Failed)
                };
                (event, cell)
            })
            .into()
    }
}

/// A whole version 3 advert for one IPv4 address, from the Ethernet header on.
const UNSIGNED_LEN: usize = 14 + 20 + 8 + 4;

const A: usize = 0;
const B: usize = 1;

/// Notes each event that went as it should.
fn all_events(field: &mut Field, passed: &mut Vec<Event>) -> Result<(), LabError> {
    field.start(B)?;
    field.start(A)?;
    field.settled(A)?;
    speaks_so(field, A)?;
    passed.push(Event::Election);

    field.leave(A)?;
    field.settled(B)?;
    speaks_so(field, B)?;
    passed.push(Event::Leave);
    field.start(A)?;
    field.settled(A)?;

    field.kill(A);
    field.settled(B)?;
    passed.push(Event::Kill);
    field.start(A)?;
    field.settled(A)?;

    field.hosts[A].cut()?;
    field.settled(B)?;
    passed.push(Event::Cut);
    field.hosts[A].mend()?;
    field.settled(A)?;
    passed.push(Event::Return);

    // The backup leaves, and nobody notices.
    field.quit(B)?;
    field.settled(A)
}

/// Whether every advert of a router looks as its way of speaking wants.
fn speaks_so(field: &Field, which: usize) -> Result<(), LabError> {
    let port = field.hosts[which].port();
    let said = field.adverts(MonoTime::ZERO);
    let mut own = said.iter().filter(|frame| frame.port == port);
    match own.find(|frame| !is_as_wished(field, which, frame)) {
        None => Ok(()),
        Some(frame) => Err(LabError::Command {
            command: format!("an advert as {} wants it", field.way.name()),
            host: field.hosts[which].name().to_owned(),
            said: format!("{:?}, {:02x?}", frame.what, frame.bytes),
        }),
    }
}

fn is_as_wished(field: &Field, which: usize, frame: &Frame) -> bool {
    let What::Advert {
        source,
        ttl,
        version,
        vrid,
        ..
    } = frame.what
    else {
        return false;
    };
    let way = field.way;
    let host = &field.hosts[which];
    let to = |mac: &[u8]| frame.bytes.starts_with(mac);
    let from_virtual = frame.bytes.get(6..12) == Some(&VIRTUAL_MAC.0);
    let to_group = to(&[1, 0, 0x5e, 0, 0, 18]);
    let destination = match way {
        Way::V3Ipv6 => to(&[0x33, 0x33, 0, 0, 0, 18]),
        Way::Unicast => field
            .hosts
            .iter()
            .any(|other| other.name() != host.name() && to(&other.mac().0)),
        // FRR speaks from the virtual MAC always, the others when told to.
        Way::Vmac => to_group && from_virtual,
        Way::V2 | Way::V2Password | Way::V3 | Way::Signed => to_group,
    };
    // Nothing but its length tells a signed one from others.
    let signed = frame.bytes.len() == UNSIGNED_LEN + TRAILER_LEN;
    let from = match source {
        std::net::IpAddr::V4(source) => source == host.address(),
        std::net::IpAddr::V6(source) => source.is_unicast_link_local(),
    };
    let rightly_signed = signed == (way == Way::Signed);
    vrid == VRID && version == way.version() && ttl == 255 && destination && from && rightly_signed
}

/// More than two routers: each in turn loses the one before it, until one is
/// left; then all come back, the last first.
///
/// # Errors
/// When one of them is not the master that it should be.
pub fn down_and_up(program: &Path, makes: &[Make], way: Way) -> Result<(), LabError> {
    let mut field = Field::new(program.to_owned(), makes, way)?;
    let last = makes.len() - 1;
    for which in (0..=last).rev() {
        field.start(which)?;
    }
    field.settled(0)?;
    for which in 0..last {
        // By turns in order and without a word.
        if which % 2 == 0 {
            field.kill(which);
        } else {
            field.leave(which)?;
        }
        field.settled(which + 1)?;
    }
    for which in (0..last).rev() {
        field.start(which)?;
        field.settled(which)?;
    }
    Ok(())
}
