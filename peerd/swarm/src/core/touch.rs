//! Reads what an input is going to need, and changes nothing. For drivers of so many cores that each is out of every cache
//! when its turn comes: reads that do not depend on each other wait for memory together.

use super::Core;
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::roster::ends;

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
            ^ usize::from(self.alarm.next().is_some())
    }

    /// The lists it refers to.
    pub(crate) fn touch_lists(&self) -> usize {
        let flights = ends(self.flights.iter().as_slice(), |request| request.piece.index());
        self.peers.touch() ^ self.picker.touch() ^ flights
    }

    /// What is known of `peer`, and of `pieces`.
    pub(crate) fn touch_peer(&self, peer: PeerKey, pieces: &[Piece]) -> usize {
        let news = pieces.iter().filter(|&&piece| !self.stored.get(piece));
        let of_pieces = news.fold(0, |all, &piece| all ^ self.picker.touch_piece(piece));
        of_pieces ^ self.find(peer).map_or(0, |at| self.peers[at].touch())
    }
}
