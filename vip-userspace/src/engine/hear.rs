//! What comes in by the ears: from a frame to what the election is told of it.

use std::net::IpAddr;
use std::sync::Arc;

use vip_common::election::Input;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;
use vip_common::wire::vrrp::{self, ChecksumDialect};

use super::known::Understood;
use super::{Engine, Report, tracepoints};
use crate::dataplane::{EarEvent, Left};

impl Engine {
    /// Drains the ears once, each within its bound. Says whether all is read.
    pub(super) fn hear(&mut self) -> Left {
        // The ears are taken out while they are drained into the rest of self.
        let mut ears = std::mem::take(&mut self.ears);
        let mut left = Left::Nothing;
        for owned in &mut ears {
            if owned.ear.drain(&mut |event| self.heard(event)) == Left::Perhaps {
                left = Left::Perhaps;
            }
        }
        self.ears = ears;
        left
    }

    fn heard(&mut self, event: EarEvent<'_>) {
        match event {
            EarEvent::Advert {
                stamp,
                slot,
                ifindex,
                frame,
            } => {
                self.heard_advert(stamp, slot as usize, ifindex, frame);
            }
            EarEvent::Claim {
                stamp,
                slot,
                address,
                mac,
                ..
            } => {
                let slot = slot as usize;
                // After a reload it may be another router's by now than the one
                // that lets it go.
                let mut at = self.holders.partition_point(|(held, _)| *held < address);
                while let Some((held, holder)) = self.holders.get(at).copied()
                    && held == address
                {
                    self.input(holder, Input::AddressClaimed { stamp });
                    at += 1;
                }
                // Until we know who is Active, it may be nobody but him.
                if self
                    .routers
                    .get(slot)
                    .is_some_and(|router| router.is_stranger(mac))
                {
                    self.report(Report::Claimed { slot, address, mac });
                }
            }
            EarEvent::Silence { stamp, slot } => self.heard_silence(slot as usize, stamp),
            // Counted where it was refused; services read it there.
            EarEvent::Refused { .. } => {}
        }
    }

    fn heard_advert(&mut self, stamp: MonoTime, slot: usize, ifindex: u32, frame: &[u8]) {
        let (Some(plan), Some(router)) = (self.plan.routers.get(slot), self.routers.get_mut(slot))
        else {
            return;
        };
        let here = self.ports[plan.port].attached.as_ref();
        if here.is_none_or(|port| port.facts.ifindex != ifindex) {
            return;
        }
        let Some((header, source_mac, body)) = vrrp::locate(frame) else {
            return;
        };
        let source = header.source;
        // Before the signature, whose serial would count otherwise.
        if let Some(unicast) = &plan.unicast
            && unicast.check_source
            && !unicast.admits(source, header.ttl)
        {
            return self.refused(slot, source, stamp, RejectReason::Peer);
        }
        let by_former = router.seen.by_former;
        match router.read(stamp, &header, body) {
            Ok(advert) => {
                tracepoints::advert_received(slot, advert.priority, stamp);
                let may_be_lent = !router.signs() && router.seen.by_former == by_former;
                let understood = Understood {
                    source,
                    priority: advert.priority,
                    interval: advert.interval,
                };
                let other_list = !advert.addresses.same_as(&plan.listed);
                let dialect = advert.dialect;
                let (news, gap) = router.note_accepted(source, stamp, advert.priority, other_list);
                let followed = router.followed().filter(|one| one.address == source);
                let takeover = followed.and_then(|_| router.takeover());
                if let Some(meter) = self.published.meter(slot) {
                    if let Some(gap) = gap {
                        meter.gaps.note(gap, 1);
                    }
                    if other_list {
                        meter.other_list(1);
                    }
                    if advert.priority.is_resign() {
                        meter.hear_resign();
                    } else if let Some(takeover) = takeover {
                        meter.reprieve(stamp, takeover, advert.interval.span());
                    }
                }
                let input = Input::AdvertArrived {
                    stamp,
                    source,
                    priority: advert.priority,
                    interval: advert.interval,
                };
                self.note_number(slot, (source, stamp, advert.interval), frame);
                self.input(slot, input);
                if may_be_lent {
                    self.offer(slot, understood, stamp, frame);
                }
                let router = &mut self.routers[slot];
                if router.election.obeyed() == Some(source) {
                    router.lending.obey(source_mac);
                }
                if router
                    .followed()
                    .is_some_and(|active| active.address == source)
                {
                    router.heard_from = source_mac;
                }
                if news {
                    self.report(Report::OtherList { slot, source });
                }
                if dialect == ChecksumDialect::OldUnicast && !self.routers[slot].old_checksum {
                    // As keepalived: it is spoken to in its own way from now on.
                    let router = &mut self.routers[slot];
                    router.old_checksum = true;
                    router.built_for = None;
                    self.settle_router(&Arc::clone(&self.plan), slot);
                }
            }
            Err(reason) => self.refused(slot, source, stamp, reason),
        }
    }

    /// A refused advert is counted and moves nothing.
    fn refused(&mut self, slot: usize, source: IpAddr, stamp: MonoTime, reason: RejectReason) {
        let Some(router) = self.routers.get_mut(slot) else {
            return;
        };
        tracepoints::advert_refused(slot, reason, stamp);
        let news = router.note_refused(source, stamp, reason);
        self.note_refusal(slot, source, reason);
        self.touch(slot);
        if news {
            self.report(Report::Refused {
                slot,
                source,
                reason,
            });
        }
    }
}
