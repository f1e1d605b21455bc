//! What follows from the facts: the cause, what was seen and missing, and where to look. What
//! cannot be known from here is said to be unknown.

use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{Fault, StateName, Why};
use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use super::facts::{Facts, Heard};
use crate::engine::published::Standing;
use crate::services::recorder::recording::{Change, Recording};
use crate::words::{self, span};

/// A refusal so long before a change has to do with it.
pub(super) const LATELY: Duration = Duration::from_secs(15);

/// One phase of a takeover, and how long it took.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) took: Duration,
}

/// The story of a change.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    /// What happened to whom, when and where.
    pub(super) headline: String,
    pub(super) instance: String,
    /// Whether it only would have happened.
    pub(super) shadow: bool,
    pub(super) host: String,
    pub(super) utc: String,
    pub(super) state: Option<&'static str>,
    /// The name of the cause, for programs: stable, lower case.
    pub(super) cause: &'static str,
    /// The same for a person.
    pub(super) why: String,
    pub(super) seen: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) place: Vec<String>,
    /// Where adverts were lost, by the names that `vip trace` has for places.
    pub(super) lost_at: Option<String>,
    pub(super) decided: Vec<String>,
    pub(super) phases: Vec<Phase>,
    pub(super) look: Vec<String>,
    pub(super) remarks: Vec<String>,
}

impl Story {
    /// Tells it.
    pub(super) fn of(recording: &Recording) -> Self {
        let facts = Facts::of(recording);
        let about = &recording.instance;
        let mut story = Self {
            instance: about.name.clone(),
            shadow: recording.shadow,
            host: recording.host.clone(),
            utc: recording.utc.clone(),
            ..Self::default()
        };
        let whose = format!("{} (VRID {}, {})", about.name, about.vrid, about.interface);
        let (went, was_not) = if recording.shadow {
            ("would have gone, were it no shadow,", "would not have been")
        } else {
            ("went", "was not")
        };
        let when = format!("{}, on {}", recording.utc, recording.host);
        match recording.change {
            Change::State { at, from, to, why } => {
                let state = state_word(to, why);
                story.state = Some(state);
                let was = state_before(from, why);
                story.headline = format!("{whose} {went} from {was} to {state}: {when}");
                story.explain(recording, &facts, at, to, why);
                if to == StateName::Active {
                    story.time_takeover(&facts, at, why);
                } else {
                    story.time_leave(&facts, at, from);
                }
            }
            Change::TwoMasters {
                at,
                source,
                priority,
            } => {
                story.headline = format!("{whose} {was_not} the only MASTER: {when}");
                story.two_masters(&facts, at, source, priority);
            }
        }
        story.weigh_host(recording, &facts);
        if recording.left_out > 0 {
            story.remarks.push(format!(
                "{} more changes of this host were not written down: there were too many at once",
                recording.left_out
            ));
        }
        if recording.cut {
            story.remarks.push(
                "more happened around it than is written down: the longest parts were left out"
                    .into(),
            );
        }
        story
    }

    fn explain(
        &mut self,
        recording: &Recording,
        facts: &Facts,
        at: MonoTime,
        to: StateName,
        why: Why,
    ) {
        let what = recording.hindered_by.as_deref().unwrap_or("the interface");
        match why {
            Why::ActiveDownTimerExpired {
                last_advert,
                deadline,
                proven,
            } => self.silence(recording, facts, at, (last_advert, deadline, proven)),
            Why::ActiveResigned {
                source,
                stamp,
                deadline,
            } => {
                self.cause = "resigned";
                self.why = format!("{source} said that it leaves (priority 0)");
                self.saw(facts.heard_of(source), stamp);
                self.decided.push(format!(
                    "nobody of a better priority came within {} after it: decided {} after the end of that time",
                    span(deadline.since(stamp)),
                    span(at.since(deadline))
                ));
                self.look.push(format!(
                    "on {source}: 'vip why' tells whether it was stopped, drained or had a fault"
                ));
            }
            Why::Preempting {
                source,
                priority,
                deadline,
            } => self.preempts(facts, at, source, priority, deadline),
            Why::HigherPriority { source, priority } => {
                self.outranked(facts, at, source, priority, recording);
            }
            Why::HigherAddress { source, priority } => {
                self.cause = "higher_address";
                self.why = format!(
                    "{source} has our priority {priority} and the higher address: it stays MASTER"
                );
                self.look
                    .push("give the two nodes different priorities".into());
                self.came_back(facts, at, source);
            }
            Why::Fault(fault) => self.fault(fault, what, recording),
            Why::Recovered { fault } => {
                self.cause = "recovered";
                self.why = format!(
                    "it can take part again; what had kept it out: {}",
                    fault_name(fault, what)
                );
                self.took_at_once(to, facts);
            }
            Why::Started => {
                self.cause = "started";
                self.why = "vip was started".into();
                self.took_at_once(to, facts);
            }
            Why::AddressOwner => {
                self.cause = "owner";
                self.why =
                    "priority 255: the addresses are this host's own, and it does not wait".into();
            }
            Why::AddressesFailed { retry } => {
                self.cause = "addresses_failed";
                self.why =
                    "the kernel did not take the addresses, so that it gave the role up".into();
                let trouble = recording.trouble.iter();
                self.place
                    .extend(trouble.map(|why| format!("in this host: {why}")));
                self.decided.push(format!(
                    "leaves the role to others, tries again after {}",
                    span(retry.since(at))
                ));
                self.look
                    .push("the line above, and 'ip address' for what is in the way".into());
            }
            Why::Taken => {
                self.cause = "taken";
                self.why = "somebody ordered it: 'vip take'".into();
            }
            Why::NoSuccessor => {
                self.cause = "no_successor";
                self.why = "it was drained, but nobody took over: it has the role again".into();
                self.look
                    .push("why the other node does not run: ask it 'vip status'".into());
            }
            Why::GroupFellBack => {
                self.cause = "group";
                self.why = match &recording.instance.sync_group {
                    Some(group) => {
                        format!("another member of its sync group {group} is not MASTER any more")
                    }
                    None => "another member of its sync group is not MASTER any more".into(),
                };
                self.look
                    .push("'vip why' of the other members: one of them was first".into());
            }
            Why::Drained => {
                self.cause = "drained";
                self.why = "somebody ordered it to stay out: 'vip drain'".into();
                self.decided
                    .push("hands over, and stays out until 'vip undrain'".into());
            }
            Why::ShutDown => {
                self.cause = "stopped";
                self.why = "vip was told to stop, or a reload took the instance out".into();
                self.look
                    .push("the log of vip for who stopped it: 'vip leaves: SIGTERM'".into());
            }
        }
    }

    fn preempts(
        &mut self,
        facts: &Facts,
        at: MonoTime,
        source: IpAddr,
        priority: Priority,
        deadline: MonoTime,
    ) {
        self.cause = "preempting";
        let ours = facts
            .ours
            .map_or_else(String::new, |ours| format!(", ours is {ours}"));
        self.why = format!("{source} was MASTER with the lower priority {priority}{ours}");
        self.saw(facts.heard_of(source), at);
        if let Some((when, before, after)) = facts.reweighed {
            self.seen.push(format!(
                "our priority went from {before} to {after} {} before, by what it tracks, an order or a reload",
                span(at.since(when))
            ));
        }
        self.decided.push(format!(
            "preempted it {} after our own time was over; with 'nopreempt' it would have stayed",
            span(at.since(deadline))
        ));
    }

    fn outranked(
        &mut self,
        facts: &Facts,
        at: MonoTime,
        source: IpAddr,
        priority: Priority,
        recording: &Recording,
    ) {
        let ours = facts
            .ours
            .map_or_else(String::new, |ours| format!(", ours is {ours}"));
        self.cause = "higher_priority";
        self.why = format!("{source} has the higher priority {priority}{ours}");
        if let Some((when, before, after)) = facts.reweighed
            // Before, we were not of the lower rank.
            && after < priority
            && before >= priority
            && at.since(when) < LATELY
        {
            self.cause = "own_priority_fell";
            self.why = format!(
                "our own priority fell from {before} to {after}, below the {priority} of {source}"
            );
            self.place.push(format!(
                "in this host: what is tracked, an order or a reload made it {after}, {} before",
                span(at.since(when))
            ));
            self.look.push(format!(
                "'vip status {}' for what takes priority off, and the log",
                recording.instance.name
            ));
        }
        self.came_back(facts, at, source);
        self.decided
            .push("gave way at once; the addresses stay until the other has announced them".into());
    }

    /// What is known of the time in which a better one was not heard.
    fn came_back(&mut self, facts: &Facts, at: MonoTime, source: IpAddr) {
        let resumed = facts.resumed.iter().rev();
        let mut resumed = resumed.filter(|one| one.source == source && one.at <= at);
        let Some(resumed) = resumed.next() else {
            if facts.heard_of(source).is_none_or(|heard| heard.count <= 1) {
                self.seen.push(format!("{source} was heard for the first time in a minute: it was started, or the way from it was mended"));
            }
            return;
        };
        let gap = span(resumed.at.since(resumed.last));
        self.seen.push(match resumed.missed {
            Some(0) => format!("{source} is heard again after {gap} in which it sent nothing, by its own count"),
            Some(missed) => format!("{source} is heard again after {gap} in which it sent {missed} adverts, by its own count: they were lost before this NIC, and both were MASTER"),
            None => format!("{source} is heard again after {gap}; its numbers do not tell whether it sent any meanwhile"),
        });
    }

    fn fault(&mut self, fault: Fault, what: &str, recording: &Recording) {
        self.cause = fault_cause(fault);
        self.why = fault_name(fault, what);
        self.place.push("in this host".into());
        self.decided.push(
            "FAULT: whoever cannot serve the addresses must not hold them; the others take over at once if they hear it"
                .into(),
        );
        match fault {
            Fault::LinkDown | Fault::NoInterface | Fault::NoAddress => self.look.push(format!(
                "'ip -s link show {}', cable and switch port, and who changed it (the kernel's log)",
                recording.instance.interface
            )),
            Fault::Tracked => self
                .look
                .push(format!("'vip status {}' shows what it tracks and what each found last", recording.instance.name)),
            Fault::EarDeaf => self
                .look
                .push("'vip status' for how the interface is heard, and who took our program off it".into()),
            Fault::Starting
            | Fault::AddressesNotInstalled
            | Fault::Unusable
            | Fault::StartupDelay
            | Fault::Group
            | Fault::Drained
            | Fault::ShutDown => {}
        }
    }

    fn took_at_once(&mut self, to: StateName, facts: &Facts) {
        if to == StateName::Active {
            self.decided.push(
                "the addresses were still here and nobody had come for them: MASTER at once".into(),
            );
        }
        if let Some(heard) = facts.last_heard().copied() {
            self.saw(Some(&heard), heard.last);
        }
    }

    fn two_masters(&mut self, facts: &Facts, at: MonoTime, source: IpAddr, priority: Priority) {
        self.cause = "two_masters";
        self.why = format!(
            "{source} advertises too, with priority {priority}: it has not heard us for a while"
        );
        let late = facts.latest(at - LATELY, at + LATELY);
        // Whoever misses three adverts takes over.
        let enough = facts.interval.unwrap_or(Duration::from_millis(10)) * 2;
        let paused = late.filter(|late| *late >= enough);
        if let Some(late) = paused {
            self.cause = "own_pause";
            self.why = format!(
                "vip did not run for {}, and {source} took over meanwhile",
                span(late)
            );
            self.place.push(
                "in this host: vip was stopped, or the machine did not let it run (a paused guest, an overloaded processor)".into(),
            );
            self.look.push(
                "who stopped vip, and the load of this host and of the machine below it".into(),
            );
        } else if let Some((when, errno)) = facts.mute {
            let error = std::io::Error::from_raw_os_error(errno);
            self.place.push(format!(
                "in this host: our adverts could not be sent {} before: {error}",
                span(at.since(when))
            ));
        } else {
            self.place.push(format!(
                "our adverts were sent and did not reach {source}: on the way, or in it; 'vip why' there tells more"
            ));
        }
        self.decided.push(
            "stayed MASTER, having the better priority; answered so that it gives way".into(),
        );
    }

    pub(super) fn saw(&mut self, heard: Option<&Heard>, last: MonoTime) {
        let Some(heard) = heard else { return };
        let mut line = format!(
            "{} advert{} of {}, priority {}, every {}",
            heard.count,
            if heard.count == 1 { "" } else { "s" },
            heard.source,
            heard.priority,
            heard.interval
        );
        if !heard.longest.is_zero() {
            line += &format!("; the longest gap {}", span(heard.longest));
        }
        if heard.known > 0 {
            line += &format!(
                " ({} of them counted at the NIC, which calls only at a gap that is too long)",
                heard.known
            );
        }
        if heard.last > last {
            line += "; it speaks still";
        }
        self.seen.push(line);
    }

    /// Whether this host was too busy.
    fn weigh_host(&mut self, recording: &Recording, facts: &Facts) {
        let at = recording.change.at();
        let near = at - Duration::from_secs(5);
        let waits = recording.waits.iter().filter(|one| one.at >= near);
        let worst = waits.max_by_key(|one| one.waited_ns.max(one.stolen_ns));
        if let Some(worst) = worst {
            let (waited, stolen) = (worst.waited_ns, worst.stolen_ns);
            if waited >= 10_000_000 || stolen >= 50_000_000 {
                self.remarks.push(format!(
                    "this host was busy: in one second the engine waited {} for a processor, and other guests of the machine had {}",
                    span(Duration::from_nanos(waited)),
                    span(Duration::from_nanos(stolen))
                ));
            }
        }
        if let Some(late) = facts
            .latest(near, at)
            .filter(|late| self.cause != "own_pause" && *late >= Duration::from_millis(5))
        {
            self.remarks.push(format!(
                "the engine woke up to {} late before it",
                span(late)
            ));
        }
    }
}

/// The word for a state.
fn state_word(state: StateName, why: Why) -> &'static str {
    words::state(match (state, why) {
        (StateName::Active, _) => Standing::Active,
        (StateName::Backup, _) => Standing::Backup,
        (StateName::Initialize, Why::Fault(fault)) => Standing::Initialize(fault),
        (StateName::Initialize, Why::Drained) => Standing::Initialize(Fault::Drained),
        (StateName::Initialize, Why::ShutDown) => Standing::Initialize(Fault::ShutDown),
        (StateName::Initialize, _) => Standing::Initialize(Fault::AddressesNotInstalled),
    })
}

/// The word for the state before.
fn state_before(state: StateName, why: Why) -> &'static str {
    match (state, why) {
        (StateName::Initialize, Why::Recovered { fault }) => {
            words::state(Standing::Initialize(fault))
        }
        (StateName::Initialize, _) => words::state(Standing::Initialize(Fault::Starting)),
        (state, why) => state_word(state, why),
    }
}

/// The name of a fault as a cause.
const fn fault_cause(fault: Fault) -> &'static str {
    match fault {
        Fault::Starting => "starting",
        Fault::NoInterface => "no_interface",
        Fault::LinkDown => "link_down",
        Fault::NoAddress => "no_address",
        Fault::Tracked => "tracked",
        Fault::EarDeaf => "ear_deaf",
        Fault::AddressesNotInstalled => "addresses_failed",
        Fault::Unusable => "unusable",
        Fault::StartupDelay => "startup_delay",
        Fault::Group => "group",
        Fault::Drained => "drained",
        Fault::ShutDown => "stopped",
    }
}

/// What it was; `what` is the interface or tracker that it is about.
fn fault_name(fault: Fault, what: &str) -> String {
    match fault {
        Fault::Starting => format!("{what} is being looked at"),
        Fault::NoInterface => format!("the interface {what} does not exist"),
        Fault::LinkDown => format!("the interface {what} is down or has no carrier"),
        Fault::NoAddress => format!("the interface {what} has no address to speak from"),
        Fault::Tracked => format!("what it depends on is down or fails: {what}"),
        Fault::EarDeaf => format!("what arrives on {what} cannot be heard"),
        Fault::AddressesNotInstalled => "the kernel does not take the addresses".into(),
        Fault::Unusable => "its addresses do not fit one advert".into(),
        Fault::StartupDelay => "the delay after the start".into(),
        Fault::Group => "another member of its sync group takes no part".into(),
        Fault::Drained => "the order to stay out".into(),
        Fault::ShutDown => "the end of vip".into(),
    }
}
