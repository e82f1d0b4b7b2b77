//! NATS, where somebody wants it: it carries the feed of changes to whoever subscribes there, and rings when another process
//! of this directory has written.
//!
//! Subjects, behind the prefix: `events.KIND` (`events.file.announced`) with the JSON of `GET /events`; `events.gap` where the
//! log had forgotten changes before NATS could have them; `doorbell`, empty. Changes of accounts are not told: who has one is
//! for admins to know, and a subscriber has shown no account here.
//!
//! Invariant: every change reaches NATS at least once, and in the order of the log. The log is the truth and the database has
//! the place up to which NATS has it ([`feeder`]); a connection is used until it ends, and never continued with another one
//! ([`link`]), for what was on its way is lost then and what is queued must not overtake it. A NATS that is gone costs its
//! subscribers time, and the directory nothing.

use std::time::Duration;

use bytes::Bytes;
use monitor::figure;
use monitor::{Counter, Gauge, Page};

use crate::config::Nats;

mod feeder;
mod link;

pub(crate) use feeder::run;

/// How long a command waits for NATS before it leaves the directory to notice by itself.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is counted of NATS. Clones count together.
#[derive(Clone)]
pub(crate) struct Figures {
    connected: Gauge,
    published: Counter,
    rung: Counter,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self {
            connected: figure::gauge("directoryd_nats_connected", "Whether NATS is connected."),
            published: figure::counter(
                "directoryd_nats_events_published_total",
                "Changes that NATS has taken, those that it took twice too.",
            ),
            rung: figure::counter(
                "directoryd_nats_doorbells_total",
                "How often another process said by NATS that it has written.",
            ),
        }
    }

    pub(crate) fn show(&self, page: &Page) {
        page.show(self.connected.clone());
        page.show(self.published.clone());
        page.show(self.rung.clone());
    }
}

/// Tells a directory that serves that something was written, so that it does not have to find out.
///
/// # Errors
/// Why NATS cannot be reached; the directory notices within a second or two without it.
pub async fn ring(nats: &Nats) -> Result<(), String> {
    let ring = async {
        let client = link::connect(nats).await?;
        client.publish(doorbell(nats), Bytes::new()).await.map_err(|error| error.to_string())?;
        client.flush().await.map_err(|error| error.to_string())
    };
    tokio::time::timeout(PATIENCE, ring).await.unwrap_or_else(|_| Err("it does not answer".to_owned()))
}

fn doorbell(nats: &Nats) -> String {
    format!("{}.doorbell", nats.prefix.as_str())
}
