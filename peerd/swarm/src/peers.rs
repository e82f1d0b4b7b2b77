//! One neighbour as the fetching half sees it: what it holds, what it was asked for, how fast it answers, how it
//! behaves.
//!
//! Invariant: a banned peer owes nothing. Decides nothing about which piece or which peer.

mod meter;
mod standing;

use std::time::Duration;

use crate::picker::Offer;
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::timers::Moment;
pub(crate) use meter::Meter;
pub(crate) use standing::{Standing, Strike};

/// A neighbour's name within one download: chosen by the driver, never used twice.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerKey(pub u32);

/// What a peer has of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Have {
    /// Every piece.
    All,
    /// These pieces.
    Some(Bitfield),
}

/// What a peer is good for at the moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum PeerState {
    /// Asked whenever it has something of use.
    Active,
    /// Owes an answer for longer than it may; asked for nothing new until it gives it.
    Slow,
    /// Failed lately; asked again later.
    BackingOff,
    /// Failed too often; not asked again.
    LeftAlone,
    /// Sent bytes that do not hash.
    Banned,
}

/// A peer as [`crate::Core::peers`] shows it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct PeerView {
    /// Whose figures these are.
    pub key: PeerKey,
    /// What it is good for at the moment.
    pub state: PeerState,
    /// Pieces it has.
    pub pieces: u32,
    /// Requests it has not answered.
    pub in_flight: u32,
    /// Bytes of those requests.
    pub in_flight_bytes: u64,
    /// Bytes of verified pieces that came from it.
    pub bytes: u64,
    /// Bytes per second while it had requests to answer; 0 until its first piece.
    pub rate: u64,
    /// From request to stored piece, smoothed; zero until its first piece.
    pub delay: Duration,
    /// Requests it failed: refused, lost, or late.
    pub failures: u32,
    /// Bytes that may be outstanding with it.
    pub window: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Holding {
    All,
    Some(Bitfield),
}

/// Three cache lines. Whoever looks for a piece to move asks many peers when they would bring theirs, so what that takes is
/// on the first.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub(crate) struct Peer {
    pub(crate) key: PeerKey,
    /// Requests it has not answered.
    pub(crate) asked: u32,
    /// How many of those are late.
    pub(crate) late: u32,
    /// A look found nothing open that this peer has, and nothing changed since.
    pub(crate) dry: bool,
    /// Bytes of the requests it has not answered.
    pub(crate) outstanding: u64,
    pub(crate) meter: Meter,
    pub(crate) holding: Holding,
    pub(crate) standing: Standing,
}

impl Peer {
    pub(crate) fn new(key: PeerKey, have: Have, geometry: Geometry, initial_window: u64) -> Self {
        let holding = match have {
            Have::All => Holding::All,
            Have::Some(pieces) => Holding::Some(pieces.resized(geometry.count())),
        };
        Self {
            key,
            asked: 0,
            late: 0,
            dry: false,
            outstanding: 0,
            meter: Meter::new(initial_window),
            holding,
            standing: Standing::default(),
        }
    }

    pub(crate) fn has(&self, piece: Piece) -> bool {
        match &self.holding {
            Holding::All => true,
            Holding::Some(pieces) => pieces.get(piece),
        }
    }

    pub(crate) const fn offer(&self) -> Offer<'_> {
        match &self.holding {
            Holding::All => Offer::All,
            Holding::Some(pieces) => Offer::Some(pieces),
        }
    }

    /// The piece it says it lacks is no longer counted as its own.
    pub(crate) fn lacks(&mut self, piece: Piece, count: u32) -> bool {
        match &mut self.holding {
            Holding::All => {
                let mut rest = Bitfield::full(count);
                rest.clear(piece);
                self.holding = Holding::Some(rest);
                false
            }
            Holding::Some(pieces) => pieces.clear(piece),
        }
    }

    /// When what is outstanding, and `more` bytes asked for now, will have come at the measured rate; `None` before the
    /// first measurement.
    pub(crate) fn expected(&self, more: u64, now: Moment) -> Option<Moment> {
        self.meter.time_for(self.outstanding + more).map(|takes| now + takes.max(self.meter.floor()))
    }

    pub(crate) fn state(&self, now: Moment) -> PeerState {
        match self.standing {
            Standing { banned: true, .. } => PeerState::Banned,
            Standing { left_alone: true, .. } => PeerState::LeftAlone,
            _ if self.late > 0 => PeerState::Slow,
            _ if !self.standing.trusted(now) => PeerState::BackingOff,
            _ => PeerState::Active,
        }
    }

    pub(crate) fn view(&self, count: u32, now: Moment) -> PeerView {
        PeerView {
            key: self.key,
            state: self.state(now),
            pieces: match &self.holding {
                Holding::All => count,
                Holding::Some(pieces) => pieces.count(),
            },
            in_flight: self.asked,
            in_flight_bytes: self.outstanding,
            bytes: self.meter.bytes(),
            rate: self.meter.rate(),
            delay: self.meter.delay(),
            failures: self.standing.failures,
            window: self.meter.window(),
        }
    }
}
