//! The rules, one test each. Every assertion is on the exact list of actions.

extern crate std;

mod active;
mod addresses;
mod backup;
mod contract;
mod ear;
mod group;
mod initialize;
mod letting_go;
mod options;
mod orders;
mod reconfigure;
mod units;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;
use std::vec::Vec;

use super::action::ActionQueue;
use super::*;
use crate::ids::{Priority, Version, Vrid};
use crate::time::{Centis, MonoTime};

const SECOND: Duration = Duration::from_secs(1);
const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 5));
const THEIRS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 6));
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 8, 4));

fn at(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(millis)
}

fn prio(priority: u8) -> Priority {
    Priority::from_wire(priority)
}

fn centis(centis: u16) -> Centis {
    Centis::new(centis).unwrap()
}

/// Version 3, one second, preempting. At priority 128 the skew is half a
/// second and the Active_Down_Interval 3.5 s.
fn params(priority: u8) -> Params {
    let vrid = Vrid::new(51).unwrap();
    Params::new(vrid, Version::V3, prio(priority), Centis::ONE_SECOND)
}

const RESIGN: Action = Action::SendAdvert {
    priority: Priority::RESIGN,
};

fn advert(priority: u8) -> Action {
    Action::SendAdvert {
        priority: prio(priority),
    }
}

fn transition(from: StateName, to: StateName, why: Why) -> Action {
    Action::Report(Report::Transition { from, to, why })
}

/// A router and its clock's driver.
struct Rig {
    router: VirtualRouter,
}

impl Rig {
    fn new(params: Params) -> Self {
        let router = VirtualRouter::new(params);
        Self { router }
    }

    /// Backup since 0.
    fn backup(params: Params) -> Self {
        let mut rig = Self::new(params);
        rig.input(0, Input::BecameAble { primary: OURS });
        assert_eq!(rig.state(), StateName::Backup);
        rig
    }

    /// Active since the returned time, without addresses yet.
    fn active(params: Params) -> (Self, u64) {
        let mut rig = Self::backup(params);
        let since = rig.take_over();
        (rig, since)
    }

    /// Active since the returned time, with its addresses.
    fn serving(params: Params) -> (Self, u64) {
        let (mut rig, since) = Self::active(params);
        rig.input(since, rig.installed());
        (rig, since)
    }

    /// Runs a Backup's timer out with a proven ear, rounding up to a
    /// millisecond.
    fn take_over(&mut self) -> u64 {
        let deadline = self.router.deadline().unwrap();
        let millis = deadline.as_nanos().div_ceil(1_000_000);
        self.input(millis - 1, Input::EarProven);
        self.timeout(millis);
        assert_eq!(self.state(), StateName::Active);
        millis
    }

    fn state(&self) -> StateName {
        self.router.state().name()
    }

    fn as_backup(&self) -> &Backup {
        let State::Backup(backup) = self.router.state() else {
            panic!("{:?} is not Backup", self.router.state());
        };
        backup
    }

    fn as_active(&self) -> &Active {
        let State::Active(active) = self.router.state() else {
            panic!("{:?} is not Active", self.router.state());
        };
        active
    }

    fn installed(&self) -> Input {
        let generation = self.router.generation();
        Input::AddressesInstalled { generation }
    }

    fn drain(&mut self) -> Vec<Action> {
        core::iter::from_fn(|| self.router.poll_action()).collect()
    }

    fn input(&mut self, millis: u64, input: Input) -> Vec<Action> {
        self.router.handle_input(at(millis), input);
        self.drain()
    }

    fn timeout(&mut self, millis: u64) -> Vec<Action> {
        self.router.handle_timeout(at(millis));
        self.drain()
    }

    /// An advert told the moment it arrives.
    fn hear(&mut self, millis: u64, source: IpAddr, priority: u8) -> Vec<Action> {
        self.hear_late(millis, millis, source, priority)
    }

    /// An advert that arrived at `stamp`.
    fn hear_late(&mut self, millis: u64, stamp: u64, source: IpAddr, priority: u8) -> Vec<Action> {
        self.hear_interval(millis, stamp, source, priority, Centis::ONE_SECOND)
    }

    fn hear_interval(
        &mut self,
        millis: u64,
        stamp: u64,
        source: IpAddr,
        priority: u8,
        interval: Centis,
    ) -> Vec<Action> {
        let advert = Input::AdvertArrived {
            stamp: at(stamp),
            source,
            priority: prio(priority),
            interval,
        };
        self.input(millis, advert)
    }
}
