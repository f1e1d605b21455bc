//! `vip trace`: adverts as they pass, and where those are lost that do not.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use vip_common::ids::{Priority, Vrid};
use vip_common::time::MonoTime;

use crate::cli::{RUNTIME_DIR, vrid};
use crate::error::{Exit, Failure};
use crate::trace::{
    Advert, Book, Claimed, Claims, Found, Interface, Kernel, News, Packet, Pcapng, Sight, Summary,
    Tap, Tapped, Wall, Wanted, Watcher, interfaces, json, now, svg, text,
};

/// Arguments of `vip trace`.
#[derive(Args, Debug)]
pub struct TraceArgs {
    /// Only this interface; again for each [default: all, also those that come later]
    #[arg(short, long = "interface", value_name = "IF")]
    pub interfaces: Vec<String>,
    /// Only this virtual router
    #[arg(long, value_parser = vrid)]
    pub vrid: Option<Vrid>,
    /// Print a document for programs, one line for each event
    #[arg(long)]
    pub json: bool,
    /// End after this time (`60s`, `2h`) [default: at Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub span: Option<Duration>,
    /// Only the summary, no line for each advert that is in time
    #[arg(short, long)]
    pub quiet: bool,
    /// The backup whose deadline the closest call is measured against
    #[arg(long, value_name = "PRIORITY", default_value_t = Book::WORST.get(),
          value_parser = clap::value_parser!(u8).range(1..=254))]
    pub priority: u8,
    /// Write a picture at the end: time line and histogram of each sender
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Write the packets, with their stamps and what is told of them as comments
    #[arg(long, value_name = "FILE")]
    pub pcapng: Option<PathBuf>,
    /// How adverts are looked at
    #[arg(long, value_enum, default_value_t)]
    pub rung: Wanted,
    /// Directory of a daemon on this host, whose own refusals are told too
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
}

/// How often interfaces are looked for.
const PACE: Duration = Duration::from_secs(1);

/// Traces until it is told to end. Exit code 8 where two claimants of one address were
/// seen.
///
/// # Errors
/// When no interface can be looked at: exit code 5.
pub fn run(arguments: &TraceArgs) -> Result<Exit, Failure> {
    let signals = signals()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot wait for signals: {error}")))?;
    let mut session = Session::begin(arguments)?;
    let told = session.go(&signals);
    let end = session.end();
    match told.and(end) {
        Ok(exit) => Ok(exit),
        // A reader that has seen enough (head, less) is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Exit::Failed, format!("cannot write: {error}"))),
    }
}

/// Whatever ends a program ends this one in order.
fn signals() -> nix::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()?;
    SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
}

/// A trace that goes on.
struct Session<'a> {
    arguments: &'a TraceArgs,
    tap: Tap,
    book: Book,
    claims: Claims,
    watcher: Watcher,
    wall: Wall,
    begin: MonoTime,
    next_look: MonoTime,
    out: io::Stdout,
    svg: Option<File>,
    pcapng: Option<Pcapng<BufWriter<File>>>,
}

impl<'a> Session<'a> {
    fn begin(arguments: &'a TraceArgs) -> Result<Self, Failure> {
        let host = |error: String| Failure::new(Exit::Host, error);
        let wall = Wall::now();
        // Whoever cannot be written to says so now, not at the end.
        let svg = arguments.svg.as_deref().map(create).transpose()?;
        let pcapng = arguments.pcapng.as_deref().map(create).transpose()?;
        let pcapng = pcapng.map(|file| Pcapng::begin(BufWriter::new(file), wall));
        let pcapng = pcapng.transpose().map_err(anyhow::Error::from)?;
        let kernel = Kernel::running();
        let mut tap = Tap::new(arguments.rung, &kernel.shape());
        let mut book = Book::new(kernel, Priority::from_wire(arguments.priority));
        let all = interfaces().map_err(|error| host(format!("cannot list interfaces: {error}")))?;
        for name in &arguments.interfaces {
            if !all.iter().any(|one| one.name == *name) {
                let known: Vec<_> = all.iter().map(|one| one.name.as_str()).collect();
                return Err(host(format!(
                    "no interface {name} here; there is {}",
                    known.join(", ")
                )));
            }
        }
        book.note_interfaces(&all);
        let (watcher, found) = Watcher::start(&arguments.runtime_dir)
            .map_err(|error| host(format!("cannot start a thread: {error}")))?;
        note(&mut book, found);
        let mut tapped = Vec::new();
        let mut last = "there is no interface but the loopback".to_owned();
        for one in all.iter().filter(|one| is_wanted(arguments, one)) {
            match tap.attach(one) {
                Ok(one) => tapped.push(one),
                Err(why) => {
                    eprintln!("vip: {} cannot be traced: {why}", one.name);
                    last = why;
                }
            }
        }
        if tapped.is_empty() {
            return Err(host(format!(
                "nothing to trace: {last}; it takes CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, or at least CAP_NET_RAW"
            )));
        }
        let begin = now();
        let session = Self {
            arguments,
            tap,
            book,
            claims: Claims::default(),
            watcher,
            wall,
            begin,
            next_look: begin + PACE,
            out: io::stdout(),
            svg,
            pcapng,
        };
        session.say_start(&tapped)?;
        Ok(session)
    }

    fn say_start(&self, tapped: &[Tapped]) -> Result<(), Failure> {
        let (drops, direct) = (self.tap.sees_drops(), self.tap.sees_direct());
        let lines = if self.arguments.json {
            let start = json::Start::new(self.begin, self.wall, tapped, drops, direct);
            json::start(&start).map_err(anyhow::Error::from)?
        } else {
            let mut lines = vec![format!("Tracing since {}.", self.wall.date(self.begin))];
            lines.extend(tapped.iter().map(ToString::to_string));
            if let Err(why) = drops {
                lines.push(format!(
                    "What this host drops is not seen, and told as \"cannot tell\": {why}"
                ));
            }
            if let Err(why) = direct {
                lines.push(format!(
                    "Adverts that a vip on this host sends are not seen: {why}"
                ));
            }
            lines.join("\n")
        };
        let mut out = self.out.lock();
        // Whoever has gone already is noticed at the next line.
        let _ = writeln!(out, "{lines}").and_then(|()| out.flush());
        Ok(())
    }

    /// Until the time is over or a signal comes.
    fn go(&mut self, signals: &SignalFd) -> io::Result<()> {
        let end = self.arguments.span.map(|span| self.begin + span);
        loop {
            let wake = [Some(self.next_look), self.book.next_due(), end];
            let wake = wake.into_iter().flatten().min().unwrap_or(self.next_look);
            self.wait(signals, wake);
            let stop = matches!(signals.read_signal(), Ok(Some(_)));
            self.drain()?;
            self.look()?;
            if stop || end.is_some_and(|end| now() >= end) {
                return Ok(());
            }
        }
    }

    fn wait(&self, signals: &SignalFd, wake: MonoTime) {
        let mut ready = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let taps = self.tap.descriptors().into_iter();
        ready.extend(taps.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // A millisecond too late rather than again and again too early.
        let left = wake.since(now()).as_millis().saturating_add(1);
        let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        // Interrupted or not, everything is looked at.
        let _ = poll(&mut ready, left);
    }

    /// Tells of all that was seen.
    fn drain(&mut self) -> io::Result<()> {
        // What is read now was there by now.
        let asked = now();
        for sight in self.tap.drain() {
            if let Some(advert) = Advert::read(&sight.frame, sight.frame_len) {
                if self.arguments.vrid.is_some_and(|vrid| vrid != advert.vrid) {
                    continue;
                }
                let news = self.book.see(&sight, &advert);
                for address in self.book.take_new_addresses() {
                    self.claims.watch(address);
                    self.tap.watch_claims(address);
                }
                self.say(&news)?;
                self.keep(&sight, &news)?;
            } else if let Some(claimed) = self.claims.see(&sight, self.book.name(sight.ifindex)) {
                self.say_claim(&claimed)?;
            }
        }
        let found: Vec<_> = self.watcher.news().collect();
        for one in found {
            let news = note(&mut self.book, one);
            self.say(&news)?;
        }
        let news = self.book.tick(asked);
        self.say(&news)
    }

    /// Looks for interfaces that have come, gone or changed.
    fn look(&mut self) -> io::Result<()> {
        let at = now();
        if at < self.next_look {
            return Ok(());
        }
        self.next_look = at + PACE;
        let all = interfaces()?;
        self.book.note_interfaces(&all);
        for one in all.iter().filter(|one| is_wanted(self.arguments, one)) {
            // One that cannot be had was complained of, or is tried again.
            if !self.tap.has(one.index)
                && let Ok(tapped) = self.tap.attach(one)
                && !self.arguments.json
            {
                writeln!(self.out.lock(), "{tapped}")?;
            }
        }
        self.tap
            .keep(|index| all.iter().any(|one| one.index == index));
        Ok(())
    }

    fn say(&self, news: &[News]) -> io::Result<()> {
        let mut out = self.out.lock();
        for one in news
            .iter()
            .filter(|one| !self.arguments.quiet || one.is_trouble())
        {
            let line = if self.arguments.json {
                json::line(one, self.wall)?
            } else {
                text::line(one, self.wall)
            };
            writeln!(out, "{line}")?;
        }
        out.flush()
    }

    /// Writes the packet down, with what was told of it.
    fn keep(&mut self, sight: &Sight, news: &[News]) -> io::Result<()> {
        let (Some(file), Some(first)) = (&mut self.pcapng, news.first()) else {
            return Ok(());
        };
        let told: Vec<_> = news.iter().map(text::what).collect();
        file.write(&Packet {
            ifindex: sight.ifindex,
            interface: &first.who.interface,
            stamp: sight.stamp,
            direction: first.who.direction,
            frame: &sight.frame,
            frame_len: sight.frame_len,
            comment: &told.join("\n"),
        })
    }

    fn say_claim(&self, claimed: &Claimed) -> io::Result<()> {
        if self.arguments.quiet && claimed.other.is_none() {
            return Ok(());
        }
        let line = if self.arguments.json {
            Some(json::claim(claimed, self.wall)?)
        } else {
            text::claim(claimed, self.wall)
        };
        let Some(line) = line else { return Ok(()) };
        let mut out = self.out.lock();
        writeln!(out, "{line}")?;
        out.flush()
    }

    /// The summary.
    fn end(&mut self) -> io::Result<Exit> {
        let end = now();
        let news = self.book.end(end);
        let told = self.say(&news);
        let backup = Priority::from_wire(self.arguments.priority);
        let span = (self.begin, end);
        let summary = Summary::new(span, &self.book, &self.claims, backup, self.tap.lost());
        let text = if self.arguments.json {
            json::summary(&summary)? + "\n"
        } else {
            text::summary(&summary)
        };
        let mut out = self.out.lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        if let Some(file) = &mut self.pcapng {
            file.flush()?;
        }
        if let Some(file) = &mut self.svg {
            file.write_all(svg::picture(&summary, self.wall).as_bytes())?;
        }
        // Files are whole, whoever has ceased to read.
        told.and(written)?;
        Ok(if summary.has_conflict() {
            Exit::TwoClaimants
        } else {
            Exit::Done
        })
    }
}

fn create(path: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::new(Exit::Failed, format!("{}: {error}", path.display()));
    File::create(path).map_err(failed)
}

fn is_wanted(arguments: &TraceArgs, interface: &Interface) -> bool {
    arguments.interfaces.is_empty() || arguments.interfaces.contains(&interface.name)
}

fn note(book: &mut Book, found: Found) -> Vec<News> {
    book.note_listener(found.has_listener);
    let mut news = book.hear_overflows(found.taken, &found.overflows);
    news.extend(
        found
            .daemon
            .into_iter()
            .flat_map(|daemon| book.hear_daemon(daemon)),
    );
    news
}
