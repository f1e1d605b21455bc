//! Where all that `vip top` takes comes from: the daemon, the keys, signals. Each has a
//! thread, so that a daemon that thinks holds up no key.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use ratatui::crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::model::Key;
use super::screen;
use crate::error::{Exit, Failure};
use crate::services::control;
use crate::services::follow::{Event, Follower, Kind};
use crate::services::glance::Glance;
use crate::services::protocol::{Answer, Question};

/// How often all instances are looked at, at most.
const POLL: Duration = Duration::from_millis(250);
/// And how much of the time an answer may take: where there are many instances, or the
/// daemon has little of a processor, it is asked less often.
const SHARE: u32 = 20;
/// How often the details of those on the screen are.
const DETAIL: Duration = Duration::from_secs(1);
/// How long a daemon may leave questions unanswered.
const PATIENCE: Duration = Duration::from_secs(6);
/// Events of before that are asked for.
const PAST: usize = 200;
/// Inputs that wait; whoever brings more waits.
const WAITING: usize = 64;
/// How long the end waits for a terminal that takes nothing.
const LAST_FRAME: Duration = Duration::from_secs(1);

/// What has come.
pub(super) enum Input {
    /// How all stand.
    Glance(Box<Glance>),
    /// Something has happened.
    Event(Box<Event>),
    /// What the daemon said to an order.
    Answered(Result<Answer, String>),
    /// A key.
    Key(Press),
    /// The terminal has another size.
    Resized,
    /// A signal that ends us.
    Signal,
    /// There is no more to come.
    Ended(Failure),
}

/// A key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Press {
    /// Ends us in whatever mode.
    Quit,
    /// Draws anew.
    Anew,
    /// Goes into the background.
    Suspend,
    /// Whatever it means in a mode.
    Key(Key),
}

/// What ends a program that does not see to it, from outside: the terminal is given back first.
const ENDING: [Signal; 10] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGABRT,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGXCPU,
];

/// The threads.
pub(super) struct Feed {
    runtime_dir: PathBuf,
    inputs: SyncSender<Input>,
    wanted: Sender<Vec<String>>,
    last: Vec<String>,
}

impl Feed {
    /// Begins to ask and to follow the daemon, and to wait for signals.
    pub(super) fn start(runtime_dir: &Path) -> Result<(Self, Receiver<Input>), Failure> {
        let (inputs, receiver) = sync_channel(WAITING);
        let (wanted, wants) = mpsc::channel();
        // Before any thread, so that only the one that waits for them gets them.
        let signals = SigSet::from_iter(ENDING);
        let blocked = signals.thread_block().map_err(io::Error::from);
        blocked.map_err(|error| no_thread(&error))?;
        let follower = Follower::begin(runtime_dir, PAST, false)?;
        let directory = runtime_dir.to_path_buf();
        spawn("signals", &inputs, move |to| wait_for_signal(&signals, to))?;
        spawn("follow", &inputs, move |to| follow(follower, to))?;
        spawn("poll", &inputs, move |to| poll(&directory, &wants, to))?;
        let feed = Self {
            runtime_dir: runtime_dir.to_path_buf(),
            inputs,
            wanted,
            last: Vec::new(),
        };
        Ok((feed, receiver))
    }

    /// Begins to read keys; the terminal is ours.
    pub(super) fn read_keys(&self) -> io::Result<()> {
        spawn("keys", &self.inputs, read_keys).map_err(|failure| io::Error::other(failure.error))
    }

    /// These instances are on the screen.
    pub(super) fn want(&mut self, names: Vec<String>) {
        if names != self.last {
            let _ = self.wanted.send(names.clone());
            self.last = names;
        }
    }

    /// Gives an order; what comes of it comes as an input.
    pub(super) fn order(&self, name: String, drain: bool) {
        let question = match drain {
            true => Question::Drain {
                instances: vec![name],
                for_s: None,
                force: false,
            },
            false => Question::Undrain {
                instances: vec![name],
            },
        };
        let directory = self.runtime_dir.clone();
        let give = move |to: SyncSender<Input>| {
            let answer = control::order(&directory, &question);
            let answer = answer.map_err(|failure| failure.to_string());
            let _ = to.send(Input::Answered(answer));
        };
        if let Err(failure) = spawn("order", &self.inputs, give) {
            let _ = self
                .inputs
                .try_send(Input::Answered(Err(failure.to_string())));
        }
    }
}

fn no_thread(error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("the system has no thread left: {error}"),
    )
}

/// Starts a thread. That one has panicked is an input too.
fn spawn(
    name: &str,
    inputs: &SyncSender<Input>,
    work: impl FnOnce(SyncSender<Input>) + Send + 'static,
) -> Result<(), Failure> {
    struct Watch(SyncSender<Input>);
    impl Drop for Watch {
        fn drop(&mut self) {
            if thread::panicking() {
                let failure = Failure::new(Exit::Failed, "vip top has failed");
                let _ = self.0.send(Input::Ended(failure));
            }
        }
    }
    let watch = Watch(inputs.clone());
    let to = inputs.clone();
    thread::Builder::new()
        .name(format!("top-{name}"))
        .spawn(move || {
            let _watch = watch;
            work(to);
        })
        .map(drop)
        .map_err(|error| no_thread(&error))
}

fn wait_for_signal(signals: &SigSet, to: SyncSender<Input>) {
    if signals.wait().is_err() {
        return;
    }
    // One that nobody takes up has to end us all the same: a frame may be waiting for a
    // terminal that was stopped, or is gone.
    let asked = thread::Builder::new().spawn(move || to.send(Input::Signal));
    thread::sleep(LAST_FRAME);
    drop(asked);
    screen::restore_modes();
    std::process::exit(Exit::Failed as i32);
}

fn follow(mut follower: Follower, to: SyncSender<Input>) {
    let mut last = None;
    let failure = loop {
        match follower.next_event() {
            Ok(Some(followed)) => {
                last = Some(followed.event.event);
                if to.send(Input::Event(Box::new(followed.event))).is_err() {
                    return;
                }
            }
            Ok(None) if last == Some(Kind::Leaving) => {
                break Failure::new(Exit::NoDaemon, "the daemon has left");
            }
            Ok(None) => break Failure::new(Exit::NoDaemon, "the daemon has gone without a word"),
            Err(failure) => break failure,
        }
    };
    let _ = to.send(Input::Ended(failure));
}

fn poll(directory: &Path, wants: &Receiver<Vec<String>>, to: SyncSender<Input>) {
    let mut names = Vec::new();
    let (mut answered, mut detailed) = (Instant::now(), None::<Instant>);
    loop {
        let begun = Instant::now();
        let is_due = detailed.is_none_or(|at| at.elapsed() >= DETAIL);
        let detail = is_due.then(|| names.clone());
        match control::ask_glance(directory, detail) {
            Ok(glance) => {
                answered = Instant::now();
                if is_due {
                    detailed = Some(answered);
                }
                if to.send(Input::Glance(Box::new(glance))).is_err() {
                    return;
                }
            }
            // It may be busy, or have too many clients for a moment.
            Err(_) if answered.elapsed() < PATIENCE => {}
            Err(failure) => {
                let _ = to.send(Input::Ended(failure));
                return;
            }
        }
        let pause = (begun.elapsed() * SHARE).clamp(POLL, DETAIL);
        match wants.recv_timeout(pause.saturating_sub(begun.elapsed())) {
            Ok(wanted) => {
                // Who scrolls gets the last of them.
                names = wants.try_iter().last().unwrap_or(wanted);
                detailed = None;
                thread::sleep(pause.saturating_sub(begun.elapsed()).min(POLL / 4));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn read_keys(to: SyncSender<Input>) {
    loop {
        let input = match event::read() {
            Ok(event::Event::Key(key)) if key.kind != KeyEventKind::Release => match press(key) {
                Some(press) => Input::Key(press),
                None => continue,
            },
            Ok(event::Event::Resize(..)) => Input::Resized,
            Ok(_) => continue,
            Err(error) => Input::Ended(Failure::new(
                Exit::Failed,
                format!("the terminal fails: {error}"),
            )),
        };
        let is_end = matches!(input, Input::Ended(_));
        if to.send(input).is_err() || is_end {
            return;
        }
    }
}

/// What a key means to us.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most keys mean nothing here"
)]
fn press(key: KeyEvent) -> Option<Press> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Press::Quit),
            KeyCode::Char('l') => Some(Press::Anew),
            KeyCode::Char('z') => Some(Press::Suspend),
            KeyCode::Char('h') => Some(Press::Key(Key::Backspace)),
            _ => None,
        };
    }
    let key = match key.code {
        KeyCode::Char(character) => Key::Char(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Tab => Key::Tab,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    };
    Some(Press::Key(key))
}
