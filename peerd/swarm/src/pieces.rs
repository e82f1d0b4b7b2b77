//! Pieces: their numbers, their sizes, and sets of them.
//!
//! Knows nothing of peers or requests. A piece's bytes and hashes are the engine's; here a piece is a number with a
//! length.

mod bitfield;
mod geometry;
mod words;

pub use bitfield::Bitfield;
pub use geometry::{BadGeometry, Geometry};

/// The number of a piece within its file, from 0.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Piece(pub u32);

impl Piece {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}
