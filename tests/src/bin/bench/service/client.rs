//! Who asks: the client that wants to be served, and the program that a script runs
//! to see whether a service is well.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use vip::lab::{Host, now};
use vip_common::time::MonoTime;

/// How long the client waits for one answer before it asks anew.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long it rests between two questions.
const REST: Duration = Duration::from_millis(1);

/// What is asked of a service.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Question {
    /// Whether it accepts a connection
    Tcp,
    /// Whether it answers 200
    Http,
}

#[derive(Args)]
pub(crate) struct AskArgs {
    /// What
    question: Question,
    /// Whom
    address: SocketAddr,
    /// For how many milliseconds
    patience: u64,
}

/// Asks once; the exit code says how it went.
pub(crate) fn command(arguments: &AskArgs) -> ExitCode {
    let patience = Duration::from_millis(arguments.patience);
    let went = match arguments.question {
        Question::Tcp => TcpStream::connect_timeout(&arguments.address, patience).map(drop),
        Question::Http => ask(arguments.address, patience).map(drop),
    };
    match went {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Asks for the page; what comes back with it.
fn ask(address: SocketAddr, patience: Duration) -> io::Result<String> {
    let end = Instant::now() + patience;
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: service\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            read => answer.extend(&part[..read]),
        }
    }
    let answer = String::from_utf8_lossy(&answer);
    let well = answer.strip_prefix("HTTP/1.1 200 ");
    let (_, body) = well
        .and_then(|answer| answer.split_once("\r\n\r\n"))
        .ok_or(io::ErrorKind::InvalidData)?;
    Ok(body.to_owned())
}

/// An answer that the client was content with.
#[derive(Clone)]
struct Served {
    at: MonoTime,
    by: String,
}

#[derive(Default)]
struct Seen {
    last: Mutex<Vec<Served>>,
    more: Condvar,
}

/// Somebody who asks a service again and again, as soon as it has an answer or has
/// waited long enough.
pub(super) struct Client {
    seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
}

impl Client {
    /// Begins at once, on this host.
    pub(super) fn start(host: &Host, address: SocketAddr) -> Result<Self> {
        let seen = Arc::new(Seen::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (theirs, quit) = (Arc::clone(&seen), Arc::clone(&stop));
        // A thread begins where the one is that starts it.
        host.run(move || {
            thread::Builder::new()
                .name("client".into())
                .spawn(move || {
                    while !quit.load(Ordering::Relaxed) {
                        if let Ok(by) = ask(address, PATIENCE) {
                            let mut all =
                                theirs.last.lock().unwrap_or_else(PoisonError::into_inner);
                            all.push(Served { at: now(), by });
                            theirs.more.notify_all();
                        }
                        thread::sleep(REST);
                    }
                })
                .map(drop)
        })??;
        Ok(Self { seen, stop })
    }

    /// When this one first served it, not before `after`.
    pub(super) fn served_by(
        &self,
        name: &str,
        after: MonoTime,
        bound: Duration,
    ) -> Result<MonoTime> {
        let end = Instant::now() + bound;
        let mut all = self
            .seen
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            // What was before is never asked for again.
            all.retain(|one| one.at >= after);
            if let Some(served) = all.iter().find(|one| one.by == name) {
                return Ok(served.at);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let last = all.last().map_or("nobody", |one| &one.by);
                bail!("not served by {name} within {bound:?}, but by {last}");
            }
            all = self
                .seen
                .more
                .wait_timeout(all, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
