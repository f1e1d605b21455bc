//! What must hold, now and at every moment.

use std::fmt::Write as _;
use std::time::Duration;

use vip_common::election::{Addresses, State, StateName, VirtualRouter, Why};
use vip_common::time::MonoTime;

use super::World;

impl World {
    /// In each group of hosts that reach each other exactly one is Active if
    /// one is able, it alone has the addresses, and the others follow it.
    pub(crate) fn expect_settled(&self) {
        let mut groups = self.groups.clone();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let members = || (0..self.hosts.len()).filter(|&host| self.groups[host] == group);
            let able: Vec<_> = members().filter(|&h| self.hosts[h].is_able()).collect();
            let active: Vec<_> = members().filter(|&h| self.hosts[h].is_active()).collect();
            let holders: Vec<_> = members()
                .filter(|&h| self.hosts[h].kernel.is_some() && !self.hosts[h].is_letting_go())
                .collect();
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
        match (from, to) {
            (StateName::Initialize, StateName::Backup) => it.listening_since = now,
            (StateName::Backup, StateName::Active) => {
                let respected = it
                    .respected
                    .filter(|frame| frame.stamp >= it.listening_since);
                let from = respected.map_or(it.listening_since, |frame| frame.stamp);
                let resigned = respected.is_some_and(|frame| frame.priority.is_resign());
                let heard = respected.map_or(it.params.adver_interval, |frame| frame.interval);
                let wait = if resigned {
                    Duration::ZERO
                } else {
                    it.params.active_down_interval(it.params.learned(heard))
                };
                if now < from + wait {
                    self.fail(&format!("{host} took over from a live router: {why:?}"));
                }
            }
            (StateName::Active, _) => it.listening_since = MonoTime::ZERO,
            _ => {}
        }
    }

    /// What is held against every moment.
    pub(super) fn watch(&mut self) {
        for number in 0..self.hosts.len() {
            let host = &self.hosts[number];
            let Some(State::Active(active)) = host.router.as_ref().map(VirtualRouter::state) else {
                continue;
            };
            let waiting = matches!(active.addresses, Addresses::Installing);
            if waiting && host.jobs == 0 && host.inbox.is_empty() {
                self.fail(&format!("{number} is Active and nobody installs anything"));
            }
        }
        let active = self.actives().len();
        let now = self.now;
        let follow = |since: &mut Option<MonoTime>, longest: &mut Duration, holds: bool| {
            if let Some(begin) = *since {
                *longest = (*longest).max(now.since(begin));
            }
            *since = holds.then(|| since.unwrap_or(now));
        };
        follow(
            &mut self.overlap_since,
            &mut self.longest_overlap,
            active > 1,
        );
        follow(&mut self.gap_since, &mut self.longest_gap, active == 0);
    }
}
