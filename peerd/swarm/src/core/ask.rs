//! Who is asked next, and for how much: windows, the total in flight, and a fair start for everybody.

use super::flights::Request;
use super::{Core, Output, Phase};
use crate::peers::Peer;
use crate::pieces::Piece;
use crate::timers::scale;

impl Core {
    /// Asks the peer at `at` for as much as it may be asked for; for what others were asked for, when it could do
    /// better and has nothing else.
    pub(super) fn ask(&mut self, at: usize) {
        self.ask_for_open(at);
        self.ask_for_others(at, |_| true);
    }

    /// The same of a peer that has just gained `pieces`: of what others were asked for, these alone. Expectations change
    /// with every answer, and to look at all of it with every word of news would move it back and forth.
    pub(super) fn ask_for_gained(&mut self, at: usize, pieces: &[Piece]) {
        self.ask_for_open(at);
        self.ask_for_others(at, |piece| pieces.contains(&piece));
    }

    fn ask_for_others(&mut self, at: usize, among: impl Fn(Piece) -> bool) {
        while self.may_ask(at) {
            let Some((piece, relieved)) = self.take_over(at, &among) else { break };
            self.request(at, piece);
            if let Some(relieved) = relieved {
                self.ask_for_open(relieved);
            }
        }
    }

    fn ask_for_open(&mut self, at: usize) {
        while self.may_ask(at) {
            let Some(piece) = self.pick(at) else { break };
            self.request(at, piece);
        }
    }

    /// Asks every peer, starting with another one each time.
    pub(super) fn ask_everyone(&mut self) {
        if self.look_around {
            self.peers.iter_mut().for_each(|peer| peer.dry = false);
        }
        (self.look_around, self.squeezed_at) = (false, None);
        let count = self.peers.len();
        self.turn = self.turn.wrapping_add(1);
        for step in 0..count {
            self.ask((self.turn.wrapping_add(step)) % count);
        }
    }

    fn pick(&mut self, at: usize) -> Option<Piece> {
        if self.peers[at].dry {
            return None;
        }
        let picked = self.picker.pick(self.peers[at].offer(), &mut self.rng);
        self.peers[at].dry = picked.is_none();
        picked
    }

    fn may_ask(&mut self, at: usize) -> bool {
        let peer = &self.peers[at];
        let running = matches!(self.phase, Phase::Running);
        if !running || peer.late > 0 || !peer.standing.trusted(self.now) || !self.within_window(peer) {
            return false;
        }
        let fits = self.within_total(peer);
        if !fits && !peer.dry {
            self.squeezed_at = Some(self.squeezed_at.map_or(self.in_flight, |at| at.max(self.in_flight)));
        }
        fits
    }

    fn within_window(&self, peer: &Peer) -> bool {
        let piece = u64::from(self.geometry.piece_size());
        peer.asked < self.config.window_max
            && (peer.asked < self.config.window_min || peer.outstanding + piece <= peer.meter.window())
    }

    /// Whether one more piece fits the total. Once that is half used, it is shared in proportion to what peers
    /// deliver, so that all queues are equally long in time; and a peer with its least window leaves room for one
    /// request of everybody who has none, so that nobody is kept out by those who came first.
    fn within_total(&self, peer: &Peer) -> bool {
        let piece = u64::from(self.geometry.piece_size());
        let budget = self.config.budget(self.geometry);
        if self.in_flight + piece <= budget / 2 {
            return true;
        }
        if peer.asked < self.config.window_min.max(1) {
            return self.in_flight + piece <= budget;
        }
        let useful =
            || self.peers.iter().filter(|peer| peer.asked > 0 || (!peer.dry && peer.standing.trusted(self.now)));
        let waiting = useful().filter(|peer| peer.asked == 0).count() as u64;
        let rates = useful().map(|peer| peer.meter.rate()).sum();
        let share = scale(budget, peer.meter.rate(), rates).max(self.config.window_initial);
        peer.outstanding + piece <= share && self.in_flight + piece * (1 + waiting) <= budget
    }

    pub(super) fn request(&mut self, at: usize, piece: Piece) {
        let len = self.geometry.len(piece);
        let deadline = self.now + self.patience(at, len);
        let peer = &mut self.peers[at];
        let request = Request { sent: self.now, deadline, peer: peer.key, piece, len, late: false, begun: false };
        self.flights.push(request, peer);
        self.outputs.push_back(Output::Request { peer: peer.key, piece });
        if self.picker.is_open(piece) {
            self.picker.close(piece);
            self.hand_over(piece);
        }
        self.copies[piece.index()] += 1;
        self.in_flight += u64::from(len);
        self.alarm.by(deadline);
    }
}
