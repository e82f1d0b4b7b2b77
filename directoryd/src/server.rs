//! A running directory: bind, serve, drain.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use transport::{Lanes, Limits};

use crate::app::{App, Rates, Terms, Tickets, now};
use crate::config::{Admin, Config, Database, Nats, Tls};
use crate::db::{self, KeyTerms, MigrateError, Migrated, Purpose, Store, StoreError};
use crate::events::{Feed, Follower, nats};
use crate::{metrics, routes};

/// Connections that may wait to be accepted: all peers come at once after a restart, and of those beyond it some believe
/// themselves connected and are not. The usual 128 is too few for a few hundred; the system caps it (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// How often it is looked what other processes changed.
const FOLLOW: Duration = Duration::from_secs(1);
/// How often ended sessions are taken away.
const TIDY: Duration = Duration::from_mins(10);

/// Events that are older are forgotten, however few there are.
const EVENTS_KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// Why the directory could not start. One line each, with what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there, or the address is not ours.
    #[error("cannot listen on {address}: {why}; stop what listens there, or choose another address with --listen")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// The figures cannot be served where they should.
    #[error("cannot serve figures on {address}: {why}; choose another address with --admin-listen, or `off`")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        why: std::io::Error,
    },
    /// The state folder cannot be made or written.
    #[error("cannot use the state folder {}: {why}; choose another with --state-dir", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// Another directory serves from the same database; two would declare each other's peers down.
    #[error("another directoryd is serving from {}; stop it, or choose another folder with --state-dir", path.display())]
    Serving {
        /// The database.
        path: PathBuf,
    },
    /// The database cannot be made ready.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The system gives no threads to serve on.
    #[error("cannot start the threads that serve: {0}; raise the limits of processes and open files (`ulimit -u -n`)")]
    Threads(std::io::Error),
    /// Certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] transport::WebTlsError),
}

/// A directory that listens and does not serve yet.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    admin: Option<TcpListener>,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    lanes: Lanes,
    app: Arc<App>,
    follower: Follower,
    kept: EventsKept,
    nats: Option<(Nats, nats::Figures)>,
    _serving: Option<File>,
}

impl Server {
    /// Takes the address, then brings the database up to date: a second directory on the same address fails before it
    /// touches anything.
    pub fn bind(config: Config) -> BoxFuture<'static, Result<Self, StartError>> {
        Box::pin(Self::prepare(config))
    }

    async fn prepare(config: Config) -> Result<Self, StartError> {
        let tls = config.tls.as_ref().map(tls).transpose()?;
        let unbound = |why| StartError::Listen { address: config.listen, why };
        let listener = listen(config.listen).map_err(unbound)?;
        let address = listener.local_addr().map_err(unbound)?;
        make_folder(&config.database)?;
        // A server holds a lock of its own for the store that serves.
        let serving = match &config.database {
            Database::Sqlite(path) => Some(lock(path)?),
            Database::Postgres(_) => None,
        };
        let store = open(&config, Purpose::Serve).await?;
        let counted = store.count_shares().await?;
        if counted > 0 {
            tracing::info!(peers = counted, "counted what peers share, once and for all");
        }
        let keys = KeyTerms { lease: config.lease, ticket: config.ticket };
        let audience = store.begin_keys(keys, now()).await?;
        let tickets = Tickets::new(audience, store.signing_keys().await?, config.ticket);
        let terms = Terms { lease: config.lease, heartbeat: config.heartbeat, session: config.session };
        let (feed, follower) = Feed::new(store.clone());
        let rates = Rates::new(config.max_requests.limit());
        let app = Arc::new(App::new(store, feed, tickets, rates, terms));
        let up = app.liveness.resume().await?;
        if up > 0 {
            tracing::info!(peers = up, "peers that were up keep one lease of grace");
        }
        let (admin, kept) = (admin(config.admin)?, EventsKept(config.events_kept));
        let limits = config.limits;
        let lanes = Lanes::threads(lanes()).map_err(StartError::Threads)?;
        let nats = config.nats.map(|nats| (nats, nats::Figures::new()));
        Ok(Self { listener, address, admin, tls, limits, lanes, app, follower, kept, nats, _serving: serving })
    }

    /// Where it listens; tells the port where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where its figures are served, if they are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// What it stores.
    pub fn store(&self) -> Store {
        self.app.store.clone()
    }

    /// Serves until `shutdown`, then answers what it has taken and returns. Boxed, so that all of it is compiled here, and not
    /// once more in whatever awaits it.
    pub fn run(self, shutdown: CancellationToken) -> BoxFuture<'static, ()> {
        Box::pin(self.serve(shutdown))
    }

    async fn serve(self, shutdown: CancellationToken) {
        let stopped = CancellationToken::new();
        let background = tokio::spawn(background(Arc::clone(&self.app), self.follower, self.kept, stopped.clone()));
        let figures = self.nats.as_ref().map(|(_, figures)| figures.clone());
        let nats = self
            .nats
            .map(|(nats, figures)| tokio::spawn(nats::run(Arc::clone(&self.app), nats, figures, stopped.clone())));
        // Until the last request is answered: how a stop goes is worth seeing.
        let figures = self
            .admin
            .map(|listener| tokio::spawn(metrics::serve(Arc::clone(&self.app), figures, listener, stopped.clone())));
        let app = Arc::clone(&self.app);
        let token = shutdown.clone();
        let not_ready = tokio::spawn(async move {
            token.cancelled().await;
            app.drain();
        });
        let service = routes::service(&self.app);
        let drained = transport::serve(self.lanes, self.listener, self.tls, service, self.limits, shutdown).await;
        stopped.cancel();
        not_ready.abort();
        if background.await.is_err() {
            tracing::error!("the background task panicked");
        }
        if let Some(nats) = nats
            && nats.await.is_err()
        {
            tracing::error!("the task that feeds NATS panicked");
        }
        if let Some(figures) = figures
            && figures.await.is_err()
        {
            tracing::error!("the task that serves the figures panicked");
        }
        tracing::info!(connections_cut = drained.cut, "stopped");
    }
}

/// One processor is left for what requests set in motion: the database, the system's side of the network.
fn lanes() -> NonZeroUsize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new(processors - 1).unwrap_or(NonZeroUsize::MIN)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // As `TcpListener::bind` does: a restart does not wait until old connections are forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The listener for the figures. The usual address is given up where somebody else has it, a chosen one is not.
fn admin(wanted: Admin) -> Result<Option<TcpListener>, StartError> {
    let (address, chosen) = match wanted {
        Admin::Off => return Ok(None),
        Admin::Usual => (Admin::USUAL, false),
        Admin::At(address) => (address, true),
    };
    match listen(address) {
        Ok(listener) => Ok(Some(listener)),
        Err(why) if chosen => Err(StartError::Admin { address, why }),
        Err(error) => {
            tracing::warn!(figures = %address, %error, "no figures are served: choose an address with --admin-listen, or off");
            Ok(None)
        }
    }
}

fn tls(files: &Tls) -> Result<Arc<ServerConfig>, StartError> {
    Ok(Arc::new(transport::web_server_config(&files.certificate, &files.key)?))
}

/// The store of a configuration, with its folder made and its schema up to date.
pub async fn open(config: &Config, purpose: Purpose) -> Result<Store, StartError> {
    let migrated = migrate(config).await?;
    for step in &migrated.steps {
        tracing::info!(step, "brought the database up to date");
    }
    Ok(Store::open(&config.database, purpose).await?)
}

/// Makes the state folder (0700) and brings the schema up to date.
pub async fn migrate(config: &Config) -> Result<Migrated, StartError> {
    make_folder(&config.database)?;
    Ok(db::migrate(&config.database).await?)
}

fn make_folder(database: &Database) -> Result<(), StartError> {
    let Database::Sqlite(database) = database else { return Ok(()) };
    let Some(folder) = database.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|why| StartError::Folder { path: folder.to_owned(), why })
}

/// Held while serving. It goes with the process, however that ends, so no stale one can be in the way.
fn lock(database: &Path) -> Result<File, StartError> {
    let path = database.with_added_extension("lock");
    let unusable = |why| StartError::Folder { path: path.clone(), why };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StartError::Serving { path: database.to_owned() }),
        Err(TryLockError::Error(why)) => Err(unusable(why)),
    }
}

/// How many events, at the least.
struct EventsKept(u64);

async fn background(app: Arc<App>, follower: Follower, kept: EventsKept, stop: CancellationToken) {
    tokio::join!(
        app.liveness.run(stop.clone()),
        follower.run(stop.clone()),
        follow_others(&app, stop.clone()),
        tidy(&app, &kept, stop)
    );
}

/// Notices what `directoryd keys` and `directoryd user` do, and other replicas.
async fn follow_others(app: &App, stop: CancellationToken) {
    let due = || async {
        tokio::select! {
            () = tokio::time::sleep(FOLLOW) => {}
            () = app.rung.notified() => {}
        }
    };
    while stop.run_until_cancelled(due()).await.is_some() {
        let followed = async {
            follow_users(app).await?;
            let ended = app.tickets.adopt(app.store.signing_keys().await?);
            if ended.is_empty() { Ok(()) } else { app.store.remove_keys(ended).await }
        };
        if let Err(error) = followed.await {
            tracing::warn!(%error, "cannot look after the signing keys and the log; trying again");
        }
    }
}

async fn follow_users(app: &App) -> Result<(), StoreError> {
    let (looked, end) = (app.state.looked(), app.store.events_reach().await?.end);
    if looked != end {
        let changed = app.store.users_changed(looked).await?;
        if changed.is_some() {
            // With an account go its peers and what they held.
            app.memory.forget_all();
        }
        app.state.note(end, changed);
    }
    Ok(())
}

/// In steps, so that other writes get in between.
async fn forget_events(app: &App, kept: &EventsKept, stop: &CancellationToken) -> Result<(), StoreError> {
    while !stop.is_cancelled() && app.store.forget_events(kept.0, now() - EVENTS_KEPT_FOR).await? > 0 {}
    Ok(())
}

async fn tidy(app: &App, kept: &EventsKept, stop: CancellationToken) {
    loop {
        if let Err(error) = app.store.remove_ended_sessions(now()).await {
            tracing::warn!(%error, "cannot take away ended sessions");
        }
        if let Err(error) = forget_events(app, kept, &stop).await {
            tracing::warn!(%error, "cannot shorten the log of changes");
        }
        if stop.run_until_cancelled(tokio::time::sleep(TIDY)).await.is_none() {
            return;
        }
    }
}
