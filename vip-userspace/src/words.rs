//! The words that people and scripts read: RFC 9568's Active, Backup and
//! Initialize become MASTER, BACKUP, FAULT and INIT here and nowhere else,
//! always with a reason.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use vip_common::election::{Fault, StateName, Why};
use vip_common::ids::{Family, Priority};
use vip_common::time::MonoTime;

use crate::config::trackers::Kind;
use crate::engine::Verdict;
use crate::engine::published::Standing;
use crate::plan::RouterPlan;
use crate::watch::board::Seen;

/// The state's name in configuration, notify scripts, status and alerts.
#[must_use]
pub const fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Active => "MASTER",
        Standing::Backup => "BACKUP",
        Standing::Initialize(
            Fault::Starting | Fault::StartupDelay | Fault::Drained | Fault::ShutDown,
        ) => "INIT",
        Standing::Initialize(_) => "FAULT",
    }
}

/// What scripts and pipes are told of an instance or a sync group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It holds the addresses.
    Master,
    /// It holds none, and could.
    Backup,
    /// It holds none, and could not.
    Fault,
    /// The daemon ends.
    Stop,
    /// A reload took it out.
    Deleted,
}

impl Told {
    /// The word that keepalived has for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }
}

/// What keeps a router out, and what ends it; `interface` is the one that it is
/// about, or the tracker.
#[must_use]
pub fn fault(fault: Fault, plan: &RouterPlan, interface: &str) -> String {
    match fault {
        Fault::Starting => format!("{interface} is being looked at"),
        Fault::NoInterface => format!("{interface} does not exist; ends when it appears"),
        Fault::LinkDown => {
            format!("{interface} is down or has no carrier; ends when the link is up")
        }
        Fault::NoAddress => match (plan.source, plan.family) {
            (Some(source), _) => format!(
                "{interface} does not have {source}, which it is to speak from; ends when it has it"
            ),
            (None, Family::V4) => {
                format!("{interface} has no IPv4 address to speak from; ends when it has one")
            }
            (None, Family::V6) => format!(
                "{interface} has no link-local IPv6 address that is ready to speak from; ends when it has one"
            ),
        },
        Fault::Tracked => {
            format!("{interface}, which is tracked, is down or fails; ends when it is well")
        }
        Fault::EarDeaf => {
            format!("cannot hear what arrives on {interface}; tried again every few seconds")
        }
        Fault::AddressesNotInstalled => {
            "the kernel did not take the addresses; tried again after a while".into()
        }
        Fault::Unusable => {
            let why = plan
                .unusable
                .as_deref()
                .unwrap_or("its addresses do not fit one advert");
            format!("{why}; ends with another configuration")
        }
        Fault::StartupDelay => "the configured delay after the start has not passed yet".into(),
        Fault::Group => "another member of its sync group takes no part".into(),
        Fault::Drained => "drained: stays out until told otherwise".into(),
        Fault::ShutDown => "vip is leaving".into(),
    }
}

/// The transition line, in the words that alerts look for.
#[must_use]
pub fn transition(name: &str, from: StateName, to: StateName, why: Why) -> String {
    match to {
        StateName::Active => format!("({name}) Entering MASTER STATE"),
        StateName::Backup if matches!(why, Why::Started) => {
            format!("({name}) Entering BACKUP STATE (init)")
        }
        StateName::Backup => format!("({name}) Entering BACKUP STATE"),
        StateName::Initialize if matches!(why, Why::ShutDown) => format!("({name}) Stopped"),
        StateName::Initialize if matches!(why, Why::Drained) => format!("({name}) Drained"),
        StateName::Initialize if matches!(why, Why::Fault(Fault::StartupDelay)) => {
            format!("({name}) Delayed start")
        }
        // keepalived has one spelling at the start and another one later.
        StateName::Initialize if from == StateName::Initialize => {
            format!("({name}) entering FAULT state")
        }
        StateName::Initialize => format!("({name}) Entering FAULT STATE"),
    }
}

/// Our reason, the line after it; `ours` is our priority in the election.
#[must_use]
pub fn why(why: Why, plan: &RouterPlan, interface: &str, ours: Priority, at: MonoTime) -> String {
    let params = &plan.params;
    let late =
        |deadline: MonoTime| format!("decided {} after the deadline", span(at.since(deadline)));
    let waited = |deadline: MonoTime, proven: Option<MonoTime>| {
        proven.map_or_else(String::new, |proven| {
            format!(
                ", {} of it for the proof that {interface} can be heard: the kernel was slow to give it",
                span(proven.since(deadline))
            )
        })
    };
    match why {
        Why::Started => "the interface is up and can be heard".into(),
        Why::Recovered { fault: before } => format!("recovered: {}", cleared(before, interface)),
        Why::AddressOwner => "priority 255: the address is this host's own".into(),
        Why::ActiveDownTimerExpired {
            last_advert: Some(last),
            deadline,
            proven,
        } => format!(
            "no advert for {}: the last one came {} ago ({} missed and a skew time); {}",
            span(deadline.since(last)),
            span(at.since(last)),
            params.down_timer_adverts,
            late(deadline) + &waited(deadline, proven)
        ),
        Why::ActiveDownTimerExpired {
            last_advert: None,
            deadline,
            proven,
        } => {
            format!(
                "nobody has sent an advert since this router began to listen; {}",
                late(deadline) + &waited(deadline, proven)
            )
        }
        Why::ActiveResigned {
            source, deadline, ..
        } => {
            format!(
                "{source} said that it leaves (priority 0), nobody came before us; {}",
                late(deadline)
            )
        }
        Why::Preempting {
            source,
            priority,
            deadline,
        } => {
            format!(
                "{source} has priority {priority}, ours is {ours}; {}",
                late(deadline)
            )
        }
        Why::HigherPriority { source, priority } => {
            format!("{source} has priority {priority}, ours is {ours}")
        }
        Why::HigherAddress { source, priority } => {
            format!("{source} has our priority {priority} and the higher address")
        }
        // Whoever looks for the first spelling finds it here in any case.
        Why::Fault(now) => format!("entering FAULT state ({})", fault(now, plan, interface)),
        Why::AddressesFailed { retry } => {
            format!(
                "the kernel did not take the addresses; tried again in {}",
                span(retry.since(at))
            )
        }
        Why::Taken => "told to take over".into(),
        Why::NoSuccessor => "drained, but nobody took over: it has the role again".into(),
        Why::GroupFellBack => "another member of its sync group is not MASTER any more".into(),
        Why::Drained => "told to stay out".into(),
        Why::ShutDown => "told to stop".into(),
    }
}

fn cleared(fault: Fault, interface: &str) -> String {
    match fault {
        Fault::Starting => format!("{interface} has been looked at"),
        Fault::NoInterface => format!("{interface} exists"),
        Fault::LinkDown => format!("{interface} is up"),
        Fault::NoAddress => format!("{interface} has an address"),
        Fault::Tracked => format!("{interface}, which is tracked, is well"),
        Fault::EarDeaf => format!("{interface} can be heard"),
        Fault::AddressesNotInstalled => "the addresses are tried again".into(),
        Fault::StartupDelay => "the delay after the start has passed".into(),
        Fault::Group => "all members of its sync group can take part".into(),
        Fault::Drained => "told to take part again".into(),
        Fault::Unusable | Fault::ShutDown => "configured anew".into(),
    }
}

/// A span with three or four significant digits, in the unit that fits; from two
/// minutes on in whole seconds.
#[must_use]
pub fn span(span: Duration) -> String {
    let nanos = span.as_nanos();
    match nanos {
        0..1_000_000 => format!("{:.1} us", nanos as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} ms", nanos as f64 / 1e6),
        1_000_000_000..120_000_000_000 => format!("{:.3} s", span.as_secs_f64()),
        _ => humantime::format_duration(Duration::from_secs(span.as_secs())).to_string(),
    }
}

/// A text from outside, and in place of what would move the cursor of whoever reads it, or
/// turn his text round, its number: `\x1b`. What is `plain` stays.
#[must_use]
pub fn readable(text: &str, plain: impl Fn(char) -> bool) -> String {
    let turns = |one| matches!(one, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut all = String::with_capacity(text.len());
    for one in text.chars() {
        if (one.is_control() || turns(one)) && !plain(one) {
            let _ = write!(all, "\\x{:02x}", u32::from(one));
        } else {
            all.push(one);
        }
    }
    all
}

/// What a tracker of a kind is called.
#[must_use]
pub const fn tracker_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Script => "script",
        Kind::Process => "process",
        Kind::File => "file",
        Kind::Check => "check",
    }
}

/// How a tracker stands.
#[must_use]
pub const fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "unknown",
        Verdict::Well => "well",
        Verdict::Failed => "failed",
        Verdict::Number(_) => "number",
        Verdict::Ignored => "ignored",
    }
}

/// How a tracker keeps a router out, and what ends it.
#[must_use]
pub fn tracker_bars(kind: Kind, name: &str, seen: &Seen) -> String {
    let what = tracker_kind(kind);
    let found = seen.last.as_ref().map(|last| &*last.what);
    match seen.verdict {
        Verdict::Failed => {
            let times = match seen.in_a_row {
                0 | 1 => String::new(),
                times => format!(" {times} times"),
            };
            let found = found.unwrap_or("it has not succeeded yet");
            format!("{what} {name} failed{times}: {found}; ends when it is well")
        }
        Verdict::Number(number) => {
            format!("{what} {name} has the number {number}; ends with another one")
        }
        Verdict::Well => format!("{what} {name} is well, and must not be; ends when it fails"),
        Verdict::Unknown | Verdict::Ignored => {
            format!("{what} {name} is being looked at; nothing is known of it yet")
        }
    }
}

/// How a tracker stands that does not keep a router out any more.
#[must_use]
pub fn tracker_admits(kind: Kind, name: &str, now: Verdict) -> String {
    let what = tracker_kind(kind);
    match now {
        Verdict::Well => format!("{what} {name} is well"),
        Verdict::Failed => format!("{what} {name} fails, as it is to"),
        Verdict::Number(number) => format!("{what} {name} has the number {number}"),
        Verdict::Unknown | Verdict::Ignored => format!("{what} {name} counts nothing"),
    }
}

/// The noun for so many of them.
#[must_use]
pub const fn interfaces(count: usize) -> &'static str {
    if count == 1 {
        "interface"
    } else {
        "interfaces"
    }
}

/// An address with its prefix length, as `ip address` shows it.
#[must_use]
pub fn address(address: IpAddr, prefix: u8) -> String {
    format!("{address}/{prefix}")
}

/// An address of an instance that this host has from somebody else, while the
/// instance is in this state here.
#[must_use]
pub fn foreign(address: IpAddr, interface: &str, state: &str) -> String {
    format!(
        "{address} is on {interface}, configured by somebody else on this host; as {state} this host answers for it too: remove it there"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_has_the_word_that_scripts_know() {
        assert_eq!(state(Standing::Active), "MASTER");
        assert_eq!(state(Standing::Backup), "BACKUP");
        for fault in Fault::ALL {
            let word = state(Standing::Initialize(*fault));
            let on_purpose = matches!(
                fault,
                Fault::Starting | Fault::StartupDelay | Fault::Drained | Fault::ShutDown
            );
            assert_eq!(word, if on_purpose { "INIT" } else { "FAULT" });
        }
    }

    #[test]
    fn what_has_recovered_is_named() {
        let admits = |now| tracker_admits(Kind::Check, "web", now);
        assert_eq!(admits(Verdict::Well), "check web is well");
        assert_eq!(admits(Verdict::Number(-3)), "check web has the number -3");
        assert_eq!(admits(Verdict::Ignored), "check web counts nothing");
    }

    #[test]
    fn spans_are_read_at_a_glance() {
        assert_eq!(span(Duration::from_nanos(94_300)), "94.3 us");
        assert_eq!(span(Duration::from_micros(6_094)), "6.09 ms");
        assert_eq!(span(Duration::from_millis(3_609)), "3.609 s");
        assert_eq!(span(Duration::from_millis(42_249_300)), "11h 44m 9s");
    }
}
