//! Which piece next: rarest first among the open ones, ties broken by the seed; or, where somebody reads along, the first.
//!
//! Owns the set of open pieces (missing and asked of nobody) and how many partial holders each piece has. Complete
//! holders add the same to every piece and are left out of the count. Knows no peers: it is shown what one of them
//! holds.
//!
//! Rarest first is Legout, Urvoy-Keller and Michiardi, "Rarest first and choke algorithms are enough" (IMC 2006). A
//! decision costs a few probes of the rarest buckets; when a holder has little of what is rare, one pass over the
//! words of two bitfields (4,096 for 262,144 pieces) and the rarest of a few candidates.

mod rarity;

use crate::core::PieceOrder;
use crate::pieces::{Bitfield, Piece};
use crate::rng::Rng;
use rarity::Rarity;

/// How many pieces of the rarest buckets are tried before the words are walked. A holder of one piece in eight is
/// served by 32 tries 98 times in 100.
const PROBES: u32 = 32;

/// Of how many common pieces the rarest is taken once the words are walked.
const CANDIDATES: usize = 16;

#[derive(Clone, Debug)]
pub(crate) struct Picker {
    order: PieceOrder,
    open: Bitfield,
    rarity: Rarity,
}

/// What a peer offers to a pick.
#[derive(Copy, Clone, Debug)]
pub(crate) enum Offer<'a> {
    All,
    Some(&'a Bitfield),
}

impl Picker {
    /// All of `count` pieces open but for those in `stored`.
    pub(crate) fn new(count: u32, stored: &Bitfield) -> Self {
        let mut picker = Self { order: PieceOrder::Rarest, open: Bitfield::new(count), rarity: Rarity::new(count) };
        for piece in (0..count).map(Piece) {
            if !stored.get(piece) {
                picker.open(piece);
            }
        }
        picker
    }

    /// The same, picking in another order.
    pub(crate) fn with_order(self, order: PieceOrder) -> Self {
        Self { order, ..self }
    }

    pub(crate) const fn open_count(&self) -> u32 {
        self.open.count()
    }

    pub(crate) fn is_open(&self, piece: Piece) -> bool {
        self.open.get(piece)
    }

    /// The list of buckets: see [`crate::prefetch`].
    pub(crate) fn prefetch(&self) {
        self.rarity.prefetch();
    }

    /// Where `piece` stands.
    pub(crate) fn prefetch_piece(&self, piece: Piece) {
        self.rarity.prefetch_piece(piece);
    }

    /// `piece` may be picked.
    pub(crate) fn open(&mut self, piece: Piece) {
        if self.open.set(piece) {
            self.rarity.insert(piece);
        }
    }

    /// `piece` may not be picked: it is asked for or stored.
    pub(crate) fn close(&mut self, piece: Piece) {
        if self.open.clear(piece) {
            self.rarity.remove(piece);
        }
    }

    /// One more partial holder has `piece`. Need not be said of a piece that will never be open again, nor of the
    /// same when it is lost.
    pub(crate) fn gained(&mut self, piece: Piece) {
        self.rarity.raise(piece, self.open.get(piece));
    }

    /// One partial holder less has `piece`.
    pub(crate) fn lost(&mut self, piece: Piece) {
        self.rarity.lower(piece, self.open.get(piece));
    }

    /// An open piece of the offer, as rare as can be found cheaply, or the first; `None` only when the offer has no open
    /// piece at all.
    pub(crate) fn pick(&self, offer: Offer<'_>, rng: &mut Rng) -> Option<Piece> {
        match (offer, self.order) {
            (Offer::All, PieceOrder::Rarest) => self.rarity.rarest(rng),
            (Offer::All, PieceOrder::InOrder) => self.open.iter().next(),
            (Offer::Some(have), _) if have.is_empty() => None,
            (Offer::Some(have), PieceOrder::Rarest) => {
                self.rarity.probe(PROBES, have, rng).or_else(|| self.walk(have, rng))
            }
            (Offer::Some(have), PieceOrder::InOrder) => {
                (0..self.open.word_count()).flat_map(|at| self.open.common_in_word(have, at)).next()
            }
        }
    }

    /// The rarest of the first few pieces that are open and in `have`, from a random place on.
    fn walk(&self, have: &Bitfield, rng: &mut Rng) -> Option<Piece> {
        let words = self.open.word_count();
        let from = rng.below(u32::try_from(words).unwrap_or(u32::MAX)) as usize;
        (from..words)
            .chain(0..from)
            .flat_map(|at| self.open.common_in_word(have, at))
            .take(CANDIDATES)
            .min_by_key(|&piece| self.rarity.holders(piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn having(count: u32, pieces: &[u32]) -> Bitfield {
        let mut field = Bitfield::new(count);
        for &piece in pieces {
            field.set(Piece(piece));
        }
        field
    }

    fn seen_twice_but(count: u32, rare: &[u32]) -> Picker {
        let mut picker = Picker::new(count, &Bitfield::new(count));
        for piece in (0..count).map(Piece) {
            picker.gained(piece);
            if !rare.contains(&piece.0) {
                picker.gained(piece);
            }
        }
        picker
    }

    #[test]
    fn the_rarest_piece_of_an_offer_is_picked() {
        let picker = seen_twice_but(100, &[17, 60]);
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            assert_eq!(picker.pick(Offer::Some(&having(100, &[3, 17, 40])), &mut rng), Some(Piece(17)));
            assert!(matches!(picker.pick(Offer::All, &mut rng), Some(Piece(17 | 60))));
        }
    }

    #[test]
    fn in_order_the_first_is_picked_however_common() {
        let picker = seen_twice_but(100, &[17, 60]).with_order(PieceOrder::InOrder);
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            assert_eq!(picker.pick(Offer::Some(&having(100, &[40, 3, 70])), &mut rng), Some(Piece(3)));
            assert_eq!(picker.pick(Offer::All, &mut rng), Some(Piece(0)));
        }
    }

    #[test]
    fn ties_are_broken_by_the_seed() {
        let picker = seen_twice_but(64, &(0..64).collect::<Vec<_>>());
        let picks: Vec<_> = (0..32).map(|seed| picker.pick(Offer::All, &mut Rng::new(seed)).unwrap().0).collect();
        let distinct = picks.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(distinct > 16, "{picks:?}");
    }

    #[test]
    fn a_single_common_piece_is_found_among_very_many() {
        let count = 262_144;
        let picker = Picker::new(count, &Bitfield::new(count));
        for needle in [0, 131_071, 262_143] {
            assert_eq!(picker.pick(Offer::Some(&having(count, &[needle])), &mut Rng::new(7)), Some(Piece(needle)));
        }
    }

    #[test]
    fn an_offer_of_nothing_rare_still_gives_its_rarest() {
        // A thousand pieces that it lacks are rarer than all it has: the buckets are given up, and words walked.
        let (rare, have): (Vec<u32>, Vec<u32>) = ((8..1_008).collect(), (0..8).collect());
        let mut picker = seen_twice_but(1_008, &rare);
        (0..8).filter(|&piece| piece != 5).for_each(|piece| picker.gained(Piece(piece)));
        for seed in 0..50 {
            let found = picker.pick(Offer::Some(&having(1_008, &have)), &mut Rng::new(seed));
            assert_eq!(found, Some(Piece(5)), "seed {seed}");
        }
    }

    #[test]
    fn closed_pieces_are_not_picked() {
        let mut picker = Picker::new(3, &having(3, &[0]));
        picker.close(Piece(1));
        let mut rng = Rng::new(1);
        assert_eq!(picker.pick(Offer::All, &mut rng), Some(Piece(2)));
        picker.close(Piece(2));
        assert_eq!((picker.pick(Offer::All, &mut rng), picker.open_count()), (None, 0));
        picker.open(Piece(1));
        assert_eq!(picker.pick(Offer::Some(&having(3, &[0, 1])), &mut rng), Some(Piece(1)));
    }
}
