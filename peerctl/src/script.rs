//! Lines of standard input, run one after the other up to the first failure, whose exit status is that of the script.

use std::io::BufRead;

use proto::control::{Failure, FailureCode};
use tokio::sync::mpsc;

use crate::error::{Trouble, plain_error};
use crate::render::{self, Format};
use crate::runner::{Flow, Runner};

pub(crate) async fn run(runner: &Runner) -> u8 {
    let mut lines = lines();
    let mut number = 0_u64;
    loop {
        // The wait for a line is left to Ctrl-C as well, or a script typed from nowhere could not be stopped.
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => return FailureCode::Cancelled.exit_status(),
        };
        number += 1;
        let ended = match line {
            None => return 0,
            Some(Ok(line)) => runner.line(&line).await,
            Some(Err(failure)) => {
                let trouble = Trouble::from(failure);
                trouble.report(&runner.output());
                Err(trouble.status())
            }
        };
        match ended {
            Ok(Flow::Next) => (),
            Ok(Flow::Leave) => return 0,
            Err(status) => {
                if runner.output().format() == Format::Human {
                    render::stderr(&format!("peerctl: stopped at line {number} of standard input\n"));
                }
                return status;
            }
        }
    }
}

/// Reads on a thread of its own, one line ahead.
fn lines() -> mpsc::Receiver<Result<String, Failure>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let line = line.map_err(|error| {
                Failure::new(FailureCode::Io, format!("cannot read standard input: {}", plain_error(&error)))
            });
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
