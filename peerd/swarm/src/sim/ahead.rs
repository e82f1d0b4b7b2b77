//! Reads ahead what is going to be needed, and changes nothing.
//!
//! With thousands of machines, each one's state is out of every cache when something happens to it, and nearly all time goes
//! into waiting for memory: state, then the lists that it refers to, then what is found in them. Processors wait for many
//! reads at once where none depends on another. So a little of all machines that have their turn soon is read before the
//! first has it, level by level.

use std::hint::black_box;

use super::Simulation;
use super::events::What;
use super::machine::Machine;
use crate::core::Core;
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::serve::Server;

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

/// Reads something of everything in `list`.
fn all<T>(list: &[T], read: impl Fn(&T) -> usize) -> usize {
    list.iter().fold(0, |all, item| all ^ read(item))
}

impl Simulation {
    /// Of the next few events.
    pub(super) fn read_ahead(&mut self) {
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.clear();
        self.events.coming(EVENTS).for_each(|what| ahead.add(what));
        let machine = |at: u32| &self.machines[at as usize];
        let up = |at: u32| &self.ups[at as usize];
        let down = |at: u32| &self.downs[at as usize];
        let mut read = all(&ahead.uplinks, |&from| up(from).touch())
            ^ all(&ahead.messages, |&message| self.messages.touch(message))
            ^ all(&ahead.fetching, |&(at, _)| machine(at).touch_fetching())
            ^ all(&ahead.serving, |&(at, _)| machine(at).touch_serving());
        // What comes too early leads to nothing but a later event.
        ahead.uplinks.retain(|&from| !up(from).plan.leads_on());
        read ^= all(&ahead.uplinks, |&from| up(from).touch_flows() ^ machine(from).touch_serving())
            ^ all(&ahead.messages, |&message| self.messages.touch_lists(message))
            ^ all(&ahead.fetching, |&(at, _)| machine(at).touch_fetching_lists())
            ^ all(&ahead.serving, |&(at, _)| machine(at).touch_serving_lists())
            ^ all(&ahead.mail, |&at| machine(at).mail.touch());
        for &from in &ahead.uplinks {
            if let Some(to) = up(from).next_to() {
                ahead.downlinks.push(to);
                ahead.serving.push((from, PeerKey(to)));
            }
        }
        read ^= all(&ahead.uplinks, |&from| machine(from).touch_serving_lists())
            ^ all(&ahead.downlinks, |&to| down(to).touch())
            ^ all(&ahead.fetching, |&(at, other)| machine(at).touch_source(other, &[]));
        read ^= all(&ahead.downlinks, |&to| down(to).touch_senders())
            ^ all(&ahead.serving, |&(at, other)| machine(at).touch_neighbour(other));
        for &to in &ahead.downlinks {
            read ^= all(&down(to).senders, |&sender| up(sender).touch());
        }
        black_box(read);
        self.ahead = ahead;
    }

    /// Of those who hear of what `from` has gained.
    pub(super) fn read_ahead_of_gains(&self, from: u32, to: &[PeerKey], pieces: &[Piece]) {
        let machine = |to: &PeerKey| &self.machines[to.0 as usize];
        let mut read = all(to, |to| machine(to).touch_fetching() ^ machine(to).mail.len());
        read ^= all(to, |to| machine(to).touch_fetching_lists() ^ machine(to).mail.touch_end());
        read ^= all(to, |to| machine(to).touch_source(PeerKey(from), pieces));
        black_box(read);
    }

    /// Of the uplinks that send to `to`.
    pub(super) fn read_ahead_of_sharing(&self, to: u32) {
        black_box(all(&self.downs[to as usize].senders, |&sender| self.ups[sender as usize].touch()));
    }

    /// Of what they send.
    pub(super) fn read_ahead_of_tuning(&self, to: u32) {
        black_box(all(&self.downs[to as usize].senders, |&sender| self.ups[sender as usize].touch_flows()));
    }
}

impl Machine {
    fn touch_fetching(&self) -> usize {
        self.fetch.as_ref().map_or(0, Core::touch) ^ usize::from(self.fetch_timer.is_some())
    }

    fn touch_serving(&self) -> usize {
        let own = usize::from(self.serve_timer.is_some()) ^ self.mail.len();
        self.serve.as_ref().map_or(0, Server::touch) ^ own
    }

    fn touch_fetching_lists(&self) -> usize {
        self.fetch.as_ref().map_or(0, Core::touch_lists)
    }

    fn touch_serving_lists(&self) -> usize {
        self.serve.as_ref().map_or(0, Server::touch_lists)
    }

    fn touch_source(&self, peer: PeerKey, pieces: &[Piece]) -> usize {
        self.fetch.as_ref().map_or(0, |core| core.touch_peer(peer, pieces))
    }

    fn touch_neighbour(&self, peer: PeerKey) -> usize {
        self.serve.as_ref().map_or(0, |server| server.touch_neighbour(peer))
    }
}
