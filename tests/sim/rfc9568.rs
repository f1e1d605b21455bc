//! RFC 9568, rule by rule, in our words: sections 6.4.1 to 6.4.3 (the states),
//! 7.1 (what is checked on receipt) and 7.2 (what is sent). The names say where
//! the rule stands. Where keepalived's peers need something else, or we do more,
//! the test says so.

mod active;
mod backup;
mod initialize;
mod receive;
mod transmit;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vip_common::election::{
    Action, Backup, Input, Params, Report, State, StateName, VirtualRouter, Why,
};
use vip_common::ids::{Priority, Version};
use vip_common::time::{Centis, MonoTime};

use crate::params;

const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 5));
const HIGHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 6));
const LOWER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 4));
const OURS_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 5));
const HIGHER_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 6));
const LOWER_6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 4));

/// Ours, a higher and a lower one, of both families: the rules are the same.
const FAMILIES: [[IpAddr; 3]; 2] = [[OURS, HIGHER, LOWER], [OURS_6, HIGHER_6, LOWER_6]];

fn at(millis: u64) -> MonoTime {
    MonoTime::ZERO + Duration::from_millis(millis)
}

fn centis(centis: u16) -> Centis {
    Centis::new(centis).unwrap()
}

fn advert(priority: u8) -> Action {
    Action::SendAdvert {
        priority: Priority::from_wire(priority),
    }
}

/// Version 3, an advert a second; at priority 128 the skew is half a second.
fn one_second(priority: u8) -> Params {
    params(Version::V3, priority, Centis::ONE_SECOND)
}

/// A router under the clock of a test, in milliseconds.
struct Router {
    router: VirtualRouter,
}

impl Router {
    fn new(params: Params) -> Self {
        Self {
            router: VirtualRouter::new(params),
        }
    }

    /// Backup since 0, with this address.
    fn backup(params: Params, primary: IpAddr) -> Self {
        let mut router = Self::new(params);
        router.told(0, Input::BecameAble { primary });
        assert_eq!(router.name(), StateName::Backup);
        router
    }

    /// Active since 4000, with its addresses in the kernel.
    fn active(params: Params, primary: IpAddr) -> Self {
        let mut router = Self::backup(params, primary);
        router.told(3900, Input::EarProven);
        router.passed(4000);
        assert_eq!(router.name(), StateName::Active);
        router.told(4000, Input::AddressesInstalled { generation: 1 });
        router
    }

    fn name(&self) -> StateName {
        self.router.state().name()
    }

    fn as_backup(&self) -> &Backup {
        match self.router.state() {
            State::Backup(backup) => backup,
            State::Initialize(_) | State::Active(_) => panic!("{:?}", self.router),
        }
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.router.poll_action()).collect()
    }

    fn told(&mut self, millis: u64, input: Input) -> Vec<Action> {
        self.router.handle_input(at(millis), input);
        self.actions()
    }

    fn passed(&mut self, millis: u64) -> Vec<Action> {
        self.router.handle_timeout(at(millis));
        self.actions()
    }

    fn heard(&mut self, millis: u64, source: IpAddr, priority: u8) -> Vec<Action> {
        self.heard_at(millis, source, priority, Centis::ONE_SECOND)
    }

    fn heard_at(
        &mut self,
        millis: u64,
        source: IpAddr,
        priority: u8,
        interval: Centis,
    ) -> Vec<Action> {
        let stamp = at(millis);
        let priority = Priority::from_wire(priority);
        self.told(
            millis,
            Input::AdvertArrived {
                stamp,
                source,
                priority,
                interval,
            },
        )
    }
}

/// The actions but for the news.
fn deeds(actions: &[Action]) -> Vec<Action> {
    let deed = |action: &&Action| !matches!(action, Action::Report(_));
    actions.iter().filter(deed).copied().collect()
}

fn transition(actions: &[Action]) -> Option<(StateName, StateName, Why)> {
    actions.iter().find_map(|action| {
        if let Action::Report(Report::Transition { from, to, why }) = action {
            Some((*from, *to, *why))
        } else {
            None
        }
    })
}
