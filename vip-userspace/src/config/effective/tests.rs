//! What is printed, and that it can be read again.

use proptest::prelude::*;

use super::super::{Configuration, Loaded, Place, Reading, Severity, parse_with};
use super::{effective, text};

fn load(text: &str) -> Loaded {
    let reading = Reading {
        keep_statements: true,
        ..Reading::default()
    };
    parse_with(text.as_bytes(), "a.conf", &reading)
}

fn printed(configuration: &str) -> String {
    text(&effective(&load(configuration)), true)
}

/// Without places, which a copy cannot keep, nor does it always keep which of
/// several reasons comes first.
fn bare(configuration: &Configuration) -> Configuration {
    let mut bare = configuration.clone();
    for instance in &mut bare.instances {
        instance.place = Place {
            file: "".into(),
            line: 0,
            column: 0,
        };
        if let Some(reason) = &mut instance.unusable {
            reason.clear();
        }
    }
    bare
}

/// Printed without its comments.
fn words(text: &str) -> String {
    load(text)
        .statements
        .iter()
        .map(|statement| format!("{}\n", shown(statement)))
        .collect()
}

fn shown(statement: &super::Statement) -> String {
    let words: Vec<&str> = statement.words.iter().map(|word| &*word.text).collect();
    let block = statement.block.as_ref().map(|body| {
        let lines: Vec<String> = body.statements.iter().map(shown).collect();
        format!(" {{ {} }}", lines.join("; "))
    });
    words.join(" ") + &block.unwrap_or_default()
}

/// What is printed means the same as what was read, and is printed the same when
/// it is read again.
fn returns(configuration: &str) {
    let first = load(configuration);
    let copy = text(&effective(&first), true);
    let second = load(&copy);
    assert_eq!(
        bare(&second.configuration),
        bare(&first.configuration),
        "{configuration}\n became\n{copy}"
    );
    let again = text(&effective(&second), true);
    assert_eq!(
        words(&again),
        words(&copy),
        "{configuration}\n became\n{copy}"
    );
    if first.count(Severity::Error) == 0 {
        let errors: Vec<String> = second.problems.iter().map(|p| p.headline()).collect();
        assert_eq!(second.count(Severity::Error), 0, "{errors:?}\n{copy}");
    }
}

const INSTANCE: &str = "\
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    advert_int 1.5
    nopreempt
    authentication {
        auth_type PASS
        auth_pass 1111
    }
    notify_master \"/bin/tell me\"
    virtual_ipaddress {
        192.0.2.1
        192.0.2.2/24 dev eth1
    }
}
";

#[test]
fn each_value_has_its_place_or_is_a_default() {
    let file = format!(
        "global_defs {{\n    vrrp_garp_master_repeat 3\n    vrrp_skip_check_adv_addr\n}}\n{INSTANCE}"
    );
    assert_eq!(
        printed(&file),
        "\
global_defs {                  # a.conf:1
    vrrp_garp_master_repeat 3  # a.conf:2
    vrrp_skip_check_adv_addr   # a.conf:3, changes nothing here
}

vrrp_instance VI_1 {              # a.conf:5
    interface eth0                # a.conf:6
    virtual_router_id 51          # a.conf:7
    advert_int 2                  # a.conf:8, given as 1.5
    nopreempt                     # a.conf:9
    authentication {              # a.conf:10
        auth_type PASS            # a.conf:11
        auth_pass 1111            # a.conf:12
    }
    notify_master \"/bin/tell me\"  # a.conf:14
    virtual_ipaddress {           # a.conf:15
        192.0.2.1/32              # a.conf:16, given as 192.0.2.1
        192.0.2.2/24 dev eth1     # a.conf:17
    }
    version 2                     # default
    priority 100                  # default
    mcast_dst_ip 224.0.0.18       # default
    down_timer_adverts 3          # default
    garp_master_delay 5           # default
    garp_master_repeat 3          # a.conf:2, vrrp_garp_master_repeat
    garp_master_refresh 0         # default
    garp_master_refresh_repeat 1  # default
    garp_lower_prio_delay 5       # default
    garp_lower_prio_repeat 3      # a.conf:2, vrrp_garp_master_repeat
}
"
    );
}

#[test]
fn a_password_is_hidden_and_its_absence_is_an_error() {
    let loaded = load(INSTANCE);
    let entries = effective(&loaded);
    let hidden = text(&entries, false);
    assert!(!hidden.contains("1111"), "{hidden}");
    assert!(
        hidden.contains("# auth_pass "),
        "what is read again must have no password rather than a wrong one: {hidden}"
    );
    assert!(load(&hidden).count(Severity::Error) > 0);
}

/// An instance with these lines more.
fn with(lines: &str) -> String {
    format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n 192.0.2.1/24\n }}\n{lines}\n}}\n"
    )
}

/// The line of a word, blanks taken together.
fn line(configuration: &str, word: &str) -> String {
    let printed = printed(configuration);
    let line = printed
        .lines()
        .find(|line| line.trim_start().starts_with(word));
    let line = line.unwrap_or_else(|| panic!("no {word} in {printed}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn corrections_show_what_was_given() {
    for (lines, word, expected) in [
        (
            "priority 300",
            "priority",
            "priority 100 # a.conf:7, given as 300",
        ),
        (
            "priority 20\npriority \"30\"",
            "priority",
            "priority 30 # a.conf:8",
        ),
        ("version 3\nversion 9", "version", "version 3 # a.conf:7"),
        (
            "state MASTER\nnopreempt",
            "preempt",
            "preempt # a.conf:8, given as nopreempt",
        ),
        (
            "state MASTER\nstate BACKUP\npriority 5",
            "state",
            "state MASTER # a.conf:7",
        ),
        (
            "state MASTER",
            "priority",
            "priority 255 # default with `state MASTER`",
        ),
        (
            "advert_int 0.5\nversion 3",
            "advert_int",
            "advert_int 0.5 # a.conf:7",
        ),
        (
            "advert_int 0.015\nversion 3",
            "advert_int",
            "advert_int 0.02 # a.conf:7, given as 0.015",
        ),
        (
            "strict_mode\ndown_timer_adverts 5",
            "down_timer",
            "down_timer_adverts 3 # a.conf:8, given as 5",
        ),
        (
            "mcast_src_ip 192.0.2.9",
            "mcast_src",
            "mcast_src_ip 192.0.2.9 # a.conf:7",
        ),
        (
            "garp_master_repeat 0",
            "garp_master_repeat",
            "garp_master_repeat 1 # a.conf:7, given as 0",
        ),
        (
            "authentication {\nauth_type PASS\nauth_pass 123456789\n}",
            "auth_pass",
            "auth_pass 12345678 # a.conf:9, given as 9 bytes",
        ),
    ] {
        assert_eq!(line(&with(lines), word), expected, "{lines}");
        returns(&with(lines));
    }
}

#[test]
fn global_values_are_inherited() {
    let after = format!(
        "{}global_defs {{\n vrrp_version 3\n vrrp_garp_master_delay 9\n vrrp_min_garp\n}}\n",
        with("")
    );
    assert_eq!(
        line(&after, "version"),
        "version 3 # a.conf:10, vrrp_version"
    );
    assert_eq!(
        line(&after, "garp_master_delay"),
        "garp_master_delay 0 # a.conf:12, vrrp_min_garp"
    );
    returns(&after);
    let strict = format!(
        "global_defs {{\n vrrp_strict\n vrrp_down_timer_adverts 7\n}}\n{}",
        with("")
    );
    assert_eq!(
        line(&strict, "down_timer_adverts"),
        "down_timer_adverts 3 # a.conf:3, vrrp_down_timer_adverts, given as 7"
    );
    returns(&strict);
}

#[test]
fn an_instance_that_cannot_run_says_why_and_stays_so() {
    for (file, why) in [
        (
            "vrrp_instance A {\n virtual_router_id 1\n}\n",
            "it has no `interface`",
        ),
        (
            "vrrp_instance A {\n interface eth0\n}\n",
            "it has no `virtual_router_id`",
        ),
        (
            "vrrp_instance A {\n interface eth0:1\n virtual_router_id 1\n}\n",
            "its `interface` is not valid",
        ),
        (
            "vrrp_instance A {\n interface eth0\n virtual_router_id 0\n}\n",
            "its `virtual_router_id` is not valid",
        ),
        (
            "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n version 3\n}\n",
            "it has no virtual address",
        ),
    ] {
        let first = line(file, "vrrp_instance");
        assert!(first.ends_with(&format!("cannot run: {why}")), "{first}");
        returns(file);
    }
    returns(&with(
        "auth_hmac {\n key 1 0123456789abcdef0123456789abcdef\n}",
    ));
    returns(&with("authentication {\n auth_type AH\n auth_pass x\n}"));
    returns(&with("use_vmac"));
}

#[test]
fn what_does_not_count_is_left_out() {
    let file = format!(
        "{}vrrp_instance A {{\n interface eth9\n}}\nvirtual_server 192.0.2.9 80 {{\n}}\nzebra\n",
        with("zebra 1\nzebra {\n priority 9\n}")
    );
    let printed = printed(&file);
    assert!(!printed.contains("zebra"), "{printed}");
    assert!(!printed.contains("eth9"), "{printed}");
    assert!(!printed.contains("virtual_server"), "{printed}");
    returns(&file);
}

#[test]
fn authentication_that_does_not_hold_is_a_comment() {
    let file = with("version 3\nauthentication {\n auth_type PASS\n auth_pass 1111\n}");
    assert_eq!(
        line(&file, "# authentication"),
        "# authentication # a.conf:8, not in effect"
    );
    returns(&file);
}

#[test]
fn what_is_too_much_for_an_advert_moves() {
    let addresses: String = (0..300)
        .map(|n| format!("10.0.{}.{}/16 label x\n", n / 200, n % 200 + 1))
        .collect();
    let file = format!(
        "vrrp_instance A {{\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {{\n{addresses}}}\n}}\n"
    );
    let printed = printed(&file);
    let (_, excluded) = printed.split_once("virtual_ipaddress_excluded {").unwrap();
    assert_eq!(excluded.matches(" label x").count(), 45);
    assert!(
        excluded.contains("# a.conf:304, given in virtual_ipaddress"),
        "{excluded}"
    );
    returns(&file);
}

#[test]
fn of_two_lines_the_one_that_could_be_read_counts() {
    let label = "label a_label_too_long_for_it";
    let file = with(&format!(
        "virtual_ipaddress_excluded {{\n192.0.2.4/24 {label}\n192.0.2.4/25\n}}"
    ));
    assert_eq!(line(&file, "192.0.2.4"), "192.0.2.4/25 # a.conf:9");
    returns(&file);
}

#[test]
fn what_comes_out_of_definitions_and_repetitions_is_written_out() {
    let file = "\
$PRIORITY=77
$MORE= \\
    garp_master_delay 9 \\
    nopreempt
vrrp_instance V {
    interface eth0
    virtual_router_id 1
    priority $PRIORITY
    $MORE
    virtual_ipaddress {
        ~SEQ(i, 1, 3) 192.0.2.${i}/24
    }
}
@other vrrp_instance OTHER {
}
";
    let printed = printed(file);
    assert!(!printed.contains(['$', '~', '@']), "{printed}");
    assert_eq!(line(file, "priority"), "priority 77 # a.conf:8");
    assert_eq!(
        line(file, "garp_master_delay"),
        "garp_master_delay 9 # a.conf:3, used at a.conf:9"
    );
    assert_eq!(line(file, "192.0.2.3"), "192.0.2.3/24 # a.conf:11");
    returns(file);
}

#[test]
fn an_address_that_stands_twice_keeps_the_words_of_each_line() {
    returns(&with(
        "virtual_ipaddress {\n192.0.2.5/24 label x\n192.0.2.5/25 dev eth1\n}\n\
         virtual_ipaddress_excluded {\n192.0.2.5/26 label y\n192.0.2.1\n}",
    ));
}

#[test]
fn words_that_touch_go_on_touching() {
    let file = "vrrp_script s {\n script \\\"/bin/true\\\"\n}\n";
    assert!(
        printed(file).contains("script \\\"/bin/true\\\""),
        "{}",
        printed(file)
    );
}

#[test]
fn words_that_need_quotes_get_them() {
    for word in [
        "a b",
        "a#b",
        "!",
        "{",
        "a{b}",
        "",
        "@x",
        "~SEQ(a,1,2)",
        "é",
        "a\\ b",
    ] {
        let file = with(&format!("notify_master \"{word}\" root"));
        returns(&file);
        let copy = load(&printed(&file));
        assert!(
            words(&printed(&file)).contains(&format!("notify_master {word} root")),
            "{word}"
        );
        assert_eq!(
            copy.count(Severity::Error),
            load(&file).count(Severity::Error),
            "{word}"
        );
    }
}

#[test]
fn what_a_file_holds_cannot_leave_a_comment() {
    let file = with("priority \"1\u{1b}[31m\"");
    let printed = printed(&file);
    assert!(!printed.contains('\u{1b}'), "{printed:?}");
}

#[test]
fn the_files_of_the_seed_return() {
    for name in ["nodeA.conf", "nodeB.conf"] {
        let seed = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/seed");
        returns(&std::fs::read_to_string(seed.join(name)).unwrap());
    }
}

/// The traps that keepalived is asked about too: each file of `tests/interop`
/// holds many, a few lines each, and where they stand.
#[test]
fn every_trap_returns() {
    let directory =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop/config/traps");
    let mut count = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let traps = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for trap in traps.split("\n=== ").skip(1) {
            let (head, lines) = trap.split_once("---\n").unwrap();
            let head: Vec<&str> = head.lines().collect();
            let lines = lines.trim_end();
            if head.contains(&"in file") {
                returns(lines);
            } else if head.contains(&"in global") {
                returns(&format!("global_defs {{\n{lines}\n}}\n{}", with("")));
            } else if head.contains(&"in addresses") {
                returns(&with(&format!("virtual_ipaddress {{\n{lines}\n}}")));
            } else {
                let version = if head.contains(&"in version 3") {
                    "version 3\n"
                } else {
                    ""
                };
                returns(&with(&format!("{version}{lines}")));
            }
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

/// Lines that may stand in an instance, good and bad ones.
fn any_line() -> impl Strategy<Value = String> {
    let number = prop_oneof![0u32..400, Just(255), Just(1)];
    let keyword = prop::sample::select(vec![
        "priority",
        "virtual_router_id",
        "advert_int",
        "version",
        "down_timer_adverts",
        "garp_master_delay",
        "garp_master_repeat",
        "garp_master_refresh",
        "garp_master_refresh_repeat",
        "preempt_delay",
        "garp_lower_prio_delay",
        "garp_lower_prio_repeat",
        "garp_extra_if",
        "unicast_ttl",
        "zebra",
    ]);
    prop_oneof![
        4 => (keyword, number).prop_map(|(keyword, number)| format!("{keyword} {number}")),
        1 => prop::sample::select(vec![
            "state MASTER", "state BACKUP", "state FAULT", "preempt", "nopreempt", "strict_mode",
            "strict_mode off", "interface eth1", "interface a:b", "no_virtual_ipaddress",
            "advert_int 0.03", "advert_int x", "mcast_src_ip 192.0.2.7", "mcast_src_ip x",
            "mcast_dst_ip 224.0.0.77", "mcast_dst_ip 192.0.2.7", "accept", "use_vmac",
            "no_accept", "use_vmac other 02:00:00:00:00:07", "vmac_xmit_base", "track_src_ip",
            "lower_prio_no_advert", "lower_prio_no_advert off", "higher_prio_send_advert yes",
            "owner_ignore_adverts", "owner_ignore_adverts off", "check_unicast_src", "garp_extra_if all 9",
            "unicast_src_ip 192.0.2.5", "unicast_peer {\n192.0.2.5\n192.0.2.6 min_ttl 9\n}",
            "unicast_peer {\n2001:db8::9\n}", "old_unicast_checksum never", "promote_secondaries",
            "dont_track_primary", "track_interface {\neth1 weight 9\neth0\neth2\n}",
            "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nmode permissive\n}",
            "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nkey 2 0123456789abcdef0123456789abcdef\nactive_key 2\n}",
            "virtual_routes {\n10.9.0.0/16 via 192.0.2.77 dev eth1 table 7\nblackhole 10.8.0.0/16\n}",
            "virtual_rules {\nfrom 10.9.0.0/16 table 7\n}", "v3_checksum_as_v2",
            "virtual_ipaddress {\n192.0.2.30 dev eth1 use_vmac\n192.0.2.31 use_vmac\n}",
            "track_script {\n chk\n}", "notify_master \"/bin/a 'b c'\" root",
            "authentication {\nauth_type PASS\nauth_pass \"a b#c\"\n}",
            "authentication {\nauth_type PASS\nauth_type PASS\n}",
            "authentication {\nauth_type AH\nauth_pass äöüäöü\n}",
            "authentication {\nauth_pass 123456789012\n}",
            "virtual_ipaddress {\n192.0.2.1\n192.0.2.2/24 dev eth1 label a:b\n}",
            "virtual_ipaddress {\n192.0.2.1/33\n192.0.2.3/8 brd + scope link\nx\n}",
            "virtual_ipaddress_excluded {\n192.0.2.1/24\n192.0.2.9/24 scope bad\n}",
            "virtual_ipaddress {\n2001:db8::1/64\n}",
            "virtual_ipaddress {\n\"192.0.2.8\n}",
            "authentication {\nauth_type PASS\nauth_pass \"abc\n}",
            "\"priority 5",
            "notify_master \"/bin/x",
            "virtual_ipaddress {\n192.0.2.4/24 label a_label_too_long_for_it\n192.0.2.4\n}",
            "virtual_ipaddress_excluded {\n2001:db8::2\n}",
        ]).prop_map(str::to_owned),
    ]
}

fn any_file() -> impl Strategy<Value = String> {
    let global = prop::sample::select(vec![
        "vrrp_version 3",
        "vrrp_version 2",
        "vrrp_version 7",
        "router_id x",
        "vrrp_strict",
        "vrrp_mcast_group4 224.0.0.9",
        "vrrp_mcast_group4 1.2.3.4",
        "vrrp_min_garp",
        "vrrp_min_garp off",
        "vrrp_garp_master_delay 3",
        "vrrp_garp_master_repeat 0",
        "vrrp_garp_master_refresh 60",
        "vrrp_down_timer_adverts 7",
        "vrrp_down_timer_adverts 700",
        "vrrp_garp_lower_prio_delay 4",
        "vrrp_garp_lower_prio_repeat 0",
        "vrrp_lower_prio_no_advert",
        "vrrp_higher_prio_send_advert on",
        "vrrp_owner_ignore_adverts",
        "vrrp_check_unicast_src true",
        "vrrp_startup_delay 2.5",
        "vrrp_garp_interval 0.001",
        "vrrp_garp_extra_if all 100",
        "default_interface eth7",
        "vmac_prefix mac",
        "v3_checksum_as_v2",
        "max_auto_priority",
        "lvs_flush",
        "zebra",
    ]);
    let instance = (
        0u8..3,
        prop::collection::vec(any_line(), 0..12),
        any::<bool>(),
    )
        .prop_map(|(name, lines, whole)| {
            let head = if whole {
                format!("interface eth0\nvirtual_router_id {}\n", name + 1)
            } else {
                String::new()
            };
            format!("vrrp_instance I{name} {{\n{head}{}\n}}\n", lines.join("\n"))
        });
    let block = prop_oneof![
        3 => instance,
        1 => prop::collection::vec(global, 0..5)
            .prop_map(|lines| format!("global_defs {{\n{}\n}}\n", lines.join("\n"))),
        1 => prop::sample::select(vec![
            "vrrp_script chk {\n script \"/bin/true\"\n interval 2\n interval 3\n weight x\n}\n",
            "vrrp_sync_group G {\n group {\n I0\n I1\n }\n}\n",
            "vrrp_sync_group H {\n group {\n I2\n }\n track_interface {\n eth3 weight 5\n }\n sync_group_tracking_weight\n}\n",
            "static_routes {\n 10.7.0.0/16 via 192.0.2.1 or 192.0.2.2\n}\nstatic_rules {\n from all table 5 preference 5\n}\n",
            "garp_group {\n garp_interval 0.5\n interfaces {\n eth0\n eth1\n }\n}\n",
            "static_ipaddress {\n 192.0.2.77/24 dev eth0\n}\n",
        ]).prop_map(str::to_owned),
    ];
    prop::collection::vec(block, 0..5).prop_map(|blocks| blocks.concat())
}

proptest! {
    #[test]
    fn any_configuration_returns(file in any_file()) {
        returns(&file);
    }
}
