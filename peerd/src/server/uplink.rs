//! What leaves this peer is held to: a rate for all together, one for each peer, and so many pieces on their way at once.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::ids::{PeerId, Rate};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::throttle::{Lane, PerPeer, Throttle, Turn};

/// A piece that takes longer than this gives its slot to others and goes on: who reads slowly, or not at all, keeps none.
const LENT_FOR: Duration = Duration::from_secs(10);

/// Peers whose place is kept before the places of those who take nothing are given up.
const ENOUGH: usize = 64;

/// The limits of all that is sent. Clones share them.
#[derive(Debug, Clone)]
pub struct Uplink {
    all: Throttle,
    each: PerPeer,
    paces: Arc<Mutex<HashMap<PeerId, Arc<Pace>>>>,
    slots: Arc<Semaphore>,
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
        let slots = Arc::new(Semaphore::new(slots));
        Self { all: Throttle::new(all), each: PerPeer::new(each), paces: Arc::default(), slots }
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

    /// Sends a piece in one of the slots, as soon as one is free.
    pub async fn in_a_slot<T>(&self, sending: impl Future<Output = T>) -> T {
        // The semaphore is never closed; if it were, nothing would be bounded, and nothing else be wrong.
        let slot = self.slots.acquire().await.ok();
        tokio::select! {
            sent = sending => sent,
            never = lend(slot) => match never {},
        }
    }
}

async fn lend(slot: Option<SemaphorePermit<'_>>) -> Infallible {
    tokio::time::sleep(LENT_FOR).await;
    drop(slot);
    std::future::pending().await
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
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_at_once_than_there_are_slots() {
        let (uplink, under_way, most) = (Uplink::new(None, None, 3), AtomicUsize::new(0), AtomicUsize::new(0));
        let piece = async || {
            uplink
                .in_a_slot(async {
                    most.fetch_max(under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    under_way.fetch_sub(1, Ordering::Relaxed);
                })
                .await;
        };
        let began = Instant::now();
        futures_util::future::join_all((0..9).map(|_| piece())).await;
        assert_eq!((most.into_inner(), began.elapsed()), (3, Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_keeps_no_slot() {
        let uplink = Uplink::new(None, None, 1);
        let began = Instant::now();
        let stuck = uplink.in_a_slot(std::future::pending::<()>());
        tokio::select! {
            biased;
            () = stuck => unreachable!("it never ends"),
            () = uplink.in_a_slot(async {}) => {}
        }
        assert_eq!(began.elapsed(), LENT_FOR);
    }

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
