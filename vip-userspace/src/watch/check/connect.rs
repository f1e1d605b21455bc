//! From a name to a connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::Failure;
use super::aside::aside;
use crate::config::trackers::Endpoint;

/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 8;

/// Whom to connect to.
pub(super) struct Target {
    endpoint: Endpoint,
    /// A look-up under way. The resolver cannot be interrupted: a try that ends
    /// before it does leaves it to the next one, so that there is never a second.
    lookup: Option<oneshot::Receiver<io::Result<Vec<SocketAddr>>>>,
    /// The addresses that were last tried.
    tried: Vec<SocketAddr>,
}

impl Target {
    pub(super) const fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            lookup: None,
            tried: Vec::new(),
        }
    }

    /// The port, where what was last tried is on this host.
    pub(super) fn local_port(&self) -> Option<u16> {
        let is_here = self.tried.iter().any(is_here);
        is_here.then_some(self.endpoint.port)
    }

    /// A new connection, to the first of the name's addresses that accepts one. It
    /// is reset when it is dropped.
    pub(super) async fn connect(&mut self) -> Result<TcpStream, Failure> {
        self.first(|connected| connected).await
    }

    /// Whether one of the name's addresses accepts a connection, whatever becomes of
    /// it then.
    pub(super) async fn accepts(&mut self) -> Result<(), Failure> {
        self.first(accepted).await
    }

    /// What is made of the first of the name's addresses that is well.
    async fn first<T>(
        &mut self,
        judge: impl Fn(io::Result<TcpStream>) -> io::Result<T>,
    ) -> Result<T, Failure> {
        let mut last = None;
        self.tried = self.addresses().await?;
        for address in self.tried.iter().copied() {
            match judge(connect(address).await) {
                Ok(found) => return Ok(found),
                Err(why) => last = Some(Failure::Connect { address, why }),
            }
        }
        Err(last.unwrap_or_else(|| self.nowhere(io::ErrorKind::NotFound.into())))
    }

    async fn addresses(&mut self) -> Result<Vec<SocketAddr>, Failure> {
        let Endpoint { host, port } = &self.endpoint;
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, *port)]);
        }
        let lookup = match &mut self.lookup {
            Some(lookup) => lookup,
            none => {
                let name = (host.clone(), *port);
                let begun = aside(move || {
                    let found = name.to_socket_addrs()?;
                    Ok(found.take(MOST_ADDRESSES).collect())
                });
                none.insert(begun.map_err(|why| Failure::Lookup {
                    host: host.clone(),
                    why,
                })?)
            }
        };
        let found = lookup.await;
        self.lookup = None;
        let found = found.unwrap_or_else(|error| Err(io::Error::other(error)));
        found.map_err(|why| self.nowhere(why))
    }

    fn nowhere(&self, why: io::Error) -> Failure {
        let host = self.endpoint.host.clone();
        Failure::Lookup { host, why }
    }
}

/// Whether an address is one of this host: who speaks to such a one does so from it.
/// Nothing is sent. Who speaks to no address in particular speaks to this host.
pub(super) fn is_here(address: &SocketAddr) -> bool {
    if address.ip().is_unspecified() {
        return true;
    }
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(address)?;
        socket.local_addr()
    });
    from.is_ok_and(|from| from.ip() == address.ip())
}

/// Whether there was a connection. Of a service that resets at once what it accepts
/// the reset may be there before the connection has been looked at: the kernel says
/// so in other words than of one that was never accepted, which is refused.
pub(super) fn accepted(connected: io::Result<TcpStream>) -> io::Result<()> {
    match connected.map(drop) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe
            ) =>
        {
            Ok(())
        }
        other => other,
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Nobody listens, and the kernel has happened to give us the very port that we
    // ask: then a socket connects to itself.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
