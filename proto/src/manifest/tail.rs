//! The right edge of a file's tree: proof of where the file ends.

use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root};

use super::{Geometry, Manifest};
use crate::ids::FileId;

/// Size of a chunk, the leaf of the tree: 1 KiB (BLAKE3 paper, §2.1).
const CHUNK: usize = blake3::CHUNK_LEN;

/// The last chunk of a file and what its hash has to be merged with on the way up to the last piece's.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Tail {
    /// The last chunk: 1 to 1024 bytes; none of an empty file.
    pub(super) chunk: Vec<u8>,
    /// Hashes of the subtrees to the left of the way, from the top of the last piece down.
    pub(super) siblings: Vec<ChainingValue>,
}

impl Tail {
    /// Of a file whose last piece is this.
    ///
    /// # Panics
    /// The piece is not as long as the geometry says.
    pub(super) fn of(geometry: &Geometry, last_piece: &[u8]) -> Self {
        let last = geometry.count().saturating_sub(1);
        assert_eq!(last_piece.len(), geometry.len(last) as usize, "the last piece has its length");
        let (mut rest, mut offset, mut siblings) = (last_piece, geometry.offset(last), Vec::new());
        while rest.len() > CHUNK {
            let (left, right) = rest.split_at(left_len(rest.len()));
            siblings.push(hash_at(offset, left));
            offset += left.len() as u64;
            rest = right;
        }
        Self { chunk: rest.to_vec(), siblings }
    }

    /// From the bytes behind the piece hashes: the siblings, then the chunk.
    pub(super) fn decode(geometry: &Geometry, encoded: &[u8]) -> Self {
        let (siblings, chunk) = encoded.split_at(Way::of(geometry).depth * FileId::LEN);
        Self { chunk: chunk.to_vec(), siblings: siblings.as_chunks::<{ FileId::LEN }>().0.to_vec() }
    }

    /// Bytes that a tail has.
    pub(super) fn encoded_len(geometry: &Geometry) -> usize {
        let way = Way::of(geometry);
        way.depth * FileId::LEN + way.chunk
    }

    /// Whether it is the end of the file that a manifest describes.
    pub(super) fn ends(&self, manifest: &Manifest) -> bool {
        let geometry = manifest.geometry();
        let Some(last) = geometry.count().checked_sub(1) else { return true };
        let offset = Way::of(&geometry).offset;
        match manifest.hash_of(last) {
            Some(expected) => self.fold(offset, &self.siblings) == *expected,
            None => self.root(offset) == manifest.id(),
        }
    }

    /// The hash of the subtree whose left parts these are.
    fn fold(&self, offset: u64, siblings: &[ChainingValue]) -> ChainingValue {
        let chunk = hash_at(offset, &self.chunk);
        siblings.iter().rev().fold(chunk, |right, left| merge_subtrees_non_root(left, &right, Mode::Hash))
    }

    /// Of a file of one piece, whose last merge is the root's.
    fn root(&self, offset: u64) -> FileId {
        match self.siblings.split_first() {
            Some((top, below)) => merge_subtrees_root(top, &self.fold(offset, below), Mode::Hash).into(),
            None => FileId::of(&self.chunk),
        }
    }
}

/// The way from the last piece down to the last chunk: the claimed length alone decides it.
struct Way {
    /// Siblings beside it.
    depth: usize,
    /// Where the last chunk begins in the file.
    offset: u64,
    /// Its length.
    chunk: usize,
}

impl Way {
    fn of(geometry: &Geometry) -> Self {
        let last = geometry.count().saturating_sub(1);
        let mut way = Self { depth: 0, offset: geometry.offset(last), chunk: geometry.len(last) as usize };
        while way.chunk > CHUNK {
            let left = left_len(way.chunk);
            way = Self { depth: way.depth + 1, offset: way.offset + left as u64, chunk: way.chunk - left };
        }
        way
    }
}

/// Length of the left part of a subtree longer than a chunk.
fn left_len(len: usize) -> usize {
    usize::try_from(left_subtree_len(len as u64)).expect("shorter than the whole")
}

fn hash_at(offset: u64, bytes: &[u8]) -> ChainingValue {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset).update(bytes);
    hasher.finalize_non_root()
}
