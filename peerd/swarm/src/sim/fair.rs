//! Fair shares of one link.

/// The level up to which everybody's demand is met when `rate` is shared fairly (max-min: Bertsekas and Gallager, "Data
/// Networks", 1987, 6.5.2); no level at all when all demands fit.
pub(super) fn level(rate: u64, demands: &(impl ExactSizeIterator<Item = u64> + Clone)) -> u64 {
    level_near(0, rate, demands)
}

/// The same, found sooner the nearer the `guess`.
pub(super) fn level_near(guess: u64, rate: u64, demands: &(impl ExactSizeIterator<Item = u64> + Clone)) -> u64 {
    let count = demands.len() as u64;
    let mut wanted = 0_u64;
    let mut met = Met::default();
    for demand in demands.clone() {
        wanted = wanted.saturating_add(demand);
        met.add(demand, guess);
    }
    if wanted <= rate {
        return u64::MAX;
    }
    if met.count == count || met.taken > rate {
        met = Met::default();
    }
    loop {
        // What those leave whose demand is met goes to the others. From any guess this leads to the level or below it, and from
        // below to it.
        let share = (rate - met.taken) / (count - met.count);
        let mut meets = Met::default();
        demands.clone().for_each(|demand| meets.add(demand, share));
        if meets.count == met.count {
            return share;
        }
        met = meets;
    }
}

/// How many demands a level meets, and what these take.
#[derive(Copy, Clone, Debug, Default)]
struct Met {
    count: u64,
    taken: u64,
}

impl Met {
    fn add(&mut self, demand: u64, level: u64) {
        let meets = u64::from(demand <= level);
        self.count += meets;
        self.taken = self.taken.saturating_add(demand * meets);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_level_meets_small_demands_and_shares_the_rest() {
        let level = |demands: &[u64]| level(100, &demands.iter().copied());
        assert_eq!((level(&[]), level(&[60, 40]), level(&[0, 100])), (u64::MAX, u64::MAX, u64::MAX));
        assert_eq!((level(&[10, 80, 80]), level(&[200]), level(&[0, 30, 40, 90])), (45, 100, 35));
    }

    proptest! {
        /// The highest level that the rate is enough for, wherever the search begins.
        #[test]
        fn a_level_uses_up_the_rate(
            rate in 0_u64..2_000,
            demands in prop::collection::vec(0_u64..1_000, 0..12),
            guess in prop_oneof![0_u64..1_000, Just(u64::MAX)],
        ) {
            let all = demands.iter().copied();
            let level = level_near(guess, rate, &all);
            let taken = |level: u64| all.clone().map(|demand| demand.min(level)).sum::<u64>();
            prop_assert!(taken(level) <= rate);
            prop_assert!(level == u64::MAX || taken(level + 1) > rate);
        }
    }
}
