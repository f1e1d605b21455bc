//! What was measured of a takeover, and its explanation in numbers.

use std::time::Duration;

use vip_common::time::MonoTime;

use super::Timing;
use super::tell::{Teller, seconds, short};
use crate::lab::pair::{Pair, VIRTUAL, VRID};
use crate::lab::{AddressWatch, Frame, LabError, Outage};

/// How much earlier than the deadline a frame may be stamped: the capture's
/// stamps are wall-clock stamps turned monotonic, one by one.
const STAMP_ERROR: Duration = Duration::from_micros(50);
/// A takeover this late is not on time on any machine.
const LATE: Duration = Duration::from_millis(100);

/// B's takeover from A, in stamps.
pub(super) struct Takeover {
    fault: MonoTime,
    /// The advert from which B counts, at B's port of the switch.
    last: Frame,
    deadline: MonoTime,
    advert: MonoTime,
    address: MonoTime,
    pub(super) garp: MonoTime,
}

impl Takeover {
    /// Waits for the takeover that follows what happened at `fault`.
    pub(super) fn await_it(
        pair: &Pair,
        addresses: &AddressWatch,
        timing: &Timing,
        fault: MonoTime,
        bound: Duration,
    ) -> Result<Self, LabError> {
        let (to_b, from_b) = (pair.b.port(), pair.b.port());
        let capture = &pair.capture;
        let advert = capture.wait_for("B's first advert", fault, bound, |frame| {
            frame.is_from(from_b) && frame.advert(VRID).is_some_and(|priority| priority > 0)
        })?;
        let garp = capture.wait_for("B's gratuitous ARP", fault, bound, |frame| {
            frame.is_from(from_b) && frame.announces(VIRTUAL)
        })?;
        let address = addresses.wait_for(VIRTUAL, true, fault, bound)?;
        let heard = capture.select(|frame| {
            frame.is_to(to_b) && frame.advert(VRID).is_some() && frame.stamp < advert.stamp
        });
        // B counts from the first resignation if A leaves with one, else from
        // the last advert that it heard.
        let resigned = heard
            .iter()
            .find(|frame| frame.stamp >= fault && frame.advert(VRID) == Some(0));
        let (last, wait) = match (resigned, heard.last()) {
            (Some(first), _) => (first.clone(), timing.skew_b()),
            (None, Some(last)) => (last.clone(), timing.down_b()),
            (None, None) => {
                return Err(LabError::TooLate {
                    what: "any advert of A at B's port".into(),
                    bound,
                });
            }
        };
        Ok(Self {
            fault,
            deadline: last.stamp + wait,
            last,
            advert: advert.stamp,
            address,
            garp: garp.stamp,
        })
    }

    fn relative(&self, stamp: MonoTime) -> String {
        if stamp < self.fault {
            format!("-{:.6} s", self.fault.since(stamp).as_secs_f64())
        } else {
            format!("+{:.6} s", stamp.since(self.fault).as_secs_f64())
        }
    }

    /// The deadline from its parts, and what came after it.
    pub(super) fn explain(&self, timing: &Timing, tell: &mut Teller) {
        let skew = seconds(timing.skew_b());
        let (what, sum) = if self.last.advert(VRID) == Some(0) {
            (
                "A says that it leaves (priority 0)",
                format!("+ skew time {skew}"),
            )
        } else {
            (
                "A's last advert",
                format!("+ 3 x {} + skew time {skew}", timing.interval),
            )
        };
        tell.line(&format!(
            "{}  {what} reaches B's port (kernel stamp)",
            self.relative(self.last.stamp)
        ));
        tell.line(&format!(
            "{}  is B's deadline: {sum}",
            self.relative(self.deadline)
        ));
        tell.line(&format!("{}  B's advert", self.relative(self.advert)));
        let after = |stamp: MonoTime| {
            if stamp < self.advert {
                format!("{} before the advert", short(self.advert.since(stamp)))
            } else {
                format!("{} after the advert", short(stamp.since(self.advert)))
            }
        };
        tell.line(&format!(
            "             the address on B's eth0: {}",
            after(self.address)
        ));
        tell.line(&format!(
            "             B's first gratuitous ARP: {}",
            after(self.garp)
        ));
        let early = self.deadline.since(self.advert);
        let late = self.advert.since(self.deadline);
        let text = if early > STAMP_ERROR {
            format!("B spoke {} before its deadline", short(early))
        } else {
            format!(
                "B waited for its deadline and spoke {} after it",
                short(late)
            )
        };
        tell.check(early <= STAMP_ERROR && late < LATE, &text);
    }

    /// What the client lost, and whose share it is.
    pub(super) fn shares(&self, outages: &[Outage], tell: &Teller) {
        let lost: usize = outages.iter().map(|outage| outage.lost).sum();
        let Some(worst) = outages.iter().max_by_key(|outage| outage.lost) else {
            tell.line("the client lost nothing");
            return;
        };
        let text = format!("the client, asking every millisecond, lost {lost} answers");
        let Some(span) = worst.span() else {
            tell.line(&format!("{text} and still has none"));
            return;
        };
        let ours = worst.from + span;
        let protocol = self.deadline.since(worst.from).min(span);
        tell.line(&format!(
            "{text} in {}: {} until the deadline, the protocol's share, and {} after it, ours",
            seconds(span),
            seconds(protocol),
            short(ours.since(self.deadline).min(span)),
        ));
    }
}
