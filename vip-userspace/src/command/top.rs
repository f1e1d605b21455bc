//! `vip top`: all instances of a daemon at a glance, as they are from moment to moment.

mod draw;
mod feed;
mod look;
mod model;
mod screen;
mod table;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use nix::sys::signal::{Signal, raise};

use super::why;
use crate::cli::RUNTIME_DIR;
use crate::error::{Exit, Failure};
use crate::services::recorder::archive;
use crate::services::text;
use feed::{Feed, Input, Press};
use look::Look;
use model::{Model, Wish};
use screen::Screen;

/// How often bars move.
const FRAME: Duration = Duration::from_millis(125);
/// Frames are at least so far apart, however much happens.
const LEAST: Duration = Duration::from_millis(30);

/// Arguments of `vip top`.
#[derive(Args, Debug)]
pub struct TopArgs {
    /// Directory of the daemon
    #[arg(long, value_name = "DIR", env = "VIP_RUNTIME_DIR", default_value = RUNTIME_DIR)]
    pub runtime_dir: PathBuf,
    /// Where the recordings are [default: `recordings` in the runtime directory]
    #[arg(long, value_name = "DIR", env = "VIP_RECORDINGS")]
    pub recordings: Option<PathBuf>,
}

/// Shows it until a person has seen enough or the daemon ends, which is exit code 6.
///
/// # Errors
/// No daemon answers, or there is no terminal.
pub fn run(arguments: &TopArgs) -> Result<Exit, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let message =
            "vip top needs a terminal; for programs there is 'vip status --follow --json'";
        return Err(Failure::new(Exit::Usage, message));
    }
    let look = Look::of(|name| std::env::var(name).ok());
    let (feed, inputs) = Feed::start(&arguments.runtime_dir)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let model = Model::new(host.trim().to_owned());
    let screen = Screen::open().map_err(|error| broken(&error))?;
    feed.read_keys().map_err(|error| broken(&error))?;
    let mut top = Top {
        model,
        look,
        screen,
        feed,
        recordings: arguments
            .recordings
            .clone()
            .unwrap_or_else(|| arguments.runtime_dir.join(archive::DIRECTORY)),
        begun: Instant::now(),
    };
    // Its end gives the terminal back, before anything is said on it.
    top.watch(&inputs)
}

fn broken(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the terminal fails: {error}"))
}

struct Top {
    model: Model,
    look: Look,
    screen: Screen,
    feed: Feed,
    recordings: PathBuf,
    begun: Instant,
}

/// Whether to go on.
type Going = Result<Option<Exit>, Failure>;

impl Top {
    fn watch(&mut self, inputs: &Receiver<Input>) -> Result<Exit, Failure> {
        loop {
            let drawn = Instant::now();
            let (model, look, now) = (&mut self.model, self.look, self.begun.elapsed());
            self.screen
                .draw(|frame| draw::draw(frame, model, look, now))
                .map_err(|error| broken(&error))?;
            self.feed.want(self.model.visible());
            // A frame for whatever comes together, and one for time that passes.
            let mut next = drawn + FRAME;
            loop {
                match inputs.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return Ok(Exit::Failed),
                    Ok(input) => {
                        if let Some(exit) = self.take(input)? {
                            return Ok(exit);
                        }
                        next = next.min(drawn + LEAST);
                    }
                }
            }
        }
    }

    fn take(&mut self, input: Input) -> Going {
        let now = self.begun.elapsed();
        match input {
            Input::Glance(glance) => self.model.glance(*glance, now),
            Input::Event(event) => self.model.event(*event),
            Input::Answered(Ok(answer)) => self.model.answered(&answer, now),
            Input::Answered(Err(why)) => self.model.say(why, now),
            Input::Resized => {}
            Input::Signal => return Ok(Some(Exit::Done)),
            Input::Ended(failure) => return Err(failure),
            Input::Key(Press::Quit) => return Ok(Some(Exit::Done)),
            Input::Key(Press::Anew) => self.screen.anew().map_err(|error| broken(&error))?,
            Input::Key(Press::Suspend) => self.suspend().map_err(|error| broken(&error))?,
            Input::Key(Press::Key(key)) => match self.model.key(key, now) {
                Wish::Nothing => {}
                Wish::Quit => return Ok(Some(Exit::Done)),
                Wish::Drain(name) => self.feed.order(name, true),
                Wish::Undrain(name) => self.feed.order(name, false),
                Wish::Story(name) => {
                    let story = self.story(&name);
                    self.model.open(name, story);
                }
            },
        }
        Ok(None)
    }

    /// Gives the terminal back until somebody wants us in the foreground again.
    fn suspend(&mut self) -> std::io::Result<()> {
        screen::restore();
        raise(Signal::SIGTSTP)?;
        self.screen.again()
    }

    /// What is known of an instance, why it changed last, and what has happened to it.
    fn story(&self, name: &str) -> Vec<String> {
        let mut lines = self
            .model
            .detail(name)
            .map_or_else(Vec::new, text::instance_lines);
        let events = self.model.events.iter();
        let its = events.filter(|event| event.instance.as_deref() == Some(name));
        let mut its: Vec<String> = its
            .map(|event| format!("  {}", draw::told(event)))
            .collect();
        if its.is_empty() {
            its.push("  nothing that is remembered".into());
        }
        if let Some(why) = why::last_story(&self.recordings, name) {
            lines.push(String::new());
            lines.extend(why.lines().map(str::to_owned));
        }
        lines.push(String::new());
        lines.push("What has happened, the latest first (UTC):".into());
        lines.extend(its.into_iter().rev());
        lines
    }
}
