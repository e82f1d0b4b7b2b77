//! Who gets the next piece: some at a time, everybody in turn, and what has been sent least first.
//!
//! One at a time would be best if neighbours took a piece as fast as the uplink sends it, for only a whole piece can be
//! passed on. But their downlinks are shared by all who send to them: with one each, as many uplinks wait for a
//! neighbour that two others send to as downlinks are idle. So there are several, as many as [`Width`] says. Least sent
//! first, because the neighbours then hold different pieces and can serve each other.

use std::time::Duration;

use smallvec::SmallVec;

use super::queue::{Ask, FirstCopiesGo};
use super::width::Width;
use super::{Config, Output, Server};
use crate::peers::PeerKey;
use crate::pieces::Piece;
use crate::prefetch::prefetch;
use crate::timers::{Moment, nanos, scale};

const SECOND: u64 = 1_000_000_000;

#[derive(Clone, Debug)]
struct Grant {
    peer: PeerKey,
    piece: Piece,
    len: u32,
    /// What it counts for its neighbour.
    price: u32,
    since: Moment,
    /// Takes so long that the uplink must have room for others.
    aside: bool,
}

/// What is under way, and how fast it goes.
#[derive(Clone, Debug)]
pub(super) struct Uplink {
    grants: Vec<Grant>,
    /// Bytes and grants that are not set aside.
    bytes: u64,
    counted: usize,
    /// When something was granted or ended last.
    moved: Moment,
    /// How long a grant takes, smoothed, in ns.
    usual: u64,
    width: Width,
}

impl Uplink {
    /// Of a peer that is the only one to have the file (`lone`), or not.
    pub(super) fn new(config: &Config, lone: bool) -> Self {
        let least = if lone { config.lone_grants } else { config.min_grants };
        Self {
            grants: Vec::with_capacity(least),
            bytes: 0,
            counted: 0,
            moved: Moment::EPOCH,
            usual: 0,
            width: Width::new(least, config.max_grants),
        }
    }

    pub(super) const fn rate(&self) -> u64 {
        self.width.rate()
    }

    pub(super) const fn granted(&self) -> usize {
        self.grants.len()
    }

    /// Those that are not set aside.
    #[cfg(test)]
    pub(super) const fn counted(&self) -> usize {
        self.counted
    }

    #[cfg(test)]
    pub(super) fn has_aside(&self, peer: PeerKey) -> bool {
        self.grants.iter().any(|grant| grant.peer == peer && grant.aside)
    }

    /// When it counts as idle: nothing is under way but what is slow, and that for a while. What was sent may still be in
    /// queues on the way, and the next ask with what is in them.
    pub(super) fn idle_from(&self, config: &Config) -> Option<Moment> {
        (self.counted == 0).then(|| self.moved + config.idle_patience)
    }

    pub(super) fn is_idle(&self, now: Moment, config: &Config) -> bool {
        self.idle_from(config).is_some_and(|from| from <= now)
    }

    pub(super) fn carries(&self, peer: PeerKey, piece: Piece) -> bool {
        self.grants.iter().any(|grant| grant.peer == peer && grant.piece == piece)
    }

    /// What is under way: see [`crate::prefetch`].
    pub(super) fn prefetch(&self) {
        prefetch(self.grants.as_slice());
    }

    pub(super) fn carries_piece(&self, piece: Piece) -> bool {
        self.grants.iter().any(|grant| grant.piece == piece && !grant.aside)
    }

    fn has_room(&self, config: &Config) -> bool {
        self.counted < config.max_grants && (self.counted < self.width.grants() || self.has_little(config))
    }

    /// Less is under way than the uplink sends in no time.
    fn has_little(&self, config: &Config) -> bool {
        let wanted = match self.width.rate() {
            0 => config.initial_grants,
            rate => scale(rate, nanos(config.grant_queue), SECOND),
        };
        self.bytes < wanted
    }

    fn push(&mut self, grant: Grant) {
        self.bytes += u64::from(grant.len);
        self.counted += 1;
        self.moved = self.moved.max(grant.since);
        self.grants.push(grant);
    }

    fn take(&mut self, peer: PeerKey, piece: Piece) -> Option<Grant> {
        let at = self.grants.iter().position(|grant| grant.peer == peer && grant.piece == piece)?;
        let grant = self.grants.remove(at);
        self.uncount(&grant);
        Some(grant)
    }

    fn uncount(&mut self, grant: &Grant) {
        if !grant.aside {
            self.bytes -= u64::from(grant.len);
            self.counted -= 1;
        }
    }

    pub(super) fn forget(&mut self, peer: PeerKey) {
        while let Some(grant) = self.grants.iter().find(|grant| grant.peer == peer).cloned() {
            self.take(peer, grant.piece);
        }
    }

    /// Takes the measure of a grant that was sent whole.
    fn measure(&mut self, grant: &Grant, now: Moment) {
        self.moved = now;
        self.width.sent(grant.len, now);
        let took = nanos(now.saturating_since(grant.since));
        self.usual = if self.usual == 0 { took } else { self.usual - self.usual / 8 + took / 8 };
    }

    fn slow_after(&self, config: &Config) -> Duration {
        config.slow_grant.max(Duration::from_nanos(self.usual.saturating_mul(4)))
    }

    pub(super) fn next_slow(&self, config: &Config) -> Option<Moment> {
        let after = self.slow_after(config);
        self.grants.iter().filter(|grant| !grant.aside).map(|grant| grant.since + after).min()
    }

    pub(super) fn set_slow_aside(&mut self, now: Moment, config: &Config) {
        let after = self.slow_after(config);
        for at in 0..self.grants.len() {
            if !self.grants[at].aside && self.grants[at].since + after <= now {
                let grant = self.grants[at].clone();
                self.uncount(&grant);
                self.grants[at].aside = true;
            }
        }
    }
}

impl Server {
    /// Grants what there is room for.
    pub(super) fn grant(&mut self) {
        while self.uplink.has_room(&self.config) {
            let Some(Ask { peer, piece, .. }) = self.next_ask() else {
                self.uplink.width.starve();
                if self.first_copies.is_some()
                    && let Some(from) = self.uplink.idle_from(&self.config).filter(|&from| from > self.now)
                {
                    self.alarm.by(from);
                }
                break;
            };
            let len = self.geometry.len(piece);
            let mut price = len;
            if let Some(at) = self.find(peer) {
                let neighbour = &mut self.neighbours[at];
                neighbour.waiting -= 1;
                neighbour.granted += 1;
                price = self.average.price(&neighbour.has, len);
                neighbour.served += u64::from(price);
                self.queue.note_served(peer, neighbour.served);
            }
            if self.uplink.is_idle(self.now, &self.config) {
                self.uplink.width.begin(self.now);
            }
            self.uplink.push(Grant { peer, piece, len, price, since: self.now, aside: false });
            self.outputs.push_back(Output::Grant { peer, piece });
            self.send_others_elsewhere(peer, piece);
            self.alarm.by(self.now + self.uplink.slow_after(&self.config));
        }
        self.open_if_idle();
    }

    /// Among the neighbours that had least so far, the piece that was sent least. What a lone seed has not sent at
    /// all goes before everything.
    fn next_ask(&mut self) -> Option<Ask> {
        if self.queue.is_empty() {
            return None;
        }
        let lead = u64::from(self.config.fair_pieces) * u64::from(self.geometry.piece_size());
        let (carried, uplink) = (&self.carried, &self.uplink);
        let sent = |piece: Piece| carried[piece.index()].saturating_add(u16::from(uplink.carries_piece(piece)));
        let full = self.full();
        self.queue.take_next(lead, self.first_copies_go(), sent, &full)
    }

    /// Neighbours that are being sent a piece and get the next when it has gone: pieces that go the same way side by side arrive
    /// together, and the uplink waits a round trip for the next ask; one after another, it comes in time. While little is under
    /// way that holds for those alone whose piece was set aside: who takes nothing would be granted ever more.
    fn full(&self) -> SmallVec<[PeerKey; 16]> {
        let has_little = self.uplink.has_little(&self.config);
        self.uplink.grants.iter().filter(|grant| grant.aside || !has_little).map(|grant| grant.peer).collect()
    }

    pub(super) fn first_copies_go(&self) -> FirstCopiesGo {
        match &self.first_copies {
            None => FirstCopiesGo::InTurn,
            Some(copies) if copies.is_opened() || self.uplink.is_idle(self.now, &self.config) => {
                FirstCopiesGo::BeforeAll
            }
            Some(_) => FirstCopiesGo::Alone,
        }
    }

    pub(super) fn ended(&mut self, key: PeerKey, piece: Piece, sent: bool) {
        if let Some(at) = self.find(key) {
            self.end_grant(at, piece, sent);
        }
    }

    pub(super) fn end_grant(&mut self, at: usize, piece: Piece, sent: bool) {
        let neighbour = &mut self.neighbours[at];
        let Some(grant) = self.uplink.take(neighbour.key, piece) else { return };
        neighbour.granted -= 1;
        if !sent {
            neighbour.served = neighbour.served.saturating_sub(u64::from(grant.price));
            self.queue.note_served(grant.peer, neighbour.served);
            return;
        }
        self.average.gain(&mut neighbour.has, piece);
        self.uplink.measure(&grant, self.now);
        let carried = &mut self.carried[piece.index()];
        *carried = carried.saturating_add(1);
        if *carried == 1 {
            self.note_elsewhere(piece);
        }
        self.show_more(at);
    }
}
