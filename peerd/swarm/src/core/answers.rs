//! What peers answered: a piece, wrong bytes, or nothing.

use super::{BanReason, Core, Failure, Output};
use crate::peers::{Holding, PeerKey};
use crate::pieces::Piece;

impl Core {
    pub(super) fn piece_begun(&mut self, key: PeerKey, piece: Piece) {
        self.flights.begin(key, piece);
    }

    pub(super) fn piece_stored(&mut self, key: PeerKey, piece: Piece) {
        let len = self.geometry.len(piece);
        if len == 0 {
            return;
        }
        let fresh = self.stored.set(piece);
        if fresh {
            self.picker.close(piece);
            self.stored_bytes += u64::from(len);
        } else {
            self.duplicate_bytes += u64::from(len);
        }
        let from = self.find(key);
        if let Some(at) = from {
            self.credit(at, piece, len);
        }
        if fresh {
            self.withdraw_copies(piece);
        }
        if let Some(at) = from {
            self.ask(at);
        }
    }

    fn credit(&mut self, at: usize, piece: Piece, len: u32) {
        let request = self.take(at, piece);
        let peer = &mut self.peers[at];
        peer.standing.answered();
        match request {
            Some(request) => peer.meter.arrived(len, request.sent, self.now, self.config.target_queue),
            None => peer.meter.unasked(len),
        }
    }

    pub(super) fn piece_rejected(&mut self, key: PeerKey, piece: Piece) {
        let Some(at) = self.find(key) else { return };
        if self.geometry.len(piece) == 0 || self.peers[at].standing.banned {
            return;
        }
        self.peers[at].standing.banned = true;
        self.release_all(at, false);
        self.forget_holding(at);
        self.outputs.push_back(Output::Ban { peer: key, reason: BanReason::WrongBytes });
    }

    pub(super) fn request_failed(&mut self, key: PeerKey, piece: Piece, failure: Failure) {
        let Some(at) = self.find(key) else { return };
        let Some(request) = self.take(at, piece) else { return };
        let rule = self.config.strike();
        let standing = &mut self.peers[at].standing;
        match failure {
            Failure::Refused | Failure::Lost => standing.failed(request.sent, self.now, rule),
            Failure::Busy => standing.overdue(request.sent, self.now, rule),
            Failure::Elsewhere => {}
        }
        if let Some(ends) = standing.pause_ends(self.now) {
            self.alarm.by(ends);
        }
        if matches!(failure, Failure::Refused | Failure::Elsewhere) {
            self.lacks(at, piece);
        }
    }

    /// The peer at `at` said that it does not have `piece`, or does not send it. One that was thought complete is a partial holder from
    /// here on.
    fn lacks(&mut self, at: usize, piece: Piece) {
        let was_complete = matches!(self.peers[at].holding, Holding::All);
        let counted = self.peers[at].lacks(piece, self.geometry.count());
        if counted {
            self.picker.lost(piece);
        }
        if was_complete && let Holding::Some(rest) = &self.peers[at].holding {
            rest.iter().for_each(|piece| self.picker.gained(piece));
        }
    }
}
