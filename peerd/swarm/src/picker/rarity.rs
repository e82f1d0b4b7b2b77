//! Open pieces in the order of how many holders they have, kept as buckets of one array.
//!
//! The array runs from the best known to the rarest; `ends[n]` is where the bucket of pieces with `n` holders ends,
//! and the bucket with `n + 1` holders lies before it. One holder more or less is a swap with a piece at the edge of
//! the bucket; taking a piece out moves one piece of each rarer bucket, and what is taken is nearly always among the
//! rarest.

use crate::pieces::{Bitfield, Piece};
use crate::prefetch::prefetch;
use crate::rng::Rng;

/// What is known of a piece, on one line of the cache.
#[derive(Copy, Clone, Debug, Default)]
struct Known {
    /// Where it stands in `order` while it is open; nothing of use otherwise.
    place: u32,
    holders: u16,
}

#[derive(Clone, Debug)]
pub(super) struct Rarity {
    /// Of every piece, open or not.
    pieces: Box<[Known]>,
    /// The open pieces, most holders first.
    order: Vec<Piece>,
    /// Never empty: `ends[0]` is the length of `order`.
    ends: Vec<u32>,
}

impl Rarity {
    pub(super) fn new(count: u32) -> Self {
        Self {
            pieces: vec![Known::default(); count as usize].into(),
            order: Vec::with_capacity(count as usize),
            ends: vec![0],
        }
    }

    pub(super) fn holders(&self, piece: Piece) -> u16 {
        self.pieces[piece.index()].holders
    }

    /// The list of buckets: see [`crate::prefetch`].
    pub(super) fn prefetch(&self) {
        prefetch(self.ends.as_slice());
    }

    /// Where `piece` stands.
    pub(super) fn prefetch_piece(&self, piece: Piece) {
        prefetch(&self.pieces[piece.index()]);
    }

    pub(super) fn insert(&mut self, piece: Piece) {
        let bucket = self.bucket_of(piece);
        self.order.push(piece);
        for rarer in 0..bucket {
            let (first, end) = (self.start(rarer), self.ends[rarer]);
            if first < end {
                self.put(self.order[first as usize], end);
            }
            self.ends[rarer] = end + 1;
        }
        self.put(piece, self.ends[bucket]);
        self.ends[bucket] += 1;
    }

    pub(super) fn remove(&mut self, piece: Piece) {
        let mut hole = self.pieces[piece.index()].place;
        for bucket in (0..=self.bucket_of(piece)).rev() {
            let last = self.ends[bucket] - 1;
            if last != hole {
                self.put(self.order[last as usize], hole);
            }
            self.ends[bucket] = last;
            hole = last;
        }
        self.order.pop();
    }

    pub(super) fn raise(&mut self, piece: Piece, open: bool) {
        let bucket = self.bucket_of(piece);
        let Some(more) = self.pieces[piece.index()].holders.checked_add(1) else { return };
        self.pieces[piece.index()].holders = more;
        if self.ends.len() <= bucket + 1 {
            self.ends.push(0);
        }
        if open {
            let first = self.start(bucket);
            self.swap(piece, first);
            self.ends[bucket + 1] = first + 1;
        }
    }

    pub(super) fn lower(&mut self, piece: Piece, open: bool) {
        let bucket = self.bucket_of(piece);
        let Some(less) = self.pieces[piece.index()].holders.checked_sub(1) else { return };
        self.pieces[piece.index()].holders = less;
        if open {
            let last = self.ends[bucket] - 1;
            self.swap(piece, last);
            self.ends[bucket] = last;
        }
    }

    /// Any piece of the rarest bucket that has one.
    pub(super) fn rarest(&self, rng: &mut Rng) -> Option<Piece> {
        (0..self.ends.len()).find_map(|bucket| {
            let (start, end) = (self.start(bucket), self.ends[bucket]);
            (start < end).then(|| self.order[(start + rng.below(end - start)) as usize])
        })
    }

    /// The first piece of `have` met on a walk of at most `probes` steps through the buckets, rarest first, each
    /// entered at random.
    pub(super) fn probe(&self, mut probes: u32, have: &Bitfield, rng: &mut Rng) -> Option<Piece> {
        // What a partial holder has, it is counted as a holder of: the bucket of no holders is not for it.
        for bucket in 1..self.ends.len() {
            let (start, end) = (self.start(bucket), self.ends[bucket]);
            if start == end {
                continue;
            }
            let steps = (end - start).min(probes);
            let enter = start + rng.below(end - start);
            let found = (enter..end).chain(start..enter).take(steps as usize).map(|at| self.order[at as usize]);
            if let Some(piece) = found.into_iter().find(|&piece| have.get(piece)) {
                return Some(piece);
            }
            probes -= steps;
            if probes == 0 {
                break;
            }
        }
        None
    }

    fn bucket_of(&self, piece: Piece) -> usize {
        usize::from(self.pieces[piece.index()].holders)
    }

    fn start(&self, bucket: usize) -> u32 {
        self.ends.get(bucket + 1).copied().unwrap_or(0)
    }

    fn put(&mut self, piece: Piece, at: u32) {
        self.order[at as usize] = piece;
        self.pieces[piece.index()].place = at;
    }

    fn swap(&mut self, piece: Piece, with: u32) {
        let from = self.pieces[piece.index()].place;
        let other = self.order[with as usize];
        self.put(other, from);
        self.put(piece, with);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Piece, Rarity};
    use crate::rng::Rng;

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Toggle(u32),
        Raise(u32),
        Lower(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let piece = || 0_u32..12;
        prop::collection::vec(
            prop_oneof![piece().prop_map(Step::Toggle), piece().prop_map(Step::Raise), piece().prop_map(Step::Lower)],
            0..200,
        )
    }

    proptest! {
        #[test]
        fn buckets_agree_with_a_plain_count(steps in steps()) {
            let mut rarity = Rarity::new(12);
            let mut open = [false; 12];
            let mut holders = [0_u16; 12];
            for step in steps {
                match step {
                    Step::Toggle(n) => {
                        let at = n as usize;
                        if open[at] { rarity.remove(Piece(n)) } else { rarity.insert(Piece(n)) }
                        open[at] = !open[at];
                    }
                    Step::Raise(n) => {
                        rarity.raise(Piece(n), open[n as usize]);
                        holders[n as usize] += 1;
                    }
                    Step::Lower(n) => {
                        rarity.lower(Piece(n), open[n as usize]);
                        holders[n as usize] = holders[n as usize].saturating_sub(1);
                    }
                }
                let mut expected: Vec<u32> = (0..12).filter(|&n| open[n as usize]).collect();
                let mut kept: Vec<u32> = rarity.order.iter().map(|piece| piece.0).collect();
                prop_assert!(kept.is_sorted_by_key(|&n| std::cmp::Reverse(holders[n as usize])));
                let place = |piece: Piece| rarity.pieces[piece.index()].place as usize;
                prop_assert!(rarity.order.iter().enumerate().all(|(at, &piece)| place(piece) == at));
                let fewest = expected.iter().map(|&n| holders[n as usize]).min();
                let rarest = rarity.rarest(&mut Rng::new(3)).map(|piece| holders[piece.index()]);
                prop_assert_eq!(fewest, rarest);
                expected.sort_unstable();
                kept.sort_unstable();
                prop_assert_eq!(expected, kept);
            }
        }
    }
}
