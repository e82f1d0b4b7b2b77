//! Prefetches what an input is going to need: see [`crate::prefetch`].

use super::Core;
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::prefetch::prefetch;

impl Core {
    /// The lists it refers to.
    pub(crate) fn prefetch_lists(&self) {
        self.peers.prefetch();
        self.picker.prefetch();
        prefetch(self.flights.iter().as_slice());
    }

    /// What is known of `peer`, and of `pieces`.
    pub(crate) fn prefetch_peer(&self, peer: PeerKey, pieces: &[Piece]) {
        if let Some(at) = self.find(peer) {
            prefetch(&self.peers[at]);
        }
        for &piece in pieces {
            if !self.stored.get(piece) {
                self.picker.prefetch_piece(piece);
            }
        }
    }
}
