//! Who meets whom: arrivals, and the directory's random bounded samples.

use super::Simulation;
use super::deliver::earlier;
use super::events::What;
use super::links::{Downlink, Uplink};
use super::machine::Machine;
use super::scenario::{Arrivals, Lie};
use crate::discovery::NEIGHBOURS;
use crate::peers::{Have, PeerKey};
use crate::serve::{self, Role};
use crate::timers::{Moment, nanos, scale};
use std::time::Duration;

/// How many complete holders the directory names.
const HOLDERS: u32 = 4;

impl Simulation {
    pub(super) fn populate(&mut self) {
        // The directory counts claims: a liar that claims to have everything is a holder to it.
        let alone = self.scenario.holders.len() == 1 && self.scenario.liars() == 0;
        let role = if alone { Role::LoneSeed } else { Role::OneOfMany };
        for up in self.scenario.holders.clone() {
            let luck = self.rng.next();
            self.add(Machine::holder(&self.policies, self.geometry, role, luck), up);
        }
        let first = self.machines.len();
        for _ in 0..self.scenario.peers {
            self.add(Machine::default(), self.scenario.up);
        }
        for kind in Lie::ALL.into_iter().cycle().take(self.scenario.liars() as usize) {
            let luck = self.rng.next();
            self.add(Machine::liar(&self.policies, self.geometry, kind, luck), self.scenario.up);
        }
        self.present_at = vec![u32::MAX; self.machines.len()];
        let count = u32::try_from(self.machines.len()).expect("machines are counted in 32 bits");
        let first = u32::try_from(first).expect("holders are few");
        let liars = first + self.scenario.peers;
        for peer in (0..first).chain(liars..count) {
            self.enter(peer);
        }
        for peer in first..liars {
            self.schedule_arrival(peer, peer - first);
        }
    }

    fn add(&mut self, machine: Machine, up: u64) {
        self.machines.push(machine);
        self.ups.push(Uplink::new(up));
        self.downs.push(Downlink::default());
    }

    fn schedule_arrival(&mut self, peer: u32, place: u32) {
        let at = match self.scenario.arrivals {
            Arrivals::AtOnce => Moment::EPOCH,
            Arrivals::Over(time) => {
                Moment::from_nanos(scale(nanos(time), u64::from(place), u64::from(self.scenario.peers)))
            }
        };
        self.events.push(at, What::Arrive { peer });
        self.schedule_departure(peer, at);
    }

    pub(super) fn enter(&mut self, peer: u32) {
        if self.machines[peer as usize].present {
            return;
        }
        self.machine(peer).present = true;
        self.present_at[peer as usize] = u32::try_from(self.present.len()).expect("machines are counted in 32 bits");
        self.present.push(peer);
    }

    pub(super) fn exit(&mut self, peer: u32) {
        self.machine(peer).present = false;
        let at = self.present_at[peer as usize];
        self.present.swap_remove(at as usize);
        if let Some(&moved) = self.present.get(at as usize) {
            self.present_at[moved as usize] = at;
        }
    }

    pub(super) fn arrive(&mut self, peer: u32) {
        self.give_up = self.now + self.patience;
        self.enter(peer);
        let luck = self.rng.next();
        let now = self.now;
        self.machines[peer as usize].begin(&self.policies, self.geometry, luck, now);
        self.drain_fetch(peer);
        // After all who arrive at this moment: they announce themselves before anybody asks for the others.
        self.events.push(now, What::LookAround { peer });
    }

    pub(super) fn look_around(&mut self, peer: u32) {
        let now = self.now;
        let machine = self.machine(peer);
        let first = machine.look_at.is_none();
        if !machine.wants() || !(first || machine.look_at == Some(now)) {
            return;
        }
        machine.look_at = None;
        self.meet_holders(peer);
        // Among many, half of them the first time: as many find this one.
        self.meet_some(peer, if first { NEIGHBOURS / 2 } else { NEIGHBOURS });
        let (few, luck) = (self.has_few(peer), self.rng.below(1000));
        let after = self.machine(peer).looks.pause(few, luck);
        self.plan_look(peer, after);
    }

    pub(super) fn has_few(&self, peer: u32) -> bool {
        self.machines[peer as usize].linked.len() < NEIGHBOURS / 4
    }

    /// Asks the directory for others after a while.
    pub(super) fn plan_look(&mut self, peer: u32, after: Duration) {
        let now = self.now;
        let machine = self.machine(peer);
        if machine.wants()
            && let Some(at) = earlier(Some(now + after), &mut machine.look_at, now)
        {
            self.events.push(at, What::LookAround { peer });
        }
    }

    /// The directory names some complete holders to everybody; those with room for one more are good to know.
    fn meet_holders(&mut self, peer: u32) {
        let holders = u32::try_from(self.scenario.holders.len()).unwrap_or(u32::MAX);
        let start = self.rng.below(holders);
        for step in 0..holders.min(HOLDERS) {
            self.meet(peer, (start + step) % holders);
        }
    }

    /// Connects to machines of a random sample, until it knows `most`, as far as both have room.
    fn meet_some(&mut self, peer: u32, most: usize) {
        if self.present.len() <= NEIGHBOURS + 1 {
            for other in self.present.clone() {
                self.meet(peer, other);
            }
            return;
        }
        let others = u32::try_from(self.present.len()).unwrap_or(u32::MAX);
        for _ in 0..NEIGHBOURS {
            if self.machines[peer as usize].linked.len() >= most {
                return;
            }
            let other = self.present[self.rng.below(others) as usize];
            self.meet(peer, other);
        }
    }

    fn meet(&mut self, peer: u32, other: u32) {
        let most = self.scenario.serve.max_neighbours;
        let (a, b) = (&self.machines[peer as usize], &self.machines[other as usize]);
        let unknown =
            peer != other && !a.linked.contains(&other) && !a.shunned.contains(&other) && !b.shunned.contains(&peer);
        let ready = b.serve.is_some() || b.lie.is_some();
        if unknown && ready && a.linked.len() < most && b.linked.len() < most {
            self.machine(peer).linked.push(other);
            self.machine(other).linked.push(peer);
            self.watch(peer, other);
            self.watch(other, peer);
        }
    }

    /// `who` connects to `whom`, if it wants to know what that one has.
    fn watch(&mut self, who: u32, whom: u32) {
        if self.machines[who as usize].wants() {
            let trips = self.scenario.constants.handshake_trips * 2 + 1;
            let takes = self.scenario.latency * trips + self.scenario.constants.connect;
            self.events.push(self.now + takes, What::Watch { who, whom });
        }
    }

    pub(super) fn watched(&mut self, who: u32, whom: u32) {
        let has = Machine::unknown_have(self.geometry);
        let now = self.now;
        let machine = self.machine(whom);
        if !machine.linked.contains(&who) {
            return;
        }
        machine.read_mail(now);
        if let Some(server) = &mut machine.serve {
            server.handle(serve::Input::NeighbourJoined { peer: PeerKey(who), has }, now);
            self.drain_serve(whom);
        } else if machine.lie.is_some() {
            self.say(whom, vec![PeerKey(who)], Have::All.into());
        }
    }
}
