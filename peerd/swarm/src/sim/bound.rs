//! The least time in which any protocol can bring a file to everybody.
//!
//! Kumar and Ross, "Peer-assisted file distribution: the minimum distribution time" (2006 workshop on hot topics in
//! web systems): the largest of size over the slowest downlink, size over what the holders can send, and all bytes to
//! be received over all uplinks together. Payload only: headers are on top.

use std::time::Duration;

use super::outcome::LimitedBy;
use super::scenario::{Arrivals, Scenario};
use crate::timers::{nanos, scale};

const SECOND: u64 = 1_000_000_000;

/// Each of the three bounds with what it stands for.
fn bounds(scenario: &Scenario) -> [(Duration, LimitedBy); 3] {
    let holders = scenario.holders.iter().fold(0_u64, |sum, &up| sum.saturating_add(up));
    let everybody = holders.saturating_add(scenario.up.saturating_mul(u64::from(scenario.peers)));
    let wanted = scenario.size.saturating_mul(u64::from(scenario.peers));
    let takes = |bytes, rate: u64| Duration::from_nanos(scale(bytes, SECOND, rate.max(1)));
    [
        (takes(scenario.size, scenario.down), LimitedBy::Downlinks),
        (takes(scenario.size, holders), LimitedBy::HoldersUplink),
        (takes(wanted, everybody), LimitedBy::AllUplinks),
    ]
}

/// The largest of the three; or what the last to arrive needs for itself, when that is later.
pub(super) fn lower_bound(scenario: &Scenario) -> Duration {
    let bounds = bounds(scenario);
    let alone = last_arrival(scenario) + bounds[0].0;
    bounds.into_iter().map(|(time, _)| time).max().unwrap_or_default().max(alone)
}

/// When the last of those who fetch begins.
fn last_arrival(scenario: &Scenario) -> Duration {
    match scenario.arrivals {
        Arrivals::AtOnce => Duration::ZERO,
        Arrivals::Over(time) => {
            let peers = u64::from(scenario.peers.max(1));
            Duration::from_nanos(scale(nanos(time), peers - 1, peers))
        }
    }
}

/// The bound that is largest; the holders' uplink, if others are as large. The last to arrive has its own downlink to
/// wait for.
pub(super) fn limited_by(scenario: &Scenario) -> LimitedBy {
    let three = bounds(scenario).into_iter().map(|(time, _)| time).max();
    if three < Some(lower_bound(scenario)) {
        return LimitedBy::Downlinks;
    }
    bounds(scenario)
        .into_iter()
        .max_by_key(|&(time, what)| (time, what == LimitedBy::HoldersUplink))
        .map_or(LimitedBy::Downlinks, |(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(up: u64, down: u64, seed_up: u64) -> Scenario {
        Scenario { peers: 9, size: 1000, up, down, holders: vec![seed_up], ..Scenario::default() }
    }

    #[test]
    fn the_slowest_of_the_three_decides() {
        let cases = [
            (scenario(1000, 10, 1000), 100_000, LimitedBy::Downlinks),
            (scenario(1000, 1000, 10), 100_000, LimitedBy::HoldersUplink),
            (scenario(100, 1000, 100), 10_000, LimitedBy::HoldersUplink),
            (scenario(0, 1000, 1000), 9_000, LimitedBy::AllUplinks),
        ];
        for (scenario, millis, what) in cases {
            assert_eq!((lower_bound(&scenario), limited_by(&scenario)), (Duration::from_millis(millis), what));
        }
    }
}
