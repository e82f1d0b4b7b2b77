//! What can be set about fetching, and why the defaults are what they are.

use std::time::Duration;

use crate::peers::Strike;
use crate::pieces::Geometry;

/// Settings of one download. The defaults were tuned in `swarm::sim`; where a figure comes from elsewhere, that is
/// said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// In which order pieces are fetched.
    pub piece_order: PieceOrder,
    /// Bytes asked for and not answered, over all peers that still have time. At least one piece is always allowed.
    /// 32 MiB is a gigabit link for 250 ms, and bounds what a peer keeps in memory.
    pub max_in_flight: u64,
    /// Requests any useful peer may have, however slow. Two: one on its way while the next waits.
    pub window_min: u32,
    /// Requests no peer may have more of.
    pub window_max: u32,
    /// Bytes that may be outstanding with a peer that has not answered yet.
    pub window_initial: u64,
    /// Work that should wait at a peer beyond what is on its way, as time at its measured rate.
    pub target_queue: Duration,
    /// How many times the expected delay an answer may take. RFC 6298 allows a mean and four deviations; queues
    /// shared with strangers vary more than round trips.
    pub deadline_factor: u32,
    /// The least an answer may take before it is late.
    pub deadline_min: Duration,
    /// What the first answer of a peer may take.
    pub deadline_initial: Duration,
    /// How many thousandths of the file may be asked for a second time near the end; at least one piece.
    pub endgame_permille: u32,
    /// Failed incidents in a row after which a peer is left alone.
    pub max_strikes: u32,
    /// Pause after the first failure; doubles with each.
    pub backoff: Duration,
    /// The longest such pause.
    pub max_backoff: Duration,
    /// How long nobody may have anything of use before that is called stalled, while somebody is still connected.
    pub stall_patience: Duration,
}

/// In which order the pieces of a file are fetched.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub enum PieceOrder {
    /// What fewest have: everybody gets everything soonest.
    #[default]
    Rarest,
    /// From the first to the last, of what somebody has that can be asked: a file can be read while it comes. It comes
    /// later: neighbours hold the same pieces and have little to give each other.
    InOrder,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            piece_order: PieceOrder::Rarest,
            max_in_flight: 32 << 20,
            window_min: 2,
            window_max: 256,
            window_initial: 256 << 10,
            target_queue: Duration::from_millis(150),
            deadline_factor: 4,
            deadline_min: Duration::from_secs(2),
            deadline_initial: Duration::from_secs(4),
            endgame_permille: 8,
            max_strikes: 6,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            stall_patience: Duration::from_secs(5),
        }
    }
}

impl Config {
    pub(super) const fn strike(&self) -> Strike {
        Strike { most: self.max_strikes, pause: self.backoff, longest_pause: self.max_backoff }
    }

    /// Bytes in flight in total: never less than one piece.
    pub(super) fn budget(&self, geometry: Geometry) -> u64 {
        self.max_in_flight.max(u64::from(geometry.piece_size()))
    }

    /// Bytes that may be asked for twice near the end.
    pub(super) fn endgame_budget(&self, geometry: Geometry) -> u64 {
        let share = geometry.size() / 1000 * u64::from(self.endgame_permille);
        share.max(u64::from(geometry.piece_size()))
    }
}
