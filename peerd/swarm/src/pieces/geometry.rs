//! How a file divides into pieces: all of one size, but for a last one that may be shorter.

use thiserror::Error;

use super::Piece;

/// The size of a file and of its pieces, known to fit together.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    size: u64,
    piece_size: u32,
    count: u32,
}

/// Why a size and a piece size do not make a geometry.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Error)]
pub enum BadGeometry {
    /// Pieces of no bytes.
    #[error("the piece size is 0 bytes; it must be at least 1")]
    NoPieceSize,
    /// More pieces than [`Geometry::MAX_PIECES`].
    #[error("{0} pieces are more than a download can keep count of; use larger pieces")]
    TooMany(u64),
}

impl Geometry {
    /// The most pieces a file may have. 2^24 of them keep the bookkeeping of one download within 200 MiB; the
    /// product's own piece sizes stay below 2^18.
    pub const MAX_PIECES: u32 = 1 << 24;

    /// `size` and `piece_size` in bytes. An empty file has no pieces.
    pub fn new(size: u64, piece_size: u32) -> Result<Self, BadGeometry> {
        if piece_size == 0 {
            return Err(BadGeometry::NoPieceSize);
        }
        let pieces = size.div_ceil(u64::from(piece_size));
        match u32::try_from(pieces) {
            Ok(count) if count <= Self::MAX_PIECES => Ok(Self { size, piece_size, count }),
            _ => Err(BadGeometry::TooMany(pieces)),
        }
    }

    /// Bytes in the file.
    pub const fn size(self) -> u64 {
        self.size
    }

    /// Bytes in every piece but perhaps the last.
    pub const fn piece_size(self) -> u32 {
        self.piece_size
    }

    /// Number of pieces.
    pub const fn count(self) -> u32 {
        self.count
    }

    /// Bytes in `piece`; 0 for one that the file does not have.
    pub fn len(self, piece: Piece) -> u32 {
        if piece.0 >= self.count {
            return 0;
        }
        let left = self.size - u64::from(piece.0) * u64::from(self.piece_size);
        u32::try_from(left).map_or(self.piece_size, |left| left.min(self.piece_size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_piece_takes_what_is_left() {
        let geometry = Geometry::new(10, 4).unwrap();
        let lengths: Vec<u32> = (0..4).map(|n| geometry.len(Piece(n))).collect();
        assert_eq!((geometry.count(), lengths), (3, vec![4, 4, 2, 0]));
    }

    #[test]
    fn files_beyond_four_gibibytes_have_whole_pieces() {
        let geometry = Geometry::new((5 << 30) + 1, 1 << 20).unwrap();
        assert_eq!(geometry.count(), 5121);
        assert_eq!((geometry.len(Piece(0)), geometry.len(Piece(5120))), (1 << 20, 1));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(Geometry::new(1, 0), Err(BadGeometry::NoPieceSize));
        assert_eq!(Geometry::new(1 << 60, 1), Err(BadGeometry::TooMany(1 << 60)));
        assert_eq!(Geometry::new(0, 1).unwrap().count(), 0);
    }
}
