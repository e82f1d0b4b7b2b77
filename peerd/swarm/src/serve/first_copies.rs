//! A lone seed's pieces: shown little by little, each to one neighbour, until every one has left the house.
//!
//! Everybody waits for the seed's uplink: the swarm can be no faster than one copy takes to leave it. So no piece
//! should leave twice before all left once. Super-seeding (Hoffman, BEP 16) shows a neighbour one piece and waits
//! until others have it, and idles meanwhile; here a neighbour is always shown a few pieces more than it asked for,
//! and nothing is waited for.
//!
//! `pool`: pieces to show next, in an order of the seed's. When it is empty, half of what the neighbour with most of it has
//! yet to ask for goes back to it, as does what was shown to somebody who asks for nothing; and when the uplink is idle
//! even so, what was sent once is open to all.

use std::time::Duration;

use super::neighbour::Neighbour;
use super::queue::FirstCopiesGo;
use super::{Output, Refusal, Server, Shown};
use crate::peers::PeerKey;
use crate::pieces::{Bitfield, Piece};
use crate::rng::Rng;
use crate::timers::{Moment, scale};

const SECOND: u64 = 1_000_000_000;

/// In how many rounds of a piece for everybody a neighbour should ask again. It has two under way, and what it was sent
/// waits in queues on the way that nobody here sees.
const ROUNDS: u64 = 3;

#[derive(Clone, Debug)]
pub(super) struct FirstCopies {
    /// The next is the last.
    pool: Vec<Piece>,
    /// Pieces that nobody else has, as far as known.
    only_here: Bitfield,
    /// Pieces that were sent and not told to all yet wait in the news once this is set.
    opened: bool,
}

impl FirstCopies {
    /// Whether what was sent is open to everybody.
    pub(super) const fn is_opened(&self) -> bool {
        self.opened
    }

    /// Whether nothing is left to show: what came back to the pool may have been asked for and sent even so.
    fn is_spent(&self) -> bool {
        !self.pool.iter().rev().any(|&piece| self.only_here.get(piece))
    }

    /// Whether something is left to show a neighbour that has `has`.
    fn holds_one_for(&self, has: &Bitfield) -> bool {
        self.pool.iter().rev().any(|&piece| self.only_here.get(piece) && !has.get(piece))
    }

    /// Takes out the next piece to show a neighbour that has `has`.
    fn next_for(&mut self, has: &Bitfield) -> Option<Piece> {
        loop {
            let at = self.pool.iter().rposition(|&piece| !has.get(piece))?;
            let piece = self.pool.remove(at);
            if self.only_here.get(piece) {
                return Some(piece);
            }
        }
    }

    pub(super) fn new(count: u32, seed: u64) -> Self {
        let mut pool: Vec<_> = (0..count).map(Piece).collect();
        let mut rng = Rng::new(seed);
        for at in (1..count).rev() {
            pool.swap(at as usize, rng.below(at + 1) as usize);
        }
        Self { pool, only_here: Bitfield::full(count), opened: false }
    }
}

impl Server {
    /// What every neighbour may know of: what was sent, once all was shown to somebody.
    pub(super) fn open_to_all(&self) -> Bitfield {
        let mut open = Bitfield::new(self.geometry.count());
        if let Some(copies) = self.first_copies.as_ref().filter(|copies| copies.opened) {
            (0..self.geometry.count()).map(Piece).filter(|&piece| !copies.only_here.get(piece)).for_each(|piece| {
                open.set(piece);
            });
        }
        open
    }

    /// Shows the neighbour at `at` more, when it asked for most of what it was shown.
    pub(super) fn show_more(&mut self, at: usize) {
        let pieces = self.next_to_show(at);
        if !pieces.is_empty() {
            let peers = vec![self.neighbours[at].key];
            self.outputs.push_back(Output::Show { peers, shown: Shown::More(pieces) });
        }
    }

    /// What to show the neighbour at `at` next.
    pub(super) fn next_to_show(&mut self, at: usize) -> Vec<Piece> {
        let neighbours = u32::try_from(self.neighbours.len()).unwrap_or(u32::MAX);
        self.refill_pool_for(at);
        let Some(copies) = &mut self.first_copies else { return Vec::new() };
        let neighbour = &mut self.neighbours[at];
        // Twice as much each time, up to an eighth of its share: a fast neighbour is not held up, and little is left
        // with a slow one. Where there are no others, it is all the same how much that is.
        let pool = u32::try_from(copies.pool.len()).unwrap_or(u32::MAX);
        let share = if neighbours < 2 { pool } else { pool / neighbours / 8 };
        let ahead = neighbour.ahead.min(share).max(self.config.min_ahead);
        let mut pieces = Vec::new();
        if neighbour.unasked.count() > ahead / 2 {
            return pieces;
        }
        neighbour.ahead = ahead * 2;
        while neighbour.unasked.count() < ahead
            && let Some(piece) = copies.next_for(&neighbour.has)
        {
            neighbour.unasked.set(piece);
            pieces.push(piece);
        }
        if !neighbour.unasked.is_empty() {
            self.alarm.by(self.now + self.config.idle_patience);
        }
        pieces
    }

    /// With nothing left to show the neighbour at `at`, half of what another has yet to ask for is shown to others too: one that
    /// was alone for a while, or that was fast and is not any more, would keep all of them waiting for it.
    fn refill_pool_for(&mut self, at: usize) {
        let Some(copies) = &mut self.first_copies else { return };
        let neighbour = &self.neighbours[at];
        if neighbour.unasked.count() > self.config.min_ahead / 2 || copies.holds_one_for(&neighbour.has) {
            return;
        }
        let others = self.neighbours.iter_mut().enumerate().filter(|&(other, _)| other != at);
        let Some((_, most)) = others.max_by_key(|(_, neighbour)| neighbour.unasked.count()) else { return };
        let count = most.unasked.count();
        if count <= 2 * self.config.min_ahead {
            return;
        }
        // The later half: a neighbour that fetches in order is about to ask for the other.
        let half: Vec<_> = most.unasked.iter().skip(count as usize / 2).collect();
        for &piece in &half {
            most.unasked.clear(piece);
        }
        copies.pool.extend(half);
    }

    pub(super) fn asked_for_shown(&mut self, at: usize, piece: Piece) {
        if self.neighbours[at].unasked.clear(piece) {
            self.show_more(at);
        }
    }

    /// Whether the neighbour at `at` is to get the piece from another, which has it from here or is being sent it. It was
    /// shown the piece, did not ask, and now does. If it waited here, it would ask for nothing that nobody has yet.
    pub(super) fn sends_elsewhere(&self, at: usize, piece: Piece) -> bool {
        let has = |(other, neighbour): (usize, &Neighbour)| other != at && neighbour.has.get(piece);
        self.first_copies_go() == FirstCopiesGo::Alone
            && (self.uplink.carries_piece(piece) || self.neighbours.iter().enumerate().any(has))
    }

    /// `to` is being sent the piece: others who wait for it are to get it from there.
    pub(super) fn send_others_elsewhere(&mut self, to: PeerKey, piece: Piece) {
        if self.first_copies.as_ref().is_none_or(FirstCopies::is_opened) {
            return;
        }
        while let Some(peer) = self.queue.remove_another(to, piece) {
            if let Some(at) = self.find(peer) {
                self.neighbours[at].waiting -= 1;
            }
            self.outputs.push_back(Output::Refuse { peer, piece, refusal: Refusal::Elsewhere });
        }
    }

    /// What a neighbour that left was shown and never asked for.
    pub(super) fn take_back(&mut self, unasked: &Bitfield) {
        if let Some(copies) = &mut self.first_copies {
            copies.pool.extend(unasked.iter().filter(|&piece| copies.only_here.get(piece)));
        }
    }

    /// With nothing left to show and the uplink idle, second copies are better than none.
    pub(super) fn open_if_idle(&mut self) {
        let idle = self.uplink.is_idle(self.now, &self.config);
        let Some(copies) = &mut self.first_copies else { return };
        if copies.opened || !copies.is_spent() || !idle {
            return;
        }
        copies.opened = true;
        self.news = self.open_to_all().iter().collect();
        self.plan_news();
    }

    /// The piece is not the seed's alone any more: it was sent, or a neighbour has it from before the seed came (back).
    pub(super) fn note_elsewhere(&mut self, piece: Piece) {
        let Some(copies) = &mut self.first_copies else { return };
        if !copies.only_here.clear(piece) {
            return;
        }
        if copies.only_here.is_empty() {
            self.first_copies = None;
            self.news.clear();
            self.show_everything();
        } else if copies.opened {
            self.news.push(piece);
            self.plan_news();
        }
    }

    /// When the next neighbour has been idle long enough to be shown more, or to be relieved of what it was shown.
    pub(super) fn next_idle(&self) -> Option<Moment> {
        self.first_copies.as_ref()?;
        let idle = self.neighbours.iter().filter(|neighbour| neighbour.idle() && !neighbour.has.is_full());
        idle.map(|neighbour| neighbour.last_ask + self.patience(neighbour)).filter(|&at| at > self.now).min()
    }

    /// How long `neighbour` may be idle: long enough for what was sent to it to come and lead to the next ask, when all
    /// share the uplink. Doubles each time it was shown more and asked for nothing: one that sleeps shall not be shown
    /// everything. Nobody sits on the last pieces, though.
    fn patience(&self, neighbour: &Neighbour) -> Duration {
        let round = u64::from(self.geometry.piece_size()).saturating_mul(self.neighbours.len() as u64);
        let rounds = scale(round * ROUNDS, SECOND, self.uplink.rate());
        let patience = self.config.idle_patience.max(Duration::from_nanos(rounds));
        let last = self.first_copies.as_ref().is_some_and(FirstCopies::is_spent) && !neighbour.unasked.is_empty();
        let doublings = if last { 0 } else { neighbour.ignored.min(10) };
        patience.saturating_mul(1 << doublings)
    }

    /// Neighbours that ask for nothing, though they were shown something, have no use for that: others are shown it,
    /// and they are shown something else.
    pub(super) fn show_to_the_idle(&mut self) {
        if self.first_copies.is_none() {
            return;
        }
        for at in 0..self.neighbours.len() {
            let neighbour = &self.neighbours[at];
            let since = self.now.saturating_since(neighbour.last_ask);
            if !neighbour.idle() || since < self.patience(neighbour) {
                continue;
            }
            let fresh = Bitfield::new(self.geometry.count());
            let unasked = std::mem::replace(&mut self.neighbours[at].unasked, fresh);
            self.neighbours[at].ignored += u32::from(!unasked.is_empty());
            self.show_more(at);
            self.take_back(&unasked);
        }
        self.free_the_stuck();
        self.share_what_came_back();
    }

    /// Those who do ask are shown what came back to the pool.
    fn share_what_came_back(&mut self) {
        for at in 0..self.neighbours.len() {
            if self.neighbours[at].ignored == 0 {
                self.show_more(at);
            }
        }
    }

    /// With nothing left to show, what was not sent and nobody waits for is shown to others.
    fn free_the_stuck(&mut self) {
        let Some(copies) = &mut self.first_copies else { return };
        if !copies.is_spent() {
            return;
        }
        let asked = |piece: Piece| {
            self.uplink.carries_piece(piece)
                || self.queue.wants(piece)
                || self.neighbours.iter().any(|neighbour| neighbour.unasked.get(piece))
        };
        copies.pool = copies.only_here.iter().filter(|&piece| !asked(piece)).collect();
    }
}
