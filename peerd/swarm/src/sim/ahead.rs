//! Prefetches what the next events are going to need: see [`crate::prefetch`].
//!
//! With thousands of machines, each one's state is out of every cache when something happens to it, and most of the time goes
//! into waiting for memory: state, then the lists that it refers to, then what is found in them. So all machines that have
//! their turn soon are prefetched together, level by level, before the first has it.

use super::Simulation;
use super::events::What;
use super::machine::Machine;
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::prefetch::prefetch;

/// How many events are looked at together.
pub(super) const EVENTS: usize = 16;

/// What the next few events are going to look at. One list for each kind, so that no pass over them has to guess what comes.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    messages: Vec<u32>,
    /// Machines, and the other ends.
    fetching: Vec<(u32, PeerKey)>,
    serving: Vec<(u32, PeerKey)>,
    uplinks: Vec<u32>,
    /// Where what an uplink sends arrives.
    downlinks: Vec<u32>,
    /// Machines that are going to read their mail.
    mail: Vec<u32>,
}

impl Ahead {
    fn clear(&mut self) {
        self.messages.clear();
        self.fetching.clear();
        self.serving.clear();
        self.uplinks.clear();
        self.downlinks.clear();
        self.mail.clear();
    }

    fn add(&mut self, what: What) {
        match what {
            What::Shown { message } => self.messages.push(message),
            What::Sent { from } => self.uplinks.push(from),
            What::Ask { from, to, .. } | What::Withdraw { from, to, .. } => self.serving.push((to, PeerKey(from))),
            What::Refused { from, to, .. } | What::Begun { from, to, .. } => self.fetching.push((to, PeerKey(from))),
            What::Arrived { from, to, .. } => {
                self.fetching.push((to, PeerKey(from)));
                self.serving.push((to, PeerKey(from)));
                self.mail.push(to);
            }
            What::FetchTimer { peer } => self.fetching.push((peer, PeerKey(peer))),
            What::ServeTimer { peer } => {
                self.serving.push((peer, PeerKey(peer)));
                self.mail.push(peer);
            }
            What::Arrive { .. }
            | What::Leave { .. }
            | What::Left { .. }
            | What::Watch { .. }
            | What::Unwatch { .. }
            | What::LookAround { .. } => {}
        }
    }
}

/// Prefetches something of everything in `list`.
fn each<T>(list: &[T], prefetch: impl Fn(&T)) {
    for item in list {
        prefetch(item);
    }
}

impl Simulation {
    /// For the next few events.
    pub(super) fn prefetch_coming(&mut self) {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.clear();
        self.events.coming(EVENTS).for_each(|what| ahead.add(what));
        let machine = |at: u32| &self.machines[at as usize];
        let up = |at: u32| &self.ups[at as usize];
        let down = |at: u32| &self.downs[at as usize];
        each(&ahead.uplinks, |&from| prefetch(up(from)));
        each(&ahead.messages, |&message| self.messages.prefetch(message));
        each(&ahead.fetching, |&(at, _)| machine(at).prefetch_fetching());
        each(&ahead.serving, |&(at, _)| machine(at).prefetch_serving());
        // What comes too early leads to nothing but a later event.
        ahead.uplinks.retain(|&from| !up(from).plan.leads_on());
        each(&ahead.uplinks, |&from| {
            up(from).prefetch_flows();
            machine(from).prefetch_serving();
        });
        each(&ahead.messages, |&message| self.messages.prefetch_lists(message));
        each(&ahead.fetching, |&(at, _)| machine(at).prefetch_fetching_lists());
        each(&ahead.serving, |&(at, _)| machine(at).prefetch_serving_lists());
        each(&ahead.mail, |&at| machine(at).mail.prefetch());
        for &from in &ahead.uplinks {
            if let Some(to) = up(from).next_to() {
                ahead.downlinks.push(to);
                ahead.serving.push((from, PeerKey(to)));
            }
        }
        each(&ahead.uplinks, |&from| machine(from).prefetch_serving_lists());
        each(&ahead.downlinks, |&to| prefetch(down(to)));
        each(&ahead.fetching, |&(at, other)| machine(at).prefetch_source(other, &[]));
        each(&ahead.downlinks, |&to| down(to).prefetch_senders());
        each(&ahead.serving, |&(at, other)| machine(at).prefetch_neighbour(other));
        for &to in &ahead.downlinks {
            each(&down(to).senders, |&sender| prefetch(up(sender)));
        }
        self.ahead = ahead;
    }

    /// For those who hear of what `from` has gained.
    pub(super) fn prefetch_for_gains(&self, from: u32, to: &[PeerKey], pieces: &[Piece]) {
        let machine = |to: &PeerKey| &self.machines[to.0 as usize];
        each(to, |to| machine(to).prefetch_fetching());
        each(to, |to| {
            machine(to).prefetch_fetching_lists();
            machine(to).mail.prefetch_end();
        });
        each(to, |to| machine(to).prefetch_source(PeerKey(from), pieces));
    }

    /// The uplinks that send to `to`.
    pub(super) fn prefetch_for_sharing(&self, to: u32) {
        each(&self.downs[to as usize].senders, |&sender| prefetch(&self.ups[sender as usize]));
    }

    /// What they send.
    pub(super) fn prefetch_for_tuning(&self, to: u32) {
        each(&self.downs[to as usize].senders, |&sender| self.ups[sender as usize].prefetch_flows());
    }
}

impl Machine {
    fn prefetch_fetching(&self) {
        prefetch(&self.fetch_timer);
        prefetch(&self.fetch);
    }

    fn prefetch_serving(&self) {
        prefetch(&self.serve_timer);
        prefetch(&self.serve);
    }

    fn prefetch_fetching_lists(&self) {
        if let Some(core) = &self.fetch {
            core.prefetch_lists();
        }
    }

    fn prefetch_serving_lists(&self) {
        if let Some(server) = &self.serve {
            server.prefetch_lists();
        }
    }

    fn prefetch_source(&self, peer: PeerKey, pieces: &[Piece]) {
        if let Some(core) = &self.fetch {
            core.prefetch_peer(peer, pieces);
        }
    }

    fn prefetch_neighbour(&self, peer: PeerKey) {
        if let Some(server) = &self.serve {
            server.prefetch_neighbour(peer);
        }
    }
}
