//! How many grants at once fill the uplink: as few as do, found by trying.
//!
//! One is enough when neighbours take pieces as fast as the uplink sends them. Behind lossy paths and slow downlinks
//! it is not, and nobody says so: only the rate tells. So now and then one more is tried, and kept if that made a
//! tenth more; or one less, and kept if that made no twentieth less. Trials that change nothing become rare.

use std::time::Duration;

use crate::timers::{Moment, nanos, scale};

/// The shortest trial: as many pieces and as much time. Fewer pieces, and one more or less looks like a tenth of the
/// rate.
const PIECES: u32 = 12;
const TIME: Duration = Duration::from_millis(200);

/// Most trials left out after one that changed nothing.
const LONGEST_REST: u32 = 32;

/// How many pieces are sent for each grant more at the start.
const START: usize = 4;

#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Trial {
    Rest(u32),
    More { base: u64, from: usize },
    Less { base: u64, from: usize },
}

#[derive(Clone, Debug)]
pub(super) struct Width {
    grants: usize,
    least: usize,
    most: usize,
    trial: Trial,
    rate: u64,
    rest: u32,
    /// The last trial that changed nothing was one of more.
    less_next: bool,
    since: Moment,
    bytes: u64,
    pieces: u32,
    starved: bool,
    /// Pieces sent while few were allowed, and how many are.
    sent: usize,
    started: usize,
}

impl Width {
    pub(super) fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        let most = most.max(least);
        let (trial, since) = (Trial::Rest(0), Moment::EPOCH);
        Self {
            grants: least,
            least,
            most,
            trial,
            rate: 0,
            rest: 1,
            less_next: false,
            since,
            bytes: 0,
            pieces: 0,
            starved: false,
            sent: 0,
            started: 1,
        }
    }

    /// One at first, so that the first pieces are out, and can be passed on, as soon as can be; more with what was sent.
    pub(super) const fn grants(&self) -> usize {
        if self.started < self.grants { self.started } else { self.grants }
    }

    /// Bytes per second that the uplink sent when it was last busy for long enough to tell; 0 until then.
    pub(super) const fn rate(&self) -> u64 {
        self.rate
    }

    /// The uplink has something to do again: it is measured from here on.
    pub(super) const fn begin(&mut self, now: Moment) {
        (self.since, self.bytes, self.pieces, self.starved) = (now, 0, 0, false);
    }

    /// Nobody asks for all that may be granted: that says nothing of how many are needed.
    pub(super) const fn starve(&mut self) {
        self.starved = true;
    }

    /// A piece of `len` bytes was sent whole.
    pub(super) fn sent(&mut self, len: u32, now: Moment) {
        self.bytes += u64::from(len);
        self.pieces += 1;
        self.start();
        let time = now.saturating_since(self.since);
        let enough = PIECES.max(u32::try_from(self.grants).unwrap_or(PIECES) * 2);
        if time >= TIME && self.pieces >= enough {
            self.rate = scale(self.bytes, 1_000_000_000, nanos(time));
            if !self.starved {
                self.judge(self.rate);
            }
            self.begin(now);
        }
    }

    fn start(&mut self) {
        if self.started < self.most {
            self.sent += 1;
            self.started = 1 + self.sent / START;
        }
    }

    fn judge(&mut self, rate: u64) {
        match self.trial {
            Trial::Rest(left @ 1..) => self.trial = Trial::Rest(left - 1),
            Trial::Rest(0) if self.less_next && self.grants > self.least => self.try_less(rate),
            Trial::Rest(0) => self.try_more(rate),
            Trial::More { base, .. } if rate > base + base / 10 => self.keep(rate),
            Trial::Less { base, .. } if rate + rate / 20 >= base => self.keep(rate),
            Trial::More { from, .. } | Trial::Less { from, .. } => {
                self.less_next = matches!(self.trial, Trial::More { .. });
                self.grants = from;
                self.rest = (self.rest * 2).min(LONGEST_REST);
                self.trial = Trial::Rest(self.rest);
            }
        }
    }

    fn keep(&mut self, rate: u64) {
        self.rest = 1;
        if matches!(self.trial, Trial::More { .. }) {
            self.try_more(rate);
        } else {
            self.try_less(rate);
        }
    }

    /// By half as many again: from one to thirty takes nine trials.
    fn try_more(&mut self, base: u64) {
        self.trial = Trial::More { base, from: self.grants };
        self.grants = (self.grants + self.grants.div_ceil(2)).min(self.most);
    }

    fn try_less(&mut self, base: u64) {
        self.trial = Trial::Less { base, from: self.grants };
        self.grants = (self.grants - self.grants.div_ceil(4)).max(self.least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The width after `pieces` pieces of 1,000 bytes over a link of which one grant can take `flow` and all together
    /// `link` bytes per second.
    fn settled(width: &mut Width, flow: u64, link: u64, pieces: u32, mut now: Moment) -> Moment {
        for _ in 0..pieces {
            let rate = (flow * width.grants() as u64).min(link);
            now = now + Duration::from_nanos(scale(1000, 1_000_000_000, rate));
            width.sent(1000, now);
        }
        now
    }

    #[test]
    fn one_grant_is_enough_where_one_fills_the_link() {
        let mut width = Width::new(1, 64);
        settled(&mut width, 100_000, 100_000, 5_000, Moment::EPOCH);
        assert!(width.grants() <= 2, "{}", width.grants());
    }

    #[test]
    fn many_are_found_where_each_is_slow_and_given_up_where_not() {
        let mut width = Width::new(1, 64);
        let now = settled(&mut width, 10_000, 100_000, 5_000, Moment::EPOCH);
        assert!((9..=20).contains(&width.grants()), "{}", width.grants());
        settled(&mut width, 100_000, 100_000, 50_000, now);
        assert!(width.grants() <= 3, "{}", width.grants());
    }

    #[test]
    fn the_bounds_hold() {
        let mut width = Width::new(2, 6);
        settled(&mut width, 1_000, 1_000_000, 5_000, Moment::EPOCH);
        assert!((2..=6).contains(&width.grants()));
    }
}
