//! What `vip top` knows and shows, without a terminal: it is told what the daemon says
//! and which key was pressed, and what time it is.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::services::follow::{Event, Kind};
use crate::services::glance::{Glance, More, Row};
use crate::services::protocol::Answer;

/// Gaps that are kept of an instance.
pub(super) const GAPS: usize = 48;
/// Events that are kept.
pub(super) const EVENTS: usize = 500;
/// How long a message stands.
const MESSAGE_FOR: Duration = Duration::from_secs(8);
/// Beyond so many intervals without an advert one is missing.
const LATE: f64 = 1.5;

/// One instance and what was seen of it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// As the daemon said last.
    pub(super) row: Row,
    /// Gaps between adverts, as parts of the time that a takeover takes.
    pub(super) gaps: VecDeque<f64>,
}

/// How far an instance is from taking over.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Silence {
    /// Since the last advert, or since it listens.
    pub(super) since: Duration,
    /// When it takes over, counted from there.
    pub(super) total: Duration,
    /// Whether an advert is missing.
    pub(super) is_late: bool,
}

impl Silence {
    /// As a part of one.
    pub(super) fn part(&self) -> f64 {
        self.since.as_secs_f64() / self.total.as_secs_f64().max(1e-9)
    }
}

/// In which order instances stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// As in the configuration.
    File,
    /// What is in trouble first.
    Trouble,
    /// Who is nearest to a takeover first.
    Nearest,
    /// Who has missed most adverts first.
    Missed,
    /// By name.
    Name,
}

impl Sort {
    const fn next(self) -> Self {
        match self {
            Self::File => Self::Trouble,
            Self::Trouble => Self::Nearest,
            Self::Nearest => Self::Missed,
            Self::Missed => Self::Name,
            Self::Name => Self::File,
        }
    }

    /// Its name.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Trouble => "trouble",
            Self::Nearest => "nearest",
            Self::Missed => "missed",
            Self::Name => "name",
        }
    }
}

/// What the lower part shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Panel {
    /// What has happened.
    Events,
    /// What is watched.
    Checks,
    /// How interfaces are heard, and what is wrong.
    Host,
}

impl Panel {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Events, Self::Checks, Self::Host];

    /// Its name.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Checks => "checks",
            Self::Host => "host",
        }
    }
}

/// What the keys are for at the moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The list.
    List,
    /// Words are typed by which to filter.
    Filter,
    /// A drain, or its end, waits for a yes.
    Confirm {
        /// Whether it is to be drained, or to take part again.
        drain: bool,
        /// The instance.
        name: String,
    },
    /// The story of an instance, from this line on.
    Story {
        /// The instance.
        name: String,
        /// The first line that is shown.
        from: usize,
    },
    /// The keys.
    Help,
}

/// A key, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Key {
    /// A character.
    Char(char),
    /// One up.
    Up,
    /// One down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// To the first.
    Home,
    /// To the last.
    End,
    /// Yes, or further.
    Enter,
    /// Back.
    Escape,
    /// The next one.
    Tab,
    /// Takes the last character away.
    Backspace,
}

/// What is to be done for a person.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Wish {
    /// Nothing but to draw.
    Nothing,
    /// To end.
    Quit,
    /// To drain an instance.
    Drain(String),
    /// To have it take part again.
    Undrain(String),
    /// To fetch the story of an instance.
    Story(String),
}

/// What is known and shown.
#[derive(Debug)]
pub(super) struct Model {
    /// This host's name.
    pub(super) host: String,
    /// Version of the daemon; empty before it has said anything.
    pub(super) version: String,
    /// All instances, in the order of the configuration.
    pub(super) all: Vec<Seen>,
    /// Those that are shown, in their order.
    pub(super) shown: Vec<usize>,
    /// What there is beside them.
    pub(super) more: Option<More>,
    /// The last events, the newest last.
    pub(super) events: VecDeque<Event>,
    /// The order.
    pub(super) sort: Sort,
    /// Only what contains this is shown.
    pub(super) filter: String,
    /// What the keys are for.
    pub(super) mode: Mode,
    /// What the lower part shows.
    pub(super) panel: Panel,
    /// The story as it was told last.
    pub(super) story: Vec<String>,
    /// The name of the chosen instance, and its place among those shown.
    chosen: Option<String>,
    at: usize,
    /// The first one on the screen, and how many there is room for.
    pub(super) from: usize,
    page: usize,
    /// Lines of the story that there is room for.
    story_page: usize,
    polled: Duration,
    message: Option<(String, Duration)>,
}

impl Model {
    /// Before anything is known.
    pub(super) fn new(host: String) -> Self {
        Self {
            host,
            version: String::new(),
            all: Vec::new(),
            shown: Vec::new(),
            more: None,
            events: VecDeque::new(),
            sort: Sort::File,
            filter: String::new(),
            mode: Mode::List,
            panel: Panel::Events,
            story: Vec::new(),
            chosen: None,
            at: 0,
            from: 0,
            page: 1,
            story_page: 1,
            polled: Duration::ZERO,
            message: None,
        }
    }

    /// The daemon says how all stand.
    pub(super) fn glance(&mut self, glance: Glance, now: Duration) {
        let mut before: HashMap<String, Seen> = self
            .all
            .drain(..)
            .map(|seen| (seen.row.name.clone(), seen))
            .collect();
        let rows = glance.instances.into_iter();
        self.all = rows
            .map(|row| {
                let known = before.remove(&row.name);
                seen(row, known)
            })
            .collect();
        self.version = glance.version;
        self.polled = now;
        if glance.more.is_some() {
            self.more = glance.more;
        }
        self.arrange(now);
    }

    /// Something has happened.
    pub(super) fn event(&mut self, event: Event) {
        if matches!(event.event, Kind::Following | Kind::Standing) {
            return;
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// The daemon has answered an order.
    pub(super) fn answered(&mut self, answer: &Answer, now: Duration) {
        self.say(answer.said.join("  "), now);
    }

    /// Shows a message for a while.
    pub(super) fn say(&mut self, text: String, now: Duration) {
        self.message = Some((text, now));
    }

    /// The message that stands.
    pub(super) fn message(&self, now: Duration) -> Option<&str> {
        let (text, since) = self.message.as_ref()?;
        (now.saturating_sub(*since) < MESSAGE_FOR).then_some(text)
    }

    /// How far an instance is from taking over; nothing where it does not wait.
    ///
    /// Between two answers of the daemon time goes on, but no advert is taken for
    /// missing that the daemon has not missed: others came meanwhile, of which it has
    /// not told yet.
    pub(super) fn silence(&self, seen: &Seen, now: Duration) -> Option<Silence> {
        let row = &seen.row;
        if row.state != "BACKUP" {
            return None;
        }
        let deadline = row.deadline_ns?;
        let then = Duration::from_nanos(row.heard_ns_ago.unwrap_or(row.since_ns));
        let left = Duration::from_nanos(deadline.unsigned_abs());
        let total = if deadline >= 0 {
            then + left
        } else {
            then.saturating_sub(left)
        };
        let interval = Duration::from_nanos(row.interval_ns);
        let expected = interval.mul_f64(LATE);
        let is_late = row.heard_ns_ago.is_some() && then > expected;
        let since = then + now.saturating_sub(self.polled);
        let since = if is_late || row.heard_ns_ago.is_none() {
            since.min(total.max(then))
        } else {
            since.min(expected.max(then))
        };
        Some(Silence {
            since,
            total,
            is_late,
        })
    }

    /// The chosen instance.
    pub(super) fn chosen(&self) -> Option<&Seen> {
        self.shown.get(self.at).and_then(|at| self.all.get(*at))
    }

    /// Its place among those that are shown.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    /// How many there is room for on the screen.
    pub(super) const fn page(&self) -> usize {
        self.page
    }

    /// The details of an instance, if they are known.
    pub(super) fn detail(&self, name: &str) -> Option<&crate::services::status::Instance> {
        let more = self.more.as_ref()?;
        more.details.iter().find(|one| one.name == name)
    }

    /// There is room for so many instances on the screen.
    pub(super) fn fit(&mut self, page: usize) {
        self.page = page.max(1);
        if self.at < self.from {
            self.from = self.at;
        } else if self.at >= self.from + self.page {
            self.from = self.at + 1 - self.page;
        }
        // No room is left empty that somebody could stand in.
        self.from = self.from.min(self.shown.len().saturating_sub(self.page));
    }

    /// There is room for so many lines of a story of this length.
    pub(super) fn fit_story(&mut self, lines: usize, page: usize) {
        self.story_page = page.max(1);
        if let Mode::Story { from, .. } = &mut self.mode {
            *from = (*from).min(lines.saturating_sub(page));
        }
    }

    /// The names of those on the screen, whose details are wanted.
    pub(super) fn visible(&self) -> Vec<String> {
        if let Mode::Story { name, .. } = &self.mode {
            return vec![name.clone()];
        }
        let shown = self.shown.iter().skip(self.from).take(self.page);
        let rows = shown.filter_map(|at| self.all.get(*at));
        rows.map(|seen| seen.row.name.clone()).collect()
    }

    fn arrange(&mut self, now: Duration) {
        let wanted = self.filter.to_lowercase();
        let fits = |row: &Row| {
            let fields = [&row.name, &row.interface, &row.state];
            fields
                .iter()
                .any(|field| field.to_lowercase().contains(&wanted))
        };
        let mut shown: Vec<usize> = (0..self.all.len())
            .filter(|at| self.all.get(*at).is_some_and(|seen| fits(&seen.row)))
            .collect();
        let seen = |at: &usize| self.all.get(*at);
        match self.sort {
            Sort::File => {}
            Sort::Trouble => shown.sort_by_key(|at| seen(at).map(trouble)),
            Sort::Name => shown.sort_by_cached_key(|at| seen(at).map(|one| one.row.name.clone())),
            Sort::Missed => {
                shown.sort_by_key(|at| std::cmp::Reverse(seen(at).map(|one| one.row.missed)));
            }
            Sort::Nearest => {
                let part = |at: &usize| {
                    let silence = self.silence(seen(at)?, now)?;
                    Some((silence.part() * 1e6) as u64)
                };
                shown.sort_by_cached_key(|at| std::cmp::Reverse(part(at)));
            }
        }
        self.shown = shown;
        let place = self.chosen.as_ref().and_then(|name| {
            let mut shown = self.shown.iter();
            shown.position(|at| self.all.get(*at).is_some_and(|one| one.row.name == *name))
        });
        // Of one that is gone the next one takes the place.
        self.at = place.unwrap_or_else(|| self.at.min(self.shown.len().saturating_sub(1)));
        self.fit(self.page);
        self.choose(self.at);
    }

    fn choose(&mut self, at: usize) {
        self.at = at.min(self.shown.len().saturating_sub(1));
        self.chosen = self.chosen().map(|seen| seen.row.name.clone());
        self.fit(self.page);
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: Key, now: Duration) -> Wish {
        match self.mode.clone() {
            Mode::List => self.key_in_list(key, now),
            Mode::Filter => {
                match key {
                    Key::Char(character) if !character.is_control() => self.filter.push(character),
                    Key::Backspace => drop(self.filter.pop()),
                    Key::Escape => {
                        self.filter.clear();
                        self.mode = Mode::List;
                    }
                    Key::Enter => self.mode = Mode::List,
                    Key::Up => self.choose(self.at.saturating_sub(1)),
                    Key::Down => self.choose(self.at + 1),
                    Key::Char(_)
                    | Key::PageUp
                    | Key::PageDown
                    | Key::Home
                    | Key::End
                    | Key::Tab => {}
                }
                self.arrange(now);
                Wish::Nothing
            }
            Mode::Confirm { drain, name } => {
                self.mode = Mode::List;
                if !matches!(key, Key::Char('y' | 'Y')) {
                    self.say("nothing was changed".into(), now);
                    return Wish::Nothing;
                }
                match drain {
                    true => Wish::Drain(name),
                    false => Wish::Undrain(name),
                }
            }
            Mode::Story { name, from } => {
                let from = match key {
                    Key::Up | Key::Char('k') => from.saturating_sub(1),
                    Key::Down | Key::Char('j') => from + 1,
                    Key::PageUp => from.saturating_sub(self.story_page),
                    Key::PageDown | Key::Char(' ') => from + self.story_page,
                    Key::Home | Key::Char('g') => 0,
                    Key::End | Key::Char('G') => usize::MAX / 2,
                    Key::Enter | Key::Char('r') => return Wish::Story(name),
                    Key::Char(_) | Key::Escape | Key::Tab | Key::Backspace => {
                        self.mode = Mode::List;
                        return Wish::Nothing;
                    }
                };
                self.mode = Mode::Story { name, from };
                Wish::Nothing
            }
            Mode::Help => {
                self.mode = Mode::List;
                Wish::Nothing
            }
        }
    }

    fn key_in_list(&mut self, key: Key, now: Duration) -> Wish {
        match key {
            Key::Char('q') => return Wish::Quit,
            Key::Up | Key::Char('k') => self.choose(self.at.saturating_sub(1)),
            Key::Down | Key::Char('j') => self.choose(self.at + 1),
            Key::PageUp => self.choose(self.at.saturating_sub(self.page)),
            Key::PageDown | Key::Char(' ') => self.choose(self.at + self.page),
            Key::Home | Key::Char('g') => self.choose(0),
            Key::End | Key::Char('G') => self.choose(usize::MAX),
            Key::Char('s') => {
                self.sort = self.sort.next();
                self.arrange(now);
                self.say(format!("sorted by {}", self.sort.word()), now);
            }
            Key::Char('/') => self.mode = Mode::Filter,
            Key::Escape => {
                self.filter.clear();
                self.message = None;
                self.arrange(now);
            }
            Key::Tab => {
                let at = Panel::ALL.iter().position(|panel| *panel == self.panel);
                let next = at.map_or(0, |at| (at + 1) % Panel::ALL.len());
                self.panel = Panel::ALL.get(next).copied().unwrap_or(Panel::Events);
            }
            Key::Char('?' | 'h') => self.mode = Mode::Help,
            Key::Char(word @ ('d' | 'u')) => {
                if let Some(seen) = self.chosen() {
                    let name = seen.row.name.clone();
                    let drain = word == 'd';
                    self.mode = Mode::Confirm { drain, name };
                }
            }
            Key::Enter => {
                if let Some(seen) = self.chosen() {
                    return Wish::Story(seen.row.name.clone());
                }
            }
            Key::Char(_) | Key::Backspace => {}
        }
        Wish::Nothing
    }

    /// Opens the story of an instance, as it was told.
    pub(super) fn open(&mut self, name: String, story: Vec<String>) {
        self.story = story;
        self.mode = Mode::Story { name, from: 0 };
    }

    /// How many instances are in each state.
    pub(super) fn counts(&self) -> [(&'static str, usize); 4] {
        ["MASTER", "BACKUP", "FAULT", "INIT"].map(|state| {
            let those = self.all.iter().filter(|seen| seen.row.state == state);
            (state, those.count())
        })
    }
}

/// What an instance is, with what is known of it from before.
fn seen(row: Row, known: Option<Seen>) -> Seen {
    let Some(Seen {
        row: before,
        mut gaps,
    }) = known
    else {
        let gaps = VecDeque::new();
        return Seen { row, gaps };
    };
    if let Some(part) = gap(&row, &before) {
        if gaps.len() == GAPS {
            gaps.pop_front();
        }
        gaps.push_back(part);
    }
    Seen { row, gaps }
}

/// The last gap between adverts, as a part of the time that a takeover takes; longer
/// where one was missed since the last look. Nothing where none came, or went out.
fn gap(row: &Row, before: &Row) -> Option<f64> {
    if row.state != before.state {
        return None;
    }
    let interval = row.interval_ns as f64;
    if row.state == "MASTER" {
        let sent = row.sent.checked_sub(before.sent).filter(|sent| *sent > 0)?;
        let late = row.late_ns.saturating_sub(before.late_ns) as f64 / sent as f64;
        // As somebody sees it who waits for three of them and a skew time.
        return Some((interval + late) / (interval * 3.5));
    }
    let who = |row: &Row| row.master.as_ref().map(|one| one.address);
    if who(row) != who(before) || row.accepted <= before.accepted {
        return None;
    }
    let mut gap = row.gap_ns? as f64;
    if row.missed > before.missed {
        gap = gap.max(interval * LATE);
    }
    let total = row.heard_ns_ago? as f64 + row.deadline_ns? as f64;
    (total > 0.0).then(|| gap / total)
}

/// The more trouble, the less.
fn trouble(seen: &Seen) -> u8 {
    let row = &seen.row;
    match &*row.state {
        _ if row.two_masters => 0,
        "FAULT" => 1,
        "INIT" => 2,
        _ if row.master.is_none() => 3,
        _ => 4,
    }
}

#[cfg(test)]
pub(super) mod tests;
