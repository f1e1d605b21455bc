//! Trackers: what is watched, and who goes by it.

use std::collections::HashMap;
use std::time::Duration;

use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::Weight;
use super::super::keywords::Block;
use super::super::lists::TrackLine;
use super::super::section::{Section, Setting};
use super::super::source::Span;
use super::super::trackers::{
    File, Kind, Parameters, Process, Script, Streak, Tracked, Tracker, Watch,
};
use super::super::value::Value;
use super::company::{duration, given, given_at, number};
use super::{check, reaction, sections};

/// The list that names trackers of a kind.
const LISTS: [(&str, Kind); 4] = [
    ("track_script", Kind::Script),
    ("track_process", Kind::Process),
    ("track_file", Kind::File),
    ("track_check", Kind::Check),
];

/// The blocks that define a tracker, what it counts where nothing is said, and how it
/// is read.
const KINDS: [(Block, i16, Read); 4] = [
    (Block::Script, 0, |section| {
        script(section).map(Watch::Script)
    }),
    (Block::Process, 0, |section| {
        process(section).map(Watch::Process)
    }),
    (Block::File, 1, |section| file(section).map(Watch::File)),
    (Block::Check, 0, |section| {
        check::check(section).map(Watch::Check)
    }),
];

type Read = fn(&Section) -> Option<Watch>;

/// Every tracker that a configuration defines, with the weight that it counts where
/// a line gives none.
pub(super) struct Defined {
    trackers: Vec<Tracker>,
    weights: HashMap<(Kind, String), Weight>,
}

impl Defined {
    pub(super) fn read(settings: &[Setting]) -> Self {
        let mut defined = Self {
            trackers: Vec::new(),
            weights: HashMap::new(),
        };
        for (block, usual, watch) in KINDS {
            for section in sections(settings, block) {
                defined.add(section, usual, watch(section));
            }
        }
        defined
    }

    /// The first of each name counts; what lacks the main thing is none.
    fn add(&mut self, section: &Section, usual: i16, watch: Option<Watch>) {
        let (Some(name), Some(watch)) = (&section.name, watch) else {
            return;
        };
        let name = name.text.to_string();
        let weight = match given(section, "weight") {
            Some(Value::Weight(weight)) => Weight {
                value: weight.value,
                reverse: weight.reverse,
            },
            _ => Weight {
                value: usual,
                reverse: false,
            },
        };
        let key = (watch.kind(), name.clone());
        if let std::collections::hash_map::Entry::Vacant(place) = self.weights.entry(key) {
            place.insert(weight);
            self.trackers.push(Tracker { name, watch });
        }
    }

    /// What a block goes by, each with its place.
    pub(super) fn tracked(&self, section: &Section, sink: &mut Sink) -> Vec<(Tracked, Span)> {
        let mut all: Vec<(Tracked, Span)> = Vec::new();
        for (list, kind) in LISTS {
            let settings = section.all(list);
            for TrackLine { name, weight } in settings.flat_map(|list| list.value.tracked()) {
                // That there is none has been said.
                let Some(usual) = self.weights.get(&(kind, name.text.to_string())) else {
                    continue;
                };
                let first = all
                    .iter()
                    .find(|(one, _)| one.kind == kind && one.name == *name.text);
                if let Some((_, first)) = first {
                    let message = format!(
                        "{} is tracked already; this line is ignored",
                        quoted(&name.text)
                    );
                    let finding = Finding::error(name.span, message);
                    sink.add(finding.see(*first, "the first time is here"));
                    continue;
                }
                let weight = weight.map_or(*usual, |weight| Weight {
                    value: weight.value,
                    reverse: weight.reverse,
                });
                let name_ = name.text.to_string();
                all.push((
                    Tracked {
                        kind,
                        name: name_,
                        weight,
                    },
                    name.span,
                ));
            }
        }
        all
    }

    /// Those that somebody goes by: the others are not looked at, as in keepalived.
    pub(super) fn used<'t>(self, used: impl Iterator<Item = &'t Tracked>) -> Vec<Tracker> {
        let used: Vec<&Tracked> = used.collect();
        let mut trackers = self.trackers;
        trackers.retain(|one| {
            let is_it =
                |tracked: &&Tracked| tracked.kind == one.watch.kind() && tracked.name == one.name;
            used.iter().any(is_it)
        });
        trackers
    }
}

/// `rise`, `fall` and `init_fail`.
pub(super) fn streak(section: &Section) -> Streak {
    Streak {
        rise: number(section, "rise").unwrap_or(1),
        fall: number(section, "fall").unwrap_or(1),
        init_fail: section.last("init_fail").is_some(),
    }
}

fn script(section: &Section) -> Option<Script> {
    let command = given(section, "script").and_then(Value::command)?;
    let interval = duration(section, "interval").unwrap_or(Duration::from_secs(1));
    let mut command = reaction::command(command);
    if let Some(Value::User(user)) = given(section, "user") {
        command.user = Some(reaction::account(user));
    }
    Some(Script {
        command,
        interval,
        timeout: duration(section, "timeout").unwrap_or(interval),
        streak: streak(section),
    })
}

fn process(section: &Section) -> Option<Process> {
    let command = given(section, "process").and_then(Value::command)?;
    let (name, parameters) = command.argv.split_first()?;
    let compared = match given(section, "param_match") {
        Some(value) => match value.choice() {
            Some("initial") => Some(Parameters::Initial),
            Some("partial") => Some(Parameters::Partial),
            _ => Some(Parameters::All),
        },
        None => (!parameters.is_empty()).then_some(Parameters::All),
    };
    let both = duration(section, "delay").unwrap_or(Duration::ZERO);
    let (quorum, quorum_max) = quorum(section);
    Some(Process {
        name: name.clone(),
        parameters: compared.map(|how| (parameters.to_vec(), how)),
        full_command: section.last("full_command").is_some(),
        quorum,
        quorum_max,
        fork_delay: duration(section, "fork_delay").unwrap_or(both),
        terminate_delay: duration(section, "terminate_delay").unwrap_or(both),
    })
}

/// `quorum` and `quorum_max`; of two that contradict each other the later one is
/// ignored, as in keepalived.
fn quorum(section: &Section) -> (u32, Option<u32>) {
    let (least, most) = (number(section, "quorum"), number(section, "quorum_max"));
    match contradiction(section) {
        Some((("quorum", _), _)) => (1, most),
        Some(_) => (least.unwrap_or(1), None),
        None => (least.unwrap_or(1), most),
    }
}

/// A keyword, and where it stands.
type Line = (&'static str, Span);

/// The later one of `quorum` and `quorum_max`, and the earlier one, where more
/// processes are asked for than are allowed.
fn contradiction(section: &Section) -> Option<(Line, Line)> {
    let (least, at_least) = given_at(section, "quorum")?;
    let (most, at_most) = given_at(section, "quorum_max")?;
    if least.whole::<u32>()? <= most.whole::<u32>()? {
        return None;
    }
    let place = |name| {
        let mut names = section.settings.iter().rev().map(|one| one.keyword.name);
        names.position(|one| one == name)
    };
    let (least, most) = (("quorum", at_least), ("quorum_max", at_most));
    Some(if place("quorum") < place("quorum_max") {
        (least, most)
    } else {
        (most, least)
    })
}

/// Says which of two lines that contradict each other counts.
pub(super) fn check(settings: &[Setting], sink: &mut Sink) {
    for section in sections(settings, Block::Process) {
        if let Some(((ignored, span), (kept, at))) = contradiction(section) {
            let message = format!("`{ignored}` is ignored: more processes must run than may");
            let finding = Finding::warning(span, message);
            sink.add(finding.see(at, format!("`{kept}` counts, as in keepalived")));
        }
    }
}

fn file(section: &Section) -> Option<File> {
    let path = given(section, "file")?.word()?;
    Some(File {
        path: path.text.to_string().into(),
        init: match given(section, "init_file") {
            Some(Value::InitFile(init)) => Some((init.value, init.overwrite)),
            _ => None,
        },
    })
}
