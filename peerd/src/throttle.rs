//! Holds streams of bytes to a rate. One throttle is shared by everything that the rate is meant for, each of whom has a
//! [`Lane`]: where several wait, every lane gets the same, however many streams run in it, and within a lane whoever has the
//! lower [`Turn`] goes first: pieces come one after the other, not all of them late. Without a rate it costs nothing.
//!
//! A token bucket that may run into debt: bytes pass when everything before them is paid for, and are paid for afterwards.
//! So a part of any size passes, and over a second the rate is exact. Order and payment are [`line`]'s, which has no clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::ids::Rate;
use tokio::sync::oneshot;
use tokio::time::Instant;

mod line;
mod per_peer;

use line::{LaneKey, Line};
pub use per_peer::PerPeer;

/// Lets bytes pass at a rate at the most. Cheap to clone; clones share the rate.
#[derive(Debug, Clone, Default)]
pub struct Throttle(Option<Arc<Bucket>>);

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    line: Mutex<Line<oneshot::Sender<()>>>,
}

/// A place among those who share a throttle. Clones share the place.
#[derive(Debug, Clone, Default)]
pub struct Lane(Option<(Arc<Bucket>, LaneKey)>);

/// What a stream of bytes is served by within its lane: the one that began first goes first.
#[derive(Debug, Clone, Copy)]
pub struct Turn(u64);

impl Turn {
    /// After all that there are.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Throttle {
    /// At that rate; without one, at any.
    pub fn new(rate: Option<Rate>) -> Self {
        Self(rate.map(|rate| Arc::new(Bucket { rate, line: Mutex::new(Line::new(rate)) })))
    }

    /// The rate, if there is one.
    pub fn rate(&self) -> Option<Rate> {
        self.0.as_ref().map(|bucket| bucket.rate)
    }

    /// A new place among those who share the rate.
    pub fn lane(&self) -> Lane {
        Lane(self.0.as_ref().map(|bucket| (Arc::clone(bucket), bucket.line().open())))
    }

    /// Whether nobody has a lane and everything that has passed is paid for: one made anew would do the same.
    fn is_at_rest(&self) -> bool {
        self.0.as_ref().is_none_or(|bucket| Arc::strong_count(bucket) == 1 && bucket.line().is_paid(Instant::now()))
    }
}

impl Lane {
    /// Waits until so many bytes may pass. Dropping it gives the place in the line up.
    pub async fn pass(&self, turn: Turn, bytes: usize) {
        let Some((bucket, lane)) = &self.0 else { return };
        let Some(go) = bucket.enter(*lane, turn, bytes) else { return };
        // Whoever lets pass lives as long as somebody waits; only the end of the runtime comes between.
        let _ = go.await;
    }

    /// The rate that it is held to, with all others of the throttle.
    pub fn rate(&self) -> Option<Rate> {
        self.0.as_ref().map(|(bucket, _)| bucket.rate)
    }
}

impl Bucket {
    fn line(&self) -> MutexGuard<'_, Line<oneshot::Sender<()>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the line; nothing where the bytes may pass at once.
    fn enter(self: &Arc<Self>, who: LaneKey, turn: Turn, bytes: usize) -> Option<oneshot::Receiver<()>> {
        let mut line = self.line();
        let begins = line.is_empty();
        if begins && line.pass_at_once(bytes, Instant::now()) {
            return None;
        }
        let (go, gone) = oneshot::channel();
        line.wait(who, turn.0, bytes, go);
        if begins {
            tokio::spawn(Arc::clone(self).serve());
        }
        Some(gone)
    }

    /// Lets those in the line pass, each when its turn has come, until nobody waits.
    async fn serve(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            let turn = self.line().next_turn(now, oneshot::Sender::is_closed);
            match turn {
                None => return,
                Some(turn) if turn > now => tokio::time::sleep_until(turn).await,
                Some(_) => {
                    let next = self.line().take_next(now);
                    // Who has gone meanwhile has paid for nothing; that is too rare to be worth paying back.
                    next.map(|go| go.send(()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const RATE: Rate = Rate::bytes_per_second(1_000_000);

    /// Streams that pass part after part for ever; what each has passed.
    fn streams(lanes: Vec<Lane>, part: usize) -> Vec<Arc<AtomicUsize>> {
        let stream = |lane: Lane| {
            let passed = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&passed);
            tokio::spawn(async move {
                loop {
                    lane.pass(Turn::next(), part).await;
                    counted.fetch_add(part, Ordering::Relaxed);
                }
            });
            passed
        };
        lanes.into_iter().map(stream).collect()
    }

    fn sum(passed: &[Arc<AtomicUsize>]) -> usize {
        passed.iter().map(|passed| passed.load(Ordering::Relaxed)).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_within_five_percent_whatever_the_parts() {
        for part in [1_000, 25_000, 1 << 20] {
            let throttle = Throttle::new(Some(RATE));
            let passed = streams((0..4).map(|_| throttle.lane()).collect(), part);
            tokio::time::sleep(Duration::from_mins(1)).await;
            let passed = sum(&passed);
            assert!((57_000_000..=63_000_000).contains(&passed), "{passed} in a minute, {part} at a time");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_earns_no_more_than_a_moment() {
        let lane = Throttle::new(Some(RATE)).lane();
        lane.pass(Turn::next(), 1).await;
        tokio::time::sleep(Duration::from_secs(100)).await;
        let began = Instant::now();
        for _ in 0..100 {
            lane.pass(Turn::next(), 10_000).await;
        }
        let took = began.elapsed().as_secs_f64();
        assert!((0.93..=1.0).contains(&took), "a megabyte after a pause took {took} s");
    }

    #[tokio::test(start_paused = true)]
    async fn every_lane_gets_the_same_however_many_streams_it_has() {
        let throttle = Throttle::new(Some(RATE));
        let (many, one) = (throttle.lane(), throttle.lane());
        let many = streams(vec![many; 8], 16_384);
        let one = streams(vec![one], 65_536);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let (many, one) = (sum(&many), sum(&one));
        assert!(many.abs_diff(one) < 3_000_000, "{many} and {one}");
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_come_one_after_the_other() {
        let lane = Throttle::new(Some(RATE)).lane();
        let began = Instant::now();
        let piece = async |turn| {
            for _ in 0..10 {
                lane.pass(turn, 100_000).await;
            }
            began.elapsed().as_secs_f64()
        };
        let done = futures_util::future::join_all((0..4).map(|_| piece(Turn::next()))).await;
        for (second, done) in (1_u32..).zip(done) {
            assert!((done - f64::from(second)).abs() < 0.2, "piece {second} of a second each after {done} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_costs_nothing() {
        let throttle = Throttle::new(Some(RATE));
        let lane = throttle.lane();
        lane.pass(Turn::next(), 1_000_000).await;
        for _ in 0..50 {
            let gone = tokio::time::timeout(Duration::from_millis(1), lane.pass(Turn::next(), 1_000_000)).await;
            assert!(gone.is_err());
        }
        let began = Instant::now();
        lane.pass(Turn::next(), 1).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
        assert!(!throttle.is_at_rest());
        drop(lane);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(throttle.is_at_rest());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_rate_nothing_waits() {
        let began = Instant::now();
        Throttle::new(None).lane().pass(Turn::next(), usize::MAX).await;
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
