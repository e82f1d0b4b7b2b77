//! The serving half: what to show to which neighbour, and whom to send the next piece.
//!
//! Driven like the fetching half: `handle` one input, drain `poll_output`, sleep until `poll_timeout`, call
//! `handle_timeout`. A neighbour joins and is shown what there is (all at once, or by a lone seed little by little,
//! see `first_copies`); it asks; an ask waits in the neighbour's queue, is granted when the uplink has room, and ends
//! when the driver says so.
//!
//! Invariant: an ask is waiting, granted or gone, never two of these; a piece is granted only while it is there. What
//! it does not do: bytes, connections and rate limits. It hears nothing of what is not said to it: a neighbour's
//! gains are an optional input.

mod average;
mod config;
mod first_copies;
mod grants;
mod messages;
mod neighbour;
mod news;
mod prefetch;
mod queue;
#[cfg(test)]
mod tests;
mod width;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::peers::PeerKey;
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::roster::Roster;
use crate::timers::{Alarm, Moment};
use average::Average;
pub use config::Config;
use first_copies::FirstCopies;
use grants::Uplink;
pub use messages::{Input, Output, Refusal, Role, Shown};
use neighbour::Neighbour;
use queue::Queue;

/// What one peer serves of one file. See the module's header for how it is driven.
#[derive(Clone, Debug)]
pub struct Server {
    geometry: Geometry,
    config: Arc<Config>,
    now: Moment,
    have: Bitfield,
    /// Times each piece was sent whole.
    carried: Box<[u16]>,
    /// `Some` while pieces are shown little by little.
    first_copies: Option<FirstCopies>,
    uplink: Uplink,
    queue: Queue,
    neighbours: Roster<Neighbour>,
    average: Average,
    /// Pieces that there are and that the neighbours have not been told of.
    news: Vec<Piece>,
    /// No neighbour was known to have one of them.
    news_are_rare: bool,
    news_at: Option<Moment>,
    last_news: Option<Moment>,
    first_news: Option<Moment>,
    alarm: Alarm,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A peer that has `have`. A [`Role::LoneSeed`] is one that has every piece and believes that nobody else does.
    pub fn new(
        geometry: Geometry,
        have: Bitfield,
        role: Role,
        config: impl Into<Arc<Config>>,
        seed: u64,
        now: Moment,
    ) -> Self {
        let config = config.into();
        let have = have.resized(geometry.count());
        let lone = matches!(role, Role::LoneSeed) && have.is_full() && !have.is_empty();
        Self {
            carried: vec![0; geometry.count() as usize].into(),
            first_copies: lone.then(|| FirstCopies::new(geometry.count(), seed)),
            uplink: Uplink::new(&config, lone),
            queue: Queue::new(),
            geometry,
            config,
            now,
            have,
            neighbours: Roster::new(),
            average: Average::default(),
            news: Vec::new(),
            news_are_rare: false,
            news_at: None,
            last_news: None,
            first_news: None,
            alarm: Alarm::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes one fact in. Drain [`Server::poll_output`] after each.
    pub fn handle(&mut self, input: Input, now: Moment) {
        self.now = self.now.max(now);
        match input {
            Input::NeighbourJoined { peer, has } => self.neighbour_joined(peer, has),
            Input::NeighbourAsks { peer, piece } => self.neighbour_asks(peer, piece),
            Input::NeighbourWithdraws { peer, piece } => self.neighbour_withdraws(peer, piece),
            // Nothing to grant follows from these, and they are by far the most frequent.
            Input::NeighbourHas { peer, pieces } => return self.neighbour_has(peer, pieces.into_iter()),
            Input::NeighbourLeft { peer } => self.neighbour_left(peer),
            Input::Ended { peer, piece, sent } => self.ended(peer, piece, sent),
            Input::Gained { pieces } => self.gained(&pieces),
            Input::Role { role } => self.role_changed(role),
        }
        self.grant();
    }

    /// [`Input::NeighbourHas`], of pieces that many are told of.
    pub(crate) fn hear_of_gains(&mut self, peer: PeerKey, pieces: &mut dyn Iterator<Item = Piece>, now: Moment) {
        self.now = self.now.max(now);
        self.neighbour_has(peer, pieces);
    }

    /// To be called at [`Server::poll_timeout`] or later; harmless at any time.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.now = self.now.max(now);
        if !self.alarm.rings(self.now) {
            return;
        }
        self.tell_news_if_due();
        self.show_to_the_idle();
        self.uplink.set_slow_aside(self.now, &self.config);
        self.grant();
        self.set_alarm();
    }

    /// The next thing for the driver to do; `None` until the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Server::handle_timeout`] if no input comes before.
    pub const fn poll_timeout(&self) -> Option<Moment> {
        self.alarm.next()
    }

    /// The pieces that can be asked for.
    pub const fn have(&self) -> &Bitfield {
        &self.have
    }

    /// Whether pieces are still shown little by little.
    pub const fn is_lone_seed(&self) -> bool {
        self.first_copies.is_some()
    }

    /// Bytes per second that the uplink sent when it was last busy for long enough to tell; 0 until then.
    pub const fn uplink_rate(&self) -> u64 {
        self.uplink.rate()
    }

    /// Neighbours, and how many asks of theirs are granted at the moment.
    pub fn load(&self) -> (usize, usize) {
        (self.neighbours.len(), self.uplink.granted())
    }

    fn find(&self, key: PeerKey) -> Option<usize> {
        self.neighbours.find(key)
    }
}
