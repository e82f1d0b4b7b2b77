//! Serves other peers over gRPC. It reads the catalog's snapshot and the store, and asks no actor for anything; only when
//! content no longer hashes does it tell the shares actor.
//!
//! The listening socket outlives the actor: a restart goes on accepting where the last incarnation stopped, and callers
//! that came in between wait in the backlog. A failure cuts the streams that were open.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use proto::peer::peer_server::PeerServer;
use proto::peer::transfer_server::TransferServer;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::service::{InterceptorLayer, Routes};
use tower::Layer;
use traces::TracedLayer;
use transport::{Identity, Lanes, Limits};

pub mod guard;
pub mod limits;
pub mod listing;
pub mod offers;
mod pieces;
pub mod pretence;
mod sending;
mod service;
pub mod uplink;

pub use guard::Guard;
pub use listing::Listing;
pub use offers::Offers;
pub use pretence::Pretence;
pub use service::Service;
pub use uplink::Uplink;

use pieces::PieceServer;

/// Longest wait for open streams when the daemon stops.
const DRAIN: Duration = Duration::from_secs(5);

/// The gRPC server actor.
pub struct Server;

/// What it hears.
pub enum Msg {
    /// The accept loop has ended although nobody asked it to.
    Ended,
    /// Panic, for tests of the supervision.
    Crash,
}

/// What it is started with.
pub struct Args {
    /// Bound already, so that a port in use is found before anything else starts.
    pub listener: Arc<TcpListener>,
    /// Proves who we are.
    pub identity: Identity,
    /// Decides who gets anything.
    pub guard: Guard,
    /// Answers about files.
    pub service: Service,
    /// Answers about this peer and the network.
    pub listing: Listing,
    /// Tell what the interface looks like.
    pub reflection: bool,
}

/// What it knows.
pub struct State {
    /// Ends accept loop and streams, also when this state is dropped by a panic.
    closing: Option<DropGuard>,
    task: JoinHandle<()>,
}

impl Actor for Server {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let listener = tokio::net::TcpListener::from_std(args.listener.try_clone()?)?;
        let closing = CancellationToken::new();
        let service = args.service.until(closing.clone());
        let (health, healthy) = tonic_health::server::health_reporter();
        health.set_serving::<TransferServer<Service>>().await;
        let mut routes = Routes::new(healthy)
            .add_service(PeerServer::with_interceptor(args.listing, args.guard.clone()))
            .add_service(InterceptorLayer::new(args.guard).layer(PieceServer::new(service)));
        if args.reflection {
            routes = reflect(routes)?;
        }
        let routes = TracedLayer::new(span_name).layer(routes.prepare());
        let tls = Arc::new(transport::server_config(&args.identity));
        let limits = Limits { drain: DRAIN, ..limits::connections() };
        let shutdown = closing.clone();
        let task = tokio::spawn(async move {
            let drained = transport::serve(Lanes::none(), listener, Some(tls), routes, limits, shutdown).await;
            tracing::debug!(cut = drained.cut, "the gRPC server has ended");
            let _ = me.cast(Msg::Ended);
        });
        Ok(State { closing: Some(closing.drop_guard()), task })
    }

    async fn handle(&self, _: ActorRef<Msg>, message: Msg, _: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Ended => Err("the gRPC server has ended by itself".into()),
            Msg::Crash => panic!("crash was asked for"),
        }
    }

    async fn post_stop(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.closing = None;
        let _ = tokio::time::timeout(DRAIN + Duration::from_secs(1), &mut state.task).await;
        Ok(())
    }
}

/// Answers what the interface looks like, in the version of the question that older tools have too.
fn reflect(routes: Routes) -> Result<Routes, tonic_reflection::server::Error> {
    let answers = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::peer::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(routes.add_service(answers().build_v1()?).add_service(answers().build_v1alpha()?))
}

/// What a call is in a trace. Pieces are too many to be told one by one.
fn span_name(path: &str) -> Option<String> {
    let call = path.trim_start_matches("/enjambre.peer.v1.");
    (!call.ends_with("/FetchPieces")).then(|| call.to_owned())
}
