//! What adverts do, by state.

use core::cmp::Ordering;

use super::action::{Report, Why};
use super::active::Addresses;
use super::backup::Backup;
use super::router::VirtualRouter;
use super::state::{Heard, State};
use crate::time::{Centis, MonoTime};

impl VirtualRouter {
    pub(super) fn heard(&mut self, now: MonoTime, heard: Heard, interval: Centis) {
        // The network may return our own frames.
        if heard.source != self.primary {
            if !heard.priority.is_resign() {
                self.last_other = Some(heard);
            }
            self.watch_successor(heard);
        }
        if self.params.is_owner() && self.params.owner_ignore_adverts {
            return;
        }
        let interval = self.params.learned(interval);
        match self.state {
            State::Initialize(_) => {}
            State::Backup(_) => self.heard_as_backup(heard, interval),
            State::Active(_) => self.heard_as_active(now, heard, interval),
        }
    }

    /// RFC 9568 section 6.4.2, but for the leave of a router that is not the one that is
    /// followed: there the clause has the timer end after Skew_Time whoever leaves, and
    /// the role taken from one that is well. Where two were Active and the worse of them
    /// leaves, that would move the addresses twice. The timer runs on instead; should the
    /// one that is followed be gone as well, it ends in time.
    fn heard_as_backup(&mut self, heard: Heard, interval: Centis) {
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if !backup.is_news(heard.stamp) {
            return;
        }
        let params = &self.counted;
        if heard.priority.is_resign()
            && let Some(active) = backup.outlives(heard.source)
        {
            self.report(Report::ResignIgnored {
                source: heard.source,
                active,
            });
        } else if heard.priority.is_resign() {
            backup.accept_resign(heard, params);
            self.report(Report::ResignHeard {
                source: heard.source,
            });
        } else if heard.priority < params.priority
            && params.preempts()
            && !backup.spares(heard.stamp, params)
        {
            backup.discard(heard, interval, params);
        } else {
            backup.accept(heard, interval, params);
        }
    }

    /// RFC 9568 section 6.4.3.
    fn heard_as_active(&mut self, now: MonoTime, heard: Heard, interval: Centis) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        let Heard {
            source, priority, ..
        } = heard;
        // Priority zero is the lowest of all and needs no case of its own.
        let theirs = priority
            .cmp(&self.counted.priority)
            .then(source.cmp(&self.primary));
        match theirs {
            Ordering::Greater => {
                let why = if priority > self.counted.priority {
                    Why::HigherPriority { source, priority }
                } else {
                    Why::HigherAddress { source, priority }
                };
                self.give_way(now, heard, interval, why);
            }
            Ordering::Equal => self.report(Report::SameAddressHeard { source }),
            // Sent before it could hear our first advert.
            Ordering::Less if heard.stamp < active.since => {}
            Ordering::Less => {
                let owners = self.counted.is_owner() && priority == self.counted.priority;
                if owners && active.outlasts(now, interval, &self.counted) {
                    // keepalived's way out of two that both insist.
                    self.standing.humble();
                    self.recount();
                    let why = Why::HigherPriority { source, priority };
                    return self.give_way(now, heard, interval, why);
                }
                let silent = self.params.lower_prio_no_advert && !priority.is_resign();
                let answers = !silent && active.take_answer(now, &self.counted);
                if answers {
                    if priority.is_resign() {
                        active.next_advert = now + self.counted.adver_interval.span();
                    }
                    self.advertise();
                }
                // Whoever leaves was Active as well until now.
                self.contested(now, answers);
                self.report(if priority.is_resign() {
                    Report::ResignHeard { source }
                } else {
                    Report::LowerPriorityHeard { source, priority }
                });
            }
        }
    }

    /// Somebody else has claimed the role: who listened to it is told again.
    pub(super) fn contested(&mut self, now: MonoTime, answers: bool) {
        let State::Active(active) = &mut self.state else {
            return;
        };
        let Addresses::Installed(announced) = &mut active.addresses else {
            return;
        };
        if announced.take_provoked(now, &self.params.garp) {
            self.announce(self.params.garp.lower_prio_repeat);
        } else if answers {
            self.tell_again(now);
        }
    }

    /// Another one has had the addresses as well, because the network was
    /// split, and keeps them until it sees that they are here.
    fn tell_again(&mut self, now: MonoTime) {
        if let State::Active(active) = &mut self.state
            && let Addresses::Installed(announced) = &mut active.addresses
            && announced.take_answer(now, &self.params.garp)
        {
            self.announce(1);
        }
    }

    /// An advert would have been heard.
    pub(super) fn ear_proven(&mut self, now: MonoTime) {
        if let State::Backup(backup) = &mut self.state
            && !self.counted.is_owner()
        {
            backup.prove(now, &self.counted);
        }
    }

    /// Some may not have been.
    pub(super) fn slept(&mut self, now: MonoTime) {
        if let State::Backup(backup) = &mut self.state {
            backup.slept(now, &self.counted);
        }
        if let Some(going) = &mut self.letting_go {
            going.slept(now, &self.params);
        }
    }

    /// To Backup: the other one is better. The addresses stay until it has
    /// them, and whoever asks for them finds it from now on.
    fn give_way(&mut self, now: MonoTime, to: Heard, interval: Centis, why: Why) {
        if self.params.higher_prio_send_advert {
            self.advertise();
        }
        self.keep_for(now, Some(to));
        let backup = Backup::yielded(now, to, interval, &self.counted);
        self.enter(State::Backup(backup), why);
    }
}
