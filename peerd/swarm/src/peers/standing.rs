//! What a peer's failures cost it: a pause that doubles, then being left alone; wrong bytes, a ban.
//!
//! One strike per incident: all requests that were outstanding when it failed count once, because a cut connection
//! loses every one of them together. A verified piece wipes the slate; being slow is never more than slow.

use std::time::Duration;

use crate::timers::Moment;

#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// All failures ever, for people to see.
    pub(crate) failures: u32,
    /// Incidents since the last verified piece.
    strikes: u32,
    last_strike: Option<Moment>,
    until: Option<Moment>,
    pub(crate) left_alone: bool,
    pub(crate) banned: bool,
}

/// How failures are answered.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) most: u32,
    pub(crate) pause: Duration,
    pub(crate) longest_pause: Duration,
}

impl Standing {
    /// Whether it may be asked now.
    pub(crate) fn trusted(&self, now: Moment) -> bool {
        self.hopeful() && self.until.is_none_or(|until| until <= now)
    }

    /// Whether it may be asked now or later.
    pub(crate) const fn hopeful(&self) -> bool {
        !self.banned && !self.left_alone
    }

    /// When a pause ends that has not ended yet.
    pub(crate) fn pause_ends(&self, now: Moment) -> Option<Moment> {
        self.until.filter(|&until| self.hopeful() && until > now)
    }

    pub(crate) fn answered(&mut self) {
        self.strikes = 0;
        self.until = None;
    }

    /// A request sent at `sent` failed. Leads to a pause, and to being left alone when it is one incident too many.
    pub(crate) fn failed(&mut self, sent: Moment, now: Moment, rule: Strike) {
        self.failures = self.failures.saturating_add(1);
        if self.last_strike.is_some_and(|last| sent <= last) {
            return;
        }
        self.last_strike = Some(now);
        self.strikes += 1;
        self.left_alone = self.strikes >= rule.most;
        self.pause(now, rule);
    }

    /// A request did not come in time, or the peer has no room: a pause, but no step towards being left alone.
    pub(crate) fn overdue(&mut self, sent: Moment, now: Moment, rule: Strike) {
        self.failures = self.failures.saturating_add(1);
        if self.last_strike.is_some_and(|last| sent <= last) {
            return;
        }
        self.last_strike = Some(now);
        self.strikes = (self.strikes + 1).min(rule.most.saturating_sub(1));
        self.pause(now, rule);
    }

    fn pause(&mut self, now: Moment, rule: Strike) {
        let doubled = rule.pause.saturating_mul(1 << (self.strikes.saturating_sub(1)).min(16));
        self.until = Some(now + doubled.min(rule.longest_pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Strike = Strike { most: 3, pause: Duration::from_secs(1), longest_pause: Duration::from_mins(1) };

    fn at(seconds: u64) -> Moment {
        Moment::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn requests_lost_together_are_one_strike() {
        let mut standing = Standing::default();
        for _ in 0..8 {
            standing.failed(at(1), at(2), RULE);
        }
        assert!(standing.hopeful() && !standing.trusted(at(2)) && standing.trusted(at(3)));
        assert_eq!(standing.failures, 8);
    }

    #[test]
    fn pauses_double_and_end_in_being_left_alone() {
        let mut standing = Standing::default();
        standing.failed(at(0), at(10), RULE);
        assert_eq!(standing.pause_ends(at(10)), Some(at(11)));
        standing.failed(at(12), at(20), RULE);
        assert_eq!(standing.pause_ends(at(20)), Some(at(22)));
        standing.failed(at(23), at(30), RULE);
        assert!(!standing.hopeful());
    }

    #[test]
    fn a_piece_wipes_the_slate() {
        let mut standing = Standing::default();
        standing.failed(at(0), at(10), RULE);
        standing.failed(at(12), at(20), RULE);
        standing.answered();
        standing.failed(at(23), at(30), RULE);
        assert!(standing.hopeful() && standing.trusted(at(31)));
    }

    #[test]
    fn being_late_for_ever_is_never_being_left_alone() {
        let mut standing = Standing::default();
        for round in 0..50 {
            standing.overdue(at(100 * round + 1), at(100 * round + 50), RULE);
        }
        assert!(standing.hopeful());
    }
}
