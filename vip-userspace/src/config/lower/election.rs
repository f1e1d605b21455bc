//! When an instance speaks, and who takes over from whom.

use std::time::Duration;

use vip_common::election::Garp;
use vip_common::ids::{Priority, Version};
use vip_common::time::Centis;

use super::super::diag::{Finding, Sink, quoted};
use super::super::estate::TrackedInterface;
use super::super::source::Span;
use super::super::trackers::{Kind, Tracked};
use super::super::value::{Value, decimal};
use super::Around;
use super::company::{duration, given, given_at, switch, tracked};
use super::globals::{Globals, rounds};
use super::instance::Draft;

impl Draft<'_> {
    /// Whether it takes over from a lower priority.
    pub(super) fn preempt(&mut self, strict: bool, sink: &mut Sink) -> bool {
        let master = self.master == Some(true);
        let owner = self.priority == Some(Priority::OWNER);
        if strict && owner && self.master == Some(false) {
            let name = quoted(&self.name.text);
            sink.add(
                Finding::warning(
                    self.name.span,
                    format!("instance {name} has priority 255: in strict mode its state is MASTER"),
                )
                .help("write `state MASTER`, or a priority below 255"),
            );
        }
        let Some(span) = self.no_preempt else {
            return true;
        };
        let (with, help) = if master {
            (
                "`state MASTER`",
                "write `state BACKUP` on every node; who wins is decided by priority",
            )
        } else if owner {
            (
                "priority 255",
                "the owner of an address always takes it back; give a priority below 255",
            )
        } else {
            return false;
        };
        let message = format!("`nopreempt` is ignored with {with}, as in keepalived");
        sink.add(Finding::warning(span, message).help(help));
        true
    }

    /// How long it waits before it takes over from a lower priority.
    pub(super) fn preempt_delay(
        &self,
        strict: bool,
        preempt: bool,
        owner: bool,
        sink: &mut Sink,
    ) -> Duration {
        let name = "preempt_delay";
        let delay = duration(self.section, name).unwrap_or_default();
        if delay.is_zero() {
            return delay;
        }
        let with = if !preempt {
            "`nopreempt`"
        } else if self.master == Some(true) {
            "`state MASTER`"
        } else if owner {
            "priority 255"
        } else if strict {
            "strict mode"
        } else {
            return delay;
        };
        self.ignored(name, with, sink);
        Duration::ZERO
    }

    /// Says that a line of it does not count beside something else.
    pub(super) fn ignored(&self, name: &str, with: &str, sink: &mut Sink) {
        let span = given_at(self.section, name).map_or(self.name.span, |(_, span)| span);
        sink.add(
            Finding::warning(
                span,
                format!("`{name}` is ignored with {with}, as in keepalived"),
            )
            .help("remove one of the two"),
        );
    }

    /// As in keepalived, where strict mode decides what is inherited, too.
    pub(super) fn down_timer_adverts(
        &self,
        strict: bool,
        globals: &Globals,
        sink: &mut Sink,
    ) -> u8 {
        let inherited = (globals.down_timer_adverts, self.name.span);
        let (adverts, span) = self.down_timer_adverts.unwrap_or(inherited);
        if strict && adverts != 3 {
            sink.add(Finding::warning(
                span,
                "`down_timer_adverts` is 3 in strict mode, as in keepalived",
            ));
            return 3;
        }
        adverts
    }

    /// The priority that is given, or what follows from `state`.
    pub(super) fn priority(&self, strict: bool, sink: &mut Sink) -> Priority {
        let master = self.master == Some(true);
        let name = quoted(&self.name.text);
        match self.priority {
            Some(priority) => {
                if strict && master && priority != Priority::OWNER {
                    sink.add(
                        Finding::warning(
                            self.name.span,
                            format!("instance {name} is `state MASTER` with priority {priority}: in strict mode its state is BACKUP"),
                        )
                        .help("write `state BACKUP`; who wins is decided by priority"),
                    );
                }
                priority
            }
            None if master => {
                sink.add(
                    Finding::warning(
                        self.name.span,
                        format!("instance {name} has `state MASTER` and no priority: it is 255, as in keepalived"),
                    )
                    .help("255 says that the address is this host's own; give a `priority` below it"),
                );
                Priority::OWNER
            }
            None => Priority::DEFAULT,
        }
    }

    /// Whether it is silent to a lower priority.
    pub(super) fn lower_prio_no_advert(
        &self,
        strict: bool,
        globals: &Globals,
        sink: &mut Sink,
    ) -> bool {
        let name = "lower_prio_no_advert";
        let asked = switch(self.section, name).or(globals.lower_prio_no_advert);
        if strict && asked == Some(false) {
            self.ignored(name, "strict mode", sink);
        }
        strict || asked.unwrap_or(false)
    }

    /// Whether it speaks once more before it yields.
    pub(super) fn higher_prio_send_advert(
        &self,
        strict: bool,
        globals: &Globals,
        sink: &mut Sink,
    ) -> bool {
        let name = "higher_prio_send_advert";
        let asked = switch(self.section, name).unwrap_or(globals.higher_prio_send_advert);
        if strict && asked {
            self.ignored(name, "strict mode", sink);
        }
        asked && !strict
    }

    /// Whether it is deaf as an owner.
    pub(super) fn owner_ignore_adverts(
        &self,
        strict: bool,
        owner: bool,
        globals: &Globals,
        sink: &mut Sink,
    ) -> bool {
        let name = "owner_ignore_adverts";
        let asked = switch(self.section, name).or(globals.owner_ignore_adverts);
        if strict && owner && asked == Some(false) {
            self.ignored(name, "strict mode", sink);
        }
        owner && (strict || asked.unwrap_or(false))
    }

    /// Whether packets to its addresses are accepted (Accept_Mode of RFC 9568
    /// section 6.1); the last of both words counts.
    pub(super) fn accept(
        &self,
        strict: bool,
        version: Version,
        owner: bool,
        sink: &mut Sink,
    ) -> bool {
        let asked = self.section.settings.iter().rev().find_map(|setting| {
            let accept = match setting.keyword.name {
                "accept" => true,
                "no_accept" => false,
                _ => return None,
            };
            Some((accept, setting.span))
        });
        match asked {
            Some((false, span)) if owner => {
                sink.add(
                    Finding::note(span, "`no_accept` changes nothing at priority 255")
                        .help("packets to the owner of an address are always accepted"),
                );
                true
            }
            Some((true, _)) if strict && version == Version::V2 && !owner => {
                self.ignored("accept", "strict mode in version 2", sink);
                false
            }
            Some((accept, _)) => accept,
            None => owner || !strict,
        }
    }

    /// When gratuitous ARP is sent.
    pub(super) fn garp(&self, strict: bool, globals: &Globals, sink: &mut Sink) -> Garp {
        for name in ["garp_lower_prio_repeat", "garp_lower_prio_delay"] {
            if strict
                && given(self.section, name)
                    .is_some_and(|value| !matches!(value, Value::Whole(0) | Value::Micros(0)))
            {
                self.ignored(name, "strict mode", sink);
            }
        }
        let lower_repeat = given(self.section, "garp_lower_prio_repeat").and_then(rounds);
        let lower_delay = duration(self.section, "garp_lower_prio_delay");
        // What an instance says of its first rounds does not count for these.
        let lower = globals.garp();
        Garp {
            repeat: self.garp_repeat.unwrap_or(globals.garp.repeat),
            delay: self.garp_delay.unwrap_or(globals.garp.delay),
            lower_prio_repeat: if strict {
                0
            } else {
                lower_repeat.unwrap_or(lower.lower_prio_repeat)
            },
            lower_prio_delay: if strict {
                Duration::ZERO
            } else {
                lower_delay.unwrap_or(lower.lower_prio_delay)
            },
            refresh: match self.garp_refresh {
                Some(refresh) => Some(refresh).filter(|refresh| !refresh.is_zero()),
                None => globals.garp.refresh,
            },
            refresh_repeat: self
                .garp_refresh_repeat
                .unwrap_or(globals.garp.refresh_repeat),
        }
    }

    /// The interfaces that must be up, beside its own.
    pub(super) fn track_interfaces(&self, owner: bool, sink: &mut Sink) -> Vec<TrackedInterface> {
        let own = self.interface.map(|name| &*name.text);
        let mut kept = tracked(self.section, sink);
        kept.retain(|(one, span): &(TrackedInterface, Span)| {
            let why = if own == Some(one.interface.as_str()) {
                "its own interface is watched in any case"
            } else if owner && one.weight.value != 0 {
                "priority 255 stays what it is"
            } else {
                return true;
            };
            let interface = quoted(&one.interface);
            let message = format!("{interface} is not tracked: {why}, as in keepalived");
            sink.add(Finding::warning(*span, message).help("remove the line"));
            false
        });
        kept.into_iter().map(|(one, _)| one).collect()
    }

    /// What else it goes by. A weight means nothing to priority 255, a failure that
    /// is FAULT does.
    pub(super) fn trackers(
        &self,
        owner: bool,
        around: &Around<'_>,
        sink: &mut Sink,
    ) -> Vec<Tracked> {
        let mut kept = around.defined.tracked(self.section, sink);
        kept.retain_mut(|(one, span)| {
            if !owner || one.weight.value == 0 {
                return true;
            }
            let name = quoted(&one.name);
            // What counts where nobody says how much is kept, as in keepalived.
            if one.kind == Kind::File && one.weight.value == 1 {
                one.weight.value = 0;
                let message = format!(
                    "the weight of {name} is ignored at priority 255: every number but 0 is FAULT, as in keepalived"
                );
                let finding = Finding::warning(*span, message);
                sink.add(finding.help("write `weight 0` where that is meant, or remove the line"));
                return true;
            }
            let message =
                format!("{name} is not tracked: priority 255 stays what it is, as in keepalived");
            sink.add(Finding::warning(*span, message).help("remove the line, or its weight"));
            false
        });
        kept.into_iter().map(|(one, _)| one).collect()
    }

    pub(super) fn interval(&self, version: Version, sink: &mut Sink) -> Centis {
        let Some((micros, span)) = self.interval else {
            return Centis::ONE_SECOND;
        };
        let centis = match version {
            Version::V2 => ((micros + 500_000) / 1_000_000).max(1) * 100,
            Version::V3 => ((micros + 5_000) / 10_000).max(1),
        };
        let interval = u16::try_from(centis)
            .ok()
            .and_then(Centis::new)
            .unwrap_or(Centis::V2_MAX);
        let interval = match version {
            Version::V2 => interval,
            Version::V3 => interval.min(Centis::V3_MAX),
        };
        if u64::from(interval.get()) * 10_000 != micros {
            let (speaks, most) = match version {
                Version::V2 => ("whole seconds", "1 to 255 s"),
                Version::V3 => ("steps of 10 ms", "0.01 to 40.95 s"),
            };
            let finding = Finding::warning(
                span,
                format!("an interval of {} s becomes {interval}", decimal(micros)),
            );
            sink.add(finding.help(format!(
                "VRRP version {} speaks in {speaks}, {most}",
                version.get()
            )));
        }
        interval
    }
}
