//! What neighbours have gained and the serving half has not heard of yet, in the order it came.

use crate::peers::PeerKey;
use crate::pieces::Piece;

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

    /// Takes all of it out.
    pub(super) fn read(&mut self, mut reader: impl FnMut(PeerKey, &mut dyn Iterator<Item = Piece>)) {
        let mut words = self.words.as_slice();
        while let [from, count, rest @ ..] = words {
            let (pieces, rest) = rest.split_at(*count as usize);
            reader(PeerKey(*from), &mut pieces.iter().copied().map(Piece));
            words = rest;
        }
        self.words.clear();
        self.count = 0;
    }

    /// Reads where the next message goes: see [`crate::sim::ahead`].
    pub(super) fn touch(&self) -> usize {
        self.words.last().map_or(0, |&word| word as usize)
    }
}
