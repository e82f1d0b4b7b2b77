//! Who passes next, and when: start-time fair queueing (Goyal, Vin, Cheng 1996) over a bucket that pays afterwards. Each lane
//! stands at some place in virtual time, which runs in bytes; the lane that stands lowest is next, and in it the wait with the
//! lowest turn. A lane that comes back after a pause stands where the line does: it has no arrears.
//!
//! Time comes in as an argument.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use proto::ids::Rate;
use tokio::time::Instant;

/// How much may pass at once after a pause: keeps a rate exact over a second though timers are late.
const BURST: Duration = Duration::from_millis(50);

/// A lane of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaneKey(u64);

/// Those who wait; `W` lets one of them go.
#[derive(Debug)]
pub(super) struct Line<W> {
    rate: Rate,
    /// When everything that has passed will have been paid for.
    paid_at: Option<Instant>,
    lanes: HashMap<LaneKey, Waits<W>>,
    /// Lanes with somebody in them, by where they stand.
    order: BTreeSet<(u64, LaneKey)>,
    virtual_now: u64,
    next_wait: u64,
    next_lane: u64,
}

/// One lane with somebody in it.
#[derive(Debug)]
struct Waits<W> {
    stands: u64,
    /// By turn, then by age.
    waits: BTreeMap<(u64, u64), (usize, W)>,
}

impl<W> Line<W> {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            paid_at: None,
            lanes: HashMap::new(),
            order: BTreeSet::new(),
            virtual_now: 0,
            next_wait: 0,
            next_lane: 0,
        }
    }

    pub(super) fn open(&mut self) -> LaneKey {
        self.next_lane += 1;
        LaneKey(self.next_lane)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn is_paid(&self, now: Instant) -> bool {
        self.paid_at.is_none_or(|at| at <= now)
    }

    /// Lets bytes pass that nobody is before, if everything is paid for.
    pub(super) fn pass_at_once(&mut self, bytes: usize, now: Instant) -> bool {
        let passes = self.is_paid(now);
        if passes {
            self.book(bytes, now);
        }
        passes
    }

    pub(super) fn wait(&mut self, who: LaneKey, turn: u64, bytes: usize, go: W) {
        let now = self.virtual_now;
        let lane = self.lanes.entry(who).or_insert_with(|| Waits { stands: now, waits: BTreeMap::new() });
        if lane.waits.is_empty() {
            lane.stands = lane.stands.max(now);
            self.order.insert((lane.stands, who));
        }
        self.next_wait += 1;
        lane.waits.insert((turn, self.next_wait), (bytes, go));
    }

    /// When the next one may pass; nothing where nobody waits. Those who are gone are left out.
    pub(super) fn next_turn(&mut self, now: Instant, gone: impl Fn(&W) -> bool) -> Option<Instant> {
        while let Some((stands, who)) = self.order.first().copied() {
            let lane = self.lanes.get_mut(&who).map(|lane| &mut lane.waits);
            let first = lane.and_then(|waits| {
                while waits.first_key_value().is_some_and(|(_, (_, go))| gone(go)) {
                    waits.pop_first();
                }
                waits.first_key_value()
            });
            if first.is_some() {
                return Some(self.paid_at.unwrap_or(now));
            }
            self.order.remove(&(stands, who));
        }
        // Nobody owes anybody a turn.
        self.lanes.clear();
        None
    }

    pub(super) fn take_next(&mut self, now: Instant) -> Option<W> {
        let (stands, who) = self.order.pop_first()?;
        let lane = self.lanes.get_mut(&who)?;
        let (_, (bytes, go)) = lane.waits.pop_first()?;
        self.virtual_now = self.virtual_now.max(stands);
        lane.stands = stands.saturating_add(bytes as u64);
        if !lane.waits.is_empty() {
            self.order.insert((lane.stands, who));
        }
        self.forget_the_passed();
        self.book(bytes, now);
        Some(go)
    }

    /// A lane that nobody is in, and that the line has overtaken, is as good as new.
    fn forget_the_passed(&mut self) {
        const MANY: usize = 1024;
        if self.lanes.len() > MANY.max(self.order.len() * 2) {
            let now = self.virtual_now;
            self.lanes.retain(|_, lane| !lane.waits.is_empty() || lane.stands > now);
        }
    }

    /// Books the time that so many bytes take. A pause earns a burst, and no more than that.
    fn book(&mut self, bytes: usize, now: Instant) {
        #[expect(clippy::cast_precision_loss, reason = "exact far beyond any rate")]
        let cost = Duration::from_secs_f64(bytes as f64 / self.rate.as_bytes_per_second() as f64);
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        self.paid_at = Some(self.paid_at.map_or(earliest, |at| at.max(earliest)) + cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order<W>(line: &mut Line<W>) -> Vec<W> {
        let now = Instant::now();
        std::iter::from_fn(|| line.take_next(now)).collect()
    }

    #[test]
    fn lanes_take_turns_by_bytes_and_a_lane_by_its_turns() {
        let mut line = Line::new(Rate::bytes_per_second(1));
        let (a, b) = (line.open(), line.open());
        for (turn, name) in [(4, "a4"), (1, "a1"), (3, "a3"), (2, "a2")] {
            line.wait(a, turn, 10, name);
        }
        line.wait(b, 1, 20, "b1");
        line.wait(b, 2, 20, "b2");
        assert_eq!(order(&mut line), ["a1", "b1", "a2", "a3", "b2", "a4"]);
    }

    #[test]
    fn a_lane_that_comes_late_has_no_arrears() {
        let mut line = Line::new(Rate::bytes_per_second(1));
        let (early, late) = (line.open(), line.open());
        for _ in 0..100 {
            line.wait(early, 0, 10, "early");
        }
        let now = Instant::now();
        for _ in 0..98 {
            line.take_next(now);
        }
        line.wait(late, 0, 10, "late");
        line.wait(late, 0, 10, "late");
        let order = order(&mut line);
        assert!(order.len() == 4 && order[..2].contains(&"early"), "{order:?}");
    }

    #[test]
    fn who_is_gone_holds_nobody_up() {
        let mut line = Line::new(Rate::bytes_per_second(1));
        let (a, b) = (line.open(), line.open());
        line.wait(a, 0, 10, "gone");
        line.wait(b, 0, 10, "here");
        let now = Instant::now();
        assert!(line.next_turn(now, |who| *who == "gone").is_some());
        assert_eq!(line.take_next(now), Some("here"));
        assert!(line.next_turn(now, |_| false).is_none() && line.is_empty());
    }
}
