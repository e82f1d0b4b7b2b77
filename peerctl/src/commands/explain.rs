//! `explain`: what limits a transfer now, and who gives how much.

use clap::Args;
use proto::control::{self, Explanation, SourceFigures, SourceState, TransferState};
use proto::ids::{FileId, FileName, Rate, TransferId};
use serde::Serialize;

use super::transfers::state_paint;
use crate::error::Outcome;
use crate::render::{
    Column, Fields, Format, Listing, Paint, Record, Row, TableCell, duration, left, opt, rate, safe, share, stderr,
};
use crate::runner::Context;

/// Say what limits a transfer now, and who gives how much
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Number of the transfer, as `transfers` shows it
    #[arg(value_name = "ID")]
    id: TransferId,
}

impl Explain {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let explanation = cx.ask(control::Explain { transfer_id: self.id }).await?;
        cx.out.detail(&Explained(&explanation), &for_people(&explanation), &in_full(&explanation))?;
        if cx.out.format() == Format::Human && !explanation.sources.is_empty() {
            let rows: Vec<SourceRow> = explanation.sources.iter().cloned().map(SourceRow).collect();
            cx.out.write("\n")?;
            let mut listing = Listing::new(cx.out);
            listing.page(&rows)?;
            listing.end()?;
            stderr(&troubles(&explanation.sources));
        }
        Ok(())
    }
}

fn troubles(sources: &[SourceFigures]) -> String {
    let told = |source: &SourceFigures| {
        let trouble = source.trouble.as_ref()?;
        Some(format!("{} is {}: {}\n", safe(source.peer.as_str()), source.state, safe(trouble)))
    };
    sources.iter().filter_map(told).collect()
}

fn for_people(explanation: &Explanation) -> Fields {
    let Explanation { transfer, because, max_rate, pieces, in_flight, duplicates, .. } = explanation;
    let mut done = format!("{} of {}", share(transfer.bytes, transfer.size), transfer.size);
    if transfer.state == TransferState::Running {
        let left = left(transfer).map(|left| format!(", {left} left")).unwrap_or_default();
        done = format!("{done}, {}{left}", rate(transfer.rate));
    }
    let limit = max_rate.map(|rate| format!(", held to {rate}")).unwrap_or_default();
    Fields::default()
        .with("file", &transfer.name)
        .painted("state", format!("{}{limit}", transfer.state), state_paint(transfer.state))
        .painted("limited by", because, Paint::Bold)
        .with("done", done)
        .with(
            "pieces",
            format!("{} of {}; {in_flight} asked for, {duplicates} came twice", pieces.stored, pieces.total),
        )
}

fn in_full(explanation: &Explanation) -> Fields {
    let Explanation { transfer, limit, because, max_rate, pieces, in_flight, duplicates, sources } = explanation;
    let fields = Fields::default()
        .with("transfer_id", transfer.transfer_id)
        .with("file_id", transfer.file_id)
        .with("name", &transfer.name)
        .with("size", transfer.size.as_u64())
        .with("state", transfer.state)
        .with("bytes", transfer.bytes.as_u64())
        .with("rate", format!("{:.0}", transfer.rate))
        .with("limit", limit)
        .with("because", because)
        .with("max_rate", opt(max_rate.map(Rate::as_bytes_per_second)))
        .with("pieces", format!("{} {}", pieces.stored, pieces.total))
        .with("in_flight", in_flight.as_u64())
        .with("duplicates", duplicates.as_u64());
    sources.iter().fold(fields, |fields, source| fields.with("source", SourceRow(source.clone()).plain().join(" ")))
}

struct Explained<'a>(&'a Explanation);

impl Record for Explained<'_> {
    fn json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            transfer_id: TransferId,
            file_id: FileId,
            name: &'a FileName,
            size: u64,
            state: TransferState,
            bytes: u64,
            rate: f64,
            limit: control::Limit,
            because: &'a str,
            max_rate: Option<Rate>,
            pieces: control::PieceCount,
            in_flight: u64,
            duplicates: u64,
            sources: &'a [SourceFigures],
        }
        let Explanation { transfer, limit, because, max_rate, pieces, in_flight, duplicates, sources } = self.0;
        Json {
            transfer_id: transfer.transfer_id,
            file_id: transfer.file_id,
            name: &transfer.name,
            size: transfer.size.as_u64(),
            state: transfer.state,
            bytes: transfer.bytes.as_u64(),
            rate: transfer.rate,
            limit: *limit,
            because,
            max_rate: *max_rate,
            pieces: *pieces,
            in_flight: in_flight.as_u64(),
            duplicates: duplicates.as_u64(),
            sources,
        }
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    fn id(&self) -> String {
        self.0.transfer.transfer_id.to_string()
    }
}

struct SourceRow(SourceFigures);

impl Record for SourceRow {
    fn json(&self) -> impl Serialize {
        &self.0
    }

    fn plain(&self) -> Vec<String> {
        let source = &self.0;
        vec![
            source.peer_id.to_string(),
            source.peer.to_string(),
            source.state.to_string().replace(' ', "-"),
            source.bytes.as_u64().to_string(),
            source.rate.to_string(),
            format!("{:.3}", source.delay_s),
            source.failures.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.0.peer_id.to_string()
    }
}

impl Row for SourceRow {
    const COLUMNS: &'static [Column] = &[
        Column::flexible("PEER"),
        Column::text("STATE"),
        Column::number("GAVE"),
        Column::number("RATE").or_nothing(4),
        Column::number("DELAY").or_nothing(3),
        Column::number("ASKED").or_nothing(1),
        Column::number("FAILED").or_nothing(2),
    ];

    fn cells(&self) -> Vec<TableCell> {
        let source = &self.0;
        #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
        let rate = rate(source.rate as f64);
        vec![
            TableCell::new(source.peer.as_str()),
            TableCell::painted(source.state.to_string(), paint(source.state)),
            TableCell::new(source.bytes.to_string()),
            TableCell::new(rate),
            TableCell::new(duration(source.delay_s)),
            TableCell::new(source.in_flight.to_string()),
            TableCell::new(source.failures.to_string()),
        ]
    }
}

fn paint(state: SourceState) -> Paint {
    match state {
        SourceState::Active => Paint::Green,
        SourceState::Idle | SourceState::Away => Paint::Dim,
        SourceState::Slow | SourceState::Resting | SourceState::LeftAlone => Paint::Yellow,
        SourceState::Banned => Paint::Red,
    }
}
