//! How long the simulator takes on one core, and how much memory: `cargo bench -p swarm [-- NAME…]`.
//!
//! One line per scenario. The goal is for the processor's time; on a machine that does other things, the wall clock says more.
//! Memory is the highest that this process ever had (`VmHWM`), so name one scenario to learn what it needs by itself.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a bench looks at the clock; the crate does not"
)]
#![expect(clippy::cast_precision_loss, reason = "three digits are printed")]

use std::time::{Duration, Instant};

use swarm::sim::{Scenario, Simulation};

const MIB: u64 = 1 << 20;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    println!("scenario                              goal s   cpu s  took s  memory MiB  last s  ratio  seed  twice %");
    for (name, goal, scenario) in scenarios() {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            measure(name, goal, scenario);
        }
    }
}

/// Name, how long it may take, and what is simulated; the largest last.
fn scenarios() -> [(&'static str, u64, Scenario); 4] {
    let rough = Scenario { churn_permille: 333, liars_permille: 50, ..crowd(10_000, 64) };
    [
        ("1,000 for 64 MiB", 3, crowd(1_000, 64)),
        ("10,000 for 64 MiB, churn and liars", 60, rough),
        ("10,000 for 256 MiB", 120, crowd(10_000, 256)),
        ("100,000 for 64 MiB", 300, crowd(100_000, 64)),
    ]
}

/// Links of 50 Mbit/s and one seed on such a link, as scenarios have where nothing is said; pieces as the product simulates
/// large swarms.
fn crowd(peers: u32, mib: u64) -> Scenario {
    let piece_size = if mib >= 256 { 1 << 20 } else { 256 << 10 };
    Scenario { peers, size: mib * MIB, piece_size, ..Scenario::default() }
}

fn measure(name: &str, goal: u64, scenario: Scenario) {
    let (began, worked) = (Instant::now(), processor_time());
    let outcome = Simulation::run(scenario).expect("a possible geometry");
    let (took, worked) = (began.elapsed(), processor_time().saturating_sub(worked));
    println!(
        "{name:<36} {goal:>7} {:>7.1} {:>7.1} {:>11} {:>7.1} {:>6.3} {:>5.2} {:>8.2}",
        worked.as_secs_f64(),
        took.as_secs_f64(),
        peak_memory() >> 20,
        outcome.last.unwrap_or(Duration::MAX).as_secs_f64(),
        outcome.ratio_ppm.unwrap_or(0) as f64 / 1e6,
        outcome.seed_copies_ppm as f64 / 1e6,
        outcome.duplicates_ppm as f64 / 1e4,
    );
}

/// What this process has had of processors, as schedstat of proc(5) has it; none where there is none.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// In bytes, as `VmHWM` of proc(5) has it; 0 where there is none.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}
