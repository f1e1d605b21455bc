use super::*;

const NODE_A: &str = include_str!("../../../tests/seed/nodeA.conf");
const NODE_B: &str = include_str!("../../../tests/seed/nodeB.conf");

/// The configuration of a text without any problem.
fn fine(text: &str) -> Configuration {
    let loaded = parse(text, "t");
    assert_eq!(headlines(&loaded), [""; 0]);
    loaded.configuration
}

fn headlines(loaded: &Loaded) -> Vec<String> {
    loaded.problems.iter().map(Problem::headline).collect()
}

#[test]
fn the_seed_pair_is_read_as_it_is() {
    for (text, router_id, priority) in [(NODE_A, "nodeA", 100), (NODE_B, "nodeB", 90)] {
        let configuration = fine(text);
        assert_eq!(configuration.router_id.as_deref(), Some(router_id));
        let place = configuration.instances[0].place.clone();
        assert_eq!(
            configuration.instances,
            [Instance {
                name: "VI_1".into(),
                interface: "eth0".into(),
                vrid: Vrid::new(51).unwrap(),
                version: Version::V2,
                priority: Priority::new(priority).unwrap(),
                interval: Centis::ONE_SECOND,
                preempt: true,
                auth: Auth::Password(*b"1111\0\0\0\0"),
                group: Ipv4Addr::new(224, 0, 0, 18),
                source: None,
                addresses: vec![VirtualAddress {
                    address: Ipv4Addr::new(192, 168, 8, 100),
                    prefix: 24,
                    device: None,
                    label: None,
                    scope: 0,
                    broadcast: None,
                }],
                excluded: vec![],
                garp: Garp::default(),
                down_timer_adverts: 3,
                unusable: None,
                place,
            }]
        );
    }
    assert_eq!(fine(NODE_A).instances[0].place.to_string(), "t:6:15");
}
