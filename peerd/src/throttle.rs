//! Holds a stream of bytes to a rate. One throttle is shared by everything that the rate is meant for; without a rate it
//! costs nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::ids::Rate;
use tokio::time::Instant;

/// How much may pass at once after a pause: keeps a rate exact over a second without sending byte by byte.
const BURST: Duration = Duration::from_millis(50);

/// Lets bytes pass at a rate at the most. Cheap to clone; clones share the rate.
#[derive(Debug, Clone, Default)]
pub struct Throttle(Option<Arc<Limit>>);

#[derive(Debug)]
struct Limit {
    rate: Rate,
    /// When everything that has passed will have been paid for.
    paid_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// At that rate; without one, at any.
    pub fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Arc::new(Limit { rate, paid_at: Mutex::default() })))
    }

    /// Waits until so many bytes may pass. Those who wait are served in the order in which they came.
    pub async fn pass(&self, bytes: usize) {
        let Some(limit) = &self.0 else { return };
        let turn = limit.book(bytes, Instant::now());
        tokio::time::sleep_until(turn).await;
    }
}

impl Limit {
    /// Books the time that so many bytes take; answers when they may pass.
    fn book(&self, bytes: usize, now: Instant) -> Instant {
        #[expect(clippy::cast_precision_loss, reason = "exact far beyond any rate")]
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate.as_bytes_per_second() as f64);
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        // A pause earns a burst, and no more than that.
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let turn = paid_at.map_or(earliest, |at| at.max(earliest));
        *paid_at = Some(turn + cost);
        turn.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_within_five_percent_for_all_together() {
        let throttle = Throttle::new(Some(Rate::bytes_per_second(1_000_000)));
        let began = Instant::now();
        let streams = (0..4).map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                for _ in 0..100 {
                    throttle.pass(25_000).await;
                }
            })
        });
        futures_util::future::join_all(streams).await;
        let seconds = began.elapsed().as_secs_f64();
        assert!((9.5..=10.5).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let began = Instant::now();
        Throttle::new(None).pass(usize::MAX).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
