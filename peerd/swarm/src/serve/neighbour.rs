//! Neighbours come, ask, and go.
//!
//! Invariant: a piece is at most once among a neighbour's asks, and not waiting there while it is granted to it.

use super::{Output, Refusal, Server, Shown};
use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Piece};
use crate::timers::Moment;

#[derive(Clone, Debug)]
pub(super) struct Neighbour {
    pub(super) key: PeerKey,
    /// What it has, as far as known.
    pub(super) has: Bitfield,
    /// Asks that wait.
    pub(super) waiting: u32,
    /// Grants under way.
    pub(super) granted: u32,
    /// Bytes granted, as [`Average::price`](super::Average::price) counts them, and from what the least served neighbour had when
    /// this one came.
    pub(super) served: u64,
    pub(super) last_ask: Moment,
    /// What a lone seed showed it and it has not asked for.
    pub(super) unasked: Bitfield,
    /// How many pieces to show it beyond what it asked for.
    pub(super) ahead: u32,
    /// How often in a row it was shown more without asking for anything.
    pub(super) ignored: u32,
}

impl Neighbour {
    pub(super) const fn idle(&self) -> bool {
        self.waiting == 0 && self.granted == 0
    }
}

impl Server {
    pub(super) fn neighbour_joined(&mut self, key: PeerKey, has: Have) {
        if self.find(key).is_some() {
            return;
        }
        if self.neighbours.len() >= self.config.max_neighbours && !self.make_room() {
            self.outputs.push_back(Output::TurnAway { peer: key });
            return;
        }
        let count = self.geometry.count();
        let served = self.neighbours.iter().map(|neighbour| neighbour.served).min().unwrap_or(0);
        let hidden = if self.first_copies.is_some() { count } else { 0 };
        let neighbour = Neighbour {
            key,
            has: match has {
                Have::All => Bitfield::full(count),
                Have::Some(pieces) => pieces.resized(count),
            },
            waiting: 0,
            granted: 0,
            served,
            last_ask: self.now,
            unasked: Bitfield::new(hidden),
            ahead: self.config.min_ahead,
            ignored: 0,
        };
        self.average.add(&neighbour.has);
        if self.first_copies.is_some() {
            neighbour.has.iter().for_each(|piece| self.note_elsewhere(piece));
        }
        if let Some(at) = self.neighbours.insert(key, neighbour) {
            self.show_first(at);
        }
    }

    /// Turns the neighbour away that has been silent longest, if that is long.
    fn make_room(&mut self) -> bool {
        let silent = self.neighbours.iter().enumerate().filter(|(_, neighbour)| neighbour.idle());
        let Some((at, longest)) = silent.min_by_key(|(_, neighbour)| neighbour.last_ask) else { return false };
        if self.now.saturating_since(longest.last_ask) < self.config.silence {
            return false;
        }
        let peer = longest.key;
        self.remove(at);
        self.outputs.push_back(Output::TurnAway { peer });
        true
    }

    fn show_first(&mut self, at: usize) {
        let peers = vec![self.neighbours[at].key];
        if self.first_copies.is_some() {
            let mut first = self.open_to_all();
            for piece in self.next_to_show(at) {
                first.set(piece);
            }
            self.outputs.push_back(Output::Show { peers, shown: Shown::First(first) });
        } else if self.have.is_full() {
            self.outputs.push_back(Output::Show { peers, shown: Shown::All });
        } else {
            // What waits to be told is told to this one twice, which costs less than keeping it apart.
            self.outputs.push_back(Output::Show { peers, shown: Shown::First(self.have.clone()) });
        }
    }

    pub(super) fn neighbour_asks(&mut self, key: PeerKey, piece: Piece) {
        let refuse = |refusal| Output::Refuse { peer: key, piece, refusal };
        let Some(at) = self.find(key) else {
            self.outputs.push_back(refuse(Refusal::Busy));
            return;
        };
        let neighbour = &mut self.neighbours[at];
        neighbour.last_ask = self.now;
        neighbour.ignored = 0;
        if self.queue.contains(key, piece) || self.uplink.carries(key, piece) {
            return;
        }
        if !self.have.get(piece) {
            self.outputs.push_back(refuse(Refusal::Lacking));
        } else if neighbour.waiting >= self.config.max_waiting {
            self.outputs.push_back(refuse(Refusal::Busy));
        } else if self.sends_elsewhere(at, piece) {
            self.outputs.push_back(refuse(Refusal::Elsewhere));
            self.asked_for_shown(at, piece);
        } else {
            let neighbour = &mut self.neighbours[at];
            neighbour.waiting += 1;
            self.queue.push(key, piece, neighbour.served);
            self.asked_for_shown(at, piece);
        }
    }

    pub(super) fn neighbour_withdraws(&mut self, key: PeerKey, piece: Piece) {
        let Some(at) = self.find(key) else { return };
        self.neighbours[at].waiting -= u32::from(self.queue.remove(key, piece));
        self.end_grant(at, piece, false);
    }

    pub(super) fn neighbour_has(&mut self, key: PeerKey, pieces: impl Iterator<Item = Piece>) {
        let Some(at) = self.find(key) else { return };
        let has = &mut self.neighbours[at].has;
        if self.first_copies.is_none() {
            return pieces.for_each(|piece| self.average.gain(has, piece));
        }
        let pieces: Vec<_> = pieces.inspect(|&piece| self.average.gain(has, piece)).collect();
        for piece in pieces {
            self.note_elsewhere(piece);
        }
    }

    pub(super) fn neighbour_left(&mut self, key: PeerKey) {
        if let Some(at) = self.find(key) {
            self.remove(at);
        }
    }

    fn remove(&mut self, at: usize) {
        let gone = self.neighbours.remove(at);
        self.average.subtract(&gone.has);
        self.uplink.forget(gone.key);
        self.queue.forget(gone.key);
        self.take_back(&gone.unasked);
    }
}
