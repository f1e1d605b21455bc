//! What a shadow has found, in words.

use std::time::Duration;

use vip_common::election::StateName;
use vip_common::time::MonoTime;

use super::compare::{Difference, Found, Move, Who};
use super::observed::Sign;
use super::shown::apart;
use super::weights::Weighed;
use crate::engine::published::{Snapshot, Standing};
use crate::services::Services;
use crate::services::follow::Kind;
use crate::services::log::Level;
use crate::words;

/// A refusal that is older has nothing to do with what happens now.
const FRESH: Duration = Duration::from_secs(10);

/// What an election's state is called.
pub(super) const fn state(name: StateName) -> &'static str {
    match name {
        StateName::Active => "MASTER",
        StateName::Backup => "BACKUP",
        StateName::Initialize => "FAULT or INIT",
    }
}

/// By what a change was seen.
pub(super) fn sign(sign: Sign) -> String {
    match sign {
        Sign::Spoke { priority } => format!("it sent an advert with priority {priority}"),
        Sign::Resigned => "it sent priority 0".into(),
        Sign::Removed => "it sends no adverts any more and has removed the addresses".into(),
        Sign::Silent => "it sends no adverts any more and has not removed the addresses".into(),
        Sign::Came => "the addresses have come; no advert of it is seen here".into(),
        Sign::Went => "the addresses have gone".into(),
    }
}

impl Services {
    /// What the other daemon is called.
    fn other_name(&self) -> String {
        let shadow = self.shadow.as_ref();
        let other = shadow.and_then(|shadow| shadow.presence.other.as_ref());
        other.map_or_else(|| "the other".into(), |other| other.command.clone())
    }

    pub(super) fn tell_found(
        &mut self,
        now: MonoTime,
        slot: usize,
        seen: &Snapshot,
        found: &Found,
    ) {
        let name = self.other_name();
        match found {
            Found::Agreed { vip, other } => {
                let ahead = signed(other.at) - signed(vip.at);
                if let Some(one) = self
                    .shadow
                    .as_mut()
                    .and_then(|shadow| shadow.slots.get_mut(slot))
                {
                    one.agreed += 1;
                    one.earliest = Some(one.earliest.map_or(ahead, |most| most.max(ahead)));
                    one.latest = Some(one.latest.map_or(ahead, |least| least.min(ahead)));
                    one.patience = super::BEGIN_ANEW;
                }
                let text = format!(
                    "{name} {}; so would vip, {}: {}",
                    did(vip.master),
                    apart(ahead),
                    vip.why
                );
                self.note_found(slot, vip.at, false, &text);
                self.tell_shadow(slot, false, &text);
            }
            Found::Differs(difference) => {
                let text = differs(&name, difference, now) + &self.why_not(slot, seen, difference);
                self.note_found(slot, difference.done.at, true, &text);
                self.tell_shadow(slot, true, &text);
            }
            Found::AgainOne { after, master } => {
                let role = if *master { "MASTER" } else { "not MASTER" };
                let text = format!("both are {role} again, after {}", words::span(*after));
                self.note_found(slot, now, false, &text);
                self.tell_shadow(slot, false, &text);
            }
        }
    }

    fn tell_shadow(&self, slot: usize, differs: bool, text: &str) {
        let (kind, level, word) = if differs {
            (Kind::Differs, Level::Warning, "DIFFERS")
        } else {
            (Kind::Agreed, Level::Notice, "agrees")
        };
        self.tell(slot, kind, level, &format!("shadow {word}: {text}"));
    }

    pub(super) fn tell_weighed(&mut self, now: MonoTime, slot: usize, weighed: Weighed) {
        let name = self.other_name();
        match weighed {
            Weighed::Differ(vip, other) => {
                let text = format!("{name} advertises with priority {other}, vip would with {vip}");
                self.note_found(slot, now, true, &text);
                self.tell_shadow(slot, true, &text);
            }
            Weighed::Same(both) => {
                let text = format!("both have priority {both} again");
                self.note_found(slot, now, false, &text);
                self.tell_shadow(slot, false, &text);
            }
        }
    }

    /// What the shadow knows that may be why it has not done what the other did, and
    /// what it refuses to hear.
    fn why_not(&self, slot: usize, seen: &Snapshot, difference: &Difference) -> String {
        let router = &self.plan.routers[slot];
        let mut text = String::new();
        if difference.done.who == Who::Other || difference.done.why.is_empty() {
            let priority = seen.priority;
            text += &match seen.standing {
                Standing::Active => format!(" (it would be MASTER with priority {priority})"),
                Standing::Backup => match seen.active {
                    Some((address, theirs)) => format!(
                        " (it follows {address}, which has priority {theirs}; its own would be {priority}{})",
                        if router.params.preempts() {
                            ""
                        } else {
                            ", and it does not preempt"
                        }
                    ),
                    None => format!(" (it hears no master; its priority would be {priority})"),
                },
                Standing::Initialize(fault) => {
                    let interface = self.plan.concerned(router, seen.hindered_by);
                    format!(" ({})", words::fault(fault, router, interface))
                }
            };
        }
        let number = u32::try_from(slot).unwrap_or(u32::MAX);
        let now = crate::engine::rt::now();
        let mut refused: Vec<String> = Vec::new();
        for peer in seen.peers.iter().flatten() {
            let fresh = peer.last_refused.is_some_and(|at| now.since(at) < FRESH);
            if let Some(reason) = peer.reason.filter(|_| fresh) {
                refused.push(format!("{}: {reason}", peer.address));
            }
        }
        let all = self.gauges.refused();
        let own = all.get(&number).into_iter().flatten();
        for (key, last) in own {
            let reason = u8::try_from(key.reason)
                .ok()
                .and_then(vip_common::reject::RejectReason::from_number);
            let fresh = now.since(MonoTime::from_nanos(last.stamp)) < FRESH;
            if let Some(reason) = reason.filter(|_| fresh) {
                refused.push(format!("{}: {reason}", key.source()));
            }
        }
        if !refused.is_empty() {
            text += &format!("; vip refuses what it hears of {}", refused.join(", "));
        }
        text
    }
}

fn signed(at: MonoTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// What somebody did.
const fn did(master: bool) -> &'static str {
    if master {
        "became MASTER"
    } else {
        "gave up MASTER"
    }
}

fn would(master: bool) -> &'static str {
    if master {
        "would have become MASTER"
    } else {
        "would have given up MASTER"
    }
}

/// A difference, without the circumstances.
fn differs(name: &str, difference: &Difference, now: MonoTime) -> String {
    let Difference {
        done: Move {
            at,
            who,
            master,
            why,
        },
        undone_after,
        other_is_master,
    } = difference;
    if why.is_empty() {
        let role = |master: &bool| if *master { "MASTER" } else { "not MASTER" };
        return format!(
            "since both began vip would be {}, {name} is {}",
            role(master),
            role(other_is_master)
        );
    }
    let ago = words::span(now.since(*at));
    let undone = undone_after.map_or_else(String::new, |span| {
        format!(", and would have undone it {} later", words::span(span))
    });
    match who {
        Who::Vip => format!(
            "vip {} {ago} ago{undone}, {name} did not: {why}",
            would(*master)
        ),
        Who::Other => format!(
            "{name} {} {ago} ago{}, vip would not have: {why}",
            did(*master),
            undone.replace("would have undone", "undid")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_who_did_what_and_why() {
        let at = MonoTime::ZERO + Duration::from_secs(100);
        let now = at + Duration::from_secs(3);
        let mut difference = Difference {
            done: Move {
                at,
                who: Who::Vip,
                master: true,
                why: "192.0.2.6 has priority 90, ours is 100".into(),
            },
            undone_after: None,
            other_is_master: false,
        };
        assert_eq!(
            differs("keepalived", &difference, now),
            "vip would have become MASTER 3.000 s ago, keepalived did not: 192.0.2.6 has priority 90, ours is 100"
        );
        difference.done.who = Who::Other;
        difference.undone_after = Some(Duration::from_millis(20));
        assert_eq!(
            differs("keepalived", &difference, now),
            "keepalived became MASTER 3.000 s ago, and undid it 20.00 ms later, vip would not have: 192.0.2.6 has priority 90, ours is 100"
        );
        difference.done.why.clear();
        assert_eq!(
            differs("keepalived", &difference, now),
            "since both began vip would be MASTER, keepalived is not MASTER"
        );
    }
}
