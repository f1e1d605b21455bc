//! How long each phase of a change took.

use vip_common::election::{StateName, Why};
use vip_common::time::MonoTime;

use super::facts::Facts;
use super::story::{Phase, Story};
use crate::words::span;

impl Story {
    pub(super) fn time_takeover(&mut self, facts: &Facts, at: MonoTime, why: Why) {
        let mut phase = |name, took| self.phases.push(Phase { name, took });
        let (silence, deadline) = (why.last_advert(), why.deadline());
        if let (Some(last), Some(deadline)) = (silence, deadline) {
            phase("detect", deadline.since(last));
        }
        if let Some(deadline) = deadline {
            phase("decide", at.since(deadline));
        }
        if let Some((sent, None)) = facts.advert {
            phase("advert", sent.since(at));
        }
        if let Some(installed) = facts.installed {
            phase("addresses", installed.since(at));
        }
        if let Some(announced) = facts.announced {
            phase("arp", announced.since(at));
            if let Some(last) = silence {
                phase("in_all", announced.since(last));
            }
        }
        if let Some((_, Some(errno))) = facts.advert {
            let error = std::io::Error::from_raw_os_error(errno);
            self.remarks
                .push(format!("our first advert could not be sent: {error}"));
        }
        if facts.installed.is_none() && facts.install_failed.is_some() {
            self.remarks
                .push("the kernel did not take the addresses".into());
        }
    }

    pub(super) fn time_leave(&mut self, facts: &Facts, at: MonoTime, from: StateName) {
        if from != StateName::Active {
            return;
        }
        if let Some((sent, None)) = facts.advert {
            self.phases.push(Phase {
                name: "advert",
                took: sent.since(at),
            });
        }
        if let Some((when, source, priority)) = facts.successor {
            self.seen.push(format!(
                "{source} took over with priority {priority}, {} later",
                span(when.since(at))
            ));
            self.phases.push(Phase {
                name: "successor",
                took: when.since(at),
            });
        }
        if let Some((when, claimed, _)) = facts.let_go {
            self.phases.push(Phase {
                name: "addresses",
                took: when.since(at),
            });
            if !claimed {
                self.remarks.push(
                    "nobody has announced the addresses before they were removed here".into(),
                );
            }
        }
    }
}
