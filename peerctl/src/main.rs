//! `peerctl`: a person's or a script's way to their own peer. It speaks to `peerd` over the control socket and to nobody
//! else.
//!
//! A command's way: [`cli`] parses it (one tree for one-shots, scripts and the REPL), [`runner`] runs it against interrupts,
//! [`commands`] asks the daemon by way of [`connection`], [`render`] writes the answer, [`error`] says what went wrong and
//! gives the exit status.

use std::io::IsTerminal;
use std::process::ExitCode;

use proto::control::{Failure, FailureCode};
use traces::{Endpoint, Traces};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::cli::{Cli, Mode};
use crate::connection::Daemon;
use crate::runner::{Origin, Runner};

mod cli;
mod commands;
mod connection;
mod error;
mod menu;
mod render;
mod repl;
mod runner;
mod script;
mod session;

fn main() -> ExitCode {
    let cli = match Cli::from_args(std::env::args_os()) {
        Ok(cli) => cli,
        Err(refused) => return ExitCode::from(refused.report()),
    };
    // One thread starts in no time, and nothing here computes.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ExitCode::from(error::no_runtime(&error)),
    };
    let traces = match cli.otlp_endpoint.as_ref().map(trace).transpose() {
        Ok(traces) => traces,
        Err(failure) => {
            let trouble = error::Trouble::from(failure);
            trouble.report(&render::Output::new(&cli.shared));
            return ExitCode::from(trouble.status());
        }
    };
    let status = runtime.block_on(run(cli));
    // A thread that still waits for a line of standard input must not hold the exit up.
    runtime.shutdown_background();
    if let Some(traces) = traces {
        traces.stop();
    }
    ExitCode::from(status)
}

/// Each command is the beginning of a trace, told to that collector.
fn trace(endpoint: &Endpoint) -> Result<Traces, Failure> {
    let user = std::env::var("USER").unwrap_or_default();
    let traces = Traces::start("peerctl", &user, endpoint).map_err(|why| Failure::new(FailureCode::Internal, why))?;
    tracing_subscriber::registry().with(traces.layer()).init();
    Ok(traces)
}

async fn run(cli: Cli) -> u8 {
    let (daemon, shared) = (Daemon::new(cli.socket), cli.shared);
    match (cli.mode, std::io::stdin().is_terminal()) {
        (Mode::Command(command), _) => Runner::new(daemon, shared, Origin::OneShot).command(command).await,
        (Mode::Line(line), _) => Runner::new(daemon, shared, Origin::OneShot).single(&line).await,
        (Mode::Session, true) => repl::run(Runner::new(daemon, shared, Origin::Session)).await,
        (Mode::Session, false) => script::run(&Runner::new(daemon, shared, Origin::Script)).await,
    }
}
