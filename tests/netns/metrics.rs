//! What `vip run --metrics` tells, and whom that can disturb: nobody.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use vip::lab::pair::{FILE, Pair, VIRTUAL, VRID};
use vip::lab::{ForgedAdvert, Host, LabError, PATIENCE, Process, Wire, now};
use vip_tests::Tested;
use vip_tests::scene::{fast, up, vip_program};
use vip_tests::scrape::{get, metrics, promtool_says, value, wait_for};

const AT: &str = "127.0.0.1:9650";

/// A vip with its metrics at [`AT`].
fn start(pair: &Pair, host: &Host, file: &str, more: &[&str]) -> Result<Process, LabError> {
    host.write(FILE, file)?;
    let mut arguments = vec!["run", "-f", FILE, "--metrics", AT];
    arguments.extend(more);
    let running = pair.vip(host, &arguments)?;
    up(&running)?;
    Ok(running)
}

fn elected() -> Result<(Pair, Process, Process), LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let on_a = start(&pair, &pair.a, &fast(100), &[])?;
    let on_b = start(&pair, &pair.b, &fast(90), &[])?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    pair.wait_for_state(&pair.b, "BACKUP", PATIENCE)?;
    Ok((pair, on_a, on_b))
}

fn of(name: &str) -> String {
    format!("{name}{{vrrp_instance=\"VI_1\"}}")
}

#[test]
fn counters_rise_with_what_happens_on_the_wire() -> Tested {
    let (pair, on_a, _on_b) = elected()?;
    let Pair { a, b, client, .. } = &pair;
    let received = of("vip_adverts_received_total");
    let known = of("vip_adverts_known_total");
    let first = wait_for(b, AT, "adverts that wake nobody", |page| {
        value(page, &known) > Some(3.0)
    })?;
    let more = wait_for(b, AT, "more of them, and their gaps", |page| {
        value(page, &known) > value(&first, &known).map(|count| count + 20.0)
            && value(page, &of("vip_advert_gap_seconds_count")) > Some(20.0)
    })?;
    assert!(value(&more, &received) > value(&first, &received));
    assert!(
        value(&more, &of("vip_last_advert_age_seconds")) < Some(0.3),
        "{more}"
    );
    let mean = |name: &str, page: &str| {
        let part = |part: &str| value(page, &of(&format!("{name}_{part}")));
        Some(part("sum")? / part("count")?)
    };
    let gap = mean("vip_advert_gap_seconds", &more).unwrap_or_default();
    assert!((0.09..0.12).contains(&gap), "{gap}");
    let on_time = metrics(a, AT)?;
    let late = mean("vip_advert_lateness_seconds", &on_time).unwrap_or(1.0);
    assert!(late < 0.05, "{late}");
    assert_eq!(
        value(
            &on_time,
            "vip_instance_state{vrrp_instance=\"VI_1\",state=\"MASTER\"}"
        ),
        Some(1.0)
    );
    assert_eq!(
        value(
            &on_time,
            "vip_instance_state{vrrp_instance=\"VI_1\",state=\"BACKUP\"}"
        ),
        Some(0.0)
    );
    let labels = "{iname=\"VI_1\",intf=\"eth0\",vrid=\"51\",ip_address=\"192.168.8.100\"}";
    assert_eq!(
        value(&on_time, &format!("keepalived_vrrp_state{labels}")),
        Some(2.0)
    );
    assert_eq!(
        value(&more, &format!("keepalived_vrrp_state{labels}")),
        Some(1.0)
    );

    // One that is refused has its reason.
    let forged = ForgedAdvert {
        mac: client.mac(),
        source: client.address(),
        ttl: 254,
        version: 3,
        vrid: VRID,
        priority: 254,
        interval: 10,
        password: None,
        addresses: vec![VIRTUAL],
        checksum_error: 0,
        destination: ForgedAdvert::GROUP,
    };
    let wire = Wire::open(client, "eth0")?;
    for _ in 0..3 {
        wire.send(&forged.frame())?;
    }
    let ttl = "vip_adverts_refused_total{vrrp_instance=\"VI_1\",interface=\"eth0\",reason=\"ttl\"}";
    wait_for(b, AT, "three refused", |page| value(page, ttl) == Some(3.0))?;

    // A takeover.
    on_a.signal(Signal::SIGKILL);
    a.cut()?;
    let taken = wait_for(b, AT, "MASTER", |page| {
        value(
            page,
            "vip_instance_transitions_total{vrrp_instance=\"VI_1\",state=\"MASTER\"}",
        ) == Some(1.0)
    })?;
    assert!(
        value(&taken, &of("vip_adverts_missed_total")) >= Some(1.0),
        "{taken}"
    );
    let announced = "vip_takeover_phase_seconds_count{vrrp_instance=\"VI_1\",phase=\"arp\"}";
    let taken = wait_for(b, AT, "announced", |page| {
        value(page, announced) == Some(1.0)
    })?;
    let phase = |name: &str| {
        let series =
            format!("vip_takeover_phase_seconds_sum{{vrrp_instance=\"VI_1\",phase=\"{name}\"}}");
        value(&taken, &series).unwrap_or_default()
    };
    // Three intervals of 100 ms and a skew, by the engine's clock.
    assert!((0.36..0.37).contains(&phase("detect")), "{taken}");
    for name in ["advert", "addresses", "arp"] {
        assert!(phase(name) > 0.0, "{name}: {taken}");
    }
    Ok(())
}

#[test]
fn what_was_lost_has_its_place() -> Tested {
    let (pair, on_a, _on_b) = elected()?;
    let Pair { b, .. } = &pair;
    let master = |host| pair.wait_for_state(host, "MASTER", PATIENCE).map(drop);
    let lost = |page: &str, place: &str| {
        let series = format!("vip_adverts_lost_total{{vrrp_instance=\"VI_1\",place=\"{place}\"}}");
        value(page, &series)
    };
    let known = of("vip_adverts_known_total");
    wait_for(b, AT, "adverts of A", |page| {
        value(page, &known) > Some(3.0)
    })?;
    pair.part(true)?;
    master(b)?;
    pair.part(false)?;
    let counted = |page: &str| lost(page, "before_nic") >= Some(3.0);
    let page = wait_for(b, AT, "what did not come", counted)?;
    assert_eq!(lost(&page, "unknown"), Some(0.0), "{page}");
    assert_eq!(lost(&page, "ring_full"), Some(0.0), "{page}");

    // Stopped until it has lost the role, it has sent nothing meanwhile.
    pair.wait_for_state(b, "BACKUP", PATIENCE)?;
    let followed = value(&page, &known);
    let page = wait_for(b, AT, "adverts of A", |page| {
        value(page, &known) > followed.map(|count| count + 3.0)
    })?;
    let before = lost(&page, "sender").unwrap_or_default();
    on_a.signal(Signal::SIGSTOP);
    master(b)?;
    on_a.signal(Signal::SIGCONT);
    wait_for(b, AT, "what was not sent", |page| {
        lost(page, "sender") >= Some(before + 3.0)
    })?;
    Ok(())
}

#[test]
fn both_formats_are_well_formed() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    // With whatever has series of its own, and a name that has to be escaped.
    let file = format!(
        "vrrp_script chk {{\nscript /bin/true\ninterval 1\n}}\ntrack_file size {{\nfile /run/size\n}}\n{}",
        fast(100).replace(
            "priority",
            "track_script {\nchk\n}\ntrack_file {\nsize weight 1\n}\npriority"
        )
    );
    let _on_a = start(&pair, &pair.a, &file, &[])?;
    let page = wait_for(&pair.a, AT, "MASTER, and a script that has run", |page| {
        value(
            page,
            "vip_tracker_runs_total{kind=\"script\",tracker=\"chk\"}",
        ) >= Some(1.0)
            && value(
                page,
                "vip_instance_state{vrrp_instance=\"VI_1\",state=\"MASTER\"}",
            ) == Some(1.0)
    })?;
    assert_eq!(promtool_says(&page)?, None, "{page}");
    let wants = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = get(&pair.a, AT, "/metrics", wants)?.unwrap_or_else(|| panic!("no answer"));
    assert!(
        open.head
            .to_lowercase()
            .contains("content-type: application/openmetrics-text; version=1.0.0"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("\n# EOF\n"));
    assert!(
        open.body.contains("# TYPE vip_adverts_sent counter\n"),
        "{}",
        open.body
    );
    assert!(open.body.contains("# TYPE vip_build info\n"));
    assert!(!page.contains("# EOF"));
    for (path, status) in [("/", "200"), ("/other", "404")] {
        let answer = get(&pair.a, AT, path, "*/*")?.unwrap_or_else(|| panic!("no answer"));
        assert!(
            answer.head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{}",
            answer.head
        );
    }
    Ok(())
}

/// Silent, slow, endless, deaf, and many.
#[test]
fn hostile_clients_disturb_nobody() -> Tested {
    let (pair, _on_a, on_b) = elected()?;
    let begin = now();
    let held = pair.b.run(|| {
        let mut held = Vec::new();
        let connect = || TcpStream::connect(AT);
        for _ in 0..40 {
            held.extend(connect());
        }
        // Heads without end.
        for stream in &mut held {
            let _ = stream.set_nonblocking(true);
            let _ = stream.write(&[b'x'; 64 * 1024]);
        }
        held
    })?;
    // The others are served: status here, the election on the wire.
    for _ in 0..20 {
        assert!(pair.status(&pair.b)?.is_some());
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(held);
    let deaf = pair.b.run(|| {
        let mut deaf = Vec::new();
        for _ in 0..8 {
            if let Ok(mut stream) = TcpStream::connect(AT) {
                // It asks, and reads nothing.
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
                deaf.push(stream);
            }
        }
        let mut slow = TcpStream::connect(AT);
        if let Ok(slow) = &mut slow {
            for letter in b"GET /metr" {
                let _ = slow.write(&[*letter]);
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        deaf.extend(slow);
        deaf
    })?;
    let page = wait_for(&pair.b, AT, "an answer within patience", |page| {
        !page.is_empty()
    })?;
    assert!(
        value(&page, "vip_metrics_clients_turned_away_total") >= Some(1.0),
        "{page}"
    );
    drop(deaf);
    let mut whole = String::new();
    // What is no question is answered with a refusal, or not at all.
    let refused = pair.b.run(|| -> std::io::Result<String> {
        let mut stream = TcpStream::connect(AT)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream
            .write_all(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })?;
    whole.push_str(&refused.unwrap_or_default());
    assert!(
        whole.is_empty() || whole.starts_with("HTTP/1.1 405"),
        "{whole}"
    );
    let moved = vip_tests::scene::last_state_lines(&on_b, begin);
    assert!(moved.is_empty(), "{moved:?}");
    Ok(())
}

#[test]
fn the_file_is_always_whole() -> Tested {
    const PROM: &str = "/run/vip.prom";
    let pair = Pair::new(vip_program(), "auto")?;
    pair.a.write(FILE, &fast(100))?;
    let arguments = [
        "run",
        "-f",
        FILE,
        "--metrics-file",
        PROM,
        "--metrics-every",
        "200ms",
    ];
    let running = pair.vip(&pair.a, &arguments)?;
    up(&running)?;
    let read = pair.a.run(|| {
        let end = Instant::now() + Duration::from_secs(3);
        let (mut reads, mut different, mut last) = (0, 0, String::new());
        while Instant::now() < end {
            let Ok(text) = std::fs::read_to_string(PROM) else {
                continue;
            };
            assert!(text.starts_with("# HELP vip_build_info "), "{text}");
            assert!(
                text.contains("# TYPE keepalived_script_status gauge\n"),
                "{text}"
            );
            reads += 1;
            different += u32::from(text != last);
            last = text;
        }
        let mode = std::fs::metadata(PROM).map(|there| there.permissions().mode() & 0o777);
        let beside = std::fs::read_dir("/run").map(|all| {
            let names = all
                .flatten()
                .map(|one| one.file_name().to_string_lossy().into_owned());
            names.filter(|name| name.ends_with(".prom")).count()
        });
        (reads, different, mode.ok(), beside.ok(), last)
    })?;
    let (reads, different, mode, beside, last) = read;
    assert!(
        reads > 100 && different >= 5,
        "{reads} reads, {different} different"
    );
    assert_eq!((mode, beside), (Some(0o644), Some(1)));
    assert_eq!(promtool_says(&last)?, None);
    running.signal(Signal::SIGTERM);
    running.wait(PATIENCE)?;
    assert!(!pair.a.run(|| std::path::Path::new(PROM).exists())?);
    Ok(())
}

#[test]
fn an_address_that_is_taken_ends_the_start() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let taken = pair.a.run(|| std::net::TcpListener::bind(AT))?;
    assert!(taken.is_ok(), "{taken:?}");
    pair.a.write(FILE, &fast(100))?;
    let running = pair.vip(&pair.a, &["run", "-f", FILE, "--metrics", AT])?;
    let ended = running.wait(PATIENCE)?;
    assert_eq!(ended.code, Some(5), "{}", running.stderr());
    assert!(
        running.stderr().contains("--metrics"),
        "{}",
        running.stderr()
    );
    Ok(())
}
