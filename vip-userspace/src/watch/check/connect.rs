//! From a name to a connection.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_blocking};

use super::Failure;
use crate::config::trackers::Endpoint;

/// How many addresses of a name are tried.
const MOST_ADDRESSES: usize = 8;

/// Whom to connect to.
pub(super) struct Target {
    endpoint: Endpoint,
    /// A look-up under way. The resolver cannot be interrupted: a try that ends
    /// before it does leaves it to the next one, so that there is never a second.
    lookup: Option<JoinHandle<io::Result<Vec<SocketAddr>>>>,
    /// Whether it was on this host that somebody accepted.
    is_local: bool,
}

impl Target {
    pub(super) const fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            lookup: None,
            is_local: false,
        }
    }

    /// The port, where it was last an address of this host that accepted.
    pub(super) const fn local_port(&self) -> Option<u16> {
        if self.is_local {
            Some(self.endpoint.port)
        } else {
            None
        }
    }

    /// A new connection, to the first of the name's addresses that accepts one. It
    /// is reset when it is dropped.
    pub(super) async fn connect(&mut self) -> Result<TcpStream, Failure> {
        let mut last = None;
        for address in self.addresses().await? {
            match connect(address).await {
                Ok((stream, from)) => {
                    // Who speaks to an address of this host does so from it.
                    self.is_local = from.ip() == address.ip();
                    return Ok(stream);
                }
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
        let lookup = self.lookup.get_or_insert_with(|| {
            let name = (host.clone(), *port);
            spawn_blocking(move || {
                let found = name.to_socket_addrs()?;
                Ok(found.take(MOST_ADDRESSES).collect())
            })
        });
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

/// A connection, and where it comes from.
async fn connect(address: SocketAddr) -> io::Result<(TcpStream, SocketAddr)> {
    let stream = TcpStream::connect(address).await?;
    // Nobody listens, and the kernel has happened to give us the very port that we
    // ask: then a socket connects to itself.
    let from = stream.local_addr()?;
    if from == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO))?;
    stream.set_nodelay(true)?;
    Ok((stream, from))
}
