//! The page of figures: what is counted where it happens, and what the parts show of themselves, looked at when somebody asks.

use std::sync::Arc;
use std::time::Duration;

use monitor::figure::{self, level};
use monitor::{Counters, Gauge, Gauges, Page};
use proto::control::{DirectoryState, TransferState};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::control::dispatch::Desk;
use crate::figures::{Figures, kind};
use crate::transfers;

/// How long the transfers may take to say how they are; a page with their last numbers beats none.
const PATIENCE: Duration = Duration::from_secs(2);

const DIRECTORY: [DirectoryState; 4] =
    [DirectoryState::Connected, DirectoryState::Connecting, DirectoryState::Unreachable, DirectoryState::LoggedOut];
const UNDER_WAY: [TransferState; 4] =
    [TransferState::Preparing, TransferState::Running, TransferState::Stalled, TransferState::Paused];

/// Serves the page until `shutdown`.
pub(super) async fn serve(desk: Desk, figures: Figures, listener: TcpListener, shutdown: CancellationToken) {
    let page = Page::new("peerd", env!("CARGO_PKG_VERSION"));
    figures.show(&page);
    let shown = Arc::new(Shown::new(&page));
    let refresh = move || {
        let (desk, shown) = (desk.clone(), Arc::clone(&shown));
        async move { shown.look(&desk).await }
    };
    page.serve(listener, refresh, shutdown).await;
}

/// What is read off the parts.
struct Shown {
    directory: Gauges,
    restarts: Counters,
    shares: Gauge,
    transfers: Gauges,
}

impl Shown {
    fn new(page: &Page) -> Self {
        let shown = Self {
            directory: figure::gauges(
                "peerd_directory_state",
                "How it is with the directory: 1 for the state that holds, 0 for the others.",
                &["state"],
            ),
            restarts: figure::counters("peerd_actor_restarts_total", "Starts of a part after a failure.", &["actor"]),
            shares: figure::gauge("peerd_shares", "Files that this peer shares."),
            transfers: figure::gauges(
                "peerd_transfers",
                "Transfers that are under way, by how they are.",
                &["state", "transfer"],
            ),
        };
        page.show(shown.directory.clone());
        page.show(shown.restarts.clone());
        page.show(shown.shares.clone());
        page.show(shown.transfers.clone());
        shown
    }

    async fn look(&self, desk: &Desk) {
        let state = desk.view.borrow().status.state;
        for one in DIRECTORY {
            self.directory.with_label_values(&[one.to_string().as_str()]).set((one == state).into());
        }
        for part in desk.parts.borrow().iter() {
            let counted = self.restarts.with_label_values(&[part.name.as_str()]);
            counted.inc_by(u64::from(part.restarts).saturating_sub(counted.get()));
        }
        self.shares.set(level(desk.catalog.borrow().len()));
        let Ok(listed) = desk.mail.transfers.ask(|reply| transfers::Msg::List { reply }, PATIENCE).await else {
            return;
        };
        for state in UNDER_WAY {
            for simulated in [false, true] {
                let count = listed.iter().filter(|one| one.state == state && one.simulated == simulated).count();
                self.transfers.with_label_values(&[state.to_string().as_str(), kind(simulated)]).set(level(count));
            }
        }
    }
}
