//! What leaves this peer is held to: a rate for all together, one for each peer, and so many pieces on their way at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use proto::ids::{PeerId, Rate};

use crate::throttle::{Lane, PerPeer, Throttle, Turn};

mod slots;

pub use slots::Slot;
use slots::Slots;

/// Peers whose place is kept before the places of those who take nothing are given up.
const ENOUGH: usize = 64;

/// The limits of all that is sent. Clones share them.
#[derive(Debug, Clone)]
pub struct Uplink {
    all: Throttle,
    each: PerPeer,
    paces: Arc<Mutex<HashMap<PeerId, Arc<Pace>>>>,
    slots: Slots,
}

/// The limits of what goes to one peer, over all its requests: so everybody gets the same, however much they ask for.
#[derive(Debug, Default)]
pub struct Pace {
    own: Lane,
    all: Lane,
}

impl Uplink {
    /// At most `all` together, `each` to one peer, and `slots` pieces at once.
    pub fn new(all: Option<Rate>, each: Option<Rate>, slots: usize) -> Self {
        Self { all: Throttle::new(all), each: PerPeer::new(each), paces: Arc::default(), slots: Slots::new(slots) }
    }

    /// The limits towards a peer.
    pub fn to(&self, peer: PeerId) -> Arc<Pace> {
        if self.all.rate().or(self.each.rate()).is_none() {
            return Arc::default();
        }
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        if paces.len() >= ENOUGH && !paces.contains_key(&peer) {
            paces.retain(|_, pace| Arc::strong_count(pace) > 1);
        }
        let pace = || Arc::new(Pace { own: self.each.of(peer).lane(), all: self.all.lane() });
        Arc::clone(paces.entry(peer).or_insert_with(pace))
    }

    /// A place to send a piece in, as soon as one is free.
    pub async fn slot(&self) -> Slot {
        self.slots.take().await
    }
}

impl Pace {
    /// Waits until so many bytes may leave.
    pub async fn pass(&self, turn: Turn, bytes: usize) {
        self.own.pass(turn, bytes).await;
        self.all.pass(turn, bytes).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_peer_has_its_own_rate_and_all_have_one_together() {
        let uplink = Uplink::new(Some(Rate::bytes_per_second(3_000_000)), Some(Rate::bytes_per_second(1_000_000)), 9);
        let began = Instant::now();
        let send = async |number, parts| {
            for _ in 0..parts {
                uplink.to(PeerId::from_bytes([number; 20])).pass(Turn::next(), 50_000).await;
            }
        };
        send(1, 200).await;
        let alone = began.elapsed().as_secs_f64();
        assert!((9.5..=10.5).contains(&alone), "{alone}");
        let began = Instant::now();
        futures_util::future::join_all((0..6).map(|number| send(number, 100))).await;
        let together = began.elapsed().as_secs_f64();
        assert!((9.5..=10.5).contains(&together), "{together}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_for_more_at_once_gets_no_more() {
        let uplink = Uplink::new(Some(Rate::bytes_per_second(1_000_000)), None, 64);
        let request = async |number| {
            for _ in 0..100 {
                uplink.to(PeerId::from_bytes([number; 20])).pass(Turn::next(), 10_000).await;
            }
            Instant::now()
        };
        let began = Instant::now();
        let (greedy, modest) =
            futures_util::future::join(futures_util::future::join_all((0..8).map(|_| request(1))), request(2)).await;
        let (last, modest) = (*greedy.last().unwrap() - began, modest - began);
        assert!(last >= Duration::from_secs_f64(8.5), "{last:?}");
        assert!(modest <= Duration::from_secs_f64(2.2), "a megabyte of two that take turns took {modest:?}");
    }
}
