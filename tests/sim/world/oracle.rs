//! What must hold, now and at every moment.

use std::fmt::Write as _;
use std::time::Duration;

use vip_common::election::{Addresses, Fault, LettingGo, State, StateName, VirtualRouter, Why};
use vip_common::time::MonoTime;

use super::{Host, World};

/// Since when something is so on a LAN.
#[derive(Clone, Default)]
pub(super) struct Span {
    overlap: Option<MonoTime>,
    gap: Option<MonoTime>,
    unserved: Option<MonoTime>,
    unanswered: Option<MonoTime>,
}

impl Span {
    pub(super) fn restart(&mut self, now: MonoTime) {
        let served = [&mut self.unserved, &mut self.unanswered];
        for since in [&mut self.overlap, &mut self.gap].into_iter().chain(served) {
            *since = since.map(|_| now);
        }
    }
}

fn follow(now: MonoTime, since: &mut Option<MonoTime>, longest: &mut Duration, holds: bool) {
    if let Some(begin) = *since {
        *longest = (*longest).max(now.since(begin));
    }
    *since = holds.then(|| since.unwrap_or(now));
}

impl World {
    /// In each part of a LAN whose hosts reach each other exactly one is Active
    /// if one is able, it alone has the addresses, but for those that still let
    /// go of them, and the others follow it.
    pub(crate) fn expect_settled(&self) {
        let part = |host: usize| (self.hosts[host].lan, self.sides[host]);
        let mut parts: Vec<_> = (0..self.hosts.len()).map(part).collect();
        parts.sort_unstable();
        parts.dedup();
        for one in parts {
            let members = || (0..self.hosts.len()).filter(|&host| part(host) == one);
            let able: Vec<_> = members().filter(|&h| self.takes_part(h)).collect();
            let active: Vec<_> = members().filter(|&h| self.hosts[h].is_active()).collect();
            // What nobody wants while a removal is on its way, the world watches.
            let leaves = |host: &Host| host.is_letting_go() || host.jobs > 0;
            let holds = |host: &Host| host.kernel.is_some() && (host.is_active() || !leaves(host));
            let holders: Vec<_> = members().filter(|&h| holds(&self.hosts[h])).collect();
            if active.len() != able.len().min(1) {
                self.fail(&format!("{active:?} of {able:?} are Active"));
            }
            if holders != active {
                self.fail(&format!("{holders:?} hold the addresses of {active:?}"));
            }
            for &host in &able {
                let router = self.hosts[host].router.as_ref();
                let follows = router.and_then(VirtualRouter::active).map(|a| a.address);
                if follows != Some(self.hosts[active[0]].primary) {
                    self.fail(&format!("{host} follows {follows:?}, not {active:?}"));
                }
            }
        }
    }

    /// Nobody keeps anything for anybody any more, and everybody who has the
    /// addresses answers for them.
    pub(crate) fn expect_nothing_kept(&self) {
        for (number, host) in self.hosts.iter().enumerate() {
            if host.is_letting_go() {
                self.fail(&format!("{number} never lets go"));
            }
            if host.kernel.is_some() && host.withheld {
                self.fail(&format!("{number} has the addresses and does not answer"));
            }
        }
    }

    /// Whether it is able, and its group with it.
    pub(crate) fn takes_part(&self, host: usize) -> bool {
        let alone = !self.hosts[host].params.grouped;
        let all = || {
            self.mates(host)
                .iter()
                .all(|&mate| self.hosts[mate].is_able())
        };
        self.hosts[host].is_able() && (alone || all())
    }

    /// Ends the run with what led to it and how to repeat it.
    pub(crate) fn fail(&self, what: &str) -> ! {
        let mut text = String::new();
        for (time, note) in &self.trace {
            let _ = writeln!(text, "  {time:?} {note:?}");
        }
        for (number, host) in self.hosts.iter().enumerate() {
            let _ = writeln!(text, "  host {number}: {:?}", host.router);
        }
        panic!(
            "{}: at {:?}: {what}\n{text}{}",
            self.label, self.now, self.label
        );
    }

    /// A takeover is held against what arrived at the port, whatever the
    /// router made of it.
    pub(super) fn judge(&mut self, host: usize, from: StateName, to: StateName, why: Why) {
        let now = self.now;
        let it = &mut self.hosts[host];
        it.transitions += 1;
        if from == StateName::Active {
            it.last_sent = None;
        }
        if to == StateName::Active {
            (it.active_since, it.gave_up, it.claim) = (now, None, None);
        } else if from == StateName::Active && it.is_letting_go() {
            it.gave_up = Some((now, it.params.succession()));
        }
        match (from, to) {
            (StateName::Initialize, StateName::Backup) => it.listening_since = now,
            (StateName::Backup, StateName::Active) => {
                // By command, or an owner at its start.
                if matches!(why, Why::Taken | Why::AddressOwner | Why::Recovered { .. }) {
                    return;
                }
                let params = it.counted();
                // One that was to be replaced may be one to follow by now.
                let follows = !params.preempts();
                let followed = it
                    .lower
                    .filter(|frame| follows || frame.priority >= params.priority);
                let latest = [it.respected, followed].into_iter().flatten();
                let respected = latest
                    .max_by_key(|frame| frame.stamp)
                    .filter(|frame| frame.stamp >= it.listening_since);
                let from = respected.map_or(it.listening_since, |frame| frame.stamp);
                let resigned = respected.is_some_and(|frame| frame.priority.is_resign());
                let heard = respected.map_or(it.params.adver_interval, |frame| frame.interval);
                // Whom it spares it follows for a while, and learns from.
                let spared = it.lower.filter(|_| !params.preempt_delay.is_zero());
                let heard = spared.map_or(heard, |frame| frame.interval.min(heard));
                let wait = if resigned {
                    Duration::ZERO
                } else {
                    params.active_down_interval(params.learned(heard))
                };
                if now < from + wait {
                    let heard = format!("{respected:?}, {wait:?} to wait");
                    self.fail(&format!(
                        "{host} took over from a live router: {why:?}; {heard}"
                    ));
                }
            }
            // Nobody was heard on this LAN.
            (StateName::Active, _) if matches!(why, Why::GroupFellBack) => {
                it.listening_since = now;
            }
            (StateName::Active, _) => it.listening_since = MonoTime::ZERO,
            _ => {}
        }
    }

    /// An advert of an Active Router is never later than one and a half of the
    /// interval that the one before has told, whatever was configured meanwhile.
    pub(super) fn judge_advert(&mut self, host: usize) {
        let now = self.now;
        let it = &mut self.hosts[host];
        let interval = it.params.adver_interval;
        if let Some((last, told)) = it.last_sent.replace((now, interval))
            && it.resumed < last
            && now > last + told.span() * 3 / 2 + self.worst.lateness
        {
            self.fail(&format!(
                "{host} sends {:?} after its last",
                now.since(last)
            ));
        }
    }

    /// The end of letting go: not before the successor has announced, nor after
    /// the bound.
    pub(super) fn judge_end(&self, host: usize, claimed: bool, held: Duration) {
        let it = &self.hosts[host];
        let Some((since, succession)) = it.gave_up else {
            self.fail(&format!("{host} lets go of what it never had"));
        };
        let bound = succession + LettingGo::GRACE;
        let linger = LettingGo::LINGER;
        let served = it.claim.is_some_and(|at| self.now >= at + linger);
        // One that was told to stay out does not say what else is wrong with it.
        let fault = |host: &Host| {
            let fault = host.fault();
            let told = |fault| matches!(fault, Fault::Drained | Fault::ShutDown);
            fault.is_some_and(|fault| !told(fault) || !host.link || host.deaf)
        };
        let mates = self.mates(host);
        let faulty = mates.iter().any(|&mate| fault(&self.hosts[mate]));
        let broken = !it.link || it.deaf || self.worst.failures > 0;
        let excused = faulty || broken || claimed && served;
        if held < bound && !excused {
            self.fail(&format!("{host} removes after {held:?} what nobody has"));
        }
        let ran = it.resumed < since;
        // Undrained and the like may find a bound that a sleep has moved.
        if ran && held > bound + self.worst.lateness && !it.slept {
            self.fail(&format!("{host} kept the addresses for {held:?}"));
        }
    }

    /// What is held against every moment.
    pub(super) fn watch(&mut self) {
        for number in 0..self.hosts.len() {
            self.watch_host(number);
        }
        let now = self.now;
        for lan in 0..self.spans.len() {
            let hosts = || self.hosts.iter().filter(|host| host.lan == lan);
            let active = hosts().filter(|host| host.is_active()).count();
            let serves = |host: &Host| host.kernel.is_some() && host.link;
            let unserved = !hosts().any(serves);
            let unanswered = !hosts().any(|host| serves(host) && !host.withheld);
            let Span {
                overlap,
                gap,
                unserved: no_one,
                unanswered: silence,
            } = &mut self.spans[lan];
            follow(now, overlap, &mut self.longest_overlap, active > 1);
            follow(now, gap, &mut self.longest_gap, active == 0);
            follow(now, no_one, &mut self.longest_unserved, unserved);
            follow(now, silence, &mut self.longest_silence, unanswered);
        }
        self.watch_pairs();
    }

    fn watch_host(&self, number: usize) {
        let host = &self.hosts[number];
        let Some(router) = &host.router else { return };
        let idle = host.jobs == 0 && host.inbox.is_empty();
        let active = matches!(router.state(), State::Active(_));
        if let State::Active(active) = router.state()
            && matches!(active.addresses, Addresses::Installing)
            && idle
        {
            self.fail(&format!("{number} is Active and nobody installs anything"));
        }
        let wanted = active || router.is_letting_go();
        if host.kernel.is_some() && !wanted && idle {
            self.fail(&format!("{number} has addresses that nobody wants"));
        }
        if host.withheld != router.is_withheld() || active && host.withheld {
            self.fail(&format!("{number} withholds what it should answer for"));
        }
    }

    /// Two that hear each other are not both Active for longer than the slower
    /// one's interval.
    fn watch_pairs(&mut self) {
        for one in 0..self.hosts.len() {
            for other in one + 1..self.hosts.len() {
                let (a, b) = (&self.hosts[one], &self.hosts[other]);
                let hears = |host: &Host| host.link && !host.deaf && host.paused.is_none();
                let deaf = |host: &Host| host.params.owner_ignore_adverts;
                let both = a.is_active() && b.is_active() && hears(a) && hears(b);
                let reach = a.lan == b.lan && self.sides[one] == self.sides[other];
                if !(both && reach) || deaf(a) || deaf(b) || self.weather.loss > 0 {
                    self.pairs.remove(&(one, other));
                    continue;
                }
                let since = *self.pairs.entry((one, other)).or_insert(self.now);
                let interval = a.params.adver_interval.max(b.params.adver_interval);
                let slack = (self.worst.delay + self.worst.lateness) * 3;
                if self.now > since + interval.span() + slack {
                    self.fail(&format!("{one} and {other} are both Active"));
                }
            }
        }
    }
}
