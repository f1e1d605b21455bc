//! Services of this host that begin or cease to listen: the kernel says so, and
//! whoever checks them looks at once.

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aya::maps::{HashMap as PortMap, MapData, RingBuf};
use tokio::sync::{Notify, OnceCell};
use tokio::task::AbortHandle;

use super::trace::{Trace, readable};

/// How often a listener that comes and goes can make anybody look.
const BREATH: Duration = Duration::from_millis(10);

/// The [`Listeners`] of a daemon, started when somebody asks for them first.
#[derive(Clone, Debug, Default)]
pub struct Doors(Arc<OnceCell<Result<Listeners, String>>>);

impl Doors {
    /// From now on, whoever begins or ceases to listen on this port rings here, for
    /// as long as somebody has the bell.
    ///
    /// # Errors
    /// Why it is not known who listens.
    pub async fn watch(&self, port: u16, bell: &Arc<Notify>) -> Result<(), String> {
        let listeners = self.0.get_or_init(|| async {
            // The kernel takes milliseconds to read the program.
            let started = tokio::task::spawn_blocking(Listeners::start).await;
            started.unwrap_or_else(|error| Err(error.to_string()))
        });
        listeners
            .await
            .as_ref()
            .map_err(Clone::clone)?
            .watch(port, bell)
    }
}

/// Knows who wants to hear of which port.
#[derive(Clone, Debug)]
pub struct Listeners(Arc<Inner>);

struct Inner {
    wanted: Mutex<Wanted>,
    /// Reads what the kernel says.
    reader: AbortHandle,
    /// The program is there for as long as this is.
    _trace: Trace,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

struct Wanted {
    ports: PortMap<MapData, u16, u8>,
    by_port: HashMap<u16, Vec<Weak<Notify>>>,
}

impl Listeners {
    /// Puts the program into the kernel, and tries it out.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn start() -> Result<Self, String> {
        let mut trace = Trace::attach("vip_listener", "inet_sock_set_state")?;
        let mut ports: PortMap<MapData, u16, u8> = trace.map("PORTS")?;
        let mut ring: RingBuf<MapData> = trace.map("LISTENERS")?;
        try_out(&mut ports, &mut ring)?;
        let ring = readable(ring).map_err(|error| error.to_string())?;
        let inner = Arc::new_cyclic(|inner: &Weak<Inner>| Inner {
            wanted: Mutex::new(Wanted {
                ports,
                by_port: HashMap::new(),
            }),
            reader: tokio::spawn(read(ring, inner.clone())).abort_handle(),
            _trace: trace,
        });
        Ok(Self(inner))
    }

    /// From now on, whoever begins or ceases to listen on this port rings here, for
    /// as long as somebody has it.
    ///
    /// # Errors
    /// The kernel takes no more ports.
    pub fn watch(&self, port: u16, bell: &Arc<Notify>) -> Result<(), String> {
        let mut wanted = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.forget_the_gone();
        wanted
            .ports
            .insert(port, 1, 0)
            .map_err(|error| format!("port {port} cannot be watched: {error}"))?;
        let bells = wanted.by_port.entry(port).or_default();
        bells.push(Arc::downgrade(bell));
        Ok(())
    }

    fn ring(inner: &Inner, port: u16) {
        let wanted = inner.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let bells = wanted.by_port.get(&port).into_iter().flatten();
        for bell in bells.filter_map(Weak::upgrade) {
            bell.notify_one();
        }
    }
}

impl Wanted {
    /// Checks end, with a reload.
    fn forget_the_gone(&mut self) {
        let ports = &mut self.ports;
        self.by_port.retain(|port, bells| {
            bells.retain(|bell| bell.strong_count() > 0);
            if bells.is_empty() {
                let _ = ports.remove(port);
            }
            !bells.is_empty()
        });
    }
}

async fn read(mut ring: tokio::io::unix::AsyncFd<RingBuf<MapData>>, inner: Weak<Inner>) {
    while let Ok(mut ready) = ring.readable_mut().await {
        let mut changed = Vec::new();
        while let Some(record) = ready.get_inner_mut().next() {
            if let Some(port) = port(&record)
                && !changed.contains(&port)
            {
                changed.push(port);
            }
        }
        ready.clear_ready();
        let Some(inner) = inner.upgrade() else {
            return;
        };
        for port in changed {
            Listeners::ring(&inner, port);
        }
        drop(inner);
        tokio::time::sleep(BREATH).await;
    }
}

fn port(record: &[u8]) -> Option<u16> {
    let port = u32::from_ne_bytes(record.try_into().ok()?);
    u16::try_from(port).ok()
}

/// Whether the program sees what it is there for: the port of a socket stands at a
/// place that no contract names.
fn try_out(
    ports: &mut PortMap<MapData, u16, u8>,
    ring: &mut RingBuf<MapData>,
) -> Result<(), String> {
    const BLIND: &str = "the kernel runs the program, and it does not see who listens";
    let cannot = |error: std::io::Error| format!("cannot try it out: {error}");
    let any = (Ipv4Addr::LOCALHOST, 0);
    // Bound first: it is watched before it listens.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM.cloexec(), None);
    let socket = socket.map_err(cannot)?;
    let bind = socket.bind(&SocketAddr::from(any).into());
    bind.map_err(cannot)?;
    let own = socket.local_addr().map_err(cannot)?;
    let own = own.as_socket().ok_or_else(|| BLIND.to_owned())?.port();
    let watched = ports.insert(own, 1, 0);
    watched.map_err(|error| format!("cannot try it out: {error}"))?;
    socket.listen(1).map_err(cannot)?;
    drop(socket);
    let mut seen = false;
    while let Some(record) = ring.next() {
        seen |= port(&record) == Some(own);
    }
    let _ = ports.remove(&own);
    if seen { Ok(()) } else { Err(BLIND.to_owned()) }
}
