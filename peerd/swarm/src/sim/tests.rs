//! Whole swarms in virtual time: the goals the policy was tuned for, and that nothing stops one from ending well.
//!
//! A failing scenario prints its seed; `Scenario { seed, .. }` runs it again.

use std::time::Duration;

use super::{Arrivals, Constants, LimitedBy, Outcome, Sample, Scenario, Simulation};
use crate::PieceOrder;

const MIB: u64 = 1 << 20;
const MBIT: u64 = 125_000;

fn run(scenario: Scenario) -> Outcome {
    Simulation::run(scenario).expect("a possible geometry")
}

/// `peers` on links of `mbit` each way fetch `mib` from one seed on such a link. Of what the wire adds there are headers
/// alone: the bounds here are the policy's, and no policy saves acknowledgements.
fn swarm(peers: u32, mbit: u64, mib: u64, piece_kib: u32) -> Scenario {
    let link = mbit * MBIT;
    Scenario {
        peers,
        size: mib * MIB,
        piece_size: piece_kib << 10,
        up: link,
        down: link,
        holders: vec![link],
        constants: Constants { header_permille: 48, ..Constants::default() },
        ..Scenario::default()
    }
}

/// A swarm of eight for 32 pieces, small enough for thousands.
fn small(seed: u64) -> Scenario {
    Scenario { seed, ..swarm(8, 100, 1, 32) }
}

/// The seed sends a quarter more than there is at the most, headers included; in a swarm that is over in a second, where
/// there is little else to do at the end, a third.
fn assert_near_the_bound(scenario: &Scenario, ratio_permille: u64) {
    let copies = if scenario.size < 16 * MIB { 1_333_000 } else { 1_250_000 };
    for seed in 1..=5 {
        let outcome = run(Scenario { seed, ..scenario.clone() });
        let ratio = outcome.ratio_ppm.expect("everybody ends");
        assert!(ratio <= ratio_permille * 1000, "seed {seed}: {ratio} ppm of the bound");
        assert!(outcome.seed_copies_ppm <= copies, "seed {seed}: the seed sent {} ppm", outcome.seed_copies_ppm);
        assert!(outcome.duplicates_ppm <= 20_000, "seed {seed}: {} ppm twice", outcome.duplicates_ppm);
    }
}

#[test]
fn sixteen_for_64_mib_at_50_mbit() {
    assert_near_the_bound(&swarm(16, 50, 64, 64), 1_150);
}

#[test]
fn eight_for_256_mib_at_100_mbit() {
    assert_near_the_bound(&swarm(8, 100, 256, 256), 1_095);
}

#[test]
fn eight_for_4_mib_at_50_mbit() {
    assert_near_the_bound(&swarm(8, 50, 4, 16), 1_350);
}

#[test]
fn long_paths_cost_little() {
    let scenario = Scenario { latency: Duration::from_millis(25), ..swarm(16, 50, 64, 64) };
    assert_near_the_bound(&scenario, 1_250);
}

#[test]
fn more_holders_make_it_faster_up_to_the_link() {
    let seconds = |holders: usize| {
        let scenario = Scenario { down: 100 * MBIT, holders: vec![30 * MBIT; holders], ..swarm(1, 100, 64, 64) };
        run(scenario).last.expect("it ends").as_secs_f64()
    };
    let (one, two, three, six) = (seconds(1), seconds(2), seconds(3), seconds(6));
    assert!(two < one * 0.52 && three < one * 0.35, "{one} {two} {three}");
    assert!(six < 64.0 * 8.0 * 1.048_576 / 100.0 * 1.08, "{six}");
}

#[test]
fn a_slow_holder_costs_less_than_a_tenth() {
    let seconds = |slow: &[u64]| {
        let mut holders = vec![40 * MBIT; 2];
        holders.extend(slow);
        run(Scenario { down: 100 * MBIT, holders, ..swarm(1, 100, 64, 256) }).last.expect("it ends")
    };
    let (alone, with_slow) = (seconds(&[]), seconds(&[1024]));
    assert!(with_slow <= alone + alone / 10, "{alone:?} {with_slow:?}");
}

#[test]
fn lossy_paths_get_more_connections() {
    // One connection reaches 22 Mbit/s over such a path, a link has 50.
    let scenario = Scenario { latency: Duration::from_millis(10), loss_ppm: 1_000, ..swarm(16, 50, 64, 64) };
    assert_near_the_bound(&scenario, 1_400);
}

#[test]
fn those_who_come_later_find_holders() {
    let outcome = run(Scenario { arrivals: Arrivals::Over(Duration::from_mins(1)), ..swarm(30, 50, 64, 256) });
    assert!(outcome.ratio_ppm.expect("everybody ends") < 1_100_000, "{:?}", outcome.last);
    assert!(outcome.first.expect("somebody ends") < Duration::from_secs(20));
}

/// Who comes first is shown more than its share, and must not keep it.
#[test]
fn coming_one_after_another_costs_nothing() {
    for millis in [100, 400, 800, 1600] {
        let arrivals = Arrivals::Over(Duration::from_millis(millis));
        assert_near_the_bound(&Scenario { arrivals, ..swarm(16, 50, 64, 64) }, 1_150);
        assert_near_the_bound(&Scenario { arrivals, ..swarm(32, 50, 64, 64) }, 1_250);
    }
}

#[test]
fn liars_are_left_and_everybody_ends() {
    let honest = run(swarm(24, 50, 16, 64)).last.expect("everybody ends");
    for seed in 1..=10 {
        let outcome = run(Scenario { liars_permille: 250, seed, ..swarm(24, 50, 16, 64) });
        let last = outcome.last.expect("everybody ends");
        assert!(last < honest + Duration::from_secs(4), "seed {seed}: {last:?} where {honest:?} would do");
    }
}

#[test]
fn a_third_leaving_midway_loses_nothing() {
    for seed in 1..=20 {
        let outcome = run(Scenario { churn_permille: 333, seed, ..swarm(24, 50, 16, 64) });
        assert!(outcome.last.is_some() && outcome.left > 0, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn thousands_of_small_swarms_with_churn_and_liars_end() {
    for seed in 0..2_000 {
        let scenario = Scenario { churn_permille: 250, liars_permille: 400, ..small(seed) };
        let outcome = run(scenario);
        let stayed = 8 - outcome.left as usize;
        assert_eq!(outcome.completions.len(), stayed, "seed {seed}: {:?}", outcome.limited_by);
    }
}

#[test]
fn every_core_stays_consistent_all_the_way() {
    for seed in 0..40 {
        let scenario = Scenario { churn_permille: 250, liars_permille: 400, loss_ppm: 100, ..small(seed) };
        let mut simulation = Simulation::new(scenario).expect("a possible geometry");
        while simulation.advance(1) {
            simulation.machines.iter().flat_map(|machine| &machine.fetch).for_each(crate::Core::assert_consistent);
            assert_eq!(simulation.audit(), Ok(()));
        }
    }
}

#[test]
fn the_same_scenario_has_the_same_outcome_and_another_seed_another() {
    let scenario = Scenario { churn_permille: 200, liars_permille: 200, ..swarm(12, 50, 8, 64) };
    let (one, again) = (run(scenario.clone()), run(scenario.clone()));
    let other = run(Scenario { seed: 2, ..scenario });
    assert_eq!(one, again);
    assert_ne!(one.completions, other.completions);
}

#[test]
fn steps_add_up_to_the_whole() {
    let scenario = swarm(6, 50, 4, 64);
    let mut simulation = Simulation::new(scenario.clone()).expect("a possible geometry");
    let mut seen = 0;
    while simulation.advance(100) {
        let part = simulation.outcome();
        assert!(part.completions.len() >= seen && part.last.is_none());
        seen = part.completions.len();
    }
    assert_eq!(simulation.outcome(), run(scenario));
}

#[test]
fn a_broken_invariant_names_the_seed() {
    let mut simulation = Simulation::new(small(4711)).expect("a possible geometry");
    while simulation.advance(500) && simulation.finished().0 == 0 {}
    assert_eq!(simulation.audit(), Ok(()));
    simulation.copies[0] += 1;
    let broken = simulation.audit().unwrap_err().to_string();
    assert!(broken.contains("piece 0") && broken.contains("seed 4711"), "{broken}");
}

/// The picker's order is the only thing that differs.
#[test]
fn the_order_of_pieces_decides_how_long_it_takes() {
    let ratio = |piece_order| {
        let mut scenario = swarm(16, 50, 16, 64);
        scenario.fetch.piece_order = piece_order;
        run(Scenario { holders: vec![50 * MBIT; 2], ..scenario }).last.expect("everybody ends")
    };
    let (rarest, in_order) = (ratio(PieceOrder::Rarest), ratio(PieceOrder::InOrder));
    assert!(in_order > rarest + rarest / 20, "{rarest:?} {in_order:?}");
}

#[test]
fn without_a_holder_that_can_send_nothing_ends() {
    let outcome = run(Scenario { holders: vec![0], ..small(1) });
    assert_eq!((outcome.last, outcome.completions.len(), outcome.limited_by), (None, 0, LimitedBy::Stuck));
}

#[test]
fn the_picture_covers_the_whole_time() {
    let outcome = run(swarm(8, 50, 16, 64));
    let last = outcome.samples.last().expect("samples");
    assert!(outcome.samples.is_sorted_by_key(|sample| sample.at));
    assert!(last.at * 10 > outcome.last.expect("it ends") * 9);
    assert_eq!((last.payload, last.finished), (8 * 16 * MIB, 8));
    // One seed on a link as everybody's: it sends nearly all the time, and everybody else together about 7/8 of it.
    let middle = &outcome.samples[outcome.samples.len() / 4..outcome.samples.len() * 3 / 4];
    let mean = |of: fn(&Sample) -> u32| middle.iter().map(of).sum::<u32>() / u32::try_from(middle.len()).unwrap();
    assert!(mean(|sample| sample.holders_use_permille) > 900, "{middle:?}");
    assert!((500..=1000).contains(&mean(|sample| sample.uplinks_use_permille)), "{middle:?}");
    assert_eq!(outcome.limited_by, LimitedBy::HoldersUplink);
}
