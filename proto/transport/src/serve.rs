//! The one accept loop, for REST and gRPC alike.
//!
//! ```text
//! listener ─▶ register (a seat, or the longest idle gives way) ─▶ task: TLS handshake ─▶ HTTP ─▶ the service
//! ```
//! Nothing but accepting happens in the loop: a client can hold up its own connection only. Every connection, and every
//! HTTP/2 stream on it, is a task that this loop owns: none is left when [`serve`] returns, all are told to end when it is
//! dropped. What clients may cost is set by [`Limits`]; what ends a connection is listed in `connection`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

mod activity;
mod connection;
mod executor;
mod held;
mod lanes;
mod limits;
mod register;
mod tracked;

pub use held::Backlog;
pub use lanes::Lanes;
pub use limits::Limits;

use connection::Server;
use register::Register;

/// How long the loop rests when the machine has no descriptor or memory left for another connection.
const REST_WHEN_EXHAUSTED: Duration = Duration::from_millis(100);

/// Any error, as hyper takes it.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a request came from: `request.extensions().get::<RemoteAddress>()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RemoteAddress(pub SocketAddr);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Drained {
    /// Connections that had not finished within [`Limits::drain`] and were cut.
    pub cut: usize,
}

/// Serves `service` on `listener` until `shutdown` is cancelled, then lets open requests finish for [`Limits::drain`] and
/// cuts the rest. With `tls`, every connection begins with a handshake; a request then carries the
/// [`PeerIdentity`](crate::PeerIdentity) of its client where one was asked for. Connections run on `lanes`.
///
/// Dropping the future closes everything at once. Tasks that a handler spawns itself are the handler's.
pub async fn serve<S, B>(
    lanes: Lanes,
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: S,
    limits: Limits,
    shutdown: CancellationToken,
) -> Drained
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let cut = CancellationToken::new();
    let _cut_when_dropped = cut.clone().drop_guard();
    let register = Arc::new(Register::new(limits.connections));
    let tasks = TaskTracker::new();
    let drain_for = limits.drain;
    let server = Arc::new(Server::new(tls, limits, shutdown.clone(), tasks.clone()));

    // It owns the service, so that a service need not be `Sync`; the rest is borrowed.
    let (seats, lanes, crew, all) = (&register, &lanes, &tasks, &cut);
    let welcome = move |stream, remote| {
        // Without a seat the stream is dropped, and so closed: an answer at once beats one that never comes.
        if let Some(seat) = seats.admit(all.child_token()) {
            let (server, service) = (Arc::clone(&server), service.clone());
            lanes.run(crew, stream, move |stream| connection::run(server, service, stream, remote, seat));
        } else {
            tracing::debug!(%remote, "closed a new connection: all are busy");
        }
    };
    accept_until(&shutdown, &listener, &register, welcome).await;
    drop(listener);
    drain(&tasks, &register, &cut, drain_for).await
}

async fn accept_until(
    shutdown: &CancellationToken,
    listener: &TcpListener,
    register: &Register,
    mut welcome: impl FnMut(TcpStream, SocketAddr),
) {
    let mut exhausted = false;
    while let Some(accepted) = shutdown.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, remote)) => {
                exhausted = false;
                welcome(stream, remote);
            }
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                if !exhausted {
                    tracing::warn!(%error, "cannot accept connections; raise the limit of open files (`ulimit -n`) if it is that");
                }
                exhausted = true;
                register.give_way();
                shutdown.run_until_cancelled(tokio::time::sleep(REST_WHEN_EXHAUSTED)).await;
            }
        }
    }
}

/// Whether accepting failed for a client that went away, and not for us.
fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The connections have seen the shutdown themselves; here they get their time, and their end.
async fn drain(tasks: &TaskTracker, register: &Register, cut: &CancellationToken, patience: Duration) -> Drained {
    tasks.close();
    let mut drained = Drained { cut: 0 };
    if tokio::time::timeout(patience, tasks.wait()).await.is_err() {
        drained.cut = register.len();
        tracing::info!(connections = drained.cut, "cut what had not finished {patience:?} after the shutdown began");
    }
    cut.cancel();
    tasks.wait().await;
    drained
}
