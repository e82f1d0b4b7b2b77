//! The root: starts the daemon's parts, starts them again when they fail, and stops them in order.
//!
//! ```text
//! Node ─┬─ Shares · Simulation · Directory · Heartbeat · Server · Transfers ─ Download ×N, Simulation ×N
//!       └─ Control
//! ```
//! What outlives a part's failure is made here, once, and handed to every incarnation: the listening socket, the state
//! folder, watch channels and mailboxes. A part that fails more often than its [`restart`] budget allows ends the daemon
//! with a reason and a non-zero exit, so that whoever runs it hears of it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::Timestamp;
use proto::control::ActorStatus;
use proto::ids::{InstanceId, TransferId};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::net::TcpSocket;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use transport::Identity;

mod page;
pub mod restart;

use self::restart::{Budget, Policy, Verdict};
use crate::config::{BadConfig, Config};
use crate::control::dispatch::{Desk, Mail};
use crate::control::{self, Control, NoSocket};
use crate::directory::actor::Registrant;
use crate::directory::client::BadClient;
use crate::directory::{self, Client, Directory, Interests, View};
use crate::figures::Figures;
use crate::healthcheck;
use crate::heartbeat::{self, Heartbeat};
use crate::mailbox::{Mailbox, PROMPT};
use crate::server::{self, Guard, Listing, Offers, Pretence, Server, Service, Uplink};
use crate::shares::{self, Catalog, Shares};
use crate::simulation::{self, Simulation};
use crate::store::layout::{StateDir, Unusable};
use crate::store::manifests::Manifests;
use crate::throttle::{PerPeer, Throttle};
use crate::transfers::link::Downlink;
use crate::transfers::locate::Locator;
use crate::transfers::{self, Transfers, download};

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

/// The parts, in the order in which they are started; they are stopped the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Shares,
    Simulation,
    Directory,
    Heartbeat,
    Server,
    Transfers,
    Control,
}

impl Part {
    const ALL: [Self; 7] = [
        Self::Shares,
        Self::Simulation,
        Self::Directory,
        Self::Heartbeat,
        Self::Server,
        Self::Transfers,
        Self::Control,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Shares => "shares",
            Self::Simulation => "simulation",
            Self::Directory => "directory",
            Self::Heartbeat => "heartbeat",
            Self::Server => "server",
            Self::Transfers => "transfers",
            Self::Control => "control",
        }
    }
}

/// What outlives the parts' failures.
struct House {
    config: Arc<Config>,
    identity: Identity,
    instance: InstanceId,
    listener: Arc<TcpListener>,
    state_dir: Arc<StateDir>,
    manifests: Arc<Manifests>,
    client: Client,
    catalog: watch::Sender<Arc<Catalog>>,
    view: watch::Sender<View>,
    interests: Interests,
    offers: Offers,
    uplink: Uplink,
    downlink: Downlink,
    running: watch::Sender<u64>,
    parts: watch::Sender<Vec<ActorStatus>>,
    figures: Figures,
    desk: Desk,
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

impl House {
    fn build(
        config: Config,
        identity: Identity,
        state_dir: Arc<StateDir>,
        listening: std::net::SocketAddr,
        listener: TcpListener,
    ) -> Result<Self, NoStart> {
        let config = Arc::new(config);
        let client = Client::new(&config.directory, config.directory_ca.as_deref())?;
        let catalog = watch::Sender::new(Arc::new(Catalog::default()));
        let view = watch::Sender::new(View::initial(&config.directory));
        let manifests = Arc::new(Manifests::new(Arc::clone(&state_dir)));
        let running = watch::Sender::new(0);
        let parts = watch::Sender::new(Vec::new());
        let desk = Desk {
            config: Arc::clone(&config),
            peer_id: identity.peer_id(),
            identity: identity.clone(),
            address: config.advertised(listening)?,
            started_at: Timestamp::now(),
            client: client.clone(),
            view: view.subscribe(),
            catalog: catalog.subscribe(),
            running: running.subscribe(),
            parts: parts.subscribe(),
            mail: Mail {
                shares: Mailbox::vacant(),
                simulation: Mailbox::vacant(),
                directory: Mailbox::vacant(),
                heartbeat: Mailbox::vacant(),
                server: Mailbox::vacant(),
                transfers: Mailbox::vacant(),
                control: Mailbox::vacant(),
            },
        };
        Ok(Self {
            instance: InstanceId::from_bytes(rand::random()),
            interests: Interests::default(),
            offers: Offers::new(catalog.subscribe(), Arc::clone(&manifests)),
            uplink: Uplink::new(config.max_upload, config.max_upload_per_peer, config.upload_slots),
            downlink: Downlink {
                all: Throttle::new(config.max_download),
                each: PerPeer::new(config.max_download_per_peer),
            },
            manifests,
            listener: Arc::new(listener),
            config,
            identity,
            state_dir,
            client,
            catalog,
            view,
            running,
            parts,
            figures: Figures::default(),
            desk,
        })
    }

    /// Starts one part, supervised by `root`, and makes it reachable.
    async fn start(&self, part: Part, root: ActorCell) -> Result<ActorCell, SpawnErr> {
        let mail = &self.desk.mail;
        match part {
            Part::Shares => spawn(Shares, self.shares(), root, &mail.shares).await,
            Part::Simulation => spawn(Simulation, self.simulation(), root, &mail.simulation).await,
            Part::Directory => spawn(Directory, self.directory(), root, &mail.directory).await,
            Part::Heartbeat => spawn(Heartbeat, self.heartbeat(), root, &mail.heartbeat).await,
            Part::Server => spawn(Server, self.server(), root, &mail.server).await,
            Part::Transfers => spawn(Transfers, self.transfers(), root, &mail.transfers).await,
            Part::Control => spawn(Control, self.control(), root, &mail.control).await,
        }
    }

    fn shares(&self) -> shares::actor::Args {
        shares::actor::Args {
            state_dir: Arc::clone(&self.state_dir),
            manifests: Arc::clone(&self.manifests),
            roots: self.config.share.clone(),
            catalog: self.catalog.clone(),
        }
    }

    fn simulation(&self) -> simulation::actor::Args {
        simulation::actor::Args { state_dir: Arc::clone(&self.state_dir), catalog: self.catalog.clone() }
    }

    fn directory(&self) -> directory::actor::Args {
        directory::actor::Args {
            me: Registrant {
                identity: self.identity.clone(),
                instance: self.instance,
                name: self.config.name.clone(),
                address: self.desk.address.clone(),
            },
            client: self.client.clone(),
            url: self.config.directory.clone(),
            state_dir: Arc::clone(&self.state_dir),
            login: self.config.login.clone(),
            catalog: self.catalog.subscribe(),
            view: self.view.clone(),
            interests: self.interests.clone(),
        }
    }

    fn heartbeat(&self) -> heartbeat::Args {
        heartbeat::Args {
            peer_id: self.identity.peer_id(),
            instance: self.instance,
            client: self.client.clone(),
            view: self.view.subscribe(),
            directory: self.desk.mail.directory.clone(),
        }
    }

    fn server(&self) -> server::Args {
        server::Args {
            listener: Arc::clone(&self.listener),
            identity: self.identity.clone(),
            guard: Guard::new(self.view.subscribe(), self.desk.mail.directory.clone(), self.config.ticket_grace),
            service: Service::new(
                self.catalog.subscribe(),
                self.offers.clone(),
                self.desk.mail.shares.clone(),
                self.uplink.clone(),
                Pretence::new(self.config.max_upload),
                self.figures.clone(),
            ),
            listing: Listing {
                name: self.config.name.clone(),
                identity: self.identity.clone(),
                catalog: self.catalog.subscribe(),
                client: self.client.clone(),
                view: self.view.subscribe(),
            },
        }
    }

    fn transfers(&self) -> transfers::manager::Args {
        let tools = download::Tools {
            locator: Locator {
                client: self.client.clone(),
                view: self.view.subscribe(),
                identity: self.identity.clone(),
            },
            manifests: Arc::clone(&self.manifests),
            state_dir: Arc::clone(&self.state_dir),
            shares: self.desk.mail.shares.clone(),
            catalog: self.catalog.subscribe(),
            offers: self.offers.clone(),
            downlink: self.downlink.clone(),
            figures: self.figures.clone(),
            interests: self.interests.clone(),
            policy: swarm::Config {
                piece_order: simulation::question::order(self.config.piece_order),
                ..swarm::Config::default()
            },
        };
        let pretence = transfers::simulation::Tools {
            locator: tools.locator.clone(),
            files: self.desk.mail.simulation.clone(),
            catalog: self.catalog.subscribe(),
            state_dir: Arc::clone(&self.state_dir),
            figures: self.figures.clone(),
        };
        transfers::manager::Args { tools, pretence, running: self.running.clone() }
    }

    fn control(&self) -> control::Args {
        let (socket, group) = (self.config.socket.clone(), self.config.socket_group.clone());
        control::Args { socket, group, desk: self.desk.clone() }
    }
}

async fn spawn<A: Actor>(
    actor: A,
    args: A::Arguments,
    root: ActorCell,
    mailbox: &Mailbox<A::Msg>,
) -> Result<ActorCell, SpawnErr> {
    let (actor, _) = Actor::spawn_linked(None, actor, args, root).await?;
    mailbox.assign(actor.clone());
    Ok(actor.get_cell())
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
