//! The master was not heard: where its adverts were lost, as far as that is known.

use std::time::Duration;

use vip_common::time::MonoTime;

use super::facts::{Facts, Refused, Resumed};
use super::story::{LATELY, Story};
use crate::services::recorder::recording::Recording;
use crate::words::span;

impl Story {
    /// Nothing came until the deadline.
    pub(super) fn silence(
        &mut self,
        recording: &Recording,
        facts: &Facts,
        at: MonoTime,
        (last, deadline, proven): (Option<MonoTime>, MonoTime, Option<MonoTime>),
    ) {
        let Some(last) = last else {
            self.cause = "nobody";
            self.why = "nobody has sent an advert since this router began to listen".into();
            let lately = |one: &Refused| one.last >= at - LATELY;
            if self.refusals(facts, lately) {
                self.cause = "refused";
            }
            self.decide_on_silence(facts, at, deadline, proven);
            return;
        };
        let master = facts.heard_at(last);
        let name = master.map_or_else(|| "the master".into(), |one| one.source.to_string());
        self.saw(master.as_ref(), last);
        let interval = master.map_or(Duration::ZERO, |one| one.interval.span());
        let gone = deadline.since(last);
        if !interval.is_zero() {
            self.missing.push(format!(
                "{} adverts in a row, and no word that it leaves",
                due_in(gone, interval)
            ));
        }
        let resumed = facts
            .resumed
            .iter()
            .find(|one| one.at >= last && master.is_none_or(|master| master.source == one.source));
        let overslept = facts.latest(last, at).filter(|late| *late >= interval);
        // Who had sent none by its own count was not refused: somebody else spoke for it.
        let sent_none = resumed.is_some_and(|one| one.missed == Some(0));
        let explains = |one: &Refused| {
            let is_its = master.is_some_and(|master| master.source == one.source);
            one.last >= last && is_its && !sent_none
        };
        let refused = self.refusals(facts, explains);
        self.strangers(facts, last, explains);
        if refused {
            self.cause = "refused";
            self.why = format!(
                "{name} spoke, or somebody with its address, and was refused here: for the election that is silence"
            );
        } else if let Some(resumed) = resumed {
            self.resumed(resumed, &name, due_in(at.since(last), interval));
            if self.cause == "lost" && recording.ring_full > 0 {
                self.remarks.push(format!(
                    "{} adverts since the start of vip came to this NIC and found no room, because vip did not read them: these may be among them",
                    recording.ring_full
                ));
            }
        } else if facts.slept.is_some_and(|slept| slept >= last) || overslept.is_some() {
            self.cause = "own_pause";
            self.lost_at = Some("engine".into());
            self.why = format!("{name} was not heard, and this host did not run vip for a while");
            let late = overslept.map_or_else(String::new, |late| format!(", for {}", span(late)));
            self.place.push(format!(
                "in this host: vip did not run when it meant to{late}; what came meanwhile may be lost"
            ));
        } else {
            self.cause = "silent";
            self.lost_at = Some("unknown".into());
            self.why = format!("{name} fell silent");
            self.place.push(format!(
                "nothing of it reached this NIC. A host that is dead, hung or cut off looks the same from here: {name} has not been heard since"
            ));
        }
        self.decide_on_silence(facts, at, deadline, proven);
        if !refused {
            self.look.push(format!(
                "on {name}: 'vip why', and whether vip runs and the host was up; then cable and switch port"
            ));
        }
    }

    /// It was heard again.
    ///
    /// Of its adverts so many were due until we took over: as many must be lost, but one that
    /// may have been late, if losses are to be the cause.
    fn resumed(&mut self, resumed: &Resumed, name: &str, due: u128) {
        let gap = span(resumed.at.since(resumed.last));
        match resumed.missed {
            Some(0) => {
                self.cause = "sender_silent";
                self.lost_at = Some("sender".into());
                self.why = format!("{name} sent nothing for a while");
                self.place.push(format!(
                    "in {name}: heard again after {gap}, it goes on with the next number, so that it had sent none meanwhile: it did not run, or had given the role up"
                ));
            }
            Some(missed) if u128::from(missed) + 1 < due => {
                self.cause = "sender_silent";
                self.lost_at = Some("sender".into());
                self.why = format!("{name} sent hardly anything for a while");
                self.place.push(format!(
                    "in {name}: heard again after {gap}, it had sent {missed} adverts meanwhile by its own count, where {due} were due until we took over: it did not run, or had given the role up; those {missed} were lost"
                ));
            }
            Some(missed) => {
                self.cause = "lost";
                self.lost_at = Some("before_nic".into());
                self.why = format!("the adverts of {name} were lost before they reached this NIC");
                self.place.push(format!(
                    "between {name} and this NIC: heard again after {gap}, it had sent {missed} adverts meanwhile by its own count, and none came here"
                ));
                self.look.push("the switch and the bridge between the two, and whether it is the same the other way".into());
            }
            None => {
                self.cause = "silent";
                self.lost_at = Some("unknown".into());
                self.why = format!("{name} fell silent");
                self.place.push(format!(
                    "heard again after {gap}; its numbers begin anew or say nothing, so that it is not known whether it sent any meanwhile. A start of its daemon looks like this"
                ));
            }
        }
    }

    fn decide_on_silence(
        &mut self,
        facts: &Facts,
        at: MonoTime,
        deadline: MonoTime,
        proven: Option<MonoTime>,
    ) {
        if let (Some(asked), Some(proven)) = (facts.asked, facts.proven)
            && proven >= asked
        {
            self.decided.push(format!(
                "our own hearing was doubted at the first advert missing, and proven {} later",
                span(proven.since(asked))
            ));
        }
        let waited = proven.map_or_else(String::new, |proven| {
            format!(
                ", {} of it for the proof that we hear",
                span(proven.since(deadline))
            )
        });
        self.decided.push(format!(
            "took over {} after the deadline{waited}",
            span(at.since(deadline))
        ));
    }

    /// Says what was refused of those that explain a silence. Whether there were any.
    fn refusals(&mut self, facts: &Facts, explains: impl Fn(&Refused) -> bool) -> bool {
        let mut any = false;
        for one in facts.refused.iter().filter(|one| explains(one)) {
            any = true;
            let at = if one.at_nic { "filter" } else { "election" };
            self.lost_at = Some(format!("{at}_{}", one.reason.label()));
            self.place.push(format!("in this host: {}", words(one)));
            self.look.push(format!(
                "the configurations of this host and of {}: 'vip check' of both files together shows what differs",
                one.source
            ));
        }
        any
    }

    /// Says what else was refused in the silence, which does not explain it.
    fn strangers(&mut self, facts: &Facts, last: MonoTime, explains: impl Fn(&Refused) -> bool) {
        let others = facts.refused.iter();
        let others = others.filter(|one| one.last >= last && !explains(one));
        self.remarks
            .extend(others.map(|one| format!("{}; this is not why", words(one))));
    }
}

/// What was refused, and where.
fn words(one: &Refused) -> String {
    let by = if one.at_nic {
        "at the NIC"
    } else {
        "by the election's check"
    };
    format!(
        "{} adverts of {} refused {by}: {}",
        one.count,
        one.source,
        one.reason.words()
    )
}

/// How many adverts are due in a time.
fn due_in(gone: Duration, interval: Duration) -> u128 {
    gone.as_nanos() / interval.as_nanos().max(1)
}
