//! One scenario at a time, on a thread of its own: the daemon answers and transfers meanwhile. A run ends early when nobody
//! listens to its progress any more. It is never restarted: a failure is a result.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::simulation::{Answer, Constants, Scenario};
use swarm::sim::Simulation;
use tokio::sync::{Semaphore, oneshot, watch};

use super::question::{self, Unanswerable};
use crate::pages::Large;

/// Events between two looks at the clock: a few milliseconds' worth.
const STEPS: u64 = 1_000;
/// How often the answer so far is told.
const TELL: Duration = Duration::from_millis(200);

/// Why a run gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The question.
    #[error(transparent)]
    Unanswerable(#[from] Unanswerable),
    /// A fault of the simulator.
    #[error("{0}")]
    Broken(String),
    /// Nobody listens any more.
    #[error("nobody waits for the answer any more")]
    Abandoned,
}

/// Where the answer so far is told.
pub type Told = watch::Sender<Option<Box<Answer>>>;

/// Runs a scenario when it is its turn.
pub async fn run(turn: Arc<Semaphore>, scenario: Scenario, told: Told) -> Result<Answer, NoAnswer> {
    let _turn = tokio::select! {
        turn = turn.acquire_owned() => turn.map_err(|_| NoAnswer::Abandoned)?,
        () = told.closed() => return Err(NoAnswer::Abandoned),
    };
    let (done, answer) = oneshot::channel();
    let work = move || {
        // Whatever is transferred meanwhile goes first.
        let _ = rustix::process::nice(10);
        let (seed, pages) = (scenario.seed, Large::wanted());
        let caught = std::panic::catch_unwind(AssertUnwindSafe(|| compute(&scenario, &told)));
        drop(pages);
        let _ = done.send(caught.unwrap_or_else(|panic| Err(NoAnswer::Broken(broken(&*panic, seed)))));
    };
    let spawned = std::thread::Builder::new().name("simulation".into()).spawn(work);
    spawned.map_err(|error| NoAnswer::Broken(format!("no thread for it: {error}")))?;
    answer.await.map_err(|_| NoAnswer::Broken("its thread has ended".into()))?
}

fn compute(scenario: &Scenario, told: &Told) -> Result<Answer, NoAnswer> {
    let usual = question::usual_constants();
    let constants: &Constants = scenario.constants.as_ref().unwrap_or(&usual);
    let model = question::model(scenario, constants)?;
    let began = Instant::now();
    let mut last = began;
    let bad = |error: swarm::BadGeometry| Unanswerable::Geometry(error.to_string());
    let mut simulation = Simulation::new(model).map_err(bad)?;
    // Whoever leaves early has this at least.
    told.send_replace(Some(Box::new(question::answer(scenario, &simulation, false, began.elapsed()))));
    while simulation.advance(STEPS) {
        if told.is_closed() {
            return Err(NoAnswer::Abandoned);
        }
        if last.elapsed() >= TELL {
            last = Instant::now();
            told.send_replace(Some(Box::new(question::answer(scenario, &simulation, false, began.elapsed()))));
        }
    }
    simulation.audit().map_err(|broken| NoAnswer::Broken(broken.to_string()))?;
    Ok(question::answer(scenario, &simulation, true, began.elapsed()))
}

fn broken(panic: &(dyn std::any::Any + Send), seed: u64) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("an invariant of the simulator does not hold: {}; seed {seed}", text.unwrap_or("no reason is given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(peers: u32) -> Scenario {
        Scenario { peers, constants: Some(question::usual_constants()), ..Scenario::default() }
    }

    #[tokio::test]
    async fn the_same_question_has_the_same_answer() {
        let turn = Arc::new(Semaphore::new(1));
        let ask = async || {
            let told = watch::Sender::new(None);
            let _listening = told.subscribe();
            Answer { elapsed_s: 0.0, ..run(Arc::clone(&turn), scenario(16), told).await.unwrap() }
        };
        let answer = ask().await;
        assert_eq!(answer, ask().await);
        assert!(
            answer.complete && answer.finished == 16 && answer.ratio.is_some_and(|ratio| ratio < 1.3),
            "{answer:?}"
        );
    }

    #[tokio::test]
    async fn nobody_listening_ends_it() {
        let turn = Arc::new(Semaphore::new(1));
        let (told, mut listening) = watch::channel(None);
        let running = tokio::spawn(run(Arc::clone(&turn), scenario(20_000), told));
        listening.changed().await.unwrap();
        assert!(listening.borrow().as_ref().is_some_and(|answer| !answer.complete));
        drop(listening);
        assert_eq!(running.await.unwrap(), Err(NoAnswer::Abandoned));
        assert_eq!(turn.available_permits(), 1);
    }
}
