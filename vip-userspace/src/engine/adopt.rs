//! Going by another plan, while everything runs: the least is changed that
//! makes the new one true.

use std::sync::Arc;

use vip_common::election::Input;

use super::pace::Pace;
use super::router::Router;
use super::trust;
use super::{Engine, Port, Report, Request};
use crate::kernel::hands::Spent;
use crate::plan::{Plan, RouterPlan};

impl Engine {
    /// Goes by another plan. It takes memory, between two deadlines and never
    /// between a deadline and the wire.
    pub(super) fn adopt(&mut self, plan: Arc<Plan>) {
        // Whatever is asked of the hands from now on is asked by the new plan.
        if !self.ask(Request::Adopt(Arc::clone(&plan))) {
            self.report(Report::NotAdopted);
            return;
        }
        let before = std::mem::replace(&mut self.plan, Arc::clone(&plan));
        self.epoch = self.epoch.wrapping_add(1);
        for port in self.ports.len()..plan.ports.len() {
            self.ports.push(Port::default());
            self.ask(Request::Look { port });
        }
        let verdict = |id| {
            let at = before.tracker(id)?;
            self.verdicts.get(at).copied()
        };
        let kept = plan.trackers.iter();
        self.verdicts = kept
            .map(|one| {
                let former = one.former.and_then(verdict);
                verdict(one.id).or(former).unwrap_or_default()
            })
            .collect();
        self.paces.resize(plan.paces.len(), Pace::default());
        self.ears.reserve(plan.ports.len() + 1);
        // All are there before any group is asked what follows for it.
        self.ordering = true;
        for (slot, now) in plan.routers.iter().enumerate() {
            match before.routers.get(slot) {
                None => self.routers.push(Router::new(now)),
                Some(then) if then.vacant && !now.vacant => {
                    let mut new = Router::new(now);
                    let old = &self.routers[slot];
                    (new.touched, new.lets_go) = (old.touched, old.lets_go);
                    let gone = std::mem::replace(&mut self.routers[slot], new);
                    self.call_in(slot);
                    self.note_renewed(slot);
                    self.spent.extend(gone.to_peers.map(Spent::ToPeers));
                }
                Some(_) => {}
            }
        }
        self.make_room();
        // Who hears of a new one does not find what its number stood for before.
        let moment = super::rt::now();
        for (slot, now) in plan.routers.iter().enumerate() {
            if !now.vacant && before.routers.get(slot).is_none_or(|then| then.vacant) {
                let snapshot = self.routers[slot].snapshot(moment);
                self.published.write(slot, snapshot);
            }
        }
        for (slot, (then, now)) in before.routers.iter().zip(&plan.routers).enumerate() {
            match (then.vacant, now.vacant) {
                (false, true) => {
                    self.replan(slot, then, now);
                    self.input(slot, Input::ShutDown);
                }
                (false, false) => self.replan(slot, then, now),
                (true, _) => {}
            }
        }
        for (port, planned) in plan.ports.iter().enumerate() {
            let was_needed = before.ports.get(port).is_some_and(|port| port.is_needed());
            if !planned.is_needed() || was_needed {
                continue;
            }
            if self.ports[port].link.is_none() {
                self.ask(Request::Look { port });
            } else {
                // It was only tracked so far.
                self.attach(port);
            }
        }
        for slot in 0..plan.routers.len() {
            // New addresses are not known to the ears as they stand.
            self.routers[slot].noted = None;
            self.routers[slot].lending.turn();
            self.settle_router(&plan, slot);
        }
        self.ordering = false;
        for slot in 0..plan.routers.len() {
            self.follow_group(slot);
        }
        self.report(Report::Adopted);
    }

    /// The same router, with other words in the configuration.
    fn replan(&mut self, slot: usize, then: &RouterPlan, now: &RouterPlan) {
        let others = |one: &RouterPlan| -> Vec<_> { one.all_addresses().cloned().collect() };
        self.catch_up(slot);
        let moment = super::rt::now();
        let router = &mut self.routers[slot];
        if trust::differ(then, now) {
            router.change_secrets(now, moment);
        } else if then.expect != now.expect {
            router.trust = router.trust.after(now);
        }
        let company = (&then.routes, &then.rules) != (&now.routes, &now.rules);
        if others(then) != others(now) || company {
            let rounds = now.params.garp.repeat;
            self.install_again(slot, rounds);
        }
        if then.params != now.params {
            self.tell_params(slot, moment, now.params);
            self.follow_group(slot);
        }
    }
}
