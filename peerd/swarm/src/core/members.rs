//! Peers come, gain pieces and go; the download is paused, resumed and cancelled.

use super::{Core, Phase};
use crate::peers::{Have, Holding, Peer, PeerKey};
use crate::pieces::{Bitfield, Piece};

impl Core {
    pub(super) fn peer_joined(&mut self, key: PeerKey, have: Have) {
        let peer = Peer::new(key, have, self.geometry, self.config.window_initial);
        let Some(at) = self.peers.insert(key, peer) else { return };
        if let Holding::Some(pieces) = &self.peers[at].holding {
            pieces.iter().for_each(|piece| self.picker.gained(piece));
        }
        self.ask(at);
    }

    pub(super) fn peer_gained(&mut self, key: PeerKey, pieces: &[Piece]) {
        let Some(at) = self.find(key) else { return };
        let peer = &mut self.peers[at];
        let Holding::Some(holding) = &mut peer.holding else { return };
        if peer.standing.banned {
            return;
        }
        let (mut open, mut elsewhere) = (false, false);
        for &piece in pieces {
            // How rare a piece is does not matter any more once it is stored.
            if holding.set(piece) && !self.stored.get(piece) {
                self.picker.gained(piece);
                // What is neither stored nor open is in flight.
                let is_open = self.picker.is_open(piece);
                open |= is_open;
                elsewhere |= !is_open;
            }
        }
        if open {
            peer.dry = false;
        }
        // Most news are of pieces that are stored here already: those change nothing.
        if open || elsewhere {
            self.ask_for_gained(at, pieces);
        }
    }

    pub(super) fn peer_left(&mut self, key: PeerKey) {
        let Some(at) = self.find(key) else { return };
        self.release_all(at, false);
        self.forget_holding(at);
        self.peers.remove(at);
    }

    /// What the peer has counts for nothing any more.
    pub(super) fn forget_holding(&mut self, at: usize) {
        let nothing = Holding::Some(Bitfield::new(self.geometry.count()));
        if let Holding::Some(pieces) = std::mem::replace(&mut self.peers[at].holding, nothing) {
            pieces.iter().for_each(|piece| self.picker.lost(piece));
        }
    }

    pub(super) fn pause(&mut self) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Paused;
            self.withdraw_everything();
        }
    }

    pub(super) fn resume(&mut self) {
        if matches!(self.phase, Phase::Paused) {
            self.phase = Phase::Running;
            self.look_around = true;
            self.starving_since = None;
        }
    }

    pub(super) fn cancel(&mut self) {
        self.withdraw_everything();
        self.phase = Phase::Cancelled;
        self.alarm.silence();
    }

    fn withdraw_everything(&mut self) {
        for at in 0..self.peers.len() {
            self.release_all(at, true);
        }
        debug_assert!(self.in_flight == 0, "every byte in flight belongs to a request");
    }
}
