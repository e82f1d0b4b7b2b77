//! What-if questions: handed to the simulation actor, and the answer so far told until the whole one is there.

use std::time::Duration;

use proto::control::{Failure, FailureCode, Progress, Simulate};
use proto::simulation::{Answer, Constants};
use tokio::sync::{oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use super::connection::Watcher;
use super::dispatch::Desk;
use super::failures;
use crate::mailbox::{Away, PROMPT};
use crate::simulation::run::NoAnswer;
use crate::simulation::{self, calibrate};

/// How often the socket carries an answer so far; a person sees no more.
const TELL: Duration = Duration::from_millis(200);

/// Whoever stops waiting drops this future, and with it the only one who listens: the run ends.
pub(super) async fn simulate(desk: &Desk, asked: Simulate, watcher: Watcher) -> Result<Answer, Failure> {
    let (told, mut so_far) = watch::channel(None);
    let _telling = AbortOnDropHandle::new(tokio::spawn(async move {
        while so_far.changed().await.is_ok() {
            let answer = so_far.borrow_and_update().clone();
            if let Some(answer) = answer {
                watcher.tell(Progress::Simulation(answer));
            }
            tokio::time::sleep(TELL).await;
        }
    }));
    let (reply, answer) = oneshot::channel();
    let question = simulation::Msg::Run { scenario: Box::new(asked.scenario), told, reply };
    desk.mail.simulation.cast(question).map_err(failures::away)?;
    answer.await.map_err(|_| failures::away(Away))?.map_err(|error| failure(&error))
}

fn failure(error: &NoAnswer) -> Failure {
    match error {
        NoAnswer::Unanswerable(why) => Failure::new(FailureCode::Usage, format!("cannot be simulated: {why}")),
        NoAnswer::Broken(why) => Failure::new(FailureCode::Internal, why.clone())
            .hint("keep the scenario with `--save FILE`: it shows the fault again"),
        NoAnswer::Abandoned => Failure::new(FailureCode::Cancelled, error.to_string()),
    }
}

/// Measures this machine and keeps the figures.
pub(super) async fn calibrate(desk: &Desk) -> Result<Constants, Failure> {
    let io = |error: std::io::Error| Failure::new(FailureCode::Io, format!("the machine cannot be measured: {error}"));
    let constants = calibrate::measure(&desk.identity, &desk.config.download_dir).await.map_err(io)?;
    let measured = constants.clone();
    let kept = desk.mail.simulation.ask(|reply| simulation::Msg::Calibrated { constants: measured, reply }, PROMPT);
    kept.await.map_err(failures::away)?.map_err(io)?;
    Ok(constants)
}
