//! When a part that failed is started again, and when it is enough. Pure: the time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

/// How many failures of one part are borne within a span, and the pauses before each new start.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Failures borne.
    pub most: usize,
    /// Span in which they count.
    pub within: Duration,
    /// Pause after the first of them; it doubles with each.
    pub first_pause: Duration,
    /// Longest pause.
    pub longest_pause: Duration,
}

impl Default for Policy {
    /// Five in a minute: enough for a burst with one cause, few enough that an operator hears of a part that cannot live.
    fn default() -> Self {
        Self {
            most: 5,
            within: Duration::from_mins(1),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// The failures of one part.
#[derive(Debug, Clone, Default)]
pub struct Budget {
    recent: VecDeque<Duration>,
    total: u32,
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Start it again after a pause.
    RestartAfter(Duration),
    /// Give up.
    Spent,
}

impl Budget {
    /// A failure at a time since some beginning.
    pub fn failed(&mut self, policy: &Policy, now: Duration) -> Verdict {
        while self.recent.front().is_some_and(|at| *at + policy.within <= now) {
            self.recent.pop_front();
        }
        if self.recent.len() >= policy.most {
            return Verdict::Spent;
        }
        let doublings = u32::try_from(self.recent.len()).unwrap_or(u32::MAX).min(16);
        self.recent.push_back(now);
        self.total += 1;
        Verdict::RestartAfter((policy.first_pause * (1 << doublings)).min(policy.longest_pause))
    }

    /// Starts after failures so far.
    pub fn restarts(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_borne_and_a_part_that_cannot_live_is_not() {
        let (policy, mut budget) = (Policy::default(), Budget::default());
        let pauses: Vec<_> = (0..6).map(|second| budget.failed(&policy, Duration::from_secs(second))).collect();
        assert_eq!(pauses[0], Verdict::RestartAfter(Duration::from_millis(50)));
        assert_eq!(pauses[4], Verdict::RestartAfter(Duration::from_millis(800)));
        assert_eq!(pauses[5], Verdict::Spent);
        assert_eq!(budget.restarts(), 5);
    }

    #[test]
    fn old_failures_do_not_count() {
        let (policy, mut budget) = (Policy::default(), Budget::default());
        for minute in 0..100_u64 {
            assert_ne!(budget.failed(&policy, Duration::from_secs(minute * 61)), Verdict::Spent);
        }
    }
}
