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

impl Simulation {
    /// Of the next few events.
    pub(super) fn read_ahead(&self) {
        let mut read = 0;
        for what in self.events.coming(EVENTS) {
            read ^= match what {
                What::Shown { message } => self.messages.touch(message),
                What::Sent { from } => self.machines[from as usize].touch() ^ self.ups[from as usize].touch(),
                _ => subject(what).map_or(0, |(machine, _)| self.machines[machine as usize].touch()),
            };
        }
        let mut places = [(None, None); EVENTS];
        for (what, place) in self.events.coming(EVENTS).zip(&mut places) {
            if let What::Shown { message } = what {
                read ^= self.messages.touch_lists(message);
            } else if let Some((machine, other)) = subject(what) {
                let (found, lists) = self.machines[machine as usize].touch_lists(other);
                *place = found;
                read ^= lists;
            }
        }
        for (what, place) in self.events.coming(EVENTS).zip(places) {
            if let Some((machine, _)) = subject(what) {
                read ^= self.machines[machine as usize].touch_peer(place);
            }
        }
        black_box(read);
    }

    /// Of those who hear of what `from` has gained.
    pub(super) fn read_ahead_of_gains(&mut self, from: u32, to: &[PeerKey], pieces: &[Piece]) {
        let machine = |to: &PeerKey| &self.machines[to.0 as usize];
        let mut read = to.iter().fold(0, |read, to| read ^ machine(to).fetch.as_ref().map_or(0, Core::touch));
        let mut places = std::mem::take(&mut self.places);
        places.extend(to.iter().map(|to| {
            read ^= machine(to).mail.touch();
            let (place, lists) = machine(to).fetch.as_ref().map_or((None, 0), |core| core.touch_lists(PeerKey(from)));
            read ^= lists;
            place
        }));
        for (to, place) in to.iter().zip(places.drain(..)) {
            if let Some((core, at)) = machine(to).fetch.as_ref().zip(place) {
                read ^= core.touch_peer(at, pieces);
            }
        }
        self.places = places;
        black_box(read);
    }
}

/// To whom it happens, and who is the other end of it.
const fn subject(what: What) -> Option<(u32, PeerKey)> {
    match what {
        What::Ask { from, to, .. }
        | What::Withdraw { from, to, .. }
        | What::Refused { from, to, .. }
        | What::Begun { from, to, .. }
        | What::Arrived { from, to, .. } => Some((to, PeerKey(from))),
        What::FetchTimer { peer } | What::ServeTimer { peer } | What::Sent { from: peer } => {
            Some((peer, PeerKey(peer)))
        }
        What::Arrive { .. }
        | What::Leave { .. }
        | What::Left { .. }
        | What::Watch { .. }
        | What::Unwatch { .. }
        | What::LookAround { .. }
        | What::Shown { .. } => None,
    }
}

/// Where the other end is among those that a machine fetches from, and among those that it serves.
type Places = (Option<usize>, Option<usize>);

impl Machine {
    fn touch(&self) -> usize {
        self.fetch.as_ref().map_or(0, Core::touch) ^ self.serve.as_ref().map_or(0, Server::touch)
    }

    fn touch_lists(&self, other: PeerKey) -> (Places, usize) {
        let (fetch, lists) = self.fetch.as_ref().map_or((None, 0), |core| core.touch_lists(other));
        let (serve, more) = self.serve.as_ref().map_or((None, 0), |server| server.touch_lists(other));
        ((fetch, serve), lists ^ more)
    }

    fn touch_peer(&self, (fetch, serve): Places) -> usize {
        let fetch = self.fetch.as_ref().zip(fetch).map_or(0, |(core, at)| core.touch_peer(at, &[]));
        fetch ^ self.serve.as_ref().zip(serve).map_or(0, |(server, at)| server.touch_neighbour(at))
    }
}
