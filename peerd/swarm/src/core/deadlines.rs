//! How long an answer may take, and what happens to one that does not come.
//!
//! A late request stays with its peer (its turn may be near) while its piece is open to others again. When another
//! peer is asked, it is withdrawn from the late one, unless its answer has begun. Lateness makes a peer slow, never
//! banned: a machine that was suspended and woke up goes on where it was.

use std::time::Duration;

use super::flights::Request;
use super::{Core, Output};
use crate::pieces::Piece;

impl Core {
    /// How long the peer at `at` may take for `len` bytes asked for now, behind what it already owes.
    pub(super) fn patience(&self, at: usize, len: u32) -> Duration {
        let peer = &self.peers[at];
        peer.meter.time_for(peer.outstanding + u64::from(len)).map_or(self.config.deadline_initial, |takes| {
            let expected = takes.max(peer.meter.delay());
            expected.saturating_mul(self.config.deadline_factor).max(self.config.deadline_min)
        })
    }

    pub(super) fn give_up_on_the_late(&mut self) {
        let now = self.now;
        let waited = self.flights.iter().filter(|request| !request.late && request.deadline <= now);
        let overdue: Vec<_> = waited.copied().collect();
        for request in overdue {
            let Some(at) = self.find(request.peer) else { continue };
            let peer = &mut self.peers[at];
            peer.standing.overdue(request.sent, now, self.config.strike());
            peer.meter.stalled(self.config.window_initial);
            self.release(request);
            self.flights.keep_as_late(&mut self.peers[at], request.piece);
        }
    }

    /// Somebody else is asked for `piece` now: those who are late with it and have not begun need not bother.
    pub(super) fn hand_over(&mut self, piece: Piece) {
        let idle = |request: &&Request| request.piece == piece && request.late && !request.begun;
        while let Some(peer) = self.flights.iter().find(idle).map(|request| request.peer) {
            let Some(at) = self.find(peer) else { break };
            self.take(at, piece);
            self.outputs.push_back(Output::Withdraw { peer, piece });
        }
    }

    /// Sets the alarm for the next deadline, end of a pause, or end of patience with nobody having anything.
    pub(super) fn set_alarm(&mut self) {
        for request in self.flights.iter().filter(|request| !request.late) {
            self.alarm.by(request.deadline);
        }
        for ends in self.peers.iter().filter_map(|peer| peer.standing.pause_ends(self.now)) {
            self.alarm.by(ends);
        }
        if let Some(since) = self.starving_since.filter(|_| !self.stalled) {
            self.alarm.by(since + self.config.stall_patience);
        }
    }
}
