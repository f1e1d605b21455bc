//! `vip trace`: each place in turn where an advert can be lost, on purpose, and the
//! trace names it. Senders are keepalived and `vip`; what the trace runs beside is
//! keepalived, `vip`, or nothing.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use vip::lab::pair::{Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, LabError, PATIENCE, Process, Wire, now};
use vip_common::time::MonoTime;
use vip_tests::Tested;
use vip_tests::bpf::programs_at_eth0;
use vip_tests::peer::{Make, Participant, Way, Wish};
use vip_tests::scene::vip_program;

/// Losses that a lab makes on purpose last for so many adverts at least.
const A_FEW: Duration = Duration::from_millis(350);

/// A trace on `eth0` of a host.
struct Trace(Process);

impl Trace {
    fn on(pair: &Pair, host: &Host, more: &[&str]) -> Result<Self, LabError> {
        let arguments = [&["trace", "--json", "-i", "eth0"], more].concat();
        let process = pair.vip(host, &arguments)?;
        process
            .wait_for_line("\"event\":\"start\"", PATIENCE)
            .map_err(|error| LabError::TooLate {
                what: format!("{error}; it said: {}", process.stderr()),
                bound: PATIENCE,
            })?;
        Ok(Self(process))
    }

    /// All that it has told since.
    fn told(&self, since: MonoTime) -> Vec<Value> {
        let lines = self.0.lines().into_iter();
        lines
            .filter(|line| line.stamp >= since)
            .filter_map(|line| serde_json::from_str(&line.text).ok())
            .collect()
    }

    /// Waits until it has seen so many adverts of a sender.
    fn sees(&self, sender: IpAddr, count: usize) -> Tested {
        let since = now();
        let is_its = |news: &Value| {
            news["event"] == "advert" && news["source"] == sender.to_string().as_str()
        };
        while self.told(since).iter().filter(|news| is_its(news)).count() < count {
            if now().since(since) > PATIENCE {
                return Err(LabError::TooLate {
                    what: format!("{count} adverts of {sender}: {}", self.0.stdout()),
                    bound: PATIENCE,
                });
            }
            sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until it names a place, and returns how it does.
    fn names(&self, place: &str, since: MonoTime) -> Result<Value, LabError> {
        let pattern = format!("\"place\":\"{place}\"");
        let line = self.0.wait_for_line_after(&pattern, since, PATIENCE);
        let line = line.map_err(|error| LabError::TooLate {
            what: format!("{error}; it said: {}", self.0.stdout()),
            bound: PATIENCE,
        })?;
        Ok(serde_json::from_str(&line.text).unwrap_or_default())
    }

    /// The places that were named since, harmless ones and a sender that a busy machine
    /// has made late aside.
    fn places(&self, since: MonoTime) -> BTreeSet<String> {
        let told = self.told(since).into_iter();
        told.filter(|news| news["harmless"].is_null())
            .filter_map(|news| news["place"].as_str().map(str::to_owned))
            .filter(|place| place != "sender")
            .collect()
    }

    /// Ctrl-C: the summary.
    fn ends(self) -> Result<Value, LabError> {
        let since = now();
        self.0.signal(Signal::SIGINT);
        let ended = self.0.wait(PATIENCE)?;
        assert_eq!(ended.code, Some(0), "{}", self.0.stderr());
        let told = self.told(since);
        let last = told.last().cloned().unwrap_or_default();
        assert_eq!(last["event"], "summary", "{told:?}");
        Ok(last)
    }
}

/// How many programs are at TCX of a host, in and out.
fn at_tcx(host: &Host) -> Result<[usize; 2], LabError> {
    let all = programs_at_eth0(host)?;
    let count = |hook| {
        let found = all.iter().find(|(name, _)| *name == hook);
        found.map_or(0, |(_, count)| *count)
    };
    Ok([count("TCX ingress"), count("TCX egress")])
}

fn only(place: &str) -> BTreeSet<String> {
    BTreeSet::from([place.to_owned()])
}

fn start(pair: &Pair, make: Make, host: &Host, priority: u8) -> Result<Participant, LabError> {
    let wish = Wish {
        way: Way::V3,
        priority,
        peers: &[],
    };
    make.start(host, &pair.program, &wish)
}

/// A sender on A that was heard by a trace on B often enough to be known.
fn heard(make: Make, rung: &str) -> Result<(Pair, Participant, Trace), LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let sender = start(&pair, make, &pair.a, 100)?;
    let trace = Trace::on(&pair, &pair.b, &["--rung", rung])?;
    trace.sees(pair.a.address().into(), 6)?;
    Ok((pair, sender, trace))
}

#[test]
fn lost_on_the_wire() -> Tested {
    for (make, rung) in [
        (Make::Keepalived, "tcx"),
        (Make::Vip, "tcx"),
        (Make::Keepalived, "packet-socket"),
    ] {
        let (pair, _sender, trace) = heard(make, rung)?;
        let since = now();
        pair.part(true)?;
        sleep(A_FEW);
        pair.part(false)?;
        let named = trace.names("before_nic", since)?;
        assert!(named["count"].as_u64() >= Some(2), "{named}");
        assert_eq!(named["source"], pair.a.address().to_string().as_str());
        assert_eq!(trace.places(since), only("before_nic"), "{make:?} {rung}");
        let summary = trace.ends()?;
        let sender = &summary["senders"][0];
        assert_eq!(sender["habit"], "counts", "{summary}");
        assert!(
            sender["losses"]["before_nic"].as_u64() >= Some(2),
            "{summary}"
        );
        assert!(
            sender["closest"]["margin_ns"].as_i64() < Some(0),
            "{summary}"
        );
    }
    Ok(())
}

#[test]
fn a_sender_that_was_stopped() -> Tested {
    for make in [Make::Keepalived, Make::Vip] {
        let (pair, sender, trace) = heard(make, "tcx")?;
        let on_a = Trace::on(&pair, &pair.a, &[])?;
        if make == Make::Keepalived {
            on_a.sees(pair.a.address().into(), 6)?;
        }
        let since = now();
        sender.process.signal(Signal::SIGSTOP);
        sleep(A_FEW);
        sender.process.signal(Signal::SIGCONT);
        let named = trace.names("sender", since)?;
        assert!(named["late_ns"].as_u64() > Some(150_000_000), "{named}");
        assert_eq!(trace.places(since), BTreeSet::new(), "{make:?}");
        // Where it is seen as it leaves: past the queues only where the kernel lets
        // programs look there.
        if make == Make::Keepalived {
            let named = on_a.names("sender", since)?;
            assert_eq!(named["direction"], "out", "{named}");
        }
    }
    Ok(())
}

/// A receiver on B beside the trace, heard by nobody: A has the better priority.
fn received(make: Make) -> Result<(Pair, [Participant; 2], Trace), LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let sender = start(&pair, Make::Keepalived, &pair.a, 200)?;
    let receiver = start(&pair, make, &pair.b, 100)?;
    let trace = Trace::on(&pair, &pair.b, &["--rung", "tcx"])?;
    trace.sees(pair.a.address().into(), 6)?;
    Ok((pair, [sender, receiver], trace))
}

fn nft(host: &Host, commands: &[&str]) -> Tested {
    for command in commands {
        host.output([&["nft"], &*command.split(' ').collect::<Vec<_>>()].concat())?
            .success()?;
    }
    Ok(())
}

const NO_INPUT: [&str; 3] = [
    "add table inet lab",
    "add chain inet lab input { type filter hook input priority 0 ; }",
    "add rule inet lab input ip protocol 112 drop",
];

#[test]
fn dropped_by_netfilter() -> Tested {
    let (pair, _routers, trace) = received(Make::Keepalived)?;
    let since = now();
    nft(&pair.b, &NO_INPUT)?;
    let named = trace.names("host", since)?;
    assert_eq!(named["reason"], "netfilter", "{named}");
    assert_eq!(named["kernel_reason"], "NETFILTER_DROP", "{named}");
    assert_eq!(named["harmless"], Value::Null, "{named}");
    assert!(named["ident"].is_u64(), "{named}");
    assert_eq!(trace.places(since), only("host"));
    Ok(())
}

#[test]
fn what_netfilter_drops_is_no_loss_for_a_vip_that_hears_at_the_nic() -> Tested {
    let (pair, _routers, trace) = received(Make::Vip)?;
    let since = now();
    nft(&pair.b, &NO_INPUT)?;
    let named = trace.names("host", since)?;
    let harmless = named["harmless"].as_str().unwrap_or_default();
    assert!(harmless.contains("vip has heard it before"), "{named}");
    trace.sees(pair.a.address().into(), 5)?;
    assert_eq!(trace.places(since), BTreeSet::new());
    Ok(())
}

#[test]
fn dropped_by_the_reverse_path_filter() -> Tested {
    let (pair, _routers, trace) = received(Make::Keepalived)?;
    let since = now();
    pair.b
        .run(|| std::fs::write("/proc/sys/net/ipv4/conf/eth0/rp_filter", "1"))?
        .map_err(|source| LabError::System {
            step: "set rp_filter",
            source,
        })?;
    // The way back to A leads elsewhere.
    let road = format!("route add {}/32 dev lo", pair.a.address());
    pair.b.ip(&[road])?;
    let named = trace.names("host", since)?;
    assert_eq!(named["reason"], "reverse_path", "{named}");
    assert_eq!(trace.places(since), only("host"));
    Ok(())
}

/// A router that does not read any more: the kernel only counts what its socket has no
/// room for.
#[test]
fn a_full_receive_buffer() -> Tested {
    let (pair, [_sender, receiver], trace) = received(Make::Keepalived)?;
    let since = now();
    receiver.process.signal(Signal::SIGSTOP);
    // Those of another virtual router fill it sooner.
    let forged = ForgedAdvert {
        mac: pair.client.mac(),
        source: pair.client.address(),
        ttl: 255,
        version: 3,
        vrid: 99,
        priority: 100,
        interval: 100,
        password: None,
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    let wire = Wire::open(&pair.client, "eth0")?;
    for _ in 0..1000 {
        wire.send(&forged.frame())?;
    }
    // Whose it was while both came is not known; then it is the master's alone.
    let is_the_masters = |news: &Value| {
        let host = news["place"] == "host" && news["reason"] == "receive_buffer";
        host && news["vrid"] == VRID && !news["words"].to_string().contains("not counted")
    };
    while !trace.told(since).iter().any(is_the_masters) {
        if now().since(since) > PATIENCE {
            return Err(LabError::TooLate {
                what: format!("a full receive buffer: {}", trace.0.stdout()),
                bound: PATIENCE,
            });
        }
        sleep(Duration::from_millis(10));
    }
    // Before it goes on: it would claim the address for a moment, and the trace say so.
    let summary = trace.ends()?;
    receiver.process.signal(Signal::SIGCONT);
    let senders = summary["senders"].as_array().cloned().unwrap_or_default();
    let of_master = senders.iter().find(|one| one["vrid"] == VRID);
    let lost = of_master.and_then(|one| one["losses"]["host_receive_buffer"].as_u64());
    assert!(lost >= Some(1), "{summary}");
    Ok(())
}

#[test]
fn refused_by_vips_filter_and_not_lost_on_the_wire() -> Tested {
    let (pair, _routers, trace) = received(Make::Vip)?;
    let since = now();
    nft(
        &pair.a,
        &[
            "add table ip lab",
            "add chain ip lab output { type filter hook output priority 0 ; }",
            "add rule ip lab output ip protocol 112 ip ttl set 64",
        ],
    )?;
    // Less than makes B master.
    sleep(A_FEW - Duration::from_millis(100));
    nft(&pair.a, &["delete table ip lab"])?;
    let named = trace.names("filter", since)?;
    assert_eq!(named["rule"], "ttl", "{named}");
    // The kernel tells of each, and the daemon of the rule; by now both have.
    trace.sees(pair.a.address().into(), 40)?;
    assert_eq!(trace.places(since), only("filter"));
    Ok(())
}

#[test]
fn refused_by_vips_election() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let written = |priority, interval| {
        format!(
            "vrrp_instance VI_1 {{\n version 2\n state BACKUP\n interface eth0\n \
             virtual_router_id 51\n priority {priority}\n advert_int {interval}\n \
             virtual_ipaddress {{ {VIRTUAL}/24\n }}\n}}\n"
        )
    };
    let on_b = pair.start(&pair.b, &written(100, 2))?;
    vip_tests::scene::up(&on_b)?;
    let trace = Trace::on(&pair, &pair.b, &[])?;
    let since = now();
    let _on_a = vip_tests::peer::keepalived(&pair.a, &written(200, 1))?;
    let named = trace.names("election", since)?;
    assert_eq!(named["check"], "interval", "{named}");
    Ok(())
}

#[test]
fn it_is_gone_however_it_ends() -> Tested {
    let (pair, _sender, trace) = heard(Make::Keepalived, "auto")?;
    assert_eq!(at_tcx(&pair.b)?, [1, 1]);
    let other = Trace::on(&pair, &pair.b, &[])?;
    assert_eq!(at_tcx(&pair.b)?, [2, 2]);
    other.ends()?;
    assert_eq!(at_tcx(&pair.b)?, [1, 1]);
    trace.0.signal(Signal::SIGKILL);
    trace.0.wait(PATIENCE)?;
    assert_eq!(at_tcx(&pair.b)?, [0, 0]);
    Ok(())
}

#[test]
fn without_bpf_it_runs_one_rung_down_and_says_why() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let program = pair.program.display().to_string();
    let argv = [
        "setpriv",
        "--bounding-set=-all,+net_raw",
        &program,
        "trace",
        "--json",
        "--for",
        "200ms",
    ];
    let process = pair.b.spawn(argv)?;
    assert_eq!(
        process.wait(PATIENCE)?.code,
        Some(0),
        "{}",
        process.stderr()
    );
    let said = process.stdout();
    let first: Value =
        serde_json::from_str(said.lines().next().unwrap_or_default()).unwrap_or_default();
    assert_eq!(first["interfaces"][0]["rung"], "packet-socket", "{said}");
    assert!(first["interfaces"][0]["why"].is_string(), "{said}");
    assert!(first["no_drops"].is_string(), "{said}");
    Ok(())
}

#[test]
fn what_cannot_be_had_is_refused_with_its_exit_code() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let absent = pair.vip(&pair.b, &["trace", "-i", "eth7"])?;
    assert_eq!(absent.wait(PATIENCE)?.code, Some(5), "{}", absent.stderr());
    assert!(absent.stderr().contains("eth7"), "{}", absent.stderr());
    Ok(())
}

/// Whoever looks on with perf or bpftrace finds in the program what is written down, and
/// nothing else.
#[test]
fn the_program_has_the_tracepoints_of_the_document() -> Tested {
    const NOTE: &[u8] = b"stapsdt\0";
    /// In a note, before the names: where it is, and two other addresses.
    const ADDRESSES: usize = 3 * size_of::<u64>();
    let program = std::fs::read(vip_program()).map_err(|source| LabError::System {
        step: "read the program",
        source,
    })?;
    let starts = program.windows(NOTE.len()).enumerate();
    let starts = starts.filter(|(_, window)| *window == NOTE);
    let notes = starts.filter_map(|(at, _)| {
        let (addresses, names) = program
            .get(at + NOTE.len()..)?
            .split_at_checked(ADDRESSES)?;
        let address = u64::from_ne_bytes(*addresses.first_chunk()?);
        let mut words = names.split(|byte| *byte == 0);
        let [provider, name] = [words.next()?, words.next()?];
        let name = String::from_utf8_lossy(name).into_owned();
        (provider == b"vip").then_some((name, address))
    });
    let notes: Vec<(String, u64)> = notes.collect();
    // Each in one place, which the linker has not thrown away.
    assert!(notes.iter().all(|(_, at)| *at > 0x1000), "{notes:?}");
    let there: BTreeSet<String> = notes.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(there.len(), notes.len(), "{notes:?}");
    let document = include_str!("../../docs/trace.md");
    let rows = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `vip:"));
    let written = rows.filter_map(|row| Some(row.split_once('`')?.0.to_owned()));
    assert_eq!(there, written.collect());
    assert!(there.contains("state_changed"), "{there:?}");
    Ok(())
}
