//! Who listens on this host, as the kernel says it.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::timeout;
use vip::watch::listener::Listeners;

use super::*;

async fn rings(bell: &Notify) -> bool {
    timeout(SOON, bell.notified()).await.is_ok()
}

#[test]
fn a_listener_rings_when_it_comes_and_goes_and_not_when_it_accepts() {
    alone(|| {
        ip("link set lo up");
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(async {
            let listeners = Listeners::start().unwrap();
            // Chosen here, as services do: a port that the kernel chose is forgotten
            // before it says that its listener is gone.
            let (port, other) = (8_086, 8_087);
            let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
            let (bell, later) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            listeners.watch(port, &bell).unwrap();
            listeners.watch(other, &later).unwrap();
            for _ in 0..20 {
                let _there = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let _here = listener.accept().unwrap();
            }
            // The kernel's words come in order: what those connections had to say
            // has been read when this has.
            let _other = TcpListener::bind(("127.0.0.1", other)).unwrap();
            assert!(rings(&later).await);
            let accepted = timeout(Duration::ZERO, bell.notified()).await;
            assert!(accepted.is_err(), "an accepted connection is no news");
            drop(listener);
            assert!(rings(&bell).await);
            let _again = TcpListener::bind(("127.0.0.1", port)).unwrap();
            assert!(rings(&bell).await);
        });
    });
}
