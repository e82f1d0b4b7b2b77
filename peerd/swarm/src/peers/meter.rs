//! How fast one peer answers, and the window that follows from it.
//!
//! rate: bytes over the time in which the peer had something to answer, smoothed over about [`MEMORY`] of such time.
//! delay: from request to stored piece, smoothed as TCP smooths its round trips (RFC 6298: 7/8 old, 1/8 new).
//! floor: the shortest such delay since the peer last stalled: what an empty queue at the peer would take. It never
//! drifts up: by Little's law a queue that the window itself keeps standing cannot be told from a longer path.
//! window = rate × (floor + target): enough to keep the peer busy for the trip, and `target` of work waiting there.
//! Until that queue is seen, every answer opens the window by its own length, which doubles it per round trip (slow
//! start, RFC 5681 §3.1). Delay-bounded windows instead of filling every queue are LEDBAT's idea (RFC 6817); here
//! they also keep a piece from being bound to a peer long before that peer gets to it.

use std::time::Duration;

use crate::timers::{Moment, nanos, scale};

const SECOND: u64 = 1_000_000_000;

/// Time over which the rate is smoothed, in ns of time in which requests were outstanding.
const MEMORY: u64 = SECOND;

/// The shortest time a rate is taken over, in ns: pieces that come together are counted together. A first piece that
/// seems to come in less than a twentieth of it is not believed.
const SHORTEST_SAMPLE: u64 = 2_000_000;

/// In the order of how often it is asked for: see [`super::Peer`].
#[derive(Clone, Debug)]
#[repr(C)]
pub(crate) struct Meter {
    rate: u64,
    last_arrival: Moment,
    /// In ns; so are the other times here.
    floor: u64,
    window: u64,
    delay: u64,
    sample_bytes: u64,
    sample_time: u64,
    bytes: u64,
    starting: bool,
}

impl Meter {
    pub(crate) const fn new(initial_window: u64) -> Self {
        Self {
            bytes: 0,
            rate: 0,
            delay: 0,
            floor: 0,
            window: initial_window,
            starting: true,
            last_arrival: Moment::EPOCH,
            sample_bytes: 0,
            sample_time: 0,
        }
    }

    /// A piece of `len` bytes asked for at `sent` is here.
    pub(crate) fn arrived(&mut self, len: u32, sent: Moment, now: Moment, target: Duration) {
        let len = u64::from(len);
        let delay = nanos(now.saturating_since(sent)).max(1);
        self.bytes += len;
        self.time(delay);
        self.sample_bytes += len;
        self.sample_time += nanos(now.saturating_since(sent.max(self.last_arrival)));
        self.last_arrival = now;
        if self.sample_time >= SHORTEST_SAMPLE || self.rate == 0 {
            self.fold();
        }
        self.open(len, delay, nanos(target));
    }

    /// A piece of `len` bytes is here that was not waited for.
    pub(crate) fn unasked(&mut self, len: u32) {
        self.bytes += u64::from(len);
    }

    fn time(&mut self, delay: u64) {
        if self.delay == 0 {
            (self.delay, self.floor) = (delay, delay);
        }
        self.delay = self.delay - self.delay / 8 + delay / 8;
        self.floor = delay.min(self.floor);
    }

    fn fold(&mut self) {
        let time = self.sample_time.max(SHORTEST_SAMPLE / 20);
        let sample = scale(self.sample_bytes, SECOND, time);
        self.rate = match self.rate {
            0 => sample,
            // Weight time / (time + MEMORY): the rational cousin of 1 - e^(-time / MEMORY), equal on every machine.
            old => scale(old, MEMORY, time + MEMORY) + scale(sample, time, time + MEMORY),
        }
        .max(1);
        (self.sample_bytes, self.sample_time) = (0, 0);
    }

    fn open(&mut self, len: u64, delay: u64, target: u64) {
        let measured = scale(self.rate, self.floor + target, SECOND);
        if self.starting && delay <= 2 * self.floor + target {
            self.window = (self.window + len).max(measured);
        } else {
            self.starting = false;
            self.window = measured;
        }
    }

    /// An answer did not come in time: the window is what it was at first, and is measured anew.
    pub(crate) fn stalled(&mut self, initial_window: u64) {
        self.window = initial_window;
        self.starting = false;
        (self.delay, self.floor) = (0, 0);
    }

    /// How long `bytes` take at the measured rate; `None` before the first measurement.
    pub(crate) fn time_for(&self, bytes: u64) -> Option<Duration> {
        (self.rate > 0).then(|| Duration::from_nanos(scale(bytes, SECOND, self.rate)))
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes per second; 0 before the first measurement.
    pub(crate) const fn rate(&self) -> u64 {
        self.rate
    }

    pub(crate) const fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay)
    }

    pub(crate) const fn floor(&self) -> Duration {
        Duration::from_nanos(self.floor)
    }

    pub(crate) const fn last_arrival(&self) -> Moment {
        self.last_arrival
    }

    /// Bytes that may be outstanding.
    pub(crate) const fn window(&self) -> u64 {
        self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u32 = 256 << 10;
    const TARGET: Duration = Duration::from_millis(250);

    /// A peer that sends `rate` bytes per second after `trip`, kept as full as its window allows for `answers` pieces.
    fn played(rate: u64, trip: Duration, answers: usize) -> Meter {
        timed(rate, trip, answers).0
    }

    /// The same, and when it was over.
    fn timed(rate: u64, trip: Duration, answers: usize) -> (Meter, Moment) {
        let mut meter = Meter::new(u64::from(PIECE));
        let takes = Duration::from_nanos(scale(u64::from(PIECE), SECOND, rate));
        let mut now = Moment::EPOCH;
        let mut free = now;
        let mut queue = std::collections::VecDeque::new();
        for _ in 0..answers {
            while (queue.len() as u64) * u64::from(PIECE) < meter.window().max(1) {
                free = free.max(now + trip) + takes;
                queue.push_back((now, free));
            }
            let (sent, arrives) = queue.pop_front().unwrap();
            now = now.max(arrives);
            meter.arrived(PIECE, sent, now, TARGET);
        }
        (meter, now)
    }

    #[test]
    fn the_window_grows_to_rate_times_trip_and_target() {
        let rate = 12_500_000;
        let meter = played(rate, Duration::from_millis(40), 400);
        assert!(meter.rate().abs_diff(rate) < rate / 20, "{}", meter.rate());
        let wanted = scale(rate, 290, 1000);
        assert!((wanted..wanted * 3 / 2).contains(&meter.window()), "{} for {wanted}", meter.window());
    }

    #[test]
    fn a_slow_peer_keeps_a_window_below_one_piece() {
        let meter = played(100_000, Duration::from_millis(5), 10);
        assert!(meter.rate().abs_diff(100_000) < 10_000, "{}", meter.rate());
        assert!(meter.window() < 1 << 20, "{}", meter.window());
    }

    #[test]
    fn a_long_path_is_full_after_a_few_round_trips() {
        // 256 pieces take 134 ms at this rate; 1, 2, 4 … 128 a trip of 200 ms.
        let (_, over) = timed(500_000_000, Duration::from_millis(200), 256);
        assert!(over < Moment::EPOCH + Duration::from_millis(2_200), "{over:?}");
    }

    #[test]
    fn a_long_trip_alone_does_not_hold_the_window_down() {
        let meter = played(50_000_000, Duration::from_millis(300), 1_000);
        assert!(meter.rate() > 45_000_000, "{}", meter.rate());
    }
}
