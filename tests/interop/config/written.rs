//! Files as people may write them: what stands in them, and the many ways to
//! write the same.

use std::fmt::{self, Write as _};

use proptest::option;
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{select, subsequence};

use super::oracle::INTERFACES;

/// A file: what stands in `global_defs`, and the instances.
#[derive(Clone)]
pub(super) struct File {
    globals: Vec<String>,
    /// `global_defs` stands behind the instances.
    globals_last: bool,
    instances: Vec<Instance>,
    /// How many of the first instances are in a sync group, from two on.
    grouped: usize,
}

impl fmt::Debug for File {
    /// Short: a failure shows the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a file of {} instances", self.instances.len())
    }
}

impl File {
    /// Each instance in a file of its own.
    pub(super) fn each_alone(&self) -> impl Iterator<Item = Self> {
        self.instances.iter().map(|instance| Self {
            instances: vec![instance.clone()],
            ..self.clone()
        })
    }
}

/// An instance; names, VRIDs and addresses follow from its number.
#[derive(Clone, Debug)]
struct Instance {
    version: Option<u8>,
    ipv6: bool,
    state: Option<&'static str>,
    priority: Option<u8>,
    quoted: bool,
    interval: Option<String>,
    lines: Vec<String>,
    more: Vec<&'static str>,
    preempt: Option<String>,
    password: Option<String>,
    addresses: Vec<Address>,
    excluded: Vec<Address>,
    peers: u8,
    /// On an interface with a virtual MAC; peers hear it from the one below.
    vmac: bool,
    tracked: Option<i16>,
    scripted: bool,
    definition: bool,
    sequence: Option<u8>,
}

#[derive(Clone, Debug)]
struct Address {
    prefix: Option<u8>,
    options: Vec<&'static str>,
}

fn lines_of(words: &'static [(&'static str, u16, u16)]) -> BoxedStrategy<Vec<String>> {
    subsequence(words, 0..=words.len())
        .prop_flat_map(|chosen| {
            chosen
                .into_iter()
                .map(|(word, least, most)| (least..=most).prop_map(move |n| format!("{word} {n}")))
                .collect::<Vec<_>>()
        })
        .prop_shuffle()
        .boxed()
}

/// Words of `global_defs` with their ranges.
const GLOBAL: &[(&str, u16, u16)] = &[
    ("vrrp_version", 2, 3),
    ("vrrp_garp_master_delay", 0, 60),
    ("vrrp_garp_master_repeat", 1, 255),
    ("vrrp_garp_master_refresh", 0, 3600),
    ("vrrp_garp_master_refresh_repeat", 1, 255),
    ("vrrp_garp_lower_prio_delay", 0, 60),
    ("vrrp_garp_lower_prio_repeat", 0, 255),
    // keepalived 2.2.7 counts the down interval in 32 bits of microseconds.
    ("vrrp_down_timer_adverts", 1, 16),
];

/// Words of an instance with their ranges.
const LINES: &[(&str, u16, u16)] = &[
    ("garp_master_delay", 0, 60),
    ("garp_master_repeat", 1, 255),
    ("garp_master_refresh", 0, 3600),
    ("garp_master_refresh_repeat", 1, 255),
    ("garp_lower_prio_delay", 0, 60),
    ("garp_lower_prio_repeat", 0, 255),
    ("down_timer_adverts", 1, 100),
    ("debug", 0, 4),
];

/// More that an instance may have; `N` becomes its number, from 1.
const MORE: &[&str] = &[
    "accept",
    "no_accept",
    "track_src_ip",
    "promote_secondaries",
    "dont_track_primary",
    "lower_prio_no_advert",
    "higher_prio_send_advert true",
    "smtp_alert off",
    "notify_master \"/bin/true 'a b' N\"",
    "notify /bin/true",
];

/// The same for IPv4; the last ones are blocks of one line.
const MORE_OF_IPV4: &[&str] = &[
    "mcast_src_ip 192.168.50.N",
    "mcast_dst_ip 224.0.1.N",
    "virtual_routes { 10.200.N.0/24 via 10.0.0.9 dev eth0 metric N }",
    "virtual_rules { from 10.200.N.0/24 table 100 priority 1000 }",
];

/// Options of an address; none says what another says.
const OPTIONS: &[&str] = &[
    "dev DEVICE",
    "scope SCOPE",
    "brd +",
    "label LABEL",
    "noprefixroute",
    "no_track",
    "home",
    "-nodad",
    "mngtmpaddr",
    "preferred_lft 77",
];

pub(super) fn file(corrected: bool) -> BoxedStrategy<File> {
    (
        lines_of(GLOBAL),
        any::<bool>(),
        proptest::collection::vec(instance(corrected), 1..32),
        0_usize..6,
    )
        .prop_map(|(globals, globals_last, instances, grouped)| File {
            globals,
            globals_last,
            instances,
            grouped,
        })
        .boxed()
}

/// Seconds, as people write them.
fn interval(corrected: bool, version_3: bool) -> BoxedStrategy<String> {
    let exact = if version_3 {
        (1_u32..=4095)
            .prop_flat_map(|centis| {
                let (whole, rest) = (centis / 100, centis % 100);
                select(vec![
                    format!("{whole}.{rest:02}"),
                    format!("{whole}.{rest:02}0"),
                    format!("0{whole}.{rest:02}"),
                ])
            })
            .boxed()
    } else {
        (1_u32..=255)
            .prop_flat_map(|s| select(vec![format!("{s}"), format!("{s}.0"), format!("0{s}")]))
            .boxed()
    };
    if corrected {
        let rounded = (10_000_u32..=255_000_000)
            .prop_map(|micros| format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000));
        prop_oneof![exact, rounded].boxed()
    } else {
        exact
    }
}

fn address() -> impl Strategy<Value = Address> {
    let options = subsequence(OPTIONS, 0..=OPTIONS.len()).prop_shuffle();
    (option::of(1_u8..=32), options).prop_map(|(prefix, options)| Address { prefix, options })
}

fn instance(corrected: bool) -> BoxedStrategy<Instance> {
    let identity = (
        option::of(prop_oneof![Just(2_u8), Just(3)]),
        any::<bool>(),
        option::of(select(vec!["MASTER", "BACKUP"])),
        option::of(1_u8..=255),
        any::<bool>(),
        option::of("[a-zA-Z0-9._%/-]{1,8}"),
    );
    let preempt = option::of(prop_oneof![
        Just("nopreempt".to_owned()),
        Just("preempt".to_owned()),
        (0_u16..=1000).prop_map(|s| format!("preempt_delay {s}")),
        (0_u16..=999, 0_u32..1_000_000).prop_map(|(s, m)| format!("preempt_delay {s}.{m:06}")),
    ]);
    let lists = (
        proptest::collection::vec(address(), 1..5),
        proptest::collection::vec(address(), 0..3),
        prop_oneof![3 => Just(0_u8), 1 => 1_u8..=3],
        option::of(-253_i16..=253),
        any::<bool>(),
        option::of(1_u8..=9),
        (any::<bool>(), proptest::bool::weighted(0.2)),
    );
    let more = (
        subsequence(MORE, 0..=MORE.len()),
        subsequence(MORE_OF_IPV4, 0..=MORE_OF_IPV4.len()),
    );
    (identity, preempt, lines_of(LINES), more, lists)
        .prop_flat_map(
            move |(identity, preempt, lines, (mut more, more_of_ipv4), lists)| {
                let (version, ipv6, state, priority, quoted, password) = identity;
                let (addresses, excluded, peers, tracked, definition, sequence, (scripted, vmac)) =
                    lists;
                if !ipv6 {
                    more.extend(more_of_ipv4);
                }
                // There is no version 2 for IPv6, but 2.2.7 would speak it.
                let version = version.filter(|version| !ipv6 || *version == 3);
                // Where `global_defs` may decide the version, whole seconds are right
                // for both; more than 40 would be cut by version 3.
                let instance = Instance {
                    version,
                    ipv6,
                    state,
                    priority,
                    quoted,
                    interval: None,
                    lines,
                    more,
                    preempt,
                    password,
                    addresses,
                    excluded,
                    peers,
                    vmac,
                    tracked,
                    scripted,
                    definition,
                    sequence,
                };
                let interval = match version {
                    Some(3) => interval(corrected, true),
                    Some(_) => interval(corrected, false),
                    None => (1_u32..=40).prop_map(|s| s.to_string()).boxed(),
                };
                (Just(instance), option::of(interval))
            },
        )
        .prop_map(move |(mut instance, interval)| {
            let long = interval
                .as_ref()
                .is_some_and(|text| text.parse::<f64>().is_ok_and(|s| s > 40.0));
            if long {
                // As for `vrrp_down_timer_adverts`.
                let lines = &mut instance.lines;
                lines.retain(|line| !line.starts_with("down_timer_adverts"));
            }
            instance.interval = interval;
            if !corrected {
                instance.make_consistent();
            }
            instance
        })
        .boxed()
}

impl Instance {
    /// Takes out what keepalived would correct.
    fn make_consistent(&mut self) {
        if self.version != Some(2) || self.ipv6 {
            self.password = None;
        }
        let owner = match self.priority {
            Some(priority) => priority == 255,
            None => self.state == Some("MASTER"),
        };
        if owner {
            self.tracked = None;
            self.scripted = false;
        }
        if owner || self.state == Some("MASTER") {
            self.preempt = None;
        }
    }
}

/// Writes blanks, comments and line ends of its own accord; 0 is plain.
struct Pen {
    text: String,
    style: u64,
    depth: usize,
}

impl Pen {
    /// A number below `most`, another at each call; 0 in plain style.
    fn any(&mut self, most: usize) -> usize {
        if self.style == 0 {
            return 0;
        }
        // xorshift64: any sequence will do.
        self.style ^= self.style << 13;
        self.style ^= self.style >> 7;
        self.style ^= self.style << 17;
        (self.style >> 33) as usize % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        let index = self.any(of.len());
        of[index]
    }

    fn blanks(&mut self) {
        let blanks = self.one(&[" ", "  ", "\t", " \t "]);
        self.text.push_str(blanks);
    }

    fn end(&mut self) {
        let comment = self.one(&["", "", "", " # comment", "\t! { comment", " #", "#}"]);
        let newline = self.one(&[
            "\n", "\n", "\n", "\n\n", " \n", "\r\n", "\n \t\n", "\n# {\n",
        ]);
        self.text.push_str(comment);
        self.text.push_str(newline);
    }

    fn words(&mut self, line: &str) {
        let indent = self.one(&["    ", "\t", "", " "]).repeat(self.depth);
        self.text.push_str(&indent);
        for (index, word) in line.split(' ').enumerate() {
            if index > 0 {
                self.blanks();
            }
            self.text.push_str(word);
        }
    }

    fn line(&mut self, line: &str) {
        self.words(line);
        self.end();
    }

    fn block(&mut self, head: &str, inside: impl FnOnce(&mut Self)) {
        self.words(head);
        match self.any(4) {
            0 | 1 => self.text.push(' '),
            2 => {}
            _ => self.end(),
        }
        self.text.push('{');
        self.end();
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line("}");
    }

    fn shuffle<T>(&mut self, of: &mut [T]) {
        for index in (1..of.len()).rev() {
            let other = self.any(index + 1);
            if self.style != 0 {
                of.swap(index, other);
            }
        }
    }
}

/// The text of a file, in a style.
pub(super) fn text(file: &File, style: u64) -> String {
    let mut pen = Pen {
        text: String::new(),
        style,
        depth: 0,
    };
    let globals = |pen: &mut Pen| {
        pen.block("global_defs", |pen| {
            for line in &file.globals {
                pen.line(line);
            }
        });
    };
    if !file.globals_last {
        globals(&mut pen);
    }
    if (2..=file.instances.len()).contains(&file.grouped) {
        pen.block("vrrp_sync_group together", |pen| {
            pen.block("group", |pen| {
                for number in 0..file.grouped {
                    pen.line(&format!("VI_{number}"));
                }
            });
        });
    }
    pen.block("vrrp_script check", |pen| {
        for line in [
            "script \"/bin/true\"",
            "interval 3600",
            "rise 2",
            "user root",
        ] {
            pen.line(line);
        }
    });
    for (number, instance) in file.instances.iter().enumerate() {
        let grouped = file.grouped > 1 && number < file.grouped;
        one(&mut pen, instance, number, grouped);
    }
    if file.globals_last {
        globals(&mut pen);
    }
    pen.text
}

/// A part of an instance: a line, or a block with its lines.
enum Part {
    Line(String),
    Block(String, Vec<String>),
}

fn one(pen: &mut Pen, instance: &Instance, number: usize, grouped: bool) {
    let interface = INTERFACES[number % INTERFACES.len()];
    let mut parts = vec![
        Part::Line(format!("interface {interface}")),
        Part::Line(format!("virtual_router_id {}", number + 1)),
    ];
    let mut line = |text: String| parts.push(Part::Line(text));
    if let Some(version) = instance.version {
        line(format!("version {version}"));
    }
    if let Some(state) = instance.state {
        line(format!("state {state}"));
    }
    if let Some(priority) = instance.priority {
        if instance.definition {
            let _ = writeln!(pen.text, "$PRIORITY_{number}={priority}");
            line(format!("priority ${{PRIORITY_{number}}}"));
        } else if instance.quoted {
            line(format!("priority \"{priority}\""));
        } else {
            line(format!("priority {priority}"));
        }
    }
    if let Some(interval) = &instance.interval {
        line(format!("advert_int {interval}"));
    }
    if instance.vmac {
        line("use_vmac".into());
        line("vmac_xmit_base".into());
    }
    if instance.peers > 1 {
        line(format!("unicast_ttl {}", number + 1));
    }
    if let Some(preempt) = &instance.preempt {
        line(preempt.clone());
    }
    instance.lines.iter().for_each(|text| line(text.clone()));
    if let Some(password) = &instance.password {
        let lines = vec!["auth_type PASS".into(), format!("auth_pass {password}")];
        parts.push(Part::Block("authentication".into(), lines));
    }
    for more in &instance.more {
        let more = more.replace('N', &(number + 1).to_string());
        match more
            .strip_suffix(" }")
            .and_then(|text| text.split_once(" { "))
        {
            Some((head, line)) => parts.push(Part::Block(head.to_owned(), vec![line.to_owned()])),
            None => parts.push(Part::Line(more)),
        }
    }
    if instance.scripted && !grouped {
        // One that succeeds adds nothing, so that it does not matter when.
        let lines = vec!["check weight -7".to_owned()];
        parts.push(Part::Block("track_script".into(), lines));
    }
    if let Some(weight) = instance.tracked {
        let weight = if grouped || weight == 0 {
            String::new()
        } else {
            format!(" weight {weight}")
        };
        let next = INTERFACES[(number + 1) % INTERFACES.len()];
        let lines = vec![format!("{next}{weight}")];
        parts.push(Part::Block("track_interface".into(), lines));
    }
    if instance.peers > 0 {
        let lines = (0..instance.peers).map(|peer| {
            if instance.ipv6 {
                format!("fe80::99:{peer}")
            } else {
                let limits = ["", " min_ttl 1 max_ttl 200"][usize::from(peer % 2)];
                format!("192.168.99.{peer}{limits}")
            }
        });
        parts.push(Part::Block("unicast_peer".into(), lines.collect()));
    }
    let list = |list: usize, addresses: &[Address]| {
        let lines = addresses.iter().enumerate();
        lines
            .map(|(index, address)| address.text(instance.ipv6, [number, list, index]))
            .collect::<Vec<_>>()
    };
    let mut addresses = list(0, &instance.addresses);
    if let Some(count) = instance.sequence {
        addresses.push(if instance.ipv6 {
            format!("~SEQ(x, 1, {count}) fd00:{number}:99::${{x}}/64")
        } else {
            format!("~SEQ(x, 1, {count}) 10.{number}.99.${{x}}/24")
        });
    }
    parts.push(Part::Block("virtual_ipaddress".into(), addresses));
    if !instance.excluded.is_empty() {
        let excluded = list(1, &instance.excluded);
        parts.push(Part::Block("virtual_ipaddress_excluded".into(), excluded));
    }
    pen.shuffle(&mut parts);
    pen.block(&format!("vrrp_instance VI_{number}"), |pen| {
        for part in &parts {
            match part {
                Part::Line(text) => pen.line(text),
                Part::Block(head, lines) => pen.block(head, |pen| {
                    lines.iter().for_each(|text| pen.line(text));
                }),
            }
        }
    });
}

impl Address {
    fn text(&self, ipv6: bool, [number, list, index]: [usize; 3]) -> String {
        let mut text = if ipv6 {
            format!("fd00:{number}:{list}::{}", index + 1)
        } else {
            format!("10.{number}.{list}.{}", index + 1)
        };
        if let Some(prefix) = self.prefix {
            let _ = write!(
                text,
                "/{}",
                if ipv6 {
                    prefix.saturating_mul(4)
                } else {
                    prefix
                }
            );
        }
        let interface = INTERFACES[(number + index) % INTERFACES.len()];
        for option in &self.options {
            let option = match *option {
                // For IPv4 alone.
                "label LABEL" | "brd +" | "scope SCOPE" if ipv6 => continue,
                // For IPv6 alone.
                "-nodad" | "mngtmpaddr" if !ipv6 => continue,
                "dev DEVICE" => format!("dev {interface}"),
                "scope SCOPE" => format!("scope {}", ["global", "link", "site", "200"][index % 4]),
                // keepalived refuses it there, and says so.
                "brd +" if self.prefix.is_none_or(|prefix| prefix > 30) => continue,
                "label LABEL" => format!("label {interface}:{index}"),
                other => other.to_owned(),
            };
            text.push(' ');
            text.push_str(&option);
        }
        text
    }
}
