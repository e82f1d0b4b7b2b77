//! Taking over: a peer that owes nothing and has nothing open takes a piece from one that would bring it later. When
//! nothing is open to anybody, a peer that could do more will do.
//!
//! What the other peer has not begun is withdrawn there and costs little; that goes on all the time, because holders
//! of rare pieces have long queues while copies of these pieces appear elsewhere. What has begun is asked for a
//! second time, only when everything missing is in flight (the endgame; Cohen, "Incentives build robustness in
//! BitTorrent", 2003) and within `Config::endgame_permille` of the file; whichever copy comes first, the other is
//! withdrawn.

use super::flights::Request;
use super::{Core, Output};
use crate::peers::Peer;
use crate::pieces::Piece;
use crate::timers::Moment;

/// How many times faster the new peer must be expected to be before a piece is fetched twice.
const WORTH: u32 = 2;

/// How many times faster before an idle request is moved. It may have begun to come: of that one hears only when the first
/// bytes have passed all queues on the way, and what is withdrawn meanwhile was sent in vain.
const IDLE_WORTH: u32 = 4;

#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// What has not begun goes first: to move it costs little.
    idle: bool,
    expected: Moment,
    at: usize,
    piece: Piece,
}

impl Core {
    /// A piece `among` those that matter for the peer at `at`, which another one would bring later, and who that is, if it
    /// was relieved of it.
    pub(super) fn take_over(&mut self, at: usize, among: impl Fn(Piece) -> bool) -> Option<(Piece, Option<usize>)> {
        let busy = self.peers[at].asked > 0 && self.picker.open_count() > 0;
        if busy || self.in_flight == self.peers[at].outstanding {
            return None;
        }
        let slowest = self.slowest_elsewhere(at, among)?;
        if slowest.idle {
            self.relieve(slowest);
            return Some((slowest.piece, Some(slowest.at)));
        }
        self.endgame_bytes += u64::from(self.geometry.len(slowest.piece));
        Some((slowest.piece, None))
    }

    /// What others owe, the peer at `at` has, and would bring enough sooner.
    fn slowest_elsewhere(&self, at: usize, among: impl Fn(Piece) -> bool) -> Option<Candidate> {
        let len = u64::from(self.geometry.piece_size());
        let here = &self.peers[at];
        let takes = here.expected(len, self.now)?.saturating_since(self.now);
        let (idle_worth, begun_worth) = (self.now + takes * IDLE_WORTH, self.now + takes * WORTH);
        let may_double =
            self.picker.open_count() == 0 && self.endgame_bytes + len <= self.config.endgame_budget(self.geometry);
        let movable = |request: &&Request| {
            !(request.late || request.begun && !may_double)
                && among(request.piece)
                && request.peer != here.key
                && here.has(request.piece)
                && self.copies[request.piece.index()] == 1
        };
        let candidates = self.flights.iter().filter(movable).filter_map(|request| {
            let at = self.find(request.peer)?;
            let expected = owed_at(&self.peers[at], request, self.now);
            let worth = if request.begun { begun_worth } else { idle_worth };
            (expected > worth).then_some(Candidate { idle: !request.begun, expected, at, piece: request.piece })
        });
        candidates.max()
    }

    fn relieve(&mut self, candidate: Candidate) {
        let peer = &mut self.peers[candidate.at];
        let Some(request) = self.flights.take(peer, candidate.piece) else { return };
        self.outputs.push_back(Output::Withdraw { peer: peer.key, piece: candidate.piece });
        self.in_flight -= u64::from(request.len);
        self.copies[candidate.piece.index()] -= 1;
    }
}

/// When `peer` should bring `request`: at its measured rate, from the last sign of life, after all that it owes
/// unless this one has begun. What should be here already is expected to take as long again as it is overdue.
fn owed_at(peer: &Peer, request: &Request, now: Moment) -> Moment {
    let ahead = if request.begun { u64::from(request.len) } else { peer.outstanding };
    let from = peer.meter.last_arrival().max(request.sent);
    let expected = peer.meter.time_for(ahead).map_or(request.deadline, |takes| from + takes);
    expected.max(now + now.saturating_since(expected))
}
