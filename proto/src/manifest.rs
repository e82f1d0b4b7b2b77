//! How a file is cut into pieces and how the pieces' hashes fold up to its id.
//!
//! BLAKE3 is a binary tree over 1 KiB chunks. A piece is a power of two of chunks, so the hash of its subtree (its
//! *chaining value*, without the root flag) is an inner node, and the list of all of them folds up to the root: the file
//! id. Whoever has checked that fold can check each piece alone, whoever sends it. The size of a piece is a fixed function
//! of the size of the file ([`Geometry::of`]), so that nobody has to be believed about it.
//!
//! The hashes alone do not prove the size: another size of the same number of pieces folds up as well. That is what the
//! tail is for: the last chunk, at most 1 KiB, and the hashes beside the way from it to the last piece's hash. A chunk's
//! hash depends on its length and its place, so the size is proven before anybody is asked for a piece, and nobody is
//! blamed for a lie of the one who gave the manifest.
//!
//! Source of the tree rules: the BLAKE3 paper, §2.1 and §2.4 (the left subtree is the largest power of two that leaves at
//! least one chunk on the right).

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

use crate::ids::{ByteCount, FileId};

mod tail;

use tail::Tail;

/// Smallest piece: 64 pieces of it still fit one 1 MiB answer, and a request costs under 2 % of it on the wire.
const SMALLEST_PIECE: u64 = 16 << 10;
/// Usual piece. Larger ones leave the processor's cache while they are hashed (measured: 1 MiB beats 4 MiB).
const USUAL_PIECE: u64 = 1 << 20;
/// Pieces that a file is cut into while they are smaller than usual. Only a whole piece can be passed on, so what a swarm
/// loses at its beginning and its end is a few pieces' time: simulated, sixteen leechers end at 1.31 times the lower bound
/// with 256 pieces and at 1.18 with 1,024. A request for each costs a fraction of that.
const WANTED_PIECES: u64 = 1024;
/// Most pieces of a file: its manifest then takes 8 MiB.
const MOST_PIECES: u64 = 1 << 18;
/// Largest file: its pieces are 16 MiB, the most that a peer can hold several of in memory.
pub const LARGEST_FILE: ByteCount = ByteCount::new(4 << 40);

/// The cut of a file into pieces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    size: u64,
    piece_size: u32,
}

/// A manifest, a piece or a size that does not fit the file id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Larger than any file that can be shared.
    #[error("a size of {0} bytes is over the limit of 4 TiB")]
    TooLarge(u64),
    /// The number of hashes does not go with the size.
    #[error("a manifest of {found} bytes, but that of a file of that size has {expected}")]
    Length {
        /// Bytes that came.
        found: usize,
        /// Bytes that the size calls for.
        expected: usize,
    },
    /// The hashes fold up to another id.
    #[error("the piece hashes do not fold up to the file id")]
    Root,
    /// The end of the file is not where the size says.
    #[error("a size of {0} bytes is not that of the file")]
    Size(u64),
}

impl Geometry {
    /// The cut of a file of that size: about 1,024 pieces of 16 KiB to 1 MiB, then as many of 1 MiB as it takes,
    /// from 256 GiB on 262,144 larger ones.
    pub fn of(size: ByteCount) -> Result<Self, Mismatch> {
        let size = size.as_u64();
        if size > LARGEST_FILE.as_u64() {
            return Err(Mismatch::TooLarge(size));
        }
        let small = size.div_ceil(WANTED_PIECES).next_power_of_two().clamp(SMALLEST_PIECE, USUAL_PIECE);
        let piece = small.max(size.div_ceil(MOST_PIECES).next_power_of_two());
        let piece_size = u32::try_from(piece).expect("16 MiB at the most");
        Ok(Self { size, piece_size })
    }

    /// Size of the file.
    pub const fn size(&self) -> ByteCount {
        ByteCount::new(self.size)
    }

    /// Size of every piece but the last, in bytes.
    pub const fn piece_size(&self) -> u32 {
        self.piece_size
    }

    /// Number of pieces; zero for an empty file.
    pub fn count(&self) -> u32 {
        u32::try_from(self.size.div_ceil(u64::from(self.piece_size))).expect("2^18 at the most")
    }

    /// Where a piece begins, in bytes.
    pub fn offset(&self, piece: u32) -> u64 {
        u64::from(piece) * u64::from(self.piece_size)
    }

    /// Length of a piece in bytes; zero behind the end.
    pub fn len(&self, piece: u32) -> u32 {
        let left = self.size.saturating_sub(self.offset(piece));
        u32::try_from(left.min(u64::from(self.piece_size))).expect("a piece fits")
    }

    /// Whether the file has no content.
    pub const fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// Number of hashes in the manifest: a file of one piece or none is checked against its id alone.
    pub fn hashes(&self) -> usize {
        match self.count() {
            0 | 1 => 0,
            count => count as usize,
        }
    }
}

/// Size and piece hashes of a file, known to fold up to its id.
#[derive(Clone, PartialEq, Eq)]
pub struct Manifest {
    id: FileId,
    geometry: Geometry,
    hashes: Vec<ChainingValue>,
    tail: Tail,
}

impl Manifest {
    /// Believes an encoded manifest only if its hashes fold up to the id and its tail proves its size.
    ///
    /// # Errors
    /// What does not fit.
    pub fn decode(id: FileId, size: ByteCount, encoded: &[u8]) -> Result<Self, Mismatch> {
        let geometry = Geometry::of(size)?;
        let expected = Self::encoded_len(&geometry);
        if encoded.len() != expected {
            return Err(Mismatch::Length { found: encoded.len(), expected });
        }
        let (hashes, tail) = encoded.split_at(geometry.hashes() * FileId::LEN);
        let hashes: Vec<ChainingValue> = hashes.as_chunks::<{ FileId::LEN }>().0.to_vec();
        let manifest = Self { id, geometry, hashes, tail: Tail::decode(&geometry, tail) };
        let folds = match manifest.hashes.len() {
            0 => !geometry.is_empty() || id == FileId::of(b""),
            _ => FileId::from(root(&manifest.hashes)) == id,
        };
        match (folds, manifest.tail.ends(&manifest)) {
            (false, _) => Err(Mismatch::Root),
            // A file of one piece has no hashes beside its tail.
            (true, false) if manifest.hashes.is_empty() => Err(Mismatch::Root),
            (true, false) => Err(Mismatch::Size(size.as_u64())),
            (true, true) => Ok(manifest),
        }
    }

    /// Bytes that a manifest of that geometry has on the wire and on disk.
    pub fn encoded_len(geometry: &Geometry) -> usize {
        geometry.hashes() * FileId::LEN + Tail::encoded_len(geometry)
    }

    /// The form that [`Manifest::decode`] takes: the piece hashes in the order of the pieces, 32 bytes each, then the
    /// tail.
    pub fn encode(&self) -> Vec<u8> {
        [self.hashes.as_flattened(), self.tail.siblings.as_flattened(), &self.tail.chunk].concat()
    }

    /// Id of the file.
    pub const fn id(&self) -> FileId {
        self.id
    }

    /// The cut into pieces.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Whether these bytes are that piece.
    pub fn verify(&self, piece: u32, bytes: &[u8]) -> bool {
        let mut check = PieceCheck::new(&self.geometry, piece);
        check.update(bytes);
        self.accepts(piece, &check)
    }

    fn hash_of(&self, piece: u32) -> Option<&ChainingValue> {
        self.hashes.get(piece as usize)
    }

    /// Whether what a check has seen is that piece.
    pub fn accepts(&self, piece: u32, check: &PieceCheck) -> bool {
        if check.seen != u64::from(self.geometry.len(piece)) || check.seen == 0 {
            return false;
        }
        match self.hash_of(piece) {
            Some(expected) => check.hasher.finalize_non_root() == *expected,
            None => piece == 0 && FileId::from(check.hasher.finalize()) == self.id,
        }
    }
}

impl std::fmt::Debug for Manifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manifest").field("id", &self.id).field("geometry", &self.geometry).finish_non_exhaustive()
    }
}

/// Hashes one piece as its bytes come in. Fast on updates that are multiples of 16 KiB from the piece's start.
#[derive(Clone)]
pub struct PieceCheck {
    hasher: Hasher,
    seen: u64,
    room: u64,
}

impl PieceCheck {
    /// Begins a piece.
    pub fn new(geometry: &Geometry, piece: u32) -> Self {
        let mut hasher = Hasher::new();
        hasher.set_input_offset(geometry.offset(piece));
        Self { hasher, seen: 0, room: u64::from(geometry.len(piece)) }
    }

    /// Adds bytes. What is longer than the piece is counted but not hashed: the hasher panics behind a subtree's end.
    pub fn update(&mut self, bytes: &[u8]) {
        self.seen += bytes.len() as u64;
        if self.seen <= self.room {
            self.hasher.update(bytes);
        }
    }

    /// Bytes seen so far.
    pub const fn seen(&self) -> u64 {
        self.seen
    }
}

/// Builds the manifest of content that is read from front to back.
pub struct Builder {
    geometry: Geometry,
    hashes: Vec<ChainingValue>,
    piece: PieceCheck,
    /// The bytes of the last piece, for the tail.
    last: Vec<u8>,
}

impl Builder {
    /// For content of a size that is known beforehand.
    pub fn new(size: ByteCount) -> Result<Self, Mismatch> {
        let geometry = Geometry::of(size)?;
        Ok(Self {
            hashes: Vec::with_capacity(geometry.hashes()),
            piece: PieceCheck::new(&geometry, 0),
            last: Vec::new(),
            geometry,
        })
    }

    /// The cut of the content; reads of whole pieces hash fastest.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// Adds the next bytes. Bytes behind the size are counted, and [`Builder::finish`] refuses them.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while self.piece.seen + bytes.len() as u64 > self.piece.room && self.pieces_left() {
            let (now, later) =
                bytes.split_at(usize::try_from(self.piece.room - self.piece.seen).expect("a piece fits"));
            self.piece.update(now);
            self.hashes.push(self.piece.hasher.finalize_non_root());
            let next = u32::try_from(self.hashes.len()).expect("2^18 at the most");
            self.piece = PieceCheck::new(&self.geometry, next);
            bytes = later;
        }
        self.piece.update(bytes);
        if !self.pieces_left() && self.piece.seen <= self.piece.room {
            self.last.extend_from_slice(bytes);
        }
    }

    fn pieces_left(&self) -> bool {
        self.hashes.len() + 1 < self.geometry.count() as usize
    }

    /// The manifest, if exactly the announced number of bytes came.
    pub fn finish(mut self) -> Option<Manifest> {
        let last = self.geometry.count().saturating_sub(1);
        if self.hashes.len() != last as usize || self.piece.seen != u64::from(self.geometry.len(last)) {
            return None;
        }
        let root = if self.geometry.hashes() == 0 {
            self.piece.hasher.finalize()
        } else {
            self.hashes.push(self.piece.hasher.finalize_non_root());
            root(&self.hashes)
        };
        let tail = Tail::of(&self.geometry, &self.last);
        Some(Manifest { id: root.into(), geometry: self.geometry, hashes: self.hashes, tail })
    }
}

/// The root over two or more subtrees of equal size (the last may be shorter).
fn root(hashes: &[ChainingValue]) -> blake3::Hash {
    let (left, right) = hashes.split_at(left_of(hashes.len()));
    merge_subtrees_root(&fold(left), &fold(right), Mode::Hash)
}

fn fold(hashes: &[ChainingValue]) -> ChainingValue {
    if let [one] = hashes {
        return *one;
    }
    let (left, right) = hashes.split_at(left_of(hashes.len()));
    merge_subtrees_non_root(&fold(left), &fold(right), Mode::Hash)
}

/// Largest power of two below a number of subtrees, at least two.
fn left_of(count: usize) -> usize {
    count.next_power_of_two() / 2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn content(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap()).collect()
    }

    fn build(content: &[u8], step: usize) -> Manifest {
        let mut builder = Builder::new(ByteCount::new(content.len() as u64)).unwrap();
        content.chunks(step.max(1)).for_each(|part| builder.update(part));
        builder.finish().unwrap()
    }

    #[test]
    fn edges_of_the_geometry() {
        let cut = |size| {
            let geometry = Geometry::of(ByteCount::new(size)).unwrap();
            (geometry.piece_size(), geometry.count(), geometry.len(geometry.count().saturating_sub(1)))
        };
        assert_eq!(cut(0), (16 << 10, 0, 0));
        assert_eq!(cut(1), (16 << 10, 1, 1));
        assert_eq!(cut(4 << 20), (16 << 10, 256, 16 << 10));
        assert_eq!(cut(16 << 20), (16 << 10, 1024, 16 << 10));
        assert_eq!(cut((16 << 20) + 1), (32 << 10, 513, 1));
        assert_eq!(cut(1 << 30), (1 << 20, 1024, 1 << 20));
        assert_eq!(cut((256 << 30) + 1), (2 << 20, 131_073, 1));
        assert_eq!(cut(4 << 40), (16 << 20, 1 << 18, 16 << 20));
        assert_eq!(Geometry::of(ByteCount::new((4 << 40) + 1)), Err(Mismatch::TooLarge((4 << 40) + 1)));
        assert_eq!(Geometry::of(ByteCount::new(1 << 63)), Err(Mismatch::TooLarge(1 << 63)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn id_is_plain_blake3_and_every_piece_verifies(pieces in 0_usize..9, extra in 0_usize..3, step in 1_usize..200_000) {
            let content = content((pieces * (16 << 10) + extra).saturating_sub(1));
            let manifest = build(&content, step);
            prop_assert_eq!(manifest.id(), FileId::of(&content));
            let again = Manifest::decode(manifest.id(), manifest.geometry().size(), &manifest.encode()).unwrap();
            let cut = again.geometry();
            for piece in 0..cut.count() {
                let start = usize::try_from(cut.offset(piece)).unwrap();
                let bytes = &content[start..start + cut.len(piece) as usize];
                prop_assert!(again.verify(piece, bytes));
                prop_assert!(!again.verify(piece, &bytes[1..]));
                prop_assert!(!again.verify(piece + 1, bytes));
                let mut wrong = bytes.to_vec();
                wrong[0] ^= 1;
                prop_assert!(!again.verify(piece, &wrong));
                wrong[0] ^= 1;
                wrong.push(0);
                prop_assert!(!again.verify(piece, &wrong));
            }
        }

        #[test]
        fn hostile_manifests_are_refused(size in any::<u64>(), hashes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Manifest::decode(FileId::of(b"x"), ByteCount::new(size), &hashes).is_err());
        }
    }

    #[test]
    fn the_tail_proves_the_size() {
        for len in [0, 1, 1024, 1025, 16 << 10, (16 << 10) + 1, 40_000, 100_000, 5 << 20] {
            let manifest = build(&content(len), 4096);
            let encoded = manifest.encode();
            let size = len as u64;
            let decode = |size, bytes: &[u8]| Manifest::decode(manifest.id(), ByteCount::new(size), bytes);
            assert_eq!(decode(size, &encoded), Ok(manifest.clone()), "{len}");
            for lie in [size + 1, size.saturating_sub(1), size * 2, size / 2, 1 << 63] {
                // As many bytes as that size calls for, so that only the proof can refuse it.
                let wanted = Geometry::of(ByteCount::new(lie)).map_or(0, |geometry| Manifest::encoded_len(&geometry));
                let mut bytes = encoded.clone();
                bytes.resize(wanted, 0);
                assert!(lie == size || decode(lie, &bytes).is_err(), "{len} as {lie}");
            }
            for at in (0..encoded.len()).step_by(97) {
                let mut bytes = encoded.clone();
                bytes[at] ^= 1;
                assert!(decode(size, &bytes).is_err(), "{len}: byte {at}");
            }
        }
    }

    #[test]
    fn content_that_grows_or_shrinks_has_no_manifest() {
        for (announced, came) in
            [(10, 11), (10, 9), (0, 1), (16 << 10, (16 << 10) + 1), (40_000, 39_999), (40_000, 60_000)]
        {
            let mut builder = Builder::new(ByteCount::new(announced)).unwrap();
            builder.update(&content(came));
            assert!(builder.finish().is_none(), "{announced} announced, {came} came");
        }
    }

    #[test]
    fn the_empty_file() {
        let empty = build(b"", 1);
        assert_eq!(empty.id(), FileId::of(b""));
        assert!(Manifest::decode(FileId::of(b"x"), ByteCount::ZERO, b"").is_err());
    }
}
