//! How far neighbours are on average, and who is behind.
//!
//! Every uplink is shared evenly among those who ask, so whoever has fewer neighbours gets less, and would be done seconds after
//! the others. So what goes to one that has less than the average counts half: it gets up to twice the share, and all are done
//! together. No more than twice, so that many who come late do not keep those waiting that are nearly done.

use crate::pieces::{Bitfield, Piece};

/// The sum over those neighbours that lack something.
#[derive(Clone, Debug, Default)]
pub(super) struct Average {
    neighbours: u64,
    pieces: u64,
}

impl Average {
    pub(super) fn add(&mut self, has: &Bitfield) {
        if !has.is_full() {
            self.neighbours += 1;
            self.pieces += u64::from(has.count());
        }
    }

    pub(super) fn subtract(&mut self, has: &Bitfield) {
        if !has.is_full() {
            self.neighbours -= 1;
            self.pieces -= u64::from(has.count());
        }
    }

    /// Adds `piece` to what one of the neighbours has.
    pub(super) fn gain(&mut self, has: &mut Bitfield, piece: Piece) {
        let before = u64::from(has.count());
        if !has.set(piece) {
            return;
        }
        if has.is_full() {
            self.neighbours -= 1;
            self.pieces -= before;
        } else {
            self.pieces += 1;
        }
    }

    /// What `len` bytes count that go to a neighbour that `has` so much.
    pub(super) fn price(&self, has: &Bitfield, len: u32) -> u32 {
        if u64::from(has.count()) * self.neighbours < self.pieces { len / 2 } else { len }
    }
}
