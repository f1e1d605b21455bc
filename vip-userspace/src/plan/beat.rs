//! When routers that share an interface speak: together, so that one wake-up and one
//! system call send the adverts of all.

use std::time::Duration;

use vip_common::time::Centis;

use super::Plan;

/// The golden section: multiples of it, without their whole part, lie far apart however
/// many there are.
const SECTION: f64 = 0.618_033_988_749_895;

impl Plan {
    /// Gives the routers of each interface a beat, where there are several.
    pub(super) fn set_beats(&mut self) {
        for number in 0..self.ports.len() {
            let several = self.ports[number].routers.len() > 1;
            for at in 0..self.ports[number].routers.len() {
                let slot = self.ports[number].routers[at];
                let params = &mut self.routers[slot].params;
                params.beat = several.then(|| beat(number, params.adver_interval));
            }
        }
    }
}

/// The beat of an interface: another one for each, so that not all are to speak at once.
fn beat(port: usize, interval: Centis) -> Duration {
    let part = (port as f64 * SECTION).fract();
    interval.span().mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn those_who_share_an_interface_share_a_beat_and_one_alone_has_none() {
        let instance = |name, interface, vrid| {
            format!(
                "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {vrid}\n\
                 virtual_ipaddress {{\n192.0.2.{vrid}/24\n}}\n}}\n"
            )
        };
        let text = [instance("A", "eth0", 1), instance("B", "eth0", 2)];
        let text = text.concat() + &instance("C", "eth1", 1);
        let plan = Plan::new(&config::parse(&text, "t").configuration);
        let [a, b, c] = [0, 1, 2].map(|slot| plan.routers[slot].params.beat);
        assert!(a.is_some());
        assert_eq!((b, c), (a, None));
    }

    #[test]
    fn interfaces_are_spread_over_the_interval() {
        let interval = Centis::new(10).unwrap();
        let mut beats: Vec<_> = (0..16).map(|port| beat(port, interval)).collect();
        beats.sort();
        let apart = beats.windows(2).map(|two| two[1] - two[0]).min().unwrap();
        assert!(apart > interval.span() / 40, "{apart:?}");
        assert!(*beats.last().unwrap() < interval.span());
    }
}
