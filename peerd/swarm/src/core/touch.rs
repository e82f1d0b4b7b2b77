//! Reads what an input is going to need, and changes nothing. For drivers of so many cores that each is out of every cache
//! when its turn comes: reads that do not depend on each other wait for memory together.

use super::Core;
use crate::peers::PeerKey;
use crate::pieces::Piece;

impl Core {
    /// The state itself.
    pub(crate) fn touch(&self) -> usize {
        self.stored.word_count()
            ^ self.peers.len()
            ^ self.flights.iter().len()
            ^ self.picker.open_count() as usize
            ^ self.copies.len()
            ^ self.outputs.len()
            ^ usize::from(self.look_around)
    }

    /// The lists it refers to. Says where `peer` is.
    pub(crate) fn touch_lists(&self, peer: PeerKey) -> (Option<usize>, usize) {
        let ends = [self.flights.iter().next(), self.flights.iter().next_back()];
        (self.find(peer), ends.into_iter().flatten().fold(0, |all, request| all ^ request.piece.index()))
    }

    /// What is known of the peer at `at`, and of `pieces`.
    pub(crate) fn touch_peer(&self, at: usize, pieces: &[Piece]) -> usize {
        let news = pieces.iter().filter(|&&piece| !self.stored.get(piece));
        let of_pieces = news.fold(0, |all, &piece| all ^ usize::from(self.picker.holders(piece)));
        of_pieces ^ self.peers[at].touch()
    }
}
