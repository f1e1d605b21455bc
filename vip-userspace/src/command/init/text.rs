//! The text of a node's file.

use std::fmt::Write as _;

use super::wish::{Group, Node};

/// Column of the remarks behind a line.
const REMARK: usize = 30;

/// The file of one of the group's nodes.
pub(super) fn file(group: &Group, node: &Node) -> String {
    let [a, b] = &group.nodes;
    let other = if node.letter == a.letter { b } else { a };
    let differs = if a.interface == b.interface {
        "priority"
    } else {
        "priority and interface"
    };
    let addresses = if group.addresses.len() == 1 {
        "one address"
    } else {
        "addresses"
    };
    let mut out = format!(
        "# {}, which shares {addresses} with {other}.\n\
         # The other file differs in {differs} only.\n\
         \n\
         vrrp_instance {} {{\n",
        capital(&node.to_string()),
        group.name
    );
    let mut line = |words: String, remark: &str| {
        // Writing to a string does not fail.
        let _ = if remark.is_empty() {
            writeln!(out, "    {words}")
        } else {
            let width = REMARK - 4;
            writeln!(out, "    {words:<width$}# {remark}")
        };
    };
    line(
        "state BACKUP".into(),
        "on both: each listens first, then the priority decides",
    );
    line(format!("interface {}", node.interface), "");
    line(format!("version {}", group.version.get()), "");
    line(
        format!("virtual_router_id {}", group.vrid),
        "the same on both, and no other group's on this network",
    );
    line(
        format!("priority {}", node.priority),
        &format!(
            "node {} has {}; the higher one has the {}",
            other.letter,
            other.priority,
            if group.addresses.len() == 1 {
                "address"
            } else {
                "addresses"
            }
        ),
    );
    line(
        format!("advert_int {}", f64::from(group.interval.get()) / 100.0),
        &format!(
            "seconds; node {} takes over {:.2} s after node {} fell silent",
            b.letter,
            group.takeover().as_secs_f64(),
            a.letter
        ),
    );
    if group.preempt {
        line(
            "# nopreempt".into(),
            "set it on both and a node that returns takes nothing back",
        );
    } else {
        line("nopreempt".into(), "a node that returns takes nothing back");
    }
    if let Some(password) = &group.password {
        line("authentication {".into(), "");
        line("    auth_type PASS".into(), "");
        line(
            format!("    auth_pass {password}"),
            "travels in clear: guards against mistakes, not attackers",
        );
        line("}".into(), "");
    }
    line("virtual_ipaddress {".into(), "");
    for (address, prefix) in &group.addresses {
        line(format!("    {address}/{prefix}"), "");
    }
    line("}".into(), "");
    out.push_str("}\n");
    out
}

/// A sentence begins with it.
fn capital(words: &str) -> String {
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use vip_common::ids::{Version, Vrid};
    use vip_common::time::Centis;

    use super::super::wish::{PRIORITY_A, PRIORITY_B};
    use super::*;

    fn group() -> Group {
        let node = |letter, priority| Node {
            letter,
            interface: "eth0".into(),
            priority,
            address: None,
        };
        Group {
            nodes: [node('A', PRIORITY_A), node('B', PRIORITY_B)],
            name: "VI_1".into(),
            version: Version::V3,
            vrid: Vrid::new(100).unwrap(),
            interval: Centis::new(10).unwrap(),
            preempt: true,
            password: None,
            addresses: vec![(Ipv4Addr::new(192, 168, 8, 100), 24)],
        }
    }

    fn files(group: &Group) -> [String; 2] {
        group.nodes.each_ref().map(|node| file(group, node))
    }

    #[test]
    fn the_whole_file() {
        assert_eq!(
            files(&group())[0],
            "\
# Node A, which shares one address with node B.
# The other file differs in priority only.

vrrp_instance VI_1 {
    state BACKUP              # on both: each listens first, then the priority decides
    interface eth0
    version 3
    virtual_router_id 100     # the same on both, and no other group's on this network
    priority 150              # node B has 100; the higher one has the address
    advert_int 0.1            # seconds; node B takes over 0.36 s after node A fell silent
    # nopreempt               # set it on both and a node that returns takes nothing back
    virtual_ipaddress {
        192.168.8.100/24
    }
}
"
        );
    }

    #[test]
    fn the_files_differ_where_they_must() {
        let differing = |group: &Group| -> Vec<(String, String)> {
            let [a, b] = files(group);
            assert_eq!(a.lines().count(), b.lines().count());
            a.lines()
                .zip(b.lines())
                .filter(|(a, b)| a != b)
                .map(|(a, b)| {
                    let words = |line: &str| line.split('#').next().map(str::trim).map(Into::into);
                    (words(a).unwrap_or_default(), words(b).unwrap_or_default())
                })
                .filter(|(a, b): &(String, String)| a != b)
                .collect()
        };
        let mut group = group();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(differing(&group), [pair("priority 150", "priority 100")]);
        group.nodes[1].interface = "ens3".into();
        assert_eq!(
            differing(&group),
            [
                pair("interface eth0", "interface ens3"),
                pair("priority 150", "priority 100"),
            ]
        );
    }

    #[test]
    fn version_2_shows_its_password() {
        let mut group = group();
        group.version = Version::V2;
        group.password = Some("k3m9x2ab".into());
        group.interval = Centis::ONE_SECOND;
        group.preempt = false;
        let [a, _] = files(&group);
        let shown: Vec<&str> = a
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default().trim())
            .collect();
        for expected in [
            "version 2",
            "advert_int 1",
            "nopreempt",
            "authentication {",
            "auth_type PASS",
            "auth_pass k3m9x2ab",
        ] {
            assert!(shown.contains(&expected), "{expected}: {a}");
        }
    }
}
