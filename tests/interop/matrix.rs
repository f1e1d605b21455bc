//! The matrix, a test for each row, and more than two routers. Version 2 without
//! password is left to `cargo xtask test matrix` where the one with password is
//! here: its seconds are long.

use vip_tests::Tested;
use vip_tests::matrix::{Cell, Row, down_and_up};
use vip_tests::peer::{Make, Way, unsigned};
use vip_tests::scene::vip_program;

fn row(first: Make, second: Make, way: Way) {
    let row = Row { first, second, way };
    for (event, cell) in row.run(&vip_program()) {
        // As far as this keepalived can.
        if let Cell::Impossible(why) = &cell
            && way == Way::Signed
        {
            return eprintln!("{why}");
        }
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
    vip_and_vip_signed Signed,
}

rows! { Vip, Keepalived:
    vip_and_keepalived_version_2_with_password V2Password,
    vip_and_keepalived_version_3 V3,
    vip_and_keepalived_ipv6 V3Ipv6,
    vip_and_keepalived_unicast Unicast,
    vip_and_keepalived_virtual_mac Vmac,
    vip_and_keepalived_signed Signed,
}

rows! { Keepalived, Vip:
    keepalived_and_vip_version_2_with_password V2Password,
    keepalived_and_vip_version_3 V3,
    keepalived_and_vip_ipv6 V3Ipv6,
    keepalived_and_vip_unicast Unicast,
    keepalived_and_vip_virtual_mac Vmac,
    keepalived_and_vip_signed Signed,
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

#[test]
fn a_keepalived_signs_from_2_4_on() {
    for (said, signs) in [
        ("Keepalived v2.2.7 (01/16,2022)", false),
        (
            "Keepalived v2.3.4 (06/10,2025), git commit v2.3.3-70-g1",
            false,
        ),
        ("Keepalived v2.4.0 (01/01,2026)", true),
        ("Keepalived v2.4.3", true),
        ("Keepalived v2.10.0 (01/01,2030)", true),
        ("Keepalived v3.0.0 (01/01,2031)", true),
        ("unknown", false),
        ("Something v2.x", false),
    ] {
        assert_eq!(unsigned(said).is_none(), signs, "{said}");
    }
    let why = unsigned("Keepalived v2.2.7 (01/16,2022)");
    assert!(why.is_some_and(|why| why.contains("keepalived 2.2.7 has no auth_hmac")));
}
