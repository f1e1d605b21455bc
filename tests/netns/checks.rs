//! Checks that the daemon makes by itself: a service fails, and the address moves.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{Shutdown, shutdown};
use vip::lab::pair::{Pair, VIRTUAL};
use vip::lab::{Host, LabError, PATIENCE, now};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, instance, vip_program};

/// A web server of this process that listens on a host.
struct Service {
    listener: Arc<TcpListener>,
    is_sick: Arc<AtomicBool>,
}

impl Service {
    fn start(host: &Host) -> Result<Self, LabError> {
        let listener = host
            .run(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80)))?
            .map_err(|source| LabError::System {
                step: "listen",
                source,
            })?;
        let service = Self {
            listener: Arc::new(listener),
            is_sick: Arc::default(),
        };
        let (listener, is_sick) = (Arc::clone(&service.listener), Arc::clone(&service.is_sick));
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let mut asked = [0; 1024];
                // A check that only connects asks nothing.
                let _ = stream.set_read_timeout(Some(PATIENCE));
                if stream.read(&mut asked).is_ok_and(|read| read > 0) {
                    let status = if is_sick.load(Ordering::Relaxed) {
                        500
                    } else {
                        200
                    };
                    let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                }
            }
        });
        Ok(service)
    }

    /// Nobody listens any more.
    fn close(&self) {
        let _ = shutdown(self.listener.as_raw_fd(), Shutdown::Both);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.close();
    }
}

/// A node that goes by a check; `more` are other lines of its instance.
fn checked(priority: u8, check: &str, more: &str) -> String {
    let node = fast(priority);
    let node = node.trim_end().trim_end_matches('}');
    format!(
        "vrrp_check web {{\n{check}\n}}\n{node}    track_check {{\n        web\n    }}\n{more}}}\n"
    )
}

/// A pair whose master is A, with a service on each.
fn scene(check: &str) -> Result<(Scene, Service, Service), LabError> {
    let pair = Pair::new(vip_program(), "auto")?;
    let services = (Service::start(&pair.a)?, Service::start(&pair.b)?);
    let scene = Scene::elect_on(pair, &checked(100, check, ""), &checked(90, check, ""))?;
    Ok((scene, services.0, services.1))
}

#[test]
fn a_sick_service_gives_the_address_away_and_a_well_one_takes_it_back() -> Tested {
    let (scene, on_a, _on_b) = scene("http http://127.0.0.1/health\ninterval 0.05\nfall 2")?;
    let sick = now();
    on_a.is_sick.store(true, Ordering::Relaxed);
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    scene.wait_for_address(&scene.pair.b, true)?;
    let status = scene
        .pair
        .wait_for_state(&scene.pair.a, "FAULT", PATIENCE)?;
    assert!(
        instance(&status)["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("web")),
        "{status}"
    );
    assert!(!scene.pair.a.has(VIRTUAL)?);
    let told = "VRRP_Check(web) failed (HTTP status 500)";
    scene.on_a.wait_for_line_after(told, sick, PATIENCE)?;
    on_a.is_sick.store(false, Ordering::Relaxed);
    scene.settled()
}

#[test]
fn a_listener_that_closes_is_noticed_by_the_event() -> Tested {
    // The next look would be half a minute away.
    let (scene, on_a, _on_b) = scene("tcp 127.0.0.1 80\ninterval 30")?;
    let closed = now();
    on_a.close();
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    scene.wait_for_address(&scene.pair.b, true)?;
    assert!(
        now().since(closed) < Duration::from_secs(20),
        "it was a look"
    );
    // And so is the next one.
    drop(on_a);
    let _again = Service::start(&scene.pair.a)?;
    scene.settled()?;
    assert!(
        now().since(closed) < Duration::from_secs(25),
        "it was a look"
    );
    Ok(())
}

#[test]
fn a_weight_moves_the_address_without_a_fault() -> Tested {
    let check = "tcp 127.0.0.1 80\ninterval 0.05\nweight -20";
    let (scene, on_a, _on_b) = scene(check)?;
    on_a.close();
    let status = scene
        .pair
        .wait_for_state(&scene.pair.a, "BACKUP", PATIENCE)?;
    assert_eq!(instance(&status)["effective_priority"], 80, "{status}");
    scene
        .pair
        .wait_for_state(&scene.pair.b, "MASTER", PATIENCE)?;
    Ok(())
}

#[test]
fn without_an_answer_there_is_no_master() -> Tested {
    let pair = Pair::new(vip_program(), "auto")?;
    let daemon = pair.start(&pair.a, &checked(100, "tcp 127.0.0.1 80", ""))?;
    pair.wait_for_state(&pair.a, "FAULT", PATIENCE)?;
    let service = Service::start(&pair.a)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    drop(service);
    pair.wait_for_state(&pair.a, "FAULT", PATIENCE)?;
    drop(daemon);
    Ok(())
}
