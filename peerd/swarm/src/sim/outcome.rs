//! What came out of a simulation.

use std::time::Duration;

use super::links::Uplink;
use super::{Simulation, bound};
use crate::timers::{Moment, nanos, scale};

/// The answer, whole or so far. Ratios and shares are in millionths, so that equal answers are equal bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When the first had everything.
    pub first: Option<Duration>,
    /// When half of those who did not leave had everything.
    pub median: Option<Duration>,
    /// When 99 of 100 had.
    pub p99: Option<Duration>,
    /// When the last had; `None` while somebody has not.
    pub last: Option<Duration>,
    /// The least time in which any protocol can do it, headers not counted.
    pub lower_bound: Duration,
    /// `last` over `lower_bound`, in millionths.
    pub ratio_ppm: Option<u64>,
    /// Copies of the file that the holders at the start sent on the wire, headers included, in millionths.
    pub seed_copies_ppm: u64,
    /// Bytes that came twice or were sent in vain, of all that were wanted, in millionths.
    pub duplicates_ppm: u64,
    /// What the lower bound comes from; [`LimitedBy::Stuck`] when somebody will never have everything.
    pub limited_by: LimitedBy,
    /// When each had everything, in order.
    pub completions: Vec<Duration>,
    /// How many left before they had everything.
    pub left: u32,
    /// The picture over time.
    pub samples: Vec<Sample>,
}

/// What keeps a swarm from being faster.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The uplinks of those who had the file at the start.
    HoldersUplink,
    /// All uplinks together.
    AllUplinks,
    /// The downlinks of those who fetch.
    Downlinks,
    /// Nothing moves any more.
    Stuck,
}

/// The state at one moment.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When.
    pub at: Duration,
    /// How many had everything.
    pub finished: u32,
    /// Payload bytes that arrived so far, over everybody.
    pub payload: u64,
    /// How much of the uplinks of those who had the file at the start was used since the sample before, in thousandths.
    pub holders_use_permille: u32,
    /// The same of everybody who is there.
    pub uplinks_use_permille: u32,
    /// Copies of the rarest piece among those who fetch.
    pub rarest: u32,
    /// Copies of all pieces among those who fetch, over the number of pieces, in thousandths.
    pub mean_copies_permille: u64,
}

const MILLION: u64 = 1_000_000;

impl Simulation {
    /// The end belongs to the picture.
    pub(super) fn take_last_sample(&mut self) {
        let finished = self.finished().0;
        if self.samples.last().is_none_or(|last| last.at < self.elapsed() || last.finished < finished) {
            self.take_sample();
        }
    }

    pub(super) fn take_sample(&mut self) {
        while self.next_sample <= self.now {
            self.next_sample = self.next_sample + self.sample_every;
        }
        // A swarm that takes very long is sampled ever less often.
        if self.samples.len() >= 400 {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
            self.sample_every *= 2;
        }
        let total = self.copies.iter().map(|&n| u64::from(n)).sum();
        let (holders_use_permille, uplinks_use_permille) = self.uplinks_use();
        self.samples.push(Sample {
            at: self.elapsed(),
            finished: self.finished().0,
            payload: self.payload,
            holders_use_permille,
            uplinks_use_permille,
            rarest: self.copies.iter().copied().min().unwrap_or(0),
            mean_copies_permille: scale(total, 1000, u64::from(self.geometry.count())),
        });
    }

    /// How much of the uplinks of the first holders, and of everybody who is there, was used since it was asked last, in
    /// thousandths.
    fn uplinks_use(&mut self) -> (u32, u32) {
        let holders = self.scenario.holders.iter().fold(0_u64, |sum, &up| sum.saturating_add(up));
        let others = u64::try_from(self.present.len().saturating_sub(self.scenario.holders.len())).unwrap_or(u64::MAX);
        let everybody = holders.saturating_add(others.saturating_mul(self.scenario.up));
        let time = nanos(self.now.saturating_since(self.used_at));
        let share = |sent: u64, rate: u64| {
            let could = scale(rate, time, 1_000_000_000);
            u32::try_from(scale(sent, 1000, could.max(1))).unwrap_or(u32::MAX).min(1000)
        };
        let moved = |ups: &[Uplink]| ups.iter().map(|up| up.moved(self.now, self.wire)).sum::<u64>();
        let by_holders = moved(&self.ups[..self.scenario.holders.len()]);
        let by_all = by_holders + moved(&self.ups[self.scenario.holders.len()..]);
        let used = (share(by_holders - self.sent_by_holders, holders), share(by_all - self.sent, everybody));
        (self.used_at, self.sent_by_holders, self.sent) = (self.now, by_holders, by_all);
        used
    }

    /// The answer so far; whole once [`Simulation::advance`] says that it is over.
    pub fn outcome(&self) -> Outcome {
        let completions: Vec<_> = self.completions.iter().map(|at| at.saturating_since(Moment::EPOCH)).collect();
        let stayed = completions.len() + self.unfinished as usize;
        let after = |permille: usize| completions.get((stayed * permille).div_ceil(1000).max(1) - 1).copied();
        let last = after(1000);
        let lower_bound = bound::lower_bound(&self.scenario);
        let stuck = self.stuck || (self.unfinished > 0 && self.events.is_empty());
        let sent: u64 = self.ups[..self.scenario.holders.len()].iter().map(Uplink::sent).sum();
        let wanted = self.scenario.size.saturating_mul(stayed as u64);
        Outcome {
            first: completions.first().copied(),
            median: after(500),
            p99: after(990),
            last,
            lower_bound,
            ratio_ppm: last.map(|last| scale(nanos(last), MILLION, nanos(lower_bound).max(1))),
            seed_copies_ppm: scale(sent, MILLION, self.scenario.size),
            duplicates_ppm: scale(self.wasted(), MILLION, wanted),
            limited_by: if stuck { LimitedBy::Stuck } else { bound::limited_by(&self.scenario) },
            completions,
            left: self.gave_up,
            samples: self.samples.clone(),
        }
    }

    fn wasted(&self) -> u64 {
        let twice = |machine: &super::Machine| machine.fetch.as_ref().map_or(0, |core| core.progress().duplicate_bytes);
        self.machines.iter().map(twice).sum::<u64>() + self.ups.iter().map(Uplink::in_vain).sum::<u64>()
    }
}
