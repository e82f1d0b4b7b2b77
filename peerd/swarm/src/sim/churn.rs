//! Machines that leave, and what the others notice of it.

use super::Simulation;
use super::events::What;
use super::mail::Mail;
use crate::core::Input;
use crate::discovery::Looks;
use crate::peers::PeerKey;
use crate::serve;
use crate::sim::bound;
use crate::timers::{Moment, nanos};
use std::time::Duration;

impl Simulation {
    /// One of those who leave goes at a random moment within what the download takes at the least.
    pub(super) fn schedule_departure(&mut self, peer: u32, arrival: Moment) {
        if self.rng.below(1000) < self.scenario.churn_permille {
            let span = nanos(bound::lower_bound(&self.scenario));
            let after = self.rng.next() % span.max(1);
            self.events.push(arrival + Duration::from_nanos(after), What::Leave { peer });
        }
    }

    pub(super) fn leave(&mut self, peer: u32) {
        if !self.machines[peer as usize].present {
            return;
        }
        self.exit(peer);
        let (now, latency) = (self.now, self.scenario.latency);
        let machine = self.machine(peer);
        if machine.fetch.as_ref().is_some_and(|core| !core.stored().is_full()) {
            let had = machine.fetch.take();
            self.unfinished -= 1;
            self.gave_up += 1;
            had.iter().flat_map(|core| core.stored().iter()).for_each(|piece| self.copies[piece.index()] -= 1);
        }
        let machine = self.machine(peer);
        machine.serve = None;
        machine.mail = Mail::default();
        for receiver in self.ups[peer as usize].stop(now, self.wire, true, |_| true) {
            self.flow_ended(peer, receiver);
        }
        let machine = self.machine(peer);
        for tell in std::mem::take(&mut machine.linked) {
            self.events.push(now + latency, What::Left { who: peer, tell });
        }
    }

    /// `tell` notices that its connection with `who` is gone.
    pub(super) fn left(&mut self, who: u32, tell: u32) {
        self.unlink(tell, who);
        let (now, key) = (self.now, PeerKey(who));
        if let Some(server) = &mut self.machine(tell).serve {
            server.handle(serve::Input::NeighbourLeft { peer: key }, now);
        }
        for receiver in self.ups[tell as usize].stop(now, self.wire, false, |flow| flow.to == who) {
            self.flow_ended(tell, receiver);
        }
        self.drain_serve(tell);
        if let Some(core) = &mut self.machine(tell).fetch {
            core.handle(Input::PeerLeft { peer: key }, now);
            self.drain_fetch(tell);
        }
    }

    fn unlink(&mut self, peer: u32, other: u32) {
        self.machine(peer).linked.retain(|&linked| linked != other);
        self.look_again_if_few(peer);
    }

    fn look_again_if_few(&mut self, peer: u32) {
        if self.has_few(peer) {
            let luck = self.rng.below(1000);
            self.plan_look(peer, Looks::pause_before_any(luck));
        }
    }

    /// `who` has everything and asks nobody any more; others may go on asking it.
    pub(super) fn finish(&mut self, who: u32) {
        let at = self.now + self.scenario.latency;
        for whom in self.machines[who as usize].linked.clone() {
            self.events.push(at, What::Unwatch { who, whom });
        }
    }

    pub(super) fn unwatched(&mut self, who: u32, whom: u32) {
        let now = self.now;
        let machine = self.machine(whom);
        if let Some(server) = &mut machine.serve {
            server.handle(serve::Input::NeighbourLeft { peer: PeerKey(who) }, now);
        }
        if !machine.wants() {
            self.unlink(whom, who);
            self.unlink(who, whom);
        }
        self.drain_serve(whom);
    }

    /// Both ends are done with each other: a ban, or a neighbour too many.
    pub(super) fn cut(&mut self, peer: u32, other: u32) {
        self.machine(peer).shunned.push(other);
        let at = self.now + self.scenario.latency;
        self.events.push(at, What::Left { who: peer, tell: other });
        self.events.push(self.now, What::Left { who: other, tell: peer });
    }
}
