//! Time as the swarm sees it: moments that the driver hands in, and the one alarm it is asked to keep.
//!
//! Nothing here reads a clock. The engine counts from its own start on a monotonic clock, the simulator counts
//! virtual time; both call the same code.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// A point in the driver's time: nanoseconds since an epoch that the driver chose. Reaches 584 years.
#[derive(Copy, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(u64);

impl Moment {
    /// The driver's epoch.
    pub const EPOCH: Self = Self(0);

    /// The moment `since_epoch` after the epoch; the last moment there is, when that lies beyond it.
    pub fn from_duration(since_epoch: Duration) -> Self {
        Self(nanos(since_epoch))
    }

    /// The moment `since_epoch` nanoseconds after the epoch.
    pub const fn from_nanos(since_epoch: u64) -> Self {
        Self(since_epoch)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long after `earlier` this is; nothing when it is not after.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(nanos(later)))
    }
}

impl fmt::Debug for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Duration::from_nanos(self.0))
    }
}

/// A duration in whole nanoseconds; the most there can be, when it is longer than 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// `a × b ÷ c` without overflow on the way; 0 when `c` is 0, the most there can be when the answer does not fit.
pub(crate) fn scale(a: u64, b: u64, c: u64) -> u64 {
    if c == 0 {
        return 0;
    }
    match a.checked_mul(b) {
        Some(product) => product / c,
        None => u64::try_from(u128::from(a) * u128::from(b) / u128::from(c)).unwrap_or(u64::MAX),
    }
}

/// The earliest moment at which something may be due.
///
/// It only ever moves earlier until it rings; whoever set it then looks at everything and sets it anew. So an alarm
/// can ring for nothing (what it was set for may have happened in time), and never too late.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm {
    next: Option<Moment>,
}

impl Alarm {
    /// Ring at `at` or earlier.
    pub(crate) fn by(&mut self, at: Moment) {
        self.next = Some(self.next.map_or(at, |next| next.min(at)));
    }

    /// Whether it rings at `now`; if so it is silent until set again.
    pub(crate) fn rings(&mut self, now: Moment) -> bool {
        let rings = self.next.is_some_and(|next| next <= now);
        if rings {
            self.next = None;
        }
        rings
    }

    pub(crate) fn silence(&mut self) {
        self.next = None;
    }

    pub(crate) const fn next(&self) -> Option<Moment> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_saturate_at_both_ends() {
        let early = Moment::from_duration(Duration::from_secs(1));
        let late = early + Duration::from_millis(250);
        assert_eq!(late.saturating_since(early), Duration::from_millis(250));
        assert_eq!(early.saturating_since(late), Duration::ZERO);
        assert_eq!(late + Duration::MAX, Moment::from_duration(Duration::MAX));
    }

    #[test]
    fn an_alarm_rings_once_at_the_earliest_of_its_moments() {
        let mut alarm = Alarm::default();
        alarm.by(Moment::from_nanos(20));
        alarm.by(Moment::from_nanos(10));
        alarm.by(Moment::from_nanos(30));
        assert!(!alarm.rings(Moment::from_nanos(9)));
        assert!(alarm.rings(Moment::from_nanos(10)));
        assert_eq!(alarm.next(), None);
    }

    #[test]
    fn scaling_survives_overflow_and_a_zero() {
        assert_eq!(scale(10, 3, 4), 7);
        assert_eq!(scale(u64::MAX, 6, 3), u64::MAX);
        assert_eq!(scale(u64::MAX / 2, 4, 8), u64::MAX / 4);
        assert_eq!(scale(1, 1, 0), 0);
    }
}
