//! `simulate`: asks the simulator what a swarm would do. The daemon computes; this command makes the question from flags and
//! files, follows the run, and shows the answer as a table, as JSON, and as a picture.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use proto::control::{self, Failure, FailureCode, Progress};
use proto::simulation::{Answer, Constants, Scenario};

use crate::error::{Outcome, io, usage};
use crate::render::Bars;
use crate::runner::Context;

mod flags;
mod picture;
mod shown;

use flags::Flags;
use shown::Calibrated;

/// Ask what a swarm would do: how long until everybody has a file, and what it would take
///
/// The simulator runs the engine's own scheduling code in virtual time. The same scenario has the same answer everywhere.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(before_help = "Examples:
  peerctl simulate --peers 100 --size 4GiB --up 100Mbit --down 1Gbit
  peerctl simulate --peers 100 --compare \"--seed-up 1Gbit\"
                                               two scenarios side by side
  peerctl simulate --file ubuntu.iso --peers 40 --plot swarm.svg
                                               a real file and its holders
  peerctl simulate --peers 5000 --save a.toml  keep the question
  peerctl simulate --scenario a.toml --json    ask it again
  peerctl simulate calibrate                   measure this machine first\n")]
pub(crate) struct Simulate {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    flags: Flags,
    /// Begin with a scenario that was kept; flags go over it
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    scenario: Option<PathBuf>,
    /// Keep the scenario, the constants of this machine included
    #[arg(long, value_name = "FILE.toml", value_hint = ValueHint::FilePath)]
    save: Option<PathBuf>,
    /// Draw the answer: completions, use of the uplinks, copies of the pieces
    #[arg(long, value_name = "FILE.svg", value_hint = ValueHint::FilePath)]
    plot: Option<PathBuf>,
    /// A second scenario beside the first: flags that differ, as one word
    #[arg(long, value_name = "FLAGS", allow_hyphen_values = true)]
    compare: Option<String>,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum What {
    /// Measure what this machine makes of the simulator's constants; scenarios take them from then on
    Calibrate,
}

impl Simulate {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        if let Some(What::Calibrate) = self.what {
            return calibrate(cx).await;
        }
        let base = self.scenario.as_deref().map(read).transpose()?.unwrap_or_default();
        let first = self.flags.over(cx, base).await?;
        let other = match &self.compare {
            Some(words) => Some(flags::parse(words)?.over(cx, first.clone()).await?),
            None => None,
        };
        let mut answers = vec![ask(cx, first).await?];
        // Who wants the first to end does not want the second to begin.
        if let Some(other) = other.filter(|_| answers[0].complete) {
            answers.push(ask(cx, other).await?);
        }
        shown::show(cx, &answers)?;
        if let (Some(path), [first, ..]) = (&self.save, answers.as_slice()) {
            write(path, &first.scenario.to_toml())?;
        }
        if let Some(path) = &self.plot {
            write(path, &picture::draw(&answers))?;
            cx.out.note(&format!("the picture is in {}", path.display()));
        }
        if answers.iter().all(|answer| answer.complete) { Ok(()) } else { Err(interrupted().into()) }
    }
}

async fn calibrate(cx: &Context<'_>) -> Outcome {
    let constants: Constants = cx.follow(control::Calibrate {}, |_| ()).await?;
    Ok(cx.out.detail(&Calibrated(&constants), &shown::constants(&constants), &shown::constants(&constants))?)
}

/// Follows a run to its end, or to Ctrl-C: then what is known so far is the answer.
async fn ask(cx: &Context<'_>, scenario: Scenario) -> Result<Answer, Failure> {
    let bars = Bars::new(cx.out);
    let mut bar = bars.bar(&format!("{} peers", scenario.peers));
    let so_far: RefCell<Option<Box<Answer>>> = RefCell::default();
    let running = cx.follow(control::Simulate { scenario }, |progress| {
        if let Progress::Simulation(answer) = progress {
            bar.simulation(&answer);
            *so_far.borrow_mut() = Some(answer);
        }
    });
    tokio::select! {
        answer = running => answer,
        () = cx.interrupted() => so_far.take().map(|answer| *answer).ok_or_else(too_early),
    }
}

fn too_early() -> Failure {
    Failure::new(FailureCode::Cancelled, "interrupted before anything was known")
}

fn interrupted() -> Failure {
    Failure::new(FailureCode::Cancelled, "interrupted: the answer is what was known by then")
}

fn read(path: &Path) -> Result<Scenario, Failure> {
    proto::settings::read(path).map_err(|error| usage(error.to_string()))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| io("cannot write", path, &error))
}
