use super::*;
use serde_json::Value;

fn checked(text: &str) -> Checked {
    named(text, "t")
}

fn named(text: &str, name: &str) -> Checked {
    let loaded = config::parse(text, name);
    Checked {
        file: name.into(),
        id: None,
        problems: loaded.problems.clone(),
        loaded: Some(loaded),
    }
}

fn summary(text: &str) -> String {
    Summary(&checked(text)).to_string()
}

const FINE: &str = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n 192.0.2.1/24\n }\n}\n";

/// One instance with these lines beside the mandatory ones.
fn instance(name: &str, vrid: u8, lines: &str) -> String {
    format!(
        "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n{lines}\nvirtual_ipaddress {{\n192.0.2.{vrid}/24\n}}\n}}\n"
    )
}

/// What several nodes disagree about, beyond what each says of itself.
fn disagreements(texts: &[&str]) -> Vec<String> {
    let names = ["a", "b", "c"];
    let mut nodes: Vec<Checked> = texts
        .iter()
        .zip(names)
        .map(|(text, name)| named(text, name))
        .collect();
    for node in &mut nodes {
        assert_eq!(node.count(Severity::Error), 0, "{:?}", node.problems);
        node.problems.clear();
    }
    group::compare(&mut nodes);
    let problems = nodes.iter().flat_map(|node| &node.problems);
    problems.map(Problem::headline).collect()
}

#[test]
fn a_file_in_one_line() {
    assert_eq!(summary(FINE), "t: 1 instance, no problem");
    assert_eq!(
        summary(&format!("{FINE}zebra\nvrrp_instance B {{\n}}\n")),
        "t: 2 instances (1 cannot run), 3 errors"
    );
    assert_eq!(summary(""), "t: 0 instances, 1 warning");
}

fn arguments(files: &[PathBuf]) -> CheckArgs {
    CheckArgs {
        files: files.to_vec(),
        file: Vec::new(),
        ids: Vec::new(),
        json: false,
        strict: false,
        host: false,
        listen: None,
    }
}

fn seed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/seed")
        .join(name)
}

#[test]
fn the_exit_code_tells_errors() {
    let exit = |files: &[PathBuf]| run(&arguments(files)).unwrap();
    let pair = [seed("nodeA.conf"), seed("nodeB.conf")];
    assert_eq!(exit(&pair), Exit::Done);
    let [a, b] = pair;
    assert_eq!(exit(&[a, seed("nodeC.conf"), b]), Exit::Configuration);
    assert_eq!(exit(&[seed("")]), Exit::Configuration);
}

#[test]
fn with_strict_a_warning_is_an_error() {
    let mut file = checked(&format!("{FINE}virtual_server 192.0.2.9 80 {{\n}}\n"));
    assert_eq!(
        (file.count(Severity::Error), file.count(Severity::Warning)),
        (0, 1)
    );
    stricter(&mut file.problems);
    assert_eq!(
        (file.count(Severity::Error), file.count(Severity::Warning)),
        (1, 0)
    );
}

#[test]
fn the_standard_input_is_read_once() {
    let twice = arguments(&["-".into(), "-".into()]);
    assert_eq!(nodes(&twice).unwrap_err().exit, Exit::Usage);
}

#[test]
fn which_file_is_read_as_which_node() {
    let ask = |files: &[&str], ids: &[&str]| {
        let files: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let mut arguments = arguments(&files);
        arguments.ids = ids.iter().map(ToString::to_string).collect();
        let nodes = nodes(&arguments).map_err(|failure| failure.exit)?;
        let shown = nodes
            .into_iter()
            .map(|(path, id)| format!("{}@{}", path.display(), id.unwrap_or_default()));
        Ok(shown.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(ask(&["a", "b"], &[]), Ok("a@ b@".into()));
    assert_eq!(ask(&["a", "b"], &["x"]), Ok("a@x b@x".into()));
    assert_eq!(ask(&["a"], &["x", "y"]), Ok("a@x a@y".into()));
    assert_eq!(ask(&["a", "b"], &["x", "y"]), Ok("a@x b@y".into()));
    assert_eq!(ask(&["-"], &["x"]), Ok("-@x".into()));
    assert_eq!(ask(&["a", "b", "c"], &["x", "y"]), Err(Exit::Usage));
    assert_eq!(ask(&["-"], &["x", "y"]), Err(Exit::Usage));
}

#[test]
fn one_file_as_several_nodes() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n@x priority 100\n@y priority 90\n@z priority 90\nvirtual_ipaddress {\n192.0.2.1/24\n}\n}\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.conf");
    fs::write(&path, text).unwrap();
    let said = |ids: &[&str]| {
        let mut nodes: Vec<Checked> = ids
            .iter()
            .map(|id| read(path.clone(), Some(id.to_string())))
            .collect();
        group::compare(&mut nodes);
        let problems = nodes.iter().flat_map(|node| &node.problems);
        problems
            .map(|problem| problem.message().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(said(&["x", "y"]), Vec::<String>::new());
    assert_eq!(said(&["x", "y", "z"]), ["`A`: both nodes have priority 90"]);
}

#[test]
fn the_document_has_every_place() {
    let text = "vrrp_instance Å {\n interface eth0\n virtual_router_id 1\n virtual_router_id 7 \n prioritty 7\n virtual_ipaddress {\n 192.0.2.1/24\n }\n}\n";
    let document = serde_json::to_value(json::document(&[checked(text)])).unwrap();
    assert_eq!(document["schema"], 1);
    assert_eq!(document["errors"], 1);
    let file = &document["files"][0];
    assert_eq!(
        (&file["file"], &file["instances"]),
        (&"t".into(), &1.into())
    );
    let problems = file["problems"].as_array().unwrap();
    let again = problems
        .iter()
        .find(|problem| problem["message"].as_str().unwrap().contains("again"))
        .unwrap();
    let place = |item: &Value| {
        ["line", "column", "end_line", "end_column"].map(|key| item[key].as_u64().unwrap())
    };
    assert_eq!(again["severity"], "warning");
    assert_eq!(place(again), [4, 2, 4, 21]);
    assert_eq!(place(&again["related"][0]), [3, 2, 3, 21]);
    assert_eq!(again["related"][0]["file"], "t");
    let unknown = problems
        .iter()
        .find(|problem| problem["severity"] == "error")
        .unwrap();
    assert!(unknown["help"].as_str().unwrap().contains("`priority`"));
    assert_eq!(place(unknown), [5, 2, 5, 11]);
}

#[test]
fn a_problem_of_a_whole_file_has_no_line() {
    let document = serde_json::to_value(json::document(&[checked("")])).unwrap();
    let problem = &document["files"][0]["problems"][0];
    assert_eq!(problem["line"], Value::Null);
    assert_eq!(problem["end_column"], Value::Null);
    assert_eq!(problem["file"], "t");
}

#[test]
fn nodes_that_agree_have_nothing_to_say() {
    let a = instance("A", 1, "priority 100");
    // The name and the interface are each node's own business.
    let b = instance("OTHER", 1, "priority 90").replace("eth0", "ens3");
    assert_eq!(disagreements(&[&a, &b]), Vec::<String>::new());
}

#[test]
fn what_makes_two_masters_is_an_error() {
    let a = instance("A", 1, "priority 100");
    for (lines, place, words) in [
        (
            "version 3",
            "5:1",
            "version is 3 here and 2 on the other node",
        ),
        ("advert_int 2", "5:1", "advert_int is 2 s here and 1 s"),
        (
            "authentication {\nauth_type PASS\nauth_pass x\n}",
            "7:1",
            "authentication is a password here and none",
        ),
        (
            "mcast_dst_ip 224.0.0.99",
            "5:1",
            "mcast_dst_ip is 224.0.0.99 here and 224.0.0.18",
        ),
    ] {
        let b = instance("A", 1, &format!("priority 90\n{lines}"));
        let said = disagreements(&[&a, &b]);
        assert_eq!(said.len(), 1, "{said:?}");
        let start = format!("b:{place}: error: `A`: ");
        assert!(said[0].starts_with(&start), "{said:?}");
        assert!(said[0].contains(words), "{said:?}");
    }
}

#[test]
fn a_password_is_compared_and_never_shown() {
    let with = |priority, password| {
        let lines = format!(
            "priority {priority}\nauthentication {{\nauth_type PASS\nauth_pass {password}\n}}"
        );
        instance("A", 1, &lines)
    };
    let (a, b) = (with(100, "geheim"), with(90, "secret"));
    let said = disagreements(&[&a, &b]);
    assert_eq!(
        said,
        ["b:7:1: error: `A`: the password is another one on the other node"]
    );
    let changes = config::diff::diff(
        &config::parse(&a, "a").configuration,
        &config::parse(&b, "b").configuration,
    );
    let shown: Vec<_> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        ["(A) priority: 100 -> 90", "(A) authentication: another one"]
    );
}

#[test]
fn another_vrid_is_found_by_the_name() {
    let a = instance("A", 1, "priority 100");
    let b = instance("A", 1, "priority 90").replace("virtual_router_id 1", "virtual_router_id 2");
    assert_eq!(
        disagreements(&[&a, &b]),
        ["b:3:1: error: `A`: virtual_router_id is 2 here and 1 on the other node"]
    );
    // Names that are swapped mean nothing on the wire.
    let a = [
        instance("A", 1, "priority 100"),
        instance("B", 2, "priority 100"),
    ]
    .concat();
    let b = [
        instance("B", 1, "priority 90"),
        instance("A", 2, "priority 90"),
    ]
    .concat();
    assert_eq!(disagreements(&[&a, &b]), Vec::<String>::new());
}

#[test]
fn a_router_on_one_node_has_nobody_to_take_over() {
    let a = [instance("A", 1, "priority 100"), instance("B", 2, "")].concat();
    let b = instance("A", 1, "priority 90");
    assert_eq!(
        disagreements(&[&a, &b]),
        ["a:9:15: warning: no other node has `B` (VRID 2): nobody takes over from it"]
    );
    // Of three nodes two suffice.
    let c = [
        instance("A", 1, "priority 80"),
        instance("B", 2, "priority 80"),
    ]
    .concat();
    assert_eq!(disagreements(&[&a, &b, &c]), Vec::<String>::new());
}

#[test]
fn addresses_are_compared_whatever_their_order() {
    let with = |priority, addresses: &str| {
        instance("A", 1, &format!("priority {priority}")).replace("192.0.2.1/24", addresses)
    };
    let a = with(100, "192.0.2.1/24\n192.0.2.2/24");
    let b = |addresses| with(90, addresses);
    let said = |addresses| disagreements(&[&a, &b(addresses)]);
    assert_eq!(said("192.0.2.2/24\n192.0.2.1/24"), Vec::<String>::new());
    assert_eq!(
        said("192.0.2.1/24"),
        ["b:5:1: error: `A`: virtual_ipaddress differs: 192.0.2.2 only on the other node"]
    );
    assert_eq!(
        said("192.0.2.1/24\n192.0.2.3/24"),
        [
            "b:7:1: error: `A`: virtual_ipaddress differs: 192.0.2.3 only here, 192.0.2.2 only on the other node"
        ]
    );
    assert_eq!(
        said("192.0.2.1/24\n192.0.2.2/32"),
        ["b:7:1: warning: `A`: 192.0.2.2 has prefix /32 here and /24 on the other node"]
    );
}

#[test]
fn priorities_that_are_equal() {
    let said = |a, b, c| {
        let nodes = [a, b, c].map(|p: u8| instance("A", 1, &format!("priority {p}")));
        disagreements(&nodes.each_ref().map(String::as_str))
    };
    assert_eq!(said(100, 90, 80), Vec::<String>::new());
    assert_eq!(
        said(100, 90, 90),
        ["c:4:1: warning: `A`: both nodes have priority 90"]
    );
    let owners = said(255, 255, 80);
    assert_eq!(owners.len(), 1);
    assert!(owners[0].contains("error"), "{owners:?}");
}

#[test]
fn nopreempt_counts_on_the_higher_node() {
    let a = instance("A", 1, "priority 100");
    let b = instance("A", 1, "priority 90\nnopreempt");
    let said = disagreements(&[&a, &b]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("nopreempt only on the node of lower priority"));
    let a = instance("A", 1, "priority 100\nnopreempt");
    let b = instance("A", 1, "priority 90");
    assert_eq!(disagreements(&[&a, &b]), Vec::<String>::new());
}

#[test]
fn a_disagreement_shows_both_places() {
    let a = format!(
        "global_defs {{\nvrrp_version 3\n}}\n{}",
        instance("A", 1, "")
    );
    let b = instance("A", 1, "priority 90").replace("192.0.2.1/24", "192.0.2.1/24\n192.0.2.2/24");
    let mut nodes = [named(&a, "a"), named(&b, "b")];
    group::compare(&mut nodes);
    let places: Vec<_> = nodes[1]
        .problems
        .iter()
        .map(|problem| {
            let there = problem.related().next().unwrap().0.place();
            format!("{} {there}", problem.place().unwrap())
        })
        .collect();
    // The instance's name stands for what it has by default, and the list for an
    // address that is not in it.
    assert_eq!(places, ["b:1:15 a:2:1", "b:7:1 a:8:1"]);
    let shown = nodes[1].problems[0].render(false);
    assert!(
        shown.contains("a:2:1") && shown.contains("vrrp_version 3"),
        "{shown}"
    );
}

#[test]
fn peers_list_each_other() {
    let node = |priority, source: &str, peers: &str| {
        let lines = format!(
            "priority {priority}\nunicast_src_ip 192.0.2.{source}\nunicast_peer {{\n{peers}\n}}"
        );
        named(&instance("A", 1, &lines), source)
    };
    let said = |a: Checked, b: Checked| {
        let mut nodes = [a, b];
        for node in &mut nodes {
            node.problems.clear();
        }
        group::compare(&mut nodes);
        let problems = nodes[1].problems.iter();
        problems
            .map(|problem| problem.message().to_owned())
            .collect::<Vec<_>>()
    };
    let a = |peers| node(100, "7", peers);
    let b = |peers| node(90, "8", peers);
    let both = "192.0.2.9 min_ttl 254\n192.0.2.8\n192.0.2.7";
    assert_eq!(said(a(both), b(both)), Vec::<String>::new());
    assert_eq!(
        said(a("192.0.2.8"), b("192.0.2.9")),
        ["`A`: unicast_peer here does not list 192.0.2.7, from which the other node speaks"]
    );
    assert_eq!(
        said(a("192.0.2.9"), b("192.0.2.7")),
        [
            "`A`: unicast_peer on the other node does not list 192.0.2.8, from which this node speaks"
        ]
    );
    assert_eq!(
        said(a("192.0.2.8"), node(90, "7", "192.0.2.8")),
        ["`A`: both nodes speak from 192.0.2.7"]
    );
    let alone = named(&instance("A", 1, "priority 80"), "c");
    assert_eq!(
        said(a("192.0.2.8"), alone),
        ["`A`: the other node speaks to its unicast_peer, this one to the group 224.0.0.18"]
    );
}

#[test]
fn the_state_decides_nothing() {
    let nodes = [100, 90].map(|p| instance("A", 1, &format!("priority {p}\nstate MASTER")));
    assert_eq!(
        disagreements(&nodes.each_ref().map(String::as_str)),
        ["b:5:1: note: `A`: all nodes say `state MASTER`, which decides nothing"]
    );
}

#[test]
fn what_cannot_run_is_compared_all_the_same() {
    let unusable = |priority, password| {
        let lines = format!(
            "priority {priority}\nuse_ipvlan\nauthentication {{\nauth_type PASS\nauth_pass {password}\n}}"
        );
        named(&instance("A", 1, &lines), "x")
    };
    let mut nodes = [unusable(100, "one"), unusable(90, "two")];
    assert!(nodes.iter().all(|node| node.unusable() == 1));
    let before = nodes[1].problems.len();
    group::compare(&mut nodes);
    assert!(nodes[1].problems[before].message().contains("password"));
    // Without a VRID there is nothing to compare.
    let mut nodes = [
        named("vrrp_instance A {\ninterface e0\n}\n", "x"),
        unusable(100, "one"),
    ];
    let before = nodes[1].problems.len();
    group::compare(&mut nodes);
    assert_eq!(nodes[1].problems.len(), before);
}

#[test]
fn many_instances_are_compared_at_once() {
    use std::fmt::Write as _;
    let file = |priority: u8| {
        let mut text = String::new();
        for number in 0..10_000 {
            let _ = write!(
                text,
                "vrrp_instance V{number} {{\ninterface e{}\nvirtual_router_id {}\npriority {priority}\nvirtual_ipaddress {{\n10.{}.{}.1/24\n}}\n}}\n",
                number / 250,
                number % 250 + 1,
                number / 250,
                number % 250,
            );
        }
        text
    };
    let (a, b) = (file(100), file(90));
    assert_eq!(disagreements(&[&a, &b]), Vec::<String>::new());
    assert_eq!(disagreements(&[&a, &a]).len(), 200);
}

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

#[test]
fn signed_adverts_are_read_by_who_has_the_key() {
    let node = |priority, lines: &str| {
        let block = if lines.is_empty() {
            String::new()
        } else {
            format!("auth_hmac {{\n{lines}\n}}")
        };
        instance("A", 1, &format!("priority {priority}\n{block}"))
    };
    let said = |a: &str, b: &str| {
        let said = disagreements(&[&node(100, a), &node(90, b)]);
        said.iter()
            .map(|line| {
                line.split_once("`A`: ")
                    .map_or("", |(_, said)| said)
                    .to_owned()
            })
            .collect::<Vec<_>>()
    };
    let one = format!("key 1 {KEY}");
    let nothing = Vec::<String>::new();
    assert_eq!(said(&one, &one), nothing);
    // On the way from one key to the next, and from none to signed adverts.
    let both = format!("key 1 {KEY}\nkey 2 {OTHER}\nactive_key 2");
    let prepared = format!("key 1 {KEY}\nkey 2 {OTHER}\nactive_key 1");
    assert_eq!(said(&prepared, &one), nothing);
    assert_eq!(said(&prepared, &both), nothing);
    let hears = format!("{one}\nmode receive-only");
    assert_eq!(said(&hears, ""), nothing);
    let permissive = format!("{one}\nmode permissive");
    assert_eq!(said(&permissive, &hears), nothing);
    for (a, b, begins) in [
        (one.as_str(), "", "the other node signs its adverts"),
        (&both, &one, "the other node signs with key 2"),
        (
            &one,
            &format!("key 1 {OTHER}"),
            "key 1 of auth_hmac is another one",
        ),
        (&hears, &one, "the other node does not sign its adverts"),
    ] {
        let said = said(a, b);
        assert!(said[0].starts_with(begins), "{a} {b}: {said:?}");
    }
}

#[test]
fn a_virtual_mac_on_one_side_is_worth_a_word() {
    let node = |priority, lines: &str| instance("A", 1, &format!("priority {priority}\n{lines}"));
    assert_eq!(
        disagreements(&[&node(100, "use_vmac"), &node(90, "use_vmac other")]),
        Vec::<String>::new()
    );
    assert_eq!(
        disagreements(&[&node(100, "use_vmac"), &node(90, "")]),
        ["b:1:15: note: `A`: only the other node has a virtual MAC (use_vmac)"]
    );
    assert_eq!(
        disagreements(&[&node(100, "use_vmac 02:00:00:00:01"), &node(90, "use_vmac")]),
        [
            "b:5:1: warning: `A`: the virtual MAC is 00:00:5e:00:01:01 here and 02:00:00:00:01:01 on the other node"
        ]
    );
}

#[test]
fn what_goes_along_with_the_address_is_on_all_nodes() {
    let node = |priority, lines: &str| instance("A", 1, &format!("priority {priority}\n{lines}"));
    let route = |device: &str| format!("virtual_routes {{\n10.1.0.0/16 dev {device}\n}}");
    assert_eq!(
        disagreements(&[&node(100, &route("eth0")), &node(90, &route("ens3"))]),
        Vec::<String>::new()
    );
    assert_eq!(
        disagreements(&[&node(100, &route("eth0")), &node(90, "no_accept")]),
        [
            "b:1:15: warning: `A`: virtual_routes differs in 1 of its lines",
            "b:5:1: warning: `A`: accept is off here and on on the other node"
        ]
    );
}

#[test]
fn sync_groups_hold_the_same_instances_together() {
    let node = |priority: u8, groups: &str| {
        let lines = format!("priority {priority}");
        ["A", "B", "C"]
            .iter()
            .zip(1..)
            .map(|(name, vrid)| instance(name, vrid, &lines))
            .collect::<String>()
            + groups
    };
    let group = |members: &str| format!("vrrp_sync_group G {{\ngroup {{\n{members}\n}}\n}}\n");
    let both = group("A\nB");
    assert_eq!(
        disagreements(&[&node(100, &both), &node(90, &group("B\nA"))]),
        Vec::<String>::new()
    );
    assert_eq!(
        disagreements(&[&node(100, &both), &node(90, &group("A\nB\nC"))]),
        [
            "b:27:1: warning: `A`: goes with B, C here and goes with B on the other node (vrrp_sync_group)"
        ]
    );
    assert_eq!(
        disagreements(&[&node(100, &both), &node(90, "")]),
        [
            "b:1:15: warning: `A`: goes alone here and goes with B on the other node (vrrp_sync_group)",
            "b:9:15: warning: `B`: goes alone here and goes with A on the other node (vrrp_sync_group)"
        ]
    );
}
