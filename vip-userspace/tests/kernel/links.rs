//! Interfaces followed through all that happens to them.

use crate::*;

#[test]
fn the_monitor_tells_what_is_there_before_it_returns() {
    alone(|| {
        cable();
        ip("addr add 10.0.0.1/24 dev a0");
        let told = Told::start();
        let there: Vec<LinkEvent> = told.events.try_iter().collect();
        assert!(there.contains(&LinkEvent::Changed(link("a0"))), "{there:?}");
        let a0 = link("a0");
        assert_eq!(
            (a0.up, a0.running, a0.kind.as_deref(), a0.mtu),
            (true, true, Some("veth"), 1500)
        );
        assert_ne!(a0.mac, MacAddr::ZERO);
        assert_eq!(a0.primary_address(&[]), Some(Ipv4Addr::new(10, 0, 0, 1)));
        drop(told.monitor);
        let end = loop {
            match told.events.recv_timeout(SOON) {
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        assert_eq!(
            end,
            RecvTimeoutError::Disconnected,
            "the thread has let go of its sink"
        );
    });
}

#[test]
fn the_monitor_sees_links_go_down_up_away_back_and_under_another_name() {
    alone(|| {
        let (index, _) = cable();
        let told = Told::start();
        ip("link set b0 down");
        told.changed("the cable pulled", "a0", |link| link.up && !link.running);
        ip("link set b0 up");
        told.changed("the cable back", "a0", |link| link.running);
        ip("link set a0 down");
        told.changed("down", "a0", |link| !link.up && !link.running);
        ip("link set a0 up");
        told.changed("up", "a0", |link| link.running);
        ip("link set a0 mtu 1400");
        told.changed("another MTU", "a0", |link| link.mtu == 1400);
        ip("link set a0 address 02:00:00:00:00:77");
        told.changed("another MAC", "a0", |link| {
            link.mac == MacAddr([2, 0, 0, 0, 0, 0x77])
        });

        ip("link set a0 name c0");
        told.gone("a0", index);
        assert_eq!(told.changed("the new name", "c0", |_| true).index, index);

        ip("link del c0");
        told.gone("c0", index);
        ip("link add c0 type veth peer name b0");
        assert_ne!(
            told.changed("one of the same name", "c0", |_| true).index,
            index
        );
    });
}

#[test]
fn the_monitor_follows_addresses() {
    alone(|| {
        cable();
        let told = Told::start();
        let [first, second] = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        ip("addr add 10.0.0.1/24 dev a0");
        told.changed("an address", "a0", |link| link.ipv4().eq([(first, 24)]));
        ip("addr add 10.0.0.2/24 dev a0");
        told.changed("a second", "a0", |link| {
            link.ipv4().eq([(first, 24), (second, 24)])
        });
        fs::write("/proc/sys/net/ipv4/conf/a0/promote_secondaries", "1").unwrap();
        ip("addr del 10.0.0.1/24 dev a0");
        told.changed("the second as the first", "a0", |link| {
            link.ipv4().eq([(second, 24)])
        });
        ip("addr flush dev a0");
        told.changed("none", "a0", |link| link.primary_address(&[]).is_none());
    });
}

#[test]
fn a_port_that_leaves_its_bridge_is_not_gone() {
    alone(|| {
        let (index, _) = cable();
        let bridged = try_ip("link add br0 type bridge");
        if !bridged.status.success() {
            eprintln!("not shown: this kernel has no bridge");
            return;
        }
        let told = Told::start();
        ip("link set a0 master br0");
        ip("link set a0 nomaster");
        ip("link set a0 mtu 1400");
        let event = told.wait("the last word on a0", |event| match event {
            LinkEvent::Changed(link) => link.name == "a0" && link.mtu == 1400,
            LinkEvent::Gone { index: gone, .. } => *gone == index,
            LinkEvent::Told { .. }
            | LinkEvent::Resync
            | LinkEvent::RouteGone { .. }
            | LinkEvent::RuleGone { .. } => false,
        });
        assert!(matches!(event, LinkEvent::Changed(_)), "{event:?}");
    });
}

#[test]
fn a_monitor_that_is_overrun_reads_everything_again() {
    alone(|| {
        cable();
        let (enter, entered) = channel();
        let (go, gate) = channel::<()>();
        let (tell, events) = channel();
        let mut held = false;
        let monitor = Monitor::start(move |event| {
            // The first news after the start holds the thread until the gate opens.
            if matches!(&event, LinkEvent::Changed(link) if link.mtu == 1300) && !held {
                held = true;
                let _ = enter.send(());
                let _ = gate.recv_timeout(SOON * 6);
            }
            let _ = tell.send(event);
        })
        .unwrap();
        ip("link set a0 mtu 1300");
        entered.recv_timeout(SOON).unwrap();
        let flood = RuntimeDir::new();
        let lines: String = (0..12_000)
            .map(|n| format!("link set b0 mtu {}\n", 1400 + n % 2))
            .collect();
        let script = flood.0.join("flood");
        fs::write(&script, lines + "link set b0 mtu 1234\n").unwrap();
        ip(&format!("-batch {}", script.display()));
        go.send(()).unwrap();
        let mut last = None;
        let end = Instant::now() + SOON;
        loop {
            match events
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .expect("a resync")
            {
                LinkEvent::Changed(link) if link.name == "b0" => last = Some(link.mtu),
                LinkEvent::Resync => break,
                LinkEvent::Changed(_)
                | LinkEvent::Gone { .. }
                | LinkEvent::Told { .. }
                | LinkEvent::RouteGone { .. }
                | LinkEvent::RuleGone { .. } => {}
            }
        }
        assert_eq!(last, Some(1234));
        ip("link set b0 mtu 1235");
        loop {
            match events.recv_timeout(SOON).expect("news after the resync") {
                LinkEvent::Changed(link) if link.name == "b0" && link.mtu == 1235 => break,
                LinkEvent::Changed(_)
                | LinkEvent::Gone { .. }
                | LinkEvent::Told { .. }
                | LinkEvent::Resync
                | LinkEvent::RouteGone { .. }
                | LinkEvent::RuleGone { .. } => {}
            }
        }
        drop(monitor);
    });
}
