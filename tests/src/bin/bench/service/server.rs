//! The service that is looked after: a small web server that can be made to fail in
//! the four ways in which services do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{
    AddressFamily, Backlog, Shutdown, SockFlag, SockType, SockaddrIn, bind, connect, listen,
    setsockopt, shutdown, socket, sockopt,
};

/// Connections that the kernel accepts while the service does not.
const BACKLOG: i32 = 8;
/// Nobody gets more of its time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Its listening socket is closed by this.
pub(super) const CLOSE: Signal = Signal::SIGUSR1;
/// It answers 500 from this on.
pub(super) const SICKEN: Signal = Signal::SIGUSR2;
/// It accepts nobody any more from this on, and its queue is full.
pub(super) const HANG: Signal = Signal::SIGHUP;

#[derive(Args)]
pub(crate) struct ServeArgs {
    /// What it answers
    name: String,
    /// Where it listens
    port: u16,
}

/// Serves until it is killed.
pub(crate) fn command(arguments: &ServeArgs) -> Result<ExitCode> {
    let signals = SigSet::from_iter([CLOSE, SICKEN, HANG]);
    signals.thread_block()?;
    let service = Service::open(arguments).context("cannot listen")?;
    println!("serves");
    thread::scope(|scope| {
        scope.spawn(|| service.serve(scope));
        loop {
            let signal = signals.wait()?;
            if signal == CLOSE {
                shutdown(service.listener.as_raw_fd(), Shutdown::Both)?;
            } else if signal == SICKEN {
                service.is_sick.store(true, Ordering::Relaxed);
            } else {
                service.hang()?;
            }
        }
    })
}

struct Service {
    listener: TcpListener,
    name: String,
    is_sick: AtomicBool,
    hangs: AtomicBool,
}

impl Service {
    fn open(arguments: &ServeArgs) -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Inet,
            SockType::Stream,
            SockFlag::SOCK_CLOEXEC,
            None,
        )?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        let any = SockaddrIn::new(0, 0, 0, 0, arguments.port);
        bind(socket.as_raw_fd(), &any)?;
        listen(&socket, Backlog::new(BACKLOG)?)?;
        Ok(Self {
            listener: socket.into(),
            name: arguments.name.clone(),
            is_sick: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
        })
    }

    /// As long as it listens; each client gets a thread, so that none waits for another.
    fn serve<'s>(&'s self, scope: &'s thread::Scope<'s, '_>) {
        while let Ok((stream, _)) = self.listener.accept() {
            while self.hangs.load(Ordering::Relaxed) {
                thread::park();
            }
            scope.spawn(move || {
                // Who hangs up is none of its business.
                let _ = self.answer(stream);
            });
        }
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut asked = [0; 4096];
        let mut length = 0;
        while !asked[..length].ends_with(b"\r\n\r\n") && length < asked.len() {
            match stream.read(&mut asked[length..])? {
                0 => return Ok(()),
                read => length += read,
            }
        }
        let status = if self.is_sick.load(Ordering::Relaxed) {
            "500 Sick"
        } else {
            "200 Well"
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
            self.name.len(),
            self.name
        );
        stream.write_all(answer.as_bytes())
    }

    /// Accepts nobody any more, and fills its own queue: what is full at once with
    /// many clients takes the check alone as many tries as the queue is long.
    fn hang(&self) -> Result<()> {
        self.hangs.store(true, Ordering::Relaxed);
        let SocketAddr::V4(own) = self.listener.local_addr()? else {
            return Ok(());
        };
        let own = SockaddrIn::from(std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, own.port()));
        for _ in 0..2 * BACKLOG {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let client = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
            let _ = connect(client.as_raw_fd(), &own);
            // It stays until the process ends.
            std::mem::forget(client);
        }
        Ok(())
    }
}
