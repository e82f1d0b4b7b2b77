//! All asks that wait, in the order they came, and what each neighbour had so far.
//!
//! One dense list for all neighbours: every grant looks through all of it. Invariant: `served` is the same in all
//! asks of one neighbour.

use crate::discovery::NEIGHBOURS;
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::prefetch::prefetch;

#[derive(Copy, Clone, Debug)]
pub(super) struct Ask {
    pub(super) peer: PeerKey,
    pub(super) piece: Piece,
    /// Bytes its neighbour was granted.
    served: u64,
}

/// When pieces that were never sent are sent.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum FirstCopiesGo {
    /// As any other.
    InTurn,
    /// Before all others.
    BeforeAll,
    /// And nothing else goes meanwhile.
    Alone,
}

#[derive(Clone, Debug)]
pub(super) struct Queue {
    asks: Vec<Ask>,
}

impl Queue {
    /// With room for two asks of each of as many neighbours as there usually are.
    pub(super) fn new() -> Self {
        Self { asks: Vec::with_capacity(2 * NEIGHBOURS) }
    }

    pub(super) fn contains(&self, peer: PeerKey, piece: Piece) -> bool {
        self.asks.iter().any(|ask| ask.peer == peer && ask.piece == piece)
    }

    pub(super) fn wants(&self, piece: Piece) -> bool {
        self.asks.iter().any(|ask| ask.piece == piece)
    }

    /// All asks: see [`crate::prefetch`].
    pub(super) fn prefetch(&self) {
        prefetch(self.asks.as_slice());
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    #[cfg(test)]
    pub(super) const fn len(&self) -> usize {
        self.asks.len()
    }

    pub(super) fn push(&mut self, peer: PeerKey, piece: Piece, served: u64) {
        self.asks.push(Ask { peer, piece, served });
    }

    /// Takes the ask out that `sent` (times a piece was sent), what its neighbour had, and age put first, in this
    /// order. Not considered are neighbours that are `full`; those who had more than `lead` bytes above the least served of
    /// the others, but for a piece that was never sent where first copies go before all; and what was sent before, where they go alone.
    pub(super) fn take_next(
        &mut self,
        lead: u64,
        first: FirstCopiesGo,
        sent: impl Fn(Piece) -> u16,
        full: &[PeerKey],
    ) -> Option<Ask> {
        let open = |ask: &&Ask| full.is_empty() || !full.contains(&ask.peer);
        let fair = self.asks.iter().filter(open).map(|ask| ask.served).min()?.saturating_add(lead);
        let mut next = None;
        for (place, ask) in self.asks.iter().enumerate() {
            let times = sent(ask.piece);
            let may = match first {
                FirstCopiesGo::InTurn => ask.served <= fair,
                FirstCopiesGo::BeforeAll => ask.served <= fair || times == 0,
                FirstCopiesGo::Alone => times == 0,
            };
            if may && open(&ask) {
                let rank = (times, ask.served, place);
                next = Some(next.map_or(rank, |best| rank.min(best)));
            }
        }
        next.map(|(_, _, place)| self.asks.remove(place))
    }

    /// Takes one ask out; says whether it was there.
    pub(super) fn remove(&mut self, peer: PeerKey, piece: Piece) -> bool {
        let place = self.asks.iter().position(|ask| ask.peer == peer && ask.piece == piece);
        place.map(|place| self.asks.remove(place)).is_some()
    }

    /// Takes an ask for `piece` out that is not of `peer`, and says whose it was.
    pub(super) fn remove_another(&mut self, peer: PeerKey, piece: Piece) -> Option<PeerKey> {
        let place = self.asks.iter().position(|ask| ask.peer != peer && ask.piece == piece)?;
        Some(self.asks.remove(place).peer)
    }

    /// `peer` is gone.
    pub(super) fn forget(&mut self, peer: PeerKey) {
        self.asks.retain(|ask| ask.peer != peer);
    }

    /// `peer` was granted `served` bytes by now.
    pub(super) fn note_served(&mut self, peer: PeerKey, served: u64) {
        for ask in self.asks.iter_mut().filter(|ask| ask.peer == peer) {
            ask.served = served;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(asks: &[(u32, u32, u64)]) -> Queue {
        let mut queue = Queue::new();
        for &(peer, piece, served) in asks {
            queue.push(PeerKey(peer), Piece(piece), served);
        }
        queue
    }

    #[test]
    fn the_piece_sent_least_is_next_among_those_who_had_least() {
        let mut queue = queue(&[(1, 0, 0), (2, 5, 10), (3, 7, 500)]);
        let sent = |piece: Piece| u16::from(piece.0 < 3);
        let order: Vec<_> =
            std::iter::from_fn(|| queue.take_next(100, FirstCopiesGo::InTurn, sent, &[]).map(|ask| ask.peer.0))
                .collect();
        assert_eq!(order, [2, 1, 3]);
    }

    #[test]
    fn a_first_copy_goes_before_fairness() {
        let mut queue = queue(&[(1, 0, 0), (3, 7, 500)]);
        let sent = |piece: Piece| u16::from(piece.0 < 3);
        assert_eq!(queue.take_next(100, FirstCopiesGo::BeforeAll, sent, &[]).map(|ask| ask.peer.0), Some(3));
        assert_eq!(queue.clone().take_next(100, FirstCopiesGo::BeforeAll, sent, &[]).map(|ask| ask.peer.0), Some(1));
        assert!(
            queue.take_next(100, FirstCopiesGo::Alone, sent, &[]).is_none(),
            "a second copy, while first ones wait"
        );
    }

    #[test]
    fn who_is_full_waits_and_nobody_waits_for_them() {
        let mut queue = queue(&[(1, 0, 0), (2, 1, 500), (3, 2, 700)]);
        let mut next =
            |full: &[PeerKey]| queue.take_next(100, FirstCopiesGo::InTurn, |_| 0, full).map(|ask| ask.peer.0);
        assert_eq!((next(&[PeerKey(1)]), next(&[PeerKey(1), PeerKey(3)]), next(&[])), (Some(2), None, Some(1)));
    }

    #[test]
    fn what_a_neighbour_had_counts_for_all_its_asks() {
        let mut queue = queue(&[(1, 0, 0), (1, 1, 0), (2, 2, 50)]);
        queue.note_served(PeerKey(1), 200);
        assert_eq!(queue.take_next(0, FirstCopiesGo::InTurn, |_| 0, &[]).map(|ask| ask.peer.0), Some(2));
        queue.forget(PeerKey(1));
        assert_eq!(queue.len(), 0);
    }
}
