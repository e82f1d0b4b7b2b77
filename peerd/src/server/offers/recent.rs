//! The pieces that came last, as they came: neighbours ask for most of them at once, and need not wait until they are
//! written, read back and hashed again. Nobody can have changed them since they were hashed, in memory as they are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use swarm::Piece;

/// Bytes that are kept, at most.
const KEPT: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Recent {
    pieces: HashMap<Piece, Arc<[Bytes]>>,
    /// The oldest first.
    order: VecDeque<Piece>,
    bytes: usize,
}

impl Recent {
    pub(super) fn get(&self, piece: Piece) -> Option<Arc<[Bytes]>> {
        self.pieces.get(&piece).cloned()
    }

    pub(super) fn put(&mut self, piece: Piece, chunks: Arc<[Bytes]>) {
        self.bytes += length(&chunks);
        match self.pieces.insert(piece, chunks) {
            Some(old) => self.bytes -= length(&old),
            None => self.order.push_back(piece),
        }
        while self.bytes > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.bytes -= self.pieces.remove(&oldest).map_or(0, |chunks| length(&chunks));
        }
    }
}

fn length(chunks: &[Bytes]) -> usize {
    chunks.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_kept_and_no_more() {
        let mut recent = Recent::default();
        let chunk = || Arc::from([Bytes::from(vec![0; 1 << 20]), Bytes::from(vec![0; 1 << 20])]);
        for piece in [1, 2, 2, 3, 4, 5] {
            recent.put(Piece(piece), chunk());
            assert!(recent.get(Piece(piece)).is_some());
        }
        assert_eq!(recent.bytes, KEPT);
        assert!(recent.get(Piece(1)).is_none());
        assert!(recent.get(Piece(2)).is_some());
        assert_eq!((recent.pieces.len(), recent.order.len()), (4, 4));
    }
}
