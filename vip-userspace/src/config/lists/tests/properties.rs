//! No words make a parser panic or be silent, and what is written is what is read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::address::{self, Lifetime, List};
use super::super::check::{self, Question};
use super::super::names::Names;
use super::super::track::{self, Tracked};
use super::super::{command, hmac, interface, peer, route, rule, vmac};
use super::{Sink, Span, Token, lexed, place, read};

type Parser = fn(&[Token], Span, &mut Sink) -> bool;

/// Every parser; each says whether it has read something.
const PARSERS: [Parser; 20] = [
    |words, _, sink| address::parse(words, List::Advertised, names(), sink).is_some(),
    |words, _, sink| address::parse(words, List::Static, names(), sink).is_some(),
    |words, _, sink| route::parse(words, true, names(), sink).is_some(),
    |words, _, sink| route::parse(words, false, names(), sink).is_some(),
    |words, _, sink| rule::parse(words, true, names(), sink).is_some(),
    |words, _, sink| rule::parse(words, false, names(), sink).is_some(),
    |words, _, sink| track::parse(words, Tracked::Interface, sink).is_some(),
    |words, _, sink| track::parse(words, Tracked::File, sink).is_some(),
    |words, at, sink| track::weight(words, 253, at, sink).is_some(),
    |words, _, sink| peer::parse(words, sink).is_some(),
    |words, _, sink| interface::linkbeat(words, sink).is_some(),
    |words, _, sink| vmac::vmac(words, names(), sink).is_some(),
    |words, _, sink| vmac::ipvlan(words, names(), sink).is_some(),
    |words, at, sink| hmac::parse(words, at, sink).is_some(),
    |words, at, sink| command::parse(words, at, sink).is_some(),
    |words, at, sink| command::parse_bare(words, at, sink).is_some(),
    |words, at, sink| command::parse_user(words, at, sink).is_some(),
    |words, at, sink| check::parse(words, Question::Tcp, at, sink).is_some(),
    |words, at, sink| check::parse(words, Question::Tls, at, sink).is_some(),
    |words, at, sink| check::parse(words, Question::Http, at, sink).is_some(),
];

fn names() -> &'static Names {
    Names::well_known()
}

/// Words of the grammars, numbers at the edges, addresses, nonsense.
fn word() -> impl Strategy<Value = String> {
    const KNOWN: &str = "192.0.2.1 192.0.2.0/24 192.0.2.1/33 2001:db8::1 2001:db8::/64 fe80::1%eth0 \
        0.0.0.0/0 ff02::1 default all any 1:2:3:4 02:00:00:00:00:01 brd + - dev eth0 a/b use_vmac \
        scope link label peer home -nodad mngtmpaddr noprefixroute autojoin no_track preferred_lft \
        forever track_group to src via gw from tos table main vrf protocol static metric onlink \
        encap ip ip6 mpls ila 100/200 id dst ttl flags expires mtu lock rtt 20ms 1.5s window \
        hoplimit realms 3/4 features ecn quickack congctl pref low ttl-propagate enabled add append \
        or nexthop weight inet inet6 not iif oif fwmark 0x10/0xff l3mdev uidrange 10-20 tunnel-id \
        ipproto tcp sport 80 dport lookup sup_pl sup_group preference goto nop type blackhole \
        sni ca body status http://h:80/p?q=1 https://[::1]:443 http:// http://:0 [::1] 200-299,301 99-600 h:80 \
        reverse noreverse min_ttl max_ttl MII IOCTL netlink_notify_msg group bridge vepa hex:00 \
        file:/k 0 1 -1 253 254 255 256 65536 4294967295 4294967296 99999999999999999999 0x 08 / : - \
        /bin/sh -c \"a b\" \"\" 'a 'b' || ; > $( `x` \\ \\x \\c \\0 \\777 </a ~/a A=b";
    prop_oneof![
        8 => select(KNOWN.split_ascii_whitespace().collect::<Vec<_>>()).prop_map(str::to_owned),
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn no_words_make_a_parser_panic_or_be_silent(
        words in prop::collection::vec(word(), 1..12),
        parser in select(&PARSERS[..]),
    ) {
        let (words, mut sink) = lexed(&words.join(" "));
        if !words.is_empty() {
            let read = parser(&words, place(&words), &mut sink);
            prop_assert!(read || !sink.finish().is_empty(), "{words:?}");
        }
    }

    #[test]
    fn an_address_is_read_as_it_is_written(
        (address, prefix) in network(),
        device in name(),
        label in "[a-z]{1,8}:[0-9]{1,4}",
        scope: u8,
        lifetime: u32,
        options in any_order(&["dev", "scope", "label", "lft", "no_track", "home", "-nodad", "autojoin"]),
    ) {
        let v4 = address.is_ipv4();
        let mut text = format!("{address}/{prefix}");
        let options: Vec<&str> =
            options.into_iter().filter(|option| v4 || !matches!(*option, "scope" | "label")).collect();
        for option in &options {
            text += &match *option {
                "dev" => format!(" dev {device}"),
                "scope" => format!(" scope {scope}"),
                "label" => format!(" label {label}"),
                "lft" => format!(" preferred_lft {lifetime}"),
                word => format!(" {word}"),
            };
        }
        let (line, said) = read(&text, |words, sink| {
            address::parse(words, List::Excluded, names(), sink)
        });
        prop_assert!(said.is_empty(), "{text}: {said:?}");
        let line = line.unwrap();
        let has = |option| options.contains(&option);
        prop_assert_eq!((line.address, line.prefix), (address, prefix));
        prop_assert_eq!(line.device.map(|t| t.text.into_string()), has("dev").then_some(device));
        prop_assert_eq!(line.scope, has("scope").then_some(scope));
        prop_assert_eq!(line.label.map(|t| t.text.into_string()), has("label").then_some(label));
        prop_assert_eq!(line.preferred_lifetime, has("lft").then_some(Lifetime::Seconds(lifetime)));
        prop_assert_eq!(
            (line.no_track, line.home, line.detect_duplicates, line.auto_join),
            (has("no_track"), has("home"), has("-nodad"), has("autojoin"))
        );
        prop_assert_eq!(line.keywords.len(), options.len());
    }

    #[test]
    fn a_route_is_read_as_it_is_written(
        (to, prefix) in network(),
        device in name(),
        table in 1..=u32::MAX,
        metric: u32,
        mtu: u32,
        lock: bool,
        options in any_order(&["src", "table", "metric", "mtu", "onlink", "append", "no_track"]),
    ) {
        let mut text = format!("{to}/{prefix} dev {device}");
        for option in &options {
            text += &match *option {
                "src" => format!(" src {to}"),
                "table" => format!(" table {table}"),
                "metric" => format!(" metric {metric}"),
                "mtu" => format!(" mtu {}{mtu}", if lock { "lock " } else { "" }),
                word => format!(" {word}"),
            };
        }
        let (line, said) =
            read(&text, |words, sink| route::parse(words, false, names(), sink));
        prop_assert!(said.is_empty(), "{text}: {said:?}");
        let line = line.unwrap();
        let has = |option| options.contains(&option);
        prop_assert_eq!((line.destination.address, line.destination.prefix), (to, prefix));
        prop_assert_eq!(line.device.map(|t| t.text.into_string()), Some(device));
        prop_assert_eq!(line.source, has("src").then_some(to));
        prop_assert_eq!(line.table.map(|t| t.known()), has("table").then_some(Some(table)));
        prop_assert_eq!(line.metric, has("metric").then_some(metric));
        let read: Vec<(u32, bool)> = line.metrics.iter().map(|m| (m.value, m.locked)).collect();
        prop_assert_eq!(read, if has("mtu") { vec![(mtu, lock)] } else { vec![] });
        prop_assert_eq!((line.on_link, line.no_track), (has("onlink"), has("no_track")));
    }

    #[test]
    fn a_rule_is_read_as_it_is_written(
        (from, prefix) in network(),
        ports in (any::<u16>(), any::<u16>()),
        users in (any::<u32>(), any::<u32>()),
        mark: (u32, u32),
        preference: u32,
        options in any_order(&["not", "from", "sport", "uidrange", "fwmark", "no_track"]),
    ) {
        let ports = (ports.0.min(ports.1), ports.0.max(ports.1));
        let users = (users.0.min(users.1), users.0.max(users.1));
        let mut text = format!("table 5 preference {preference}");
        for option in &options {
            text += &match *option {
                "from" => format!(" from {from}/{prefix}"),
                "sport" => format!(" sport {}-{}", ports.0, ports.1),
                "uidrange" => format!(" uidrange {}-{}", users.0, users.1),
                "fwmark" => format!(" fwmark {}/{:#x}", mark.0, mark.1),
                word => format!(" {word}"),
            };
        }
        let (line, said) =
            read(&text, |words, sink| rule::parse(words, false, names(), sink));
        prop_assert!(said.is_empty(), "{text}: {said:?}");
        let line = line.unwrap();
        let has = |option| options.contains(&option);
        prop_assert_eq!(
            line.from.map(|network| (network.address, network.prefix)),
            has("from").then_some((from, prefix))
        );
        prop_assert_eq!(line.preference, Some(preference));
        prop_assert_eq!(line.source_ports, has("sport").then_some(ports));
        prop_assert_eq!(line.users, has("uidrange").then_some(users));
        prop_assert_eq!(line.mark, has("fwmark").then_some(mark));
        prop_assert_eq!((line.inverted, line.no_track), (has("not"), has("no_track")));
    }

    #[test]
    fn a_weight_is_read_as_it_is_written(name in name(), value in -254i16..=254, reverse: bool) {
        let text = format!("{name} weight {value}{}", if reverse { " reverse" } else { "" });
        let (line, said) =
            read(&text, |words, sink| track::parse(words, Tracked::Process, sink));
        prop_assert!(said.is_empty(), "{text}: {said:?}");
        let weight = line.unwrap().weight.unwrap();
        prop_assert_eq!((weight.value, weight.reverse), (value, reverse));
    }

    #[test]
    fn a_command_is_read_as_it_is_quoted(
        program in "/[a-z]{1,10}",
        arguments in prop::collection::vec("[^\0\"\r\n]{0,12}", 0..5),
    ) {
        let argv: Vec<String> = std::iter::once(program).chain(arguments).collect();
        let quoted: Vec<String> = argv.iter().map(|word| quote(word)).collect();
        let text = format!("script \"{}\"", quoted.join(" ").replace('\\', "\\\\"));
        let (command, _) = read(&text, |words, sink| {
            command::parse_bare(&words[1..], place(words), sink)
        });
        prop_assert_eq!(command.map(|command| command.argv), Some(argv), "{}", text);
    }
}

/// A word as the second cut takes it apart again.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9.]{0,14}"
}

fn network() -> impl Strategy<Value = (IpAddr, u8)> {
    prop_oneof![
        (0x0100_0000u32..0xdfff_ffff, 0u8..=32)
            .prop_map(|(bits, prefix)| (IpAddr::V4(Ipv4Addr::from_bits(bits)), prefix)),
        (1u128..0xfe << 120, 0u8..=128)
            .prop_map(|(bits, prefix)| (IpAddr::V6(Ipv6Addr::from_bits(bits)), prefix)),
    ]
}

/// Some of these words, in any order.
fn any_order(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(words, 0..=words.len()).prop_shuffle()
}

/// Processor time of this thread, which other tests do not add to.
fn thread_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .unwrap()
        .into()
}

#[test]
fn many_lines_take_little_time() {
    for (text, parser) in [
        ("192.0.2.17/28 dev eth1 label eth1:vip scope link brd +", 0),
        (
            "192.168.3.0/24 via 192.0.2.254 dev eth1 table 100 metric 5 mtu 1400",
            2,
        ),
        (
            "from 192.0.2.0/24 to 198.51.100.0/24 table 5 preference 39",
            4,
        ),
        ("check_nginx weight -20 reverse", 7),
        ("\"/usr/bin/check --host 'a b' -v\" nobody nogroup", 14),
    ] {
        let (words, mut sink) = lexed(text);
        let at = place(&words);
        let before = thread_time();
        let read = (0..100_000)
            .filter(|_| PARSERS[parser](&words, at, &mut sink))
            .count();
        let took = thread_time() - before;
        assert_eq!((read, sink.finish().len()), (100_000, 0), "{text}");
        assert!(took < Duration::from_secs(1), "{text}: {took:?}");
    }
}
