//! The programs at the NIC: one classifier, hooked in at XDP (`vip_xdp`) or at
//! TCX ingress (`vip_tcx`); and the same again for kernels that have no timers for
//! programs (`vip_xdp_plain`, `vip_tcx_plain`).
//!
//! A frame is asked a few questions, one file each: what is it and is it ours
//! ([`classify`]), may it pass ([`vip_common::wire::admit`]), is it the same as
//! before ([`known`]) or one of too many ([`budget`]), and what is to be told of it
//! ([`watch`]). The answer is a [`Verdict`], and [`conclude`] is the
//! one place where a verdict becomes a counter and an action.
//!
//! Whatever is not a VRRP advert for one of our routers passes untouched, and
//! so does every advert that is valid: the stack and its other users see all
//! but the forgeries and the floods.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch)]

mod budget;
mod classify;
mod known;
mod maps;
mod packet;
mod watch;

use aya_ebpf::bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC, xdp_action};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use vip_common::layout::Counter;
use vip_common::reject::RejectReason;

use crate::packet::Packet;

/// What a frame turned out to be.
///
/// A number and a byte, both of which every verdict has: a payload that only some
/// had would be left undefined in the others, and the verifier refuses to see it
/// moved about.
struct Verdict {
    /// The router's number; zero where it is nobody's.
    slot: u32,
    what: What,
}

/// What it is to that router.
enum What {
    /// Nothing of ours, or nothing that is news.
    Untouched,
    /// An advert that was sent up.
    Taken,
    /// An advert that is known: noted, and nobody woken.
    Known,
    /// An advert that should have gone up, but nobody empties the ring.
    Lost,
    /// Says that it is for us, and cannot be.
    Refused(RejectReason),
    /// Somebody asks who has one of our addresses.
    Asked,
    /// A stranger says that one of our addresses is his.
    Claimed,
    /// Somebody asks for one of our addresses, and nobody here shall answer.
    Withheld,
}

impl Verdict {
    const UNTOUCHED: Self = Self {
        slot: 0,
        what: What::Untouched,
    };
}

/// What becomes of the frame.
enum Action {
    Pass,
    Drop,
}

#[xdp(frags)]
fn vip_xdp(context: XdpContext) -> u32 {
    of_xdp(&conclude::<_, true>(&context))
}

#[xdp(frags)]
fn vip_xdp_plain(context: XdpContext) -> u32 {
    of_xdp(&conclude::<_, false>(&context))
}

#[classifier]
fn vip_tcx(context: TcContext) -> i32 {
    of_tcx(&conclude::<_, true>(&context))
}

#[classifier]
fn vip_tcx_plain(context: TcContext) -> i32 {
    of_tcx(&conclude::<_, false>(&context))
}

#[inline(always)]
const fn of_xdp(action: &Action) -> u32 {
    match action {
        Action::Pass => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
    }
}

#[inline(always)]
const fn of_tcx(action: &Action) -> i32 {
    match action {
        // Not "accept": the programs after this one have their say too.
        Action::Pass => TC_ACT_UNSPEC,
        Action::Drop => TC_ACT_SHOT,
    }
}

/// From verdict to counter and action. `KNOWS` says whether the kernel has timers,
/// without which no advert may be kept from the engine.
#[inline(always)]
fn conclude<P: Packet, const KNOWS: bool>(packet: &P) -> Action {
    let Verdict { slot, what } = classify::classify::<P, KNOWS>(packet);
    let (counter, action) = match what {
        What::Untouched => return Action::Pass,
        What::Taken => (Counter::Taken, Action::Pass),
        What::Known => (Counter::Known, Action::Pass),
        What::Lost => (Counter::RingFull, Action::Pass),
        What::Asked => (Counter::Asked, Action::Pass),
        What::Claimed => (Counter::Claimed, Action::Pass),
        What::Withheld => (Counter::Withheld, Action::Drop),
        What::Refused(reason) => {
            aya_log_ebpf::debug!(packet, "router {} refuses: {}", slot, reason as u8);
            (Counter::Rejected(reason), Action::Drop)
        }
    };
    maps::count(counter, slot);
    action
}

/// The kernel loads programs by their licence; this is the nearest word to ours
/// that it knows.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
