//! Adverts to the group on their way out: those that are due together leave by one
//! system call for each interface.

use std::io;

use vip_common::ids::Priority;
use vip_common::time::MonoTime;

use super::{Engine, Report, rt, tracepoints};
use crate::kernel::sender::AT_ONCE;

/// What waits, until the next thing that it must not come after.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// By which port, and whose frame. Never more than [`AT_ONCE`].
    waiting: Vec<(usize, usize)>,
    /// Whether more may come: it is one of several routers' turn.
    pub(super) open: bool,
}

/// What is counted of an advert once it is out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sending {
    /// When it was due; none of one that was not waited for.
    pub(super) due: Option<MonoTime>,
    /// Whether it gives up.
    pub(super) resigns: bool,
}

impl Outbox {
    /// Takes the memory that it will ever need.
    pub(super) fn new() -> Self {
        Self {
            waiting: Vec::with_capacity(AT_ONCE),
            open: false,
        }
    }
}

impl Engine {
    /// Sends an advert: now to peers, with the next [`Engine::send_waiting`] to the
    /// group.
    pub(super) fn send_advert(&mut self, slot: usize, priority: Priority) {
        let router = &mut self.routers[slot];
        router.sending = Sending {
            due: router.turn_due.take(),
            resigns: priority.is_resign(),
        };
        let plan = &self.plan.routers[slot];
        let from = if plan.transmit_from_base {
            plan.port
        } else {
            plan.home
        };
        if plan.unicast.is_some() {
            let sent = self.routers[slot].advertise_to_peers(plan, priority);
            return self.note_sent(slot, from, sent);
        }
        let waiting = &self.outbox.waiting;
        // Its frame holds one advert at a time.
        if waiting.len() == AT_ONCE || waiting.iter().any(|(_, waits)| *waits == slot) {
            self.send_waiting();
        }
        if self.routers[slot].seal(priority) {
            self.outbox.waiting.push((from, slot));
        } else {
            self.note_sent(slot, from, Err(None));
        }
    }

    /// Sends what waits. To be called before anything that others may notice before
    /// these adverts, which come first.
    pub(super) fn send_waiting(&mut self) {
        if self.outbox.waiting.is_empty() {
            return;
        }
        let mut waiting = std::mem::take(&mut self.outbox.waiting);
        // Those of one router never wait together, so that this keeps each one's order.
        waiting.sort_unstable();
        for of_port in waiting.chunk_by(|one, other| one.0 == other.0) {
            self.send_by(of_port);
        }
        waiting.clear();
        self.outbox.waiting = waiting;
    }

    /// Sends the frames of some routers by the port that they share.
    fn send_by(&mut self, batch: &[(usize, usize)]) {
        let mut done = 0;
        while let Some((port, slot)) = batch.get(done).copied() {
            // Where the interface has gone there is nobody to tell.
            let Some(attached) = &self.ports[port].attached else {
                self.note_sent(slot, port, Err(None));
                done += 1;
                continue;
            };
            let mut frames: [&[u8]; AT_ONCE] = [&[]; AT_ONCE];
            let left = batch.get(done..).unwrap_or_default();
            for (frame, (_, slot)) in frames.iter_mut().zip(left) {
                *frame = self.routers[*slot].sealed();
            }
            let count = left.len().min(AT_ONCE);
            let sent = attached.sender.send_some(&frames[..count]);
            let (taken, result) = match sent {
                Ok(taken) => (taken.clamp(1, count), Ok(())),
                Err(error) => (1, Err(error)),
            };
            let mut result = result.map_err(Some);
            for (_, slot) in &left[..taken] {
                let of_this = std::mem::replace(&mut result, Ok(()));
                self.note_sent(*slot, port, of_this);
            }
            done += taken;
        }
    }

    fn note_sent(&mut self, slot: usize, from: usize, sent: Result<(), Option<io::Error>>) {
        let port = self.ports[from].attached.as_mut();
        let news = port.is_none_or(|port| {
            let was_mute = std::mem::replace(&mut port.mute, sent.is_err());
            !was_mute
        });
        let errno = sent.as_ref().err();
        let errno = errno.map(|error| error.as_ref().and_then(io::Error::raw_os_error));
        self.note_given(slot, errno.map(Option::unwrap_or_default));
        let router = &mut self.routers[slot];
        match sent {
            Ok(()) => {
                router.seen.sent += 1;
                let Sending { due, resigns } = std::mem::take(&mut router.sending);
                let late = due.map(|due| rt::now().since(due));
                let nanos = late.map_or(0, |late| late.as_nanos());
                tracepoints::advert_sent(slot, u64::try_from(nanos).unwrap_or(u64::MAX));
                if let Some(meter) = self.published.meter(slot) {
                    if let Some(late) = late {
                        meter.lateness.note(late, 1);
                    }
                    if resigns {
                        meter.send_resign();
                    }
                }
            }
            Err(error) => {
                router.seen.unsent += 1;
                if let Some(errno) = error.and_then(|error| error.raw_os_error())
                    && news
                {
                    self.report(Report::NotSent { slot, errno });
                }
            }
        }
    }
}
