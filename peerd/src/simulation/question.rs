//! Between what people ask and the engine's simulator: scenarios in, answers out.

use std::time::Duration;

use proto::ids::ByteCount;
use proto::manifest::Geometry;
use proto::simulation::{Answer, Constants, LimitedBy, PieceOrder, Sample, Scenario, Span};
use swarm::sim::{self, Arrivals, Simulation};

/// Most machines of a scenario.
pub const MOST_PEERS: u32 = 1_000_000;
/// Up to so many machines, pieces are those that the engine would cut.
const FINE: u32 = 500;
/// Most memory that a run may need, in bytes.
const MOST_MEMORY: u64 = 8 << 30;

/// Why a scenario cannot be simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswerable {
    /// No machine, or far too many.
    #[error("{0} machines: from 1 to {MOST_PEERS} can be simulated")]
    Peers(u32),
    /// Nobody has the file.
    #[error("nobody has the file at the start: name the uplink of one at least")]
    NoHolder,
    /// Sizes that do not go together.
    #[error("{0}")]
    Geometry(String),
    /// It would take too much memory.
    #[error("that would take about {need} of memory, and a run may take {most}: fewer peers, or larger pieces")]
    Memory {
        /// This much.
        need: ByteCount,
        /// And no more than this.
        most: ByteCount,
    },
}

/// A scenario as the simulator takes it. `constants` stand in where it names none.
pub fn model(asked: &Scenario, constants: &Constants) -> Result<sim::Scenario, Unanswerable> {
    if !(1..=MOST_PEERS).contains(&asked.peers) {
        return Err(Unanswerable::Peers(asked.peers));
    }
    if asked.seed_up.is_empty() {
        return Err(Unanswerable::NoHolder);
    }
    let piece_size = piece_size(asked)?;
    let pieces = asked.size.as_u64().div_ceil(u64::from(piece_size));
    // Measured: 27 KB for each machine with 256 pieces, most of it for neighbours' bitfields and queues.
    let need = u64::from(asked.peers).saturating_mul(16_000 + pieces * 48);
    if need > MOST_MEMORY {
        return Err(Unanswerable::Memory { need: ByteCount::new(need), most: ByteCount::new(MOST_MEMORY) });
    }
    let permille = |portion: proto::simulation::Portion| portion.as_millionths() / 1000;
    let arrivals = asked.arrivals.as_duration();
    Ok(sim::Scenario {
        peers: asked.peers,
        size: asked.size.as_u64(),
        piece_size,
        up: asked.up.as_bytes_per_second(),
        down: asked.down.as_bytes_per_second(),
        holders: asked.seed_up.iter().map(|rate| rate.as_bytes_per_second()).collect(),
        latency: asked.latency.as_duration(),
        loss_ppm: asked.loss.as_millionths(),
        churn_permille: permille(asked.churn),
        liars_permille: permille(asked.liars),
        arrivals: if arrivals.is_zero() { Arrivals::AtOnce } else { Arrivals::Over(arrivals) },
        seed: asked.seed,
        constants: sim::Constants {
            header_permille: constants.header_permille,
            request_bytes: constants.request_bytes,
            service: constants.service.as_duration(),
            verify_per_mib: constants.verify_per_mib.as_duration(),
            handshake_trips: constants.handshake_trips,
            connect: constants.connect.as_duration(),
        },
        fetch: swarm::Config { piece_order: order(asked.piece_order), ..swarm::Config::default() },
        ..sim::Scenario::default()
    })
}

/// The engine's word for an order.
pub fn order(order: PieceOrder) -> swarm::PieceOrder {
    match order {
        PieceOrder::Rarest => swarm::PieceOrder::Rarest,
        PieceOrder::InOrder => swarm::PieceOrder::InOrder,
    }
}

fn piece_size(asked: &Scenario) -> Result<u32, Unanswerable> {
    let usual = Geometry::of(asked.size).map_err(|error| Unanswerable::Geometry(error.to_string()))?.piece_size();
    let Some(given) = asked.piece_size else {
        // What a simulation takes grows with the pieces of all machines. A quarter of them tell as much of a large swarm,
        // and end a few per cent later.
        return Ok(if asked.peers > FINE { usual.saturating_mul(4).min(1 << 31) } else { usual });
    };
    let fits = u32::try_from(given.as_u64()).ok().filter(|size| size.is_power_of_two() && *size >= 1 << 10);
    fits.ok_or_else(|| {
        Unanswerable::Geometry(format!("pieces of {given}: a power of two from 1 KiB to 2 GiB is expected"))
    })
}

/// What is known without measuring. The sources of the figures stand at [`sim::Constants`].
pub fn usual_constants() -> Constants {
    let usual = sim::Constants::default();
    Constants {
        source: "defaults; `peerctl simulate calibrate` measures this machine".into(),
        header_permille: usual.header_permille,
        request_bytes: usual.request_bytes,
        service: Span::from(usual.service),
        verify_per_mib: Span::from(usual.verify_per_mib),
        handshake_trips: usual.handshake_trips,
        connect: Span::from(usual.connect),
    }
}

/// What came of a scenario so far.
pub fn answer(scenario: &Scenario, simulation: &Simulation, complete: bool, took: Duration) -> Answer {
    let outcome = simulation.outcome();
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    Answer {
        scenario: scenario.clone(),
        complete,
        first_s: seconds(outcome.first),
        median_s: seconds(outcome.median),
        p99_s: seconds(outcome.p99),
        last_s: seconds(outcome.last),
        bound_s: outcome.lower_bound.as_secs_f64(),
        ratio: outcome.ratio_ppm.map(millionths),
        seed_copies: millionths(outcome.seed_copies_ppm),
        duplicates: millionths(outcome.duplicates_ppm),
        limited_by: limited_by(outcome.limited_by),
        finished: u32::try_from(outcome.completions.len()).unwrap_or(u32::MAX),
        left: outcome.left,
        elapsed_s: took.as_secs_f64(),
        samples: outcome.samples.iter().map(sample).collect(),
    }
}

fn limited_by(what: sim::LimitedBy) -> LimitedBy {
    match what {
        sim::LimitedBy::HoldersUplink => LimitedBy::HoldersUplink,
        sim::LimitedBy::AllUplinks => LimitedBy::AllUplinks,
        sim::LimitedBy::Downlinks => LimitedBy::Downlinks,
        sim::LimitedBy::Stuck => LimitedBy::Stuck,
    }
}

fn sample(sample: &sim::Sample) -> Sample {
    Sample {
        at_s: sample.at.as_secs_f64(),
        finished: sample.finished,
        seeds_use: f64::from(sample.holders_use_permille) / 1000.0,
        uplinks_use: f64::from(sample.uplinks_use_permille) / 1000.0,
        rarest: sample.rarest,
        mean_copies: precise(sample.mean_copies_permille) / 1000.0,
    }
}

fn millionths(parts: u64) -> f64 {
    precise(parts) / 1e6
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and shown with three digits")]
fn precise(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        let asked = Scenario::default();
        let refused = |asked: &Scenario| model(asked, &usual_constants()).unwrap_err().to_string();
        assert!(refused(&Scenario { peers: 0, ..asked.clone() }).contains("from 1 to"));
        assert!(refused(&Scenario { seed_up: Vec::new(), ..asked.clone() }).contains("nobody has the file"));
        assert!(refused(&Scenario { piece_size: Some(ByteCount::new(3)), ..asked.clone() }).contains("power of two"));
        let huge = Scenario { peers: 1_000_000, ..asked.clone() };
        assert!(refused(&huge).contains("GiB of memory"), "{}", refused(&huge));
        let most = Scenario { peers: 100_000, ..asked };
        let piece_size = |asked: &Scenario| model(asked, &usual_constants()).map(|model| model.piece_size);
        assert_eq!(piece_size(&most), Ok(256 << 10));
        assert_eq!(piece_size(&Scenario { peers: 500, ..most }), Ok(64 << 10));
    }
}
