//! `transfers`: what is under way, and what was.

use std::time::Duration;

use clap::Args;
use proto::control::{self, Transfer, TransferState};
use serde::Serialize;

use super::paging;
use crate::error::Outcome;
use crate::render::{
    Column, Format, Listing, Output, Paint, Record, Row, TableCell, left, opt, rate, safe, share, snapshot, stderr,
};
use crate::runner::Context;

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(1);

/// List downloads: those under way, and those that ended since the daemon started
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl transfers
  peerctl transfers --watch          until Ctrl-C\n")]
pub(crate) struct ListTransfers {
    /// Keep the list up to date until Ctrl-C; elsewhere than on a terminal, write it again whenever it changes
    #[arg(long)]
    watch: bool,
}

impl ListTransfers {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        if self.watch { watch(cx).await } else { once(cx).await }
    }
}

async fn once(cx: &Context<'_>) -> Outcome {
    let rows = rows(cx).await?;
    let mut listing = Listing::new(cx.out);
    listing.page(&rows)?;
    listing.end()?;
    if cx.out.format() == Format::Human {
        stderr(&reasons(&rows));
    }
    if rows.is_empty() && cx.out.format() == Format::Human {
        cx.out.note("no transfers; `peerctl download FILE` starts one");
    }
    Ok(())
}

async fn rows(cx: &Context<'_>) -> Result<Vec<TransferRow>, control::Failure> {
    let transfers = paging::all_transfers(async |question| cx.ask(question).await).await?;
    Ok(transfers.into_iter().map(TransferRow).collect())
}

async fn watch(cx: &Context<'_>) -> Outcome {
    let screen = cx.out.may_redraw().then(Screen::enter);
    let mut ticks = tokio::time::interval(LOOK);
    let mut shown = String::new();
    while !cx.out.is_closed() {
        ticks.tick().await;
        let rows = rows(cx).await?;
        let most = screen.as_ref().map_or(usize::MAX, |_| Screen::rows());
        let mut text = snapshot(cx.out, &rows, most);
        if cx.out.format() == Format::Human {
            text.push_str(&reasons(&rows[..rows.len().min(most)]));
        }
        if let Some(screen) = &screen {
            screen.draw(cx.out, &text)?;
        } else if text != shown {
            cx.out.write(&text)?;
            shown = text;
        }
    }
    Ok(())
}

/// Why transfers do not move or have ended without the file.
fn reasons(rows: &[TransferRow]) -> String {
    let told = |TransferRow(transfer): &TransferRow| {
        let why = transfer.reason.as_ref().filter(|_| transfer.state != TransferState::Done)?;
        Some(format!("{} is {}: {}\n", transfer.transfer_id, transfer.state, safe(why)))
    };
    rows.iter().filter_map(told).collect()
}

/// The terminal's second screen: what stood on the first is there again afterwards, however the watching ends.
struct Screen;

impl Screen {
    fn enter() -> Self {
        stderr("\x1b[?1049h\x1b[?25l");
        Self
    }

    /// Rows that fit below the heading, a last line spared for the rest.
    fn rows() -> usize {
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        size.map_or(24, |size| usize::from(size.ws_row)).saturating_sub(3).max(1)
    }

    #[expect(clippy::unused_self, reason = "only who has entered may draw")]
    fn draw(&self, out: &Output, text: &str) -> Result<(), control::Failure> {
        out.write(&format!("\x1b[H\x1b[2J{text}"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        stderr("\x1b[?25h\x1b[?1049l");
    }
}

pub(super) struct TransferRow(pub(super) Transfer);

impl Record for TransferRow {
    fn json(&self) -> impl Serialize {
        &self.0
    }

    fn plain(&self) -> Vec<String> {
        let transfer = &self.0;
        vec![
            transfer.transfer_id.to_string(),
            transfer.file_id.to_string(),
            transfer.name.to_string(),
            transfer.size.as_u64().to_string(),
            transfer.path.display().to_string(),
            transfer.state.to_string(),
            opt(transfer.reason.as_ref()),
            opt(transfer.failure),
            transfer.bytes.as_u64().to_string(),
            format!("{:.0}", transfer.rate),
            format!("{:.3}", transfer.seconds),
            transfer.verified.to_string(),
            transfer.simulated.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.0.transfer_id.to_string()
    }
}

impl Row for TransferRow {
    const COLUMNS: &'static [Column] = &[
        Column::number("ID"),
        Column::flexible("NAME"),
        Column::text("STATE"),
        Column::number("DONE"),
        Column::number("SIZE").or_nothing(4),
        Column::number("RATE").or_nothing(3),
        Column::number("LEFT").or_nothing(2),
        Column::number("PEERS").or_nothing(1),
        Column::note(),
    ];

    fn cells(&self) -> Vec<TableCell> {
        let transfer = &self.0;
        let running = transfer.state == TransferState::Running;
        let left = left(transfer).filter(|_| running).unwrap_or_default();
        vec![
            TableCell::new(transfer.transfer_id.to_string()),
            TableCell::new(transfer.name.as_str()),
            TableCell::painted(transfer.state.to_string(), state_paint(transfer.state)),
            TableCell::new(share(transfer.bytes, transfer.size)),
            TableCell::new(transfer.size.to_string()),
            TableCell::new(rate(transfer.rate)),
            TableCell::new(left),
            TableCell::new(transfer.sources.len().to_string()),
            TableCell::painted(if transfer.simulated { "simulated" } else { "" }, Paint::Dim),
        ]
    }
}

pub(super) fn state_paint(state: TransferState) -> Paint {
    match state {
        TransferState::Preparing | TransferState::Running => Paint::Plain,
        TransferState::Done => Paint::Green,
        TransferState::Stalled | TransferState::Paused => Paint::Yellow,
        TransferState::Failed => Paint::Red,
        TransferState::Cancelled => Paint::Dim,
    }
}
