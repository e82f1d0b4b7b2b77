//! The root: starts the daemon's parts, starts them again when they fail, and stops them in order.
//!
//! ```text
//! Node ─┬─ Shares · Simulation · Directory · Heartbeat · Server · Transfers ─ Download ×N, Simulation ×N
//!       └─ Control
//! ```
//! What outlives a part's failure is in the [`house`], and handed to every incarnation: the listening socket, the state
//! folder, watch channels and mailboxes. A part that fails more often than its [`restart`] budget allows ends the daemon
//! with a reason and a non-zero exit, so that whoever runs it hears of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::control::ActorStatus;
use proto::ids::TransferId;
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::net::TcpSocket;
use tokio::sync::oneshot;
use tokio_util::sync::{CancellationToken, DropGuard};
use transport::Identity;

mod house;
mod page;
pub mod restart;

use self::house::{House, Part};
use self::restart::{Budget, Policy, Verdict};
use crate::config::{BadConfig, Config};
use crate::control::{self, NoSocket};
use crate::directory::{self, client::BadClient};
use crate::healthcheck;
use crate::mailbox::{Mailbox, PROMPT};
use crate::store::layout::{StateDir, Unusable};
use crate::transfers;

/// Connections that may wait to be accepted: of those beyond it some believe themselves connected and are not. The usual
/// 128 is too few for a swarm that begins at once; the system caps it (`net.core.somaxconn`).
const BACKLOG: u32 = 4096;
/// How long a part may take to stop.
const STOPPING: Duration = Duration::from_secs(8);

/// Why the daemon cannot start. `Display` is one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NoStart {
    /// The state folder.
    #[error(transparent)]
    State(#[from] Unusable),
    /// The key.
    #[error(transparent)]
    Key(#[from] transport::IdentityError),
    /// The port for other peers.
    #[error("cannot listen on {address}: {error}; choose another with --listen")]
    Port {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The address for figures.
    #[error("cannot serve figures on {address}: {error}; choose another with --metrics-listen")]
    Metrics {
        /// Which.
        address: std::net::SocketAddr,
        /// What the system said.
        error: std::io::Error,
    },
    /// The control socket.
    #[error(transparent)]
    Socket(#[from] NoSocket),
    /// The address that other peers are told.
    #[error(transparent)]
    Advertise(#[from] BadConfig),
    /// HTTP.
    #[error(transparent)]
    Http(#[from] BadClient),
    /// A part did not come up.
    #[error("{part}: {error}")]
    Part {
        /// Which.
        part: &'static str,
        /// Why.
        error: String,
    },
}

/// Tells whether the daemon still does what it is for.
#[derive(Clone)]
pub struct Pulse {
    transfers: Mailbox<transfers::Msg>,
    socket: PathBuf,
}

impl Pulse {
    /// Asks an actor, then the daemon as whole over its control socket, as anybody would.
    ///
    /// # Errors
    /// Who gave no answer.
    pub async fn beat(&self) -> Result<(), String> {
        let id = TransferId(0);
        let asked = self.transfers.ask(|reply| transfers::Msg::Follow { id, reply }, PROMPT).await;
        asked.map_err(|_| "the transfers do not answer".to_owned())?;
        let socket = self.socket.clone();
        tokio::task::spawn_blocking(move || healthcheck::ask(&socket)).await.map_err(|error| error.to_string())?
    }
}

/// A daemon that runs.
pub struct Running {
    root: ActorRef<Msg>,
    ended: oneshot::Receiver<Option<String>>,
    /// Where it listens for other peers.
    pub address: std::net::SocketAddr,
    /// Tells whether it still does.
    pub pulse: Pulse,
    /// Ends the page of figures with the rest.
    _page: Option<DropGuard>,
}

impl Running {
    /// Waits for `stop`, or for a part that fails too often; stops everything either way.
    ///
    /// # Errors
    /// Why the daemon could not go on.
    pub async fn until(mut self, stop: impl Future<Output = ()>) -> Result<(), String> {
        tokio::select! {
            () = stop => {
                let _ = self.root.cast(Msg::Stop(None));
                (&mut self.ended).await.ok().flatten().map_or(Ok(()), Err)
            }
            ended = &mut self.ended => match ended {
                Ok(Some(reason)) => Err(reason),
                Ok(None) => Ok(()),
                Err(_) => Err("the supervisor itself has failed".into()),
            },
        }
    }
}

/// Starts the daemon: first everything that can be found wrong, then the parts.
pub async fn start(config: Config) -> Result<Running, NoStart> {
    let state_dir = Arc::new(StateDir::open(&config.state_dir)?);
    let identity = Identity::load_or_create(&StateDir::key(&config.state_dir))?;
    control::check_free(&config.socket).await?;
    let bind = || {
        let socket = if config.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As `TcpListener::bind` does: a restart does not wait until old connections are forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        let listener = socket.listen(BACKLOG)?.into_std()?;
        Ok((listener.local_addr()?, listener))
    };
    let (address, listener) = bind().map_err(|error| NoStart::Port { address: config.listen, error })?;
    let metrics = match config.metrics_listen {
        Some(address) => Some(figures_listener(address).await?),
        None => None,
    };
    let house = House::build(config, identity, state_dir, address, listener)?;
    let (desk, figures) = (house.desk.clone(), house.figures.clone());
    let pulse = Pulse { transfers: desk.mail.transfers.clone(), socket: desk.config.socket.clone() };
    let (end, ended) = oneshot::channel();
    let (root, _) = Actor::spawn(None, Node, (house, end)).await.map_err(first_cause)?;
    let page = metrics.map(|listener| {
        let stop = CancellationToken::new();
        tokio::spawn(page::serve(desk, figures, listener, stop.clone()));
        stop.drop_guard()
    });
    Ok(Running { root, ended, address, pulse, _page: page })
}

async fn figures_listener(address: std::net::SocketAddr) -> Result<tokio::net::TcpListener, NoStart> {
    let unserved = |error| NoStart::Metrics { address, error };
    let listener = tokio::net::TcpListener::bind(address).await.map_err(unserved)?;
    tracing::info!(figures = %listener.local_addr().map_err(unserved)?, "figures for Prometheus are at /metrics");
    Ok(listener)
}

/// A part's own words, without the framework's around them.
fn first_cause(error: SpawnErr) -> NoStart {
    match error {
        SpawnErr::StartupFailed(error) => match error.downcast::<NoStart>() {
            Ok(error) => *error,
            Err(error) => NoStart::Part { part: "peerd", error: error.to_string() },
        },
        other => NoStart::Part { part: "peerd", error: other.to_string() },
    }
}

/// The root actor.
struct Node;

/// What it hears.
enum Msg {
    /// The pause after a failure is over.
    Restart(Part),
    /// Stop everything; with a reason where it is not what the operator wanted.
    Stop(Option<String>),
}

struct State {
    house: House,
    policy: Policy,
    began: Instant,
    living: BTreeMap<ActorId, (Part, ActorCell)>,
    budgets: BTreeMap<Part, Budget>,
    stopping: bool,
    end: Option<oneshot::Sender<Option<String>>>,
}

impl Actor for Node {
    type Msg = Msg;
    type State = State;
    type Arguments = (House, oneshot::Sender<Option<String>>);

    async fn pre_start(&self, me: ActorRef<Msg>, args: Self::Arguments) -> Result<State, ActorProcessingErr> {
        let (house, end) = args;
        let mut state = State {
            house,
            policy: Policy::default(),
            began: Instant::now(),
            living: BTreeMap::new(),
            budgets: Part::ALL.iter().map(|part| (*part, Budget::default())).collect(),
            stopping: false,
            end: Some(end),
        };
        for part in Part::ALL {
            let started = state.house.start(part, me.get_cell()).await;
            let cell = started.map_err(|error| NoStart::Part { part: part.name(), error: bare(&error) })?;
            state.living.insert(cell.get_id(), (part, cell));
        }
        state.show();
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Restart(part) => state.restart(&me, part).await,
            Msg::Stop(reason) => state.stop(&me, reason).await,
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Msg>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(who, error) => state.lost(&me, who.get_id(), &error.to_string()),
            SupervisionEvent::ActorTerminated(who, _, reason) => {
                state.lost(&me, who.get_id(), reason.as_deref().unwrap_or("it ended"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    fn lost(&mut self, me: &ActorRef<Msg>, who: ActorId, why: &str) {
        if let Some((part, _)) = self.living.remove(&who)
            && !self.stopping
        {
            self.failed(me, part, why);
        }
    }

    fn failed(&mut self, me: &ActorRef<Msg>, part: Part, why: &str) {
        let verdict = self.budgets.entry(part).or_default().failed(&self.policy, self.began.elapsed());
        self.show();
        match verdict {
            Verdict::RestartAfter(pause) => {
                tracing::error!(part = part.name(), why, "the {} part has failed; it is started again", part.name());
                me.send_after(pause, move || Msg::Restart(part));
            }
            Verdict::Spent => {
                let reason = format!(
                    "the {} part failed {} times within {:?}, last: {why}",
                    part.name(),
                    self.policy.most + 1,
                    self.policy.within
                );
                let _ = me.cast(Msg::Stop(Some(reason)));
            }
        }
    }

    async fn restart(&mut self, me: &ActorRef<Msg>, part: Part) {
        if self.stopping {
            return;
        }
        match self.house.start(part, me.get_cell()).await {
            Ok(cell) => drop(self.living.insert(cell.get_id(), (part, cell))),
            Err(error) => self.failed(me, part, &bare(&error)),
        }
    }

    /// Control first, so that nobody asks for more; the directory hears of it before the server closes.
    async fn stop(&mut self, me: &ActorRef<Msg>, reason: Option<String>) {
        if std::mem::replace(&mut self.stopping, true) {
            return;
        }
        self.end_part(Part::Control).await;
        self.end_part(Part::Heartbeat).await;
        let _ = self.house.desk.mail.directory.ask(|reply| directory::Msg::Leave { reply }, PROMPT).await;
        for part in [Part::Transfers, Part::Server, Part::Directory, Part::Simulation, Part::Shares] {
            self.end_part(part).await;
        }
        if let Some(end) = self.end.take() {
            let _ = end.send(reason);
        }
        me.stop(None);
    }

    async fn end_part(&mut self, part: Part) {
        let found = self.living.values().find(|(living, _)| *living == part).map(|(_, cell)| cell.clone());
        if let Some(cell) = found
            && cell.stop_and_wait(None, Some(STOPPING)).await.is_err()
        {
            tracing::warn!(part = part.name(), "the {} part did not stop in time", part.name());
        }
    }

    fn show(&self) {
        let status =
            |(part, budget): (&Part, &Budget)| ActorStatus { name: part.name().into(), restarts: budget.restarts() };
        self.house.parts.send_replace(self.budgets.iter().map(status).collect());
    }
}

fn bare(error: &SpawnErr) -> String {
    match error {
        SpawnErr::StartupFailed(error) => error.to_string(),
        other => other.to_string(),
    }
}
