//! How far a download is: a watch channel in which the latest view wins, and the rate over the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use proto::ids::ByteCount;

/// Span over which the rate is measured: long enough to be read, short enough to follow.
const SPAN: Duration = Duration::from_secs(5);

/// Measures a rate from totals. Time comes in as an argument.
#[derive(Debug, Default)]
pub struct Meter {
    samples: VecDeque<(Duration, ByteCount)>,
}

impl Meter {
    /// Notes the total at a time since some beginning; times must not go back.
    pub fn note(&mut self, at: Duration, total: ByteCount) {
        self.samples.push_back((at, total));
        while self.samples.len() > 2 && self.samples[1].0 + SPAN < at {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the last seconds; zero before there are two samples.
    pub fn rate(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.samples.front(), self.samples.back()) else { return 0.0 };
        let seconds = to.saturating_sub(*from).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let bytes = after.saturating_sub(*before).as_u64() as f64;
        if seconds > 0.0 { bytes / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let mut meter = Meter::default();
        assert!(meter.rate().abs() < f64::EPSILON);
        for second in 0..=20_u64 {
            let total = if second < 10 { second * 1000 } else { 10_000 };
            meter.note(Duration::from_secs(second), ByteCount::new(total));
            if second == 9 {
                assert!((meter.rate() - 1000.0).abs() < 1.0, "{}", meter.rate());
            }
        }
        assert!(meter.rate().abs() < f64::EPSILON, "{}", meter.rate());
    }
}
