//! `vip top` on a terminal: what it shows, and that it gives the terminal back however
//! it ends.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use nix::unistd::Pid;
use vip::lab::pair::Pair;
use vip::lab::{Host, LabError, PATIENCE};
use vip_tests::Tested;
use vip_tests::scene::{Scene, fast, up, vip_program};

/// Takes the alternate screen, gives it back, shows the cursor.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

const ROWS: usize = 24;
const COLUMNS: usize = 80;

/// What a terminal has been sent, and what is to be read on it: as much of a terminal
/// as this program makes use of.
#[derive(Default)]
struct Tube {
    raw: Vec<u8>,
    cells: Vec<Vec<char>>,
    at: (usize, usize),
}

impl Tube {
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        // All of it anew, so that whatever was cut in two is whole with the next piece.
        (self.cells, self.at) = (vec![vec![' '; COLUMNS]; ROWS], (0, 0));
        let all = self.sent();
        let mut characters = all.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\u{1b}' if characters.next_if_eq(&'[').is_some() => {
                    let mut numbers = String::new();
                    let end = loop {
                        match characters.next() {
                            Some(one @ ('0'..='9' | ';' | '?')) => numbers.push(one),
                            end => break end,
                        }
                    };
                    self.control(&numbers, end);
                }
                '\r' => self.at.1 = 0,
                '\n' => self.at.0 = (self.at.0 + 1).min(ROWS - 1),
                other => {
                    let (row, column) = self.at;
                    if let Some(cell) = self.cells[row].get_mut(column) {
                        *cell = other;
                    }
                    self.at.1 += 1;
                }
            }
        }
    }

    fn control(&mut self, numbers: &str, end: Option<char>) {
        match (end, numbers) {
            (Some('H'), _) => {
                let mut numbers = numbers.split(';').map(|one| one.parse().unwrap_or(1));
                let mut next = |most: usize| numbers.next().unwrap_or(1).clamp(1, most) - 1;
                self.at = (next(ROWS), next(COLUMNS));
            }
            (Some('J'), _) | (Some('h' | 'l'), "?1049") => {
                self.cells = vec![vec![' '; COLUMNS]; ROWS];
                self.at = (0, 0);
            }
            _ => {}
        }
    }

    /// What is to be read.
    fn screen(&self) -> String {
        let lines = self.cells.iter().map(String::from_iter);
        lines.collect::<Vec<String>>().join("\n")
    }

    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl FnOnce(E) -> LabError {
    move |source| LabError::System {
        step,
        source: source.into(),
    }
}

type Output = Arc<(Mutex<Tube>, Condvar)>;

fn locked(output: &Output) -> MutexGuard<'_, Tube> {
    output.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A terminal with `vip top` on it.
struct Seat {
    child: Child,
    master: File,
    slave: OwnedFd,
    before: Termios,
    output: Output,
}

impl Seat {
    fn take(host: &Host) -> Result<Self, LabError> {
        let size = Winsize {
            ws_row: ROWS as u16,
            ws_col: COLUMNS as u16,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(Some(&size), None).map_err(failed("open a terminal"))?;
        let before = tcgetattr(&pty.slave).map_err(failed("look at a terminal"))?;
        let ends: Result<Vec<OwnedFd>, _> = (0..3).map(|_| pty.slave.try_clone()).collect();
        let ends = ends.map_err(failed("look at a terminal"))?;
        let spawned = host.run(move || {
            let mut ends = ends.into_iter().map(Stdio::from);
            let mut end = || ends.next().unwrap_or_else(Stdio::null);
            Command::new(vip_program())
                .args(["top", "--runtime-dir", "/run/vip"])
                .env("LANG", "C.UTF-8")
                .env("TERM", "xterm-256color")
                .env_remove("LC_ALL")
                .env_remove("NO_COLOR")
                .stdin(end())
                .stdout(end())
                .stderr(end())
                .spawn()
        })?;
        let child = spawned.map_err(failed("start vip top"))?;
        let master = File::from(pty.master);
        let output = Output::default();
        let mut reader = master.try_clone().map_err(failed("read a terminal"))?;
        let shared = Arc::clone(&output);
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                locked(&shared).take(&piece[..read]);
                shared.1.notify_all();
            }
        });
        Ok(Self {
            child,
            master,
            slave: pty.slave,
            before,
            output,
        })
    }

    /// Waits until all of these are to be read at once.
    fn shows(&self, wanted: &[&str]) {
        let read = |tube: &Tube| {
            let screen = tube.screen();
            let all = wanted.iter().all(|part| screen.contains(part));
            all.then_some(()).ok_or(screen)
        };
        self.wait(read, wanted);
    }

    fn wait(&self, look: impl Fn(&Tube) -> Result<(), String>, wanted: &[&str]) {
        let end = Instant::now() + PATIENCE;
        let mut output = locked(&self.output);
        while let Err(instead) = look(&output) {
            let left = end.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "waited for {wanted:?}, there is\n{instead}"
            );
            let waited = self.output.1.wait_timeout(output, left);
            output = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn press(&mut self, keys: &str) -> Result<(), LabError> {
        let written = self.master.write_all(keys.as_bytes());
        written.map_err(failed("press a key"))
    }

    fn modes(&self) -> Result<Termios, LabError> {
        tcgetattr(&self.slave).map_err(failed("look at a terminal"))
    }

    fn is_raw(&self) -> Result<bool, LabError> {
        let cooked = LocalFlags::ECHO | LocalFlags::ICANON;
        Ok(!self.modes()?.local_flags.intersects(cooked))
    }

    fn signal(&self, signal: Signal) -> Result<(), LabError> {
        let process = Pid::from_raw(self.child.id().cast_signed());
        kill(process, signal).map_err(failed("send a signal"))
    }

    /// Waits for its end: the exit code. The terminal is as it was before.
    fn left(mut self) -> Result<Option<i32>, LabError> {
        let end = Instant::now() + PATIENCE;
        let ended = loop {
            let ended = self.child.try_wait();
            if let Some(ended) = ended.map_err(failed("wait for vip top"))? {
                break ended;
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(self.modes()?, self.before);
        let given = |tube: &Tube| {
            let sent = tube.sent();
            let after = sent.rsplit_once(GIVEN).map(|(_, after)| after.to_owned());
            let whole = after.is_some_and(|after| after.contains(CURSOR) && !after.contains(TAKEN));
            whole.then_some(()).ok_or(sent)
        };
        self.wait(given, &[GIVEN, CURSOR]);
        // Nothing is drawn on what is not ours any more.
        assert!(!locked(&self.output).screen().contains("VI_1"));
        Ok(ended.code())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_shows_what_happens_and_gives_the_terminal_back_however_it_ends() -> Tested {
    let scene = Scene::elected("auto")?;
    let b = &scene.pair.b;
    let mut seat = Seat::take(b)?;
    seat.shows(&["VI_1", "BACKUP", "192.168.8.4", "/365 ms", "q quit"]);
    assert!(seat.is_raw()?);
    seat.press("?")?;
    seat.shows(&["Columns", "what it shows anyway is read"]);
    seat.press("x\r")?;
    seat.shows(&["(VI_1) Entering BACKUP STATE", "What has happened"]);
    seat.press("\u{1b}")?;
    seat.shows(&["q quit", "[events]"]);
    seat.press("d")?;
    seat.shows(&["Drain VI_1"]);
    seat.press("n")?;
    seat.shows(&["nothing was changed"]);
    seat.press("q")?;
    assert_eq!(seat.left()?, Some(0));

    for signal in [
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGABRT,
        Signal::SIGALRM,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGXCPU,
    ] {
        let seat = Seat::take(b)?;
        seat.shows(&["VI_1"]);
        seat.signal(signal)?;
        assert_eq!(seat.left()?, Some(0), "{signal}");
    }

    let seat = Seat::take(b)?;
    seat.shows(&["VI_1", "1 BACKUP"]);
    scene.power_off_a()?;
    // The list, and the event in the lower part.
    seat.shows(&["1 MASTER", "Entering MASTER STATE: no advert for"]);
    scene.on_b.signal(Signal::SIGKILL);
    seat.shows(&["gone without a word"]);
    assert_eq!(seat.left()?, Some(6));
    Ok(())
}

#[test]
fn a_drain_is_ordered_after_a_yes_and_what_came_of_it_is_said() -> Tested {
    let pair = Pair::new(vip_program(), "off")?;
    let on_a = pair.start(&pair.a, &fast(100))?;
    up(&on_a)?;
    pair.wait_for_state(&pair.a, "MASTER", PATIENCE)?;
    let mut seat = Seat::take(&pair.a)?;
    seat.shows(&["VI_1", "1 MASTER"]);
    seat.press("d")?;
    seat.shows(&["Drain VI_1"]);
    seat.press("y")?;
    // Nobody was ever heard there: it is refused, and that is what is to be read.
    seat.shows(&["was ever heard on eth0", "1 MASTER"]);
    seat.press("q")?;
    assert_eq!(seat.left()?, Some(0));
    Ok(())
}

#[test]
fn without_a_terminal_or_a_daemon_it_says_so() -> Tested {
    let pair = Pair::new(vip_program(), "off")?;
    let piped = pair.vip(&pair.b, &["top"])?;
    assert_eq!(piped.wait(PATIENCE)?.code, Some(2));
    assert!(piped.stderr().contains("needs a terminal"));
    let seat = Seat::take(&pair.b)?;
    seat.shows(&["no vip answers"]);
    assert!(!seat.is_raw()?);
    Ok(())
}
