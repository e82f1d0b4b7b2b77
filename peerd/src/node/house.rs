//! The daemon's parts, and what outlives each of them: made once, and handed to every incarnation.

use std::net::TcpListener;
use std::sync::Arc;

use proto::Timestamp;
use proto::control::ActorStatus;
use proto::ids::InstanceId;
use ractor::{Actor, ActorCell, SpawnErr};
use tokio::sync::watch;
use transport::Identity;

use super::NoStart;
use crate::config::Config;
use crate::control::dispatch::{Desk, Mail};
use crate::control::{self, Control};
use crate::directory::actor::Registrant;
use crate::directory::{self, Client, Directory, Interests, View};
use crate::figures::Figures;
use crate::heartbeat::{self, Heartbeat};
use crate::mailbox::Mailbox;
use crate::server::{self, Guard, Listing, Offers, Pretence, Server, Service, Uplink};
use crate::shares::{self, Catalog, Shares};
use crate::simulation::{self, Simulation};
use crate::store::layout::StateDir;
use crate::store::manifests::Manifests;
use crate::throttle::{PerPeer, Throttle};
use crate::transfers::link::Downlink;
use crate::transfers::locate::Locator;
use crate::transfers::{self, Transfers, download};

/// The parts, in the order in which they are started; they are stopped the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Shares,
    Simulation,
    Directory,
    Heartbeat,
    Server,
    Transfers,
    Control,
}

impl Part {
    pub(super) const ALL: [Self; 7] = [
        Self::Shares,
        Self::Simulation,
        Self::Directory,
        Self::Heartbeat,
        Self::Server,
        Self::Transfers,
        Self::Control,
    ];

    pub(super) const fn name(self) -> &'static str {
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
pub(super) struct House {
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
    pub(super) parts: watch::Sender<Vec<ActorStatus>>,
    pub(super) figures: Figures,
    pub(super) desk: Desk,
}

impl House {
    pub(super) fn build(
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
    pub(super) async fn start(&self, part: Part, root: ActorCell) -> Result<ActorCell, SpawnErr> {
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
            reflection: self.config.reflection,
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
