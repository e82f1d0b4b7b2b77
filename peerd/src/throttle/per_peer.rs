//! A rate that holds for every peer by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::ids::{PeerId, Rate};

use super::Throttle;

/// Peers that are kept in mind before those at rest are forgotten.
const ENOUGH: usize = 64;

/// A throttle for each peer, all of one rate. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct PerPeer {
    rate: Option<Rate>,
    peers: Arc<Mutex<HashMap<PeerId, Throttle>>>,
}

impl PerPeer {
    /// At that rate each; without one, at any.
    pub fn new(rate: Option<Rate>) -> Self {
        Self { rate, peers: Arc::default() }
    }

    /// The rate of each, if there is one.
    pub fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// That of a peer. It outlives what passes it: who asks anew for every piece owes what the last one cost.
    pub fn of(&self, peer: PeerId) -> Throttle {
        if self.rate.is_none() {
            return Throttle::default();
        }
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= ENOUGH && !peers.contains_key(&peer) {
            peers.retain(|_, throttle| !throttle.is_at_rest());
        }
        peers.entry(peer).or_insert_with(|| Throttle::new(self.rate)).clone()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::*;
    use crate::throttle::Turn;

    fn peer(number: u8) -> PeerId {
        PeerId::from_bytes([number; 20])
    }

    #[tokio::test(start_paused = true)]
    async fn each_has_the_rate_and_asking_anew_does_not_help() {
        let each = PerPeer::new(Some(Rate::bytes_per_second(1_000_000)));
        let began = Instant::now();
        let pieces = async |number| {
            for _ in 0..100 {
                each.of(peer(number)).lane().pass(Turn::next(), 100_000).await;
            }
        };
        futures_util::future::join(pieces(1), pieces(2)).await;
        let took = began.elapsed().as_secs_f64();
        assert!((9.5..=10.5).contains(&took), "{took}");
    }

    #[tokio::test(start_paused = true)]
    async fn those_at_rest_are_forgotten() {
        let each = PerPeer::new(Some(Rate::bytes_per_second(1_000_000)));
        for number in 0..200 {
            each.of(peer(number)).lane().pass(Turn::next(), 1000).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(each.peers.lock().unwrap().len() <= ENOUGH);
        each.of(peer(0)).lane().pass(Turn::next(), 10_000_000).await;
        for number in 1..200 {
            each.of(peer(number)).lane().pass(Turn::next(), 1).await;
        }
        assert!(each.peers.lock().unwrap().contains_key(&peer(0)), "who owes is not forgotten");
    }
}
