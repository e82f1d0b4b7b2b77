//! `download`: fetches files. The daemon does it; this command starts it, follows it, and says how it ended.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use futures_util::{StreamExt, stream};
use proto::control::{self, Failure, FailureCode, Progress, Started, Transfer};
use proto::ids::Rate;

use super::paths;
use crate::error::{Outcome, Trouble, usage};
use crate::render::{Bars, Format, safe};
use crate::runner::{Context, Origin};

mod ended;
mod running;

use ended::StartedRecord;
pub(crate) use ended::{how_it_ended, how_it_failed};

/// How many transfers are followed at once; the daemon fetches all of them meanwhile.
const FOLLOWED: usize = 16;

/// Fetch files, every piece checked, and wait until they are there
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl download ubuntu.iso
  peerctl download af1349b9 -o /srv/images/
  peerctl download data.tar --from 1 --from 2    only from these peers
  peerctl download data.tar --detach             the daemon goes on alone
  peerctl download data.tar --wait               follow one that runs
  peerctl download data.tar --rate 10MiB         no faster than that
  peerctl download data.tar --simulate           pretend: no content moves\n")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Download {
    /// Ids, unique prefixes of at least 6 digits, exact names, or USER/NAME
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// File to write, or folder to write into [default: the daemon's download folder]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::AnyPath)]
    output: Option<PathBuf>,
    /// Only from this peer; may be given several times, or with commas
    #[arg(long, value_name = "PEER", value_delimiter = ',')]
    from: Vec<String>,
    /// Start, and leave the rest to the daemon
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
    /// Follow a transfer of the file that is there already, even one that has just ended; start one otherwise
    #[arg(long)]
    wait: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// No faster than this: 100Mbit, or 10MiB per second
    #[arg(long, value_name = "RATE", conflicts_with = "simulate")]
    rate: Option<Rate>,
    /// Only pretend, as with every simulated file: no content moves, and this peer then shares a simulated file
    #[arg(long, conflicts_with_all = ["output", "force"])]
    simulate: bool,
}

impl Download {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let output = self.output()?;
        let mut failures = Vec::new();
        let mut started = Vec::new();
        for file in &self.files {
            match self.start(cx, file, output.clone()).await {
                Ok(transfer) => started.push(transfer),
                Err(failure) if failure.code == FailureCode::DaemonUnreachable => return Err(failure.into()),
                Err(failure) => failures.push(failure),
            }
        }
        if self.detach {
            for transfer in &started {
                cx.out.result(&StartedRecord(transfer), || ended::detached(transfer))?;
            }
            if cx.out.format() == Format::Human && !started.is_empty() {
                cx.out.note(&ended::how_to_follow(&started));
            }
        } else {
            cx.goes_on(ended::how_to_follow(&started));
            follow(cx, &started, &mut failures).await?;
        }
        Trouble::unless_empty(failures)
    }

    fn output(&self) -> Result<Option<PathBuf>, Failure> {
        let Some(typed) = &self.output else { return Ok(None) };
        let path = paths::absolute(typed)?;
        if self.files.len() > 1 && !path.is_dir() {
            let failure = usage(format!("`{}` is no folder, and several files cannot go into one", typed.display()));
            return Err(failure.hint("name a folder that exists"));
        }
        Ok(Some(path))
    }

    async fn start(&self, cx: &Context<'_>, file: &str, output: Option<PathBuf>) -> Result<Started, Failure> {
        if self.wait
            && let Some(transfer) = running::find(cx, file, self.simulate).await?
        {
            return Ok(transfer);
        }
        let question = control::Download {
            file: file.to_owned(),
            output,
            from: self.from.clone(),
            via: cx.session.via(),
            force: self.force,
            simulate: self.simulate,
            rate: self.rate,
        };
        cx.ask(question).await
    }
}

/// Follows transfers to their ends and writes how they went.
async fn follow(cx: &Context<'_>, started: &[Started], failures: &mut Vec<Failure>) -> Outcome {
    let bars = Bars::new(cx.out);
    let waits = stream::iter(started).map(|transfer| wait(cx, &bars, transfer)).buffer_unordered(FOLLOWED);
    let warned = warn_at_interrupt(cx, &bars, started);
    futures_util::pin_mut!(waits, warned);
    loop {
        let ended = tokio::select! {
            ended = waits.next() => ended,
            never = &mut warned => match never {},
        };
        let Some(ended) = ended else { return Ok(()) };
        if let Ok(transfer) = &ended {
            cx.session.has_read(transfer.transfer_id);
        }
        match ended.and_then(ended::verdict) {
            Ok(transfer) => bars.aside(|| ended::show(cx, &transfer))?,
            Err(failure) if failure.code == FailureCode::DaemonUnreachable => return Err(failure.into()),
            Err(failure) => failures.push(failure),
        }
    }
}

/// Says at the first Ctrl-C what the second will do. Only to a person who has typed this one command: in a session Ctrl-C
/// leads back to the prompt at once, and a program that interrupts means it.
async fn warn_at_interrupt(cx: &Context<'_>, bars: &Bars, started: &[Started]) -> Infallible {
    let asked_by_a_person = cx.origin == Origin::OneShot && !cx.session.in_menu() && bars.are_drawn();
    if asked_by_a_person && cx.out.format() == Format::Human {
        cx.interrupted().await;
        bars.aside(|| cx.out.note(&ended::what_the_next_does(started)));
    }
    std::future::pending().await
}

async fn wait(cx: &Context<'_>, bars: &Bars, started: &Started) -> Result<Transfer, Failure> {
    if started.joined {
        bars.aside(|| cx.out.note(&format!("{}: under way already, waiting for it", safe(started.name.as_str()))));
    }
    let mut bar = bars.bar(started.name.as_str());
    cx.follow(control::Wait { transfer_id: started.transfer_id }, |progress| {
        if let Progress::Transfer(transfer) = progress
            && let Some(held_up) = bar.transfer(&transfer)
        {
            cx.out.note(&held_up);
        }
    })
    .await
}
