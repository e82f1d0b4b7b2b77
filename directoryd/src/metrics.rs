//! The page of figures. What is counted where it happens is shown as it is; what the database knows is asked for when the
//! page is. Nobody imports this but the server.

use std::sync::Arc;
use std::time::Duration;

use monitor::figure::{self, level};
use monitor::{Gauge, Page};
use proto::directory::Stats;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, now};
use crate::db::StoreError;
use crate::events::nats;

/// How long the database may take for the numbers; a page without them beats none.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the database knows, as of the last look.
struct Known {
    answers: Gauge,
    users: Gauge,
    sessions: Gauge,
    peers: Gauge,
    peers_up: Gauge,
    files: Gauge,
    bytes: Gauge,
}

/// Serves the page of a directory until `shutdown`.
pub(crate) async fn serve(
    app: Arc<App>,
    nats: Option<nats::Figures>,
    listener: TcpListener,
    shutdown: CancellationToken,
) {
    let page = Page::new("directoryd", crate::VERSION);
    app.requests.show(&page);
    app.store.commits().show(&page);
    app.tickets.signing().show(&page);
    app.feed.show(&page);
    if let Some(nats) = nats {
        nats.show(&page);
    }
    let known = Arc::new(Known::new(&page));
    let refresh = move || {
        let (app, known) = (Arc::clone(&app), Arc::clone(&known));
        async move { known.look(&app).await }
    };
    page.serve(listener, refresh, shutdown).await;
}

impl Known {
    fn new(page: &Page) -> Self {
        let shown = |name, help| {
            let gauge = figure::gauge(name, help);
            page.show(gauge.clone());
            gauge
        };
        Self {
            answers: shown("directoryd_database_up", "Whether the database answered when it was last asked."),
            users: shown("directoryd_users", "Accounts."),
            sessions: shown("directoryd_sessions", "Logins that have not ended."),
            peers: shown("directoryd_peers_registered", "Peers that ever registered, and were not removed."),
            peers_up: shown("directoryd_peers_up", "Peers that are up."),
            files: shown("directoryd_files", "Files that somebody holds."),
            bytes: shown("directoryd_files_bytes", "Sizes of the files together, each file once, in bytes."),
        }
    }

    async fn look(&self, app: &App) {
        let asked = tokio::time::timeout(PATIENCE, ask(app)).await.unwrap_or(Err(StoreError::Busy));
        self.answers.set(asked.is_ok().into());
        match asked {
            Ok((stats, sessions)) => {
                self.users.set(level(stats.users));
                self.sessions.set(level(sessions));
                self.peers.set(level(stats.peers));
                self.peers_up.set(level(stats.peers_up));
                self.files.set(level(stats.files));
                self.bytes.set(level(stats.bytes));
            }
            Err(error) => tracing::warn!(%error, "the database does not answer; the figures keep their last numbers"),
        }
    }
}

async fn ask(app: &App) -> Result<(Stats, u64), StoreError> {
    Ok((app.store.stats().await?, app.store.running_sessions(now()).await?))
}
