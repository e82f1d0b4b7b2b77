//! What is counted of the bytes, the pieces and the transfers, where they are moved. Whoever counts holds a [`Figures`];
//! clones count together, and outlive the parts' failures.
//!
//! The label `transfer` keeps what was only pretended apart: `real` or `simulated`.

use monitor::figure;
use monitor::{Counter, Counters, Gauge, Occupied, Page};
use proto::control::TransferState;

/// Counters of the data plane.
#[derive(Debug, Clone)]
pub struct Figures {
    sent: Moved,
    received: Moved,
    verified: Counter,
    rejected: Counter,
    duplicate: Counter,
    sources: Gauge,
    uploads: Gauge,
    ended: Counters,
}

/// Bytes that went one way. Counted with every part of a piece, so that the labels are looked up once.
#[derive(Debug, Clone)]
struct Moved {
    both: Counters,
    real: Counter,
    simulated: Counter,
}

impl Moved {
    fn new(name: &str, help: &str) -> Self {
        let both = figure::counters(name, help, &["transfer"]);
        let of = |simulated| both.with_label_values(&[kind(simulated)]);
        Self { real: of(false), simulated: of(true), both }
    }
}

/// Value of the label `transfer`.
pub const fn kind(simulated: bool) -> &'static str {
    if simulated { "simulated" } else { "real" }
}

impl Default for Figures {
    fn default() -> Self {
        let ended =
            figure::counters("peerd_transfers_ended_total", "Transfers that have ended.", &["state", "transfer"]);
        for state in [TransferState::Done, TransferState::Failed, TransferState::Cancelled] {
            for simulated in [false, true] {
                ended.with_label_values(&[state.to_string().as_str(), kind(simulated)]).reset();
            }
        }
        Self {
            sent: Moved::new("peerd_sent_bytes_total", "Content sent to other peers, in bytes."),
            received: Moved::new(
                "peerd_received_bytes_total",
                "Content that came from other peers, good or not, in bytes.",
            ),
            verified: figure::counter(
                "peerd_pieces_verified_total",
                "Pieces that hashed to what they should and were stored.",
            ),
            rejected: figure::counter("peerd_pieces_rejected_total", "Pieces that were not what they claimed to be."),
            duplicate: figure::counter(
                "peerd_duplicate_bytes_total",
                "Content of pieces that came whole although they were stored already, in bytes.",
            ),
            sources: figure::gauge("peerd_sources", "Peers that this one fetches from now, per file."),
            uploads: figure::gauge("peerd_uploads_open", "Pieces that are on their way to other peers."),
            ended,
        }
    }
}

impl Figures {
    /// Puts them on a page.
    pub fn show(&self, page: &Page) {
        for counters in [&self.sent.both, &self.received.both, &self.ended] {
            page.show(counters.clone());
        }
        for counter in [&self.verified, &self.rejected, &self.duplicate] {
            page.show(counter.clone());
        }
        page.show(self.sources.clone());
        page.show(self.uploads.clone());
    }

    /// Content has gone out.
    pub fn sent(&self, bytes: usize) {
        self.sent.real.inc_by(bytes as u64);
    }

    /// It was pretended that content went out.
    pub fn pretended_sent(&self, bytes: u64) {
        self.sent.simulated.inc_by(bytes);
    }

    /// Content has come in.
    pub fn received(&self, bytes: usize) {
        self.received.real.inc_by(bytes as u64);
    }

    /// It was pretended that content came in.
    pub fn pretended_received(&self, bytes: u64) {
        self.received.simulated.inc_by(bytes);
    }

    /// A piece was good, and is stored.
    pub fn verified(&self) {
        self.verified.inc();
    }

    /// A piece was not what it claimed to be.
    pub fn rejected(&self) {
        self.rejected.inc();
    }

    /// A piece came that was there already.
    pub fn duplicate(&self, bytes: u32) {
        self.duplicate.inc_by(bytes.into());
    }

    /// A conversation with a source, as long as the result lives.
    pub fn source(&self) -> Occupied {
        Occupied::one(&self.sources)
    }

    /// A piece on its way out, as long as the result lives.
    pub fn upload(&self) -> Occupied {
        Occupied::one(&self.uploads)
    }

    /// A transfer has ended like this.
    pub fn ended(&self, state: TransferState, simulated: bool) {
        self.ended.with_label_values(&[state.to_string().as_str(), kind(simulated)]).inc();
    }
}
