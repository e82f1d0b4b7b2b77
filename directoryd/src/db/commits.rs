//! What is counted of the transactions that write: how many requests share one, how long it takes, how many came to nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monitor::figure::{self, LATENCIES};
use monitor::{Counter, Histogram, Page};

/// Upper bounds for requests that share a transaction.
const TOGETHER: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Figures of the writing. Clones count together.
#[derive(Clone)]
pub(crate) struct Commits {
    writes: Histogram,
    time: Histogram,
    failures: Counter,
    number: Arc<AtomicU64>,
}

impl Commits {
    pub(super) fn new() -> Self {
        Self {
            writes: figure::histogram("directoryd_commit_writes", "Requests that shared one commit.", TOGETHER),
            time: figure::histogram(
                "directoryd_commit_duration_seconds",
                "Time that a group of writes took, its commit included.",
                LATENCIES,
            ),
            failures: figure::counter("directoryd_commit_failures_total", "Groups of writes that were not stored."),
            number: Arc::default(),
        }
    }

    pub(crate) fn show(&self, page: &Page) {
        page.show(self.writes.clone());
        page.show(self.time.clone());
        page.show(self.failures.clone());
    }

    /// How many this process has made: greater once anybody has heard of another.
    pub(crate) fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Before those who wait are answered.
    #[expect(clippy::cast_precision_loss, reason = "a group is small")]
    pub(super) fn note(&self, writes: usize, took: Duration, stored: bool) {
        self.time.observe(figure::seconds(took));
        if stored {
            self.number.fetch_add(1, Ordering::Release);
            self.writes.observe(writes as f64);
        } else {
            self.failures.inc();
        }
    }
}
