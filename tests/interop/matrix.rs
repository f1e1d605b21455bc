//! The matrix, a test for each row, and more than two routers. Version 2 without
//! password is left to `cargo xtask test matrix` where the one with password is
//! here: its seconds are long.

use vip_tests::Tested;
use vip_tests::matrix::{Cell, Row, down_and_up};
use vip_tests::peer::{Make, Way};
use vip_tests::scene::vip_program;

fn row(first: Make, second: Make, way: Way) {
    let row = Row { first, second, way };
    for (event, cell) in row.run(&vip_program()) {
        assert!(matches!(cell, Cell::Passed), "{}: {cell:?}", event.name());
    }
}

/// A test for each way that both makes can speak.
macro_rules! rows {
    ($first:ident, $second:ident: $($name:ident $way:ident,)*) => { $(
        #[test]
        fn $name() {
            row(Make::$first, Make::$second, Way::$way);
        }
    )* };
}

rows! { Vip, Vip:
    vip_and_vip_version_2_with_password V2Password,
    vip_and_vip_version_3 V3,
    vip_and_vip_ipv6 V3Ipv6,
    vip_and_vip_unicast Unicast,
    vip_and_vip_virtual_mac Vmac,
}

rows! { Vip, Keepalived:
    vip_and_keepalived_version_2_with_password V2Password,
    vip_and_keepalived_version_3 V3,
    vip_and_keepalived_ipv6 V3Ipv6,
    vip_and_keepalived_unicast Unicast,
    vip_and_keepalived_virtual_mac Vmac,
}

rows! { Keepalived, Vip:
    keepalived_and_vip_version_2_with_password V2Password,
    keepalived_and_vip_version_3 V3,
    keepalived_and_vip_ipv6 V3Ipv6,
    keepalived_and_vip_unicast Unicast,
    keepalived_and_vip_virtual_mac Vmac,
}

rows! { Vip, Frr:
    vip_and_frr_version_2 V2,
    vip_and_frr_version_3 V3,
    vip_and_frr_ipv6 V3Ipv6,
    vip_and_frr_virtual_mac Vmac,
}

rows! { Frr, Vip:
    frr_and_vip_version_2 V2,
    frr_and_vip_version_3 V3,
    frr_and_vip_ipv6 V3Ipv6,
    frr_and_vip_virtual_mac Vmac,
}

#[test]
fn three_routers_of_three_makes() -> Tested {
    let makes = [Make::Keepalived, Make::Vip, Make::Frr];
    down_and_up(&vip_program(), &makes, Way::V3)
}

#[test]
fn three_routers_of_two_makes_over_ipv6() -> Tested {
    let makes = [Make::Vip, Make::Keepalived, Make::Vip];
    down_and_up(&vip_program(), &makes, Way::V3Ipv6)
}

#[test]
fn five_routers_of_two_makes() -> Tested {
    let makes = [
        Make::Vip,
        Make::Keepalived,
        Make::Vip,
        Make::Keepalived,
        Make::Vip,
    ];
    down_and_up(&vip_program(), &makes, Way::V3)
}
