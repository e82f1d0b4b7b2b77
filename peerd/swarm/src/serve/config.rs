//! What can be set about serving, and why the defaults are what they are.

use std::time::Duration;

/// Settings of one file's serving half. The defaults were tuned in `swarm::sim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Neighbours served at once; more are turned away unless one has been silent for [`Config::silence`].
    pub max_neighbours: usize,
    /// Asks of one neighbour that may wait.
    pub max_waiting: u32,
    /// Grants that may always be under way, after a start with one. Downlinks are shared by all who send to them: with
    /// one grant each, uplinks and downlinks wait for one another a third of the time (1 - 1/e, as in any random
    /// matching); with twelve, next to never.
    pub min_grants: usize,
    /// The same of a lone seed. More than others have, so that it has the larger share of its neighbours' downlinks:
    /// everybody waits for what it alone can send.
    pub lone_grants: usize,
    /// Grants that are never exceeded, but for slow ones that were set aside.
    pub max_grants: usize,
    /// Work that should be under way on the uplink, as time at its measured rate, whosever it is.
    pub grant_queue: Duration,
    /// Bytes under way before the rate is known.
    pub initial_grants: u64,
    /// A grant that takes longer than this and than four times the usual does not count any more: its neighbour is
    /// slow, and the uplink is free for others.
    pub slow_grant: Duration,
    /// How many pieces a neighbour may be ahead of the least served one before the others come first, whatever they
    /// ask for.
    pub fair_pieces: u32,
    /// The shortest time between two rounds of news: with n neighbours, n² times this: 32 ms with 8, 128 ms
    /// with 16. On links of 50 Mbit/s, 16 machines end 1 % later with twice of it; half of it gains nothing.
    pub news_spacing: Duration,
    /// The same where a piece is among them that no neighbour has: with n neighbours, n times this: 32 ms with 16. Where
    /// several holders send pieces that are new to all neighbours, this bounds what each of them costs.
    pub rare_news_spacing: Duration,
    /// The longest time that news wait.
    pub max_news_delay: Duration,
    /// Pieces a lone seed shows a neighbour beyond what that one asked for, at least.
    pub min_ahead: u32,
    /// How long a neighbour of a lone seed may be idle before it is shown more, and the uplink of one before it sends what
    /// it sent before.
    pub idle_patience: Duration,
    /// After how long without an ask a neighbour may be replaced.
    pub silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_neighbours: 50,
            max_waiting: 256,
            min_grants: 12,
            lone_grants: 16,
            max_grants: 64,
            grant_queue: Duration::from_millis(2),
            initial_grants: 64 << 10,
            slow_grant: Duration::from_millis(500),
            fair_pieces: 2,
            news_spacing: Duration::from_micros(500),
            rare_news_spacing: Duration::from_millis(2),
            max_news_delay: Duration::from_millis(250),
            min_ahead: 2,
            idle_patience: Duration::from_millis(100),
            silence: Duration::from_secs(30),
        }
    }
}
