//! Static tracepoints (USDT, provider `vip`): where `perf` and `bpftrace` look on, in
//! any build. Each is one instruction that does nothing until somebody attaches; what
//! it shows is in registers then. None is put into its caller: a copy of it that the linker
//! throws away would leave a tracepoint behind that is nowhere. Times are in ns of `CLOCK_MONOTONIC`, states as in
//! [`state`], routers by their place in `vip status`.
//!
//! `docs/trace.md` says how to use them; their names and arguments are not changed
//! without a word there.

use probe::probe;
use vip_common::election::StateName;
use vip_common::ids::Priority;
use vip_common::reject::RejectReason;
use vip_common::time::MonoTime;

/// Of a program that reads them they have no names: 0 INIT and FAULT, 1 BACKUP, 2 MASTER.
const fn state(state: StateName) -> u8 {
    match state {
        StateName::Initialize => 0,
        StateName::Backup => 1,
        StateName::Active => 2,
    }
}

/// `advert_received`: router, priority, when it was at the NIC. Those that the program
/// at the NIC knows again are not among them.
#[inline(never)]
pub(super) fn advert_received(slot: usize, priority: Priority, stamp: MonoTime) {
    probe!(vip, advert_received, slot, priority.get(), stamp.as_nanos());
}

/// `advert_refused`: router, number of the reason, when it was at the NIC.
#[inline(never)]
pub(super) fn advert_refused(slot: usize, reason: RejectReason, stamp: MonoTime) {
    probe!(vip, advert_refused, slot, reason as u8, stamp.as_nanos());
}

/// `advert_sent`: router, how many ns after it was due; 0 for one that answers.
#[inline(never)]
pub(super) fn advert_sent(slot: usize, late: u64) {
    probe!(vip, advert_sent, slot, late);
}

/// `deadline_armed`: router, when.
#[inline(never)]
pub(super) fn deadline_armed(slot: usize, due: MonoTime) {
    probe!(vip, deadline_armed, slot, due.as_nanos());
}

/// `deadline_expired`: router, when it was due, what time it is.
#[inline(never)]
pub(super) fn deadline_expired(slot: usize, due: MonoTime, now: MonoTime) {
    probe!(vip, deadline_expired, slot, due.as_nanos(), now.as_nanos());
}

/// `state_changed`: router, from which state, to which.
#[inline(never)]
pub(super) fn state_changed(slot: usize, from: StateName, to: StateName) {
    probe!(vip, state_changed, slot, state(from), state(to));
}

/// `addresses_added`: router, how many of its addresses are there.
#[inline(never)]
pub(super) fn addresses_added(slot: usize, there: usize) {
    probe!(vip, addresses_added, slot, there);
}

/// `arp_sent`: router, how many announcements at once.
#[inline(never)]
pub(super) fn arp_sent(slot: usize, count: usize) {
    probe!(vip, arp_sent, slot, count);
}
