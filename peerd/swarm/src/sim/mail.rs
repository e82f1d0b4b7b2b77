//! What neighbours have gained and the serving half has not heard of yet, in the order it came.

use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::prefetch::prefetch;

/// Words that there usually are, at most.
const USUAL: usize = 256;

/// Written one after another: from whom, how many pieces, and which.
#[derive(Debug, Default)]
pub(super) struct Mail {
    words: Vec<u32>,
    count: usize,
}

impl Mail {
    /// How many messages there are.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn put(&mut self, from: PeerKey, pieces: &[Piece]) {
        self.words.push(from.0);
        self.words.push(u32::try_from(pieces.len()).expect("a file has fewer than 2^32 pieces"));
        self.words.extend(pieces.iter().map(|piece| piece.0));
        self.count += 1;
    }

    /// Makes room where the rest of the machine is: see [`Roster::new`](crate::roster::Roster::new).
    pub(super) fn make_room(&mut self) {
        self.words.reserve_exact(USUAL);
    }

    /// From whom there is mail, and the numbers of the pieces.
    pub(super) fn messages(&self) -> impl Iterator<Item = (PeerKey, &[u32])> {
        let mut words = self.words.as_slice();
        std::iter::from_fn(move || {
            let [from, count, rest @ ..] = words else { return None };
            let (pieces, rest) = rest.split_at(*count as usize);
            words = rest;
            Some((PeerKey(*from), pieces))
        })
    }

    /// Throws all of it away.
    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.count = 0;
    }

    /// Where the next message goes: see [`crate::prefetch`].
    pub(super) fn prefetch_end(&self) {
        if let Some(last) = self.words.last() {
            prefetch(last);
        }
    }

    /// All of it.
    pub(super) fn prefetch(&self) {
        prefetch(self.words.as_slice());
    }
}
