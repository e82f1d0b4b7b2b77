//! The fetching half: which piece of one file to ask of which peer, and when to give up on an answer.
//!
//! Driven from outside: `handle` one input, drain `poll_output`, sleep until `poll_timeout`, call `handle_timeout`.
//! The same inputs at the same moments with the same seed give the same outputs.
//!
//! Invariant: every piece is exactly one of stored, in flight (asked of at least one peer that still has time to
//! answer) or open. Answers nobody waits for, and peers nobody knows, are ignored. What it does not do: bytes,
//! hashes, connections and rate limits are the driver's; what to show and grant to others is [`crate::serve`]'s.

mod answers;
mod ask;
mod config;
mod deadlines;
mod endgame;
mod flights;
mod members;
mod messages;
mod prefetch;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::peers::{Peer, PeerKey, PeerView};
use crate::picker::Picker;
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::rng::Rng;
use crate::roster::Roster;
use crate::timers::{Alarm, Moment};
pub use config::{Config, PieceOrder};
use flights::{Flights, Request};
pub use messages::{BanReason, Failure, Input, Output, Progress};

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Paused,
    Done,
    Cancelled,
}

/// The state of one download. See the module's header for how it is driven.
#[derive(Clone, Debug)]
pub struct Core {
    geometry: Geometry,
    config: Arc<Config>,
    rng: Rng,
    phase: Phase,
    /// The latest moment the driver named; a clock that goes back is held here.
    now: Moment,
    stored: Bitfield,
    picker: Picker,
    /// How many peers with time left were asked for each piece.
    copies: Box<[u8]>,
    peers: Roster<Peer>,
    flights: Flights,
    /// Bytes asked of peers that still have time to answer.
    in_flight: u64,
    stored_bytes: u64,
    duplicate_bytes: u64,
    /// Bytes asked for twice because the end was near.
    endgame_bytes: u64,
    /// Where the next round over all peers starts.
    turn: usize,
    /// Something happened that may give work to peers other than the one it happened with.
    look_around: bool,
    /// Bytes in flight when a peer could have been asked but for their total: when there are fewer, everybody is asked
    /// again.
    squeezed_at: Option<u64>,
    starving_since: Option<Moment>,
    stalled: bool,
    alarm: Alarm,
    outputs: VecDeque<Output>,
}

impl Core {
    /// A download of which `already_stored` is on disk and verified. An empty or complete file is [`Output::Done`] at
    /// once. One `config` can be shared by many.
    pub fn new(
        geometry: Geometry,
        already_stored: Bitfield,
        config: impl Into<Arc<Config>>,
        seed: u64,
        now: Moment,
    ) -> Self {
        let config = config.into();
        let stored = already_stored.resized(geometry.count());
        let mut core = Self {
            picker: Picker::new(geometry.count(), &stored).with_order(config.piece_order),
            copies: vec![0; geometry.count() as usize].into(),
            stored_bytes: stored.iter().map(|piece| u64::from(geometry.len(piece))).sum(),
            geometry,
            config,
            rng: Rng::new(seed),
            phase: Phase::Running,
            now,
            stored,
            peers: Roster::new(),
            flights: Flights::new(),
            in_flight: 0,
            duplicate_bytes: 0,
            endgame_bytes: 0,
            turn: 0,
            look_around: false,
            squeezed_at: None,
            starving_since: Some(now),
            stalled: false,
            alarm: Alarm::default(),
            outputs: VecDeque::new(),
        };
        core.alarm.by(now + core.config.stall_patience);
        core.finish_if_complete();
        core
    }

    /// Takes one fact or command in. Drain [`Core::poll_output`] after each.
    pub fn handle(&mut self, input: Input, now: Moment) {
        self.now = self.now.max(now);
        if matches!(self.phase, Phase::Cancelled) {
            return;
        }
        match input {
            Input::PeerJoined { peer, have } => self.peer_joined(peer, have),
            Input::PeerGained { peer, pieces } => self.peer_gained(peer, &pieces),
            Input::PeerLeft { peer } => self.peer_left(peer),
            Input::PieceBegun { peer, piece } => self.piece_begun(peer, piece),
            Input::PieceStored { peer, piece } => self.piece_stored(peer, piece),
            Input::PieceRejected { peer, piece } => self.piece_rejected(peer, piece),
            Input::RequestFailed { peer, piece, failure } => self.request_failed(peer, piece, failure),
            Input::Pause => self.pause(),
            Input::Resume => self.resume(),
            Input::Cancel => self.cancel(),
        }
        self.settle();
    }

    /// [`Input::PeerGained`], of pieces that many are told of.
    pub(crate) fn hear_of_gains(&mut self, peer: PeerKey, pieces: &[Piece], now: Moment) {
        self.now = self.now.max(now);
        if !matches!(self.phase, Phase::Cancelled) {
            self.peer_gained(peer, pieces);
            self.settle();
        }
    }

    /// To be called at [`Core::poll_timeout`] or later; harmless at any time.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.now = self.now.max(now);
        if matches!(self.phase, Phase::Done | Phase::Cancelled) || !self.alarm.rings(self.now) {
            return;
        }
        self.give_up_on_the_late();
        self.look_around = true;
        self.settle();
        self.set_alarm();
    }

    /// The next thing for the driver to do; `None` until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Core::handle_timeout`] if no input comes before.
    pub const fn poll_timeout(&self) -> Option<Moment> {
        self.alarm.next()
    }

    /// The pieces that are on disk and verified.
    pub const fn stored(&self) -> &Bitfield {
        &self.stored
    }

    /// How the file divides into pieces.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// How far the download is.
    pub const fn progress(&self) -> Progress {
        Progress {
            stored_bytes: self.stored_bytes,
            total_bytes: self.geometry.size(),
            stored_pieces: self.stored.count(),
            total_pieces: self.geometry.count(),
            in_flight_bytes: self.in_flight,
            duplicate_bytes: self.duplicate_bytes,
        }
    }

    /// Every peer that joined and has not left, by key.
    pub fn peers(&self) -> impl Iterator<Item = PeerView> + '_ {
        self.peers.iter().map(|peer| peer.view(self.geometry.count(), self.now))
    }

    fn find(&self, key: PeerKey) -> Option<usize> {
        self.peers.find(key)
    }

    /// The request for `piece` to the peer at `at` is over.
    fn take(&mut self, at: usize, piece: Piece) -> Option<Request> {
        let request = self.flights.take(&mut self.peers[at], piece)?;
        self.release(request);
        Some(request)
    }

    /// Counts a request out, and opens its piece when nobody else is asked for it. Late ones were counted out before.
    fn release(&mut self, request: Request) {
        if request.late {
            return;
        }
        self.in_flight -= u64::from(request.len);
        let copies = &mut self.copies[request.piece.index()];
        *copies -= 1;
        if *copies == 0 && !self.stored.get(request.piece) {
            self.picker.open(request.piece);
            self.look_around = true;
        }
    }

    /// Takes everything back that was asked of the peer at `at`.
    fn release_all(&mut self, at: usize, withdraw: bool) {
        let peer = self.peers[at].key;
        while let Some(piece) = self.flights.oldest_of(peer) {
            self.take(at, piece);
            if withdraw {
                self.outputs.push_back(Output::Withdraw { peer, piece });
            }
        }
    }

    /// What follows from any input: other peers get work, the end is noticed, and so is having nobody left to ask.
    fn settle(&mut self) {
        self.finish_if_complete();
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        if self.look_around || self.squeezed_at.is_some_and(|squeezed| self.in_flight < squeezed) {
            self.ask_everyone();
        }
        self.watch_for_starvation();
    }

    fn finish_if_complete(&mut self) {
        if self.stored.is_full() && matches!(self.phase, Phase::Running | Phase::Paused) {
            self.phase = Phase::Done;
            self.alarm.silence();
            self.outputs.push_back(Output::Done);
        }
    }

    /// Whether nothing is under way and no peer is left that has, or may come to have after a pause, a missing piece.
    fn starves(&self) -> bool {
        self.in_flight == 0 && self.peers.iter().all(|peer| peer.late == 0 && (peer.dry || !peer.standing.hopeful()))
    }

    fn watch_for_starvation(&mut self) {
        if !self.starves() {
            self.starving_since = None;
            if std::mem::take(&mut self.stalled) {
                self.outputs.push_back(Output::Unstalled);
            }
            return;
        }
        let since = *self.starving_since.get_or_insert(self.now);
        let nobody = !self.peers.iter().any(|peer| peer.standing.hopeful());
        let patience_ends = since + self.config.stall_patience;
        if self.stalled {
            return;
        }
        if nobody || patience_ends <= self.now {
            self.stalled = true;
            self.outputs.push_back(Output::Stalled);
        } else {
            self.alarm.by(patience_ends);
        }
    }

    fn withdraw_copies(&mut self, piece: Piece) {
        while let Some(peer) = self.flights.iter().find(|request| request.piece == piece).map(|request| request.peer) {
            let Some(at) = self.find(peer) else { break };
            self.take(at, piece);
            self.outputs.push_back(Output::Withdraw { peer, piece });
            self.ask(at);
        }
    }
}
