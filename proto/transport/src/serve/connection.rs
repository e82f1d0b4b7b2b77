//! One connection, from the accepted socket to its end.
//!
//! It ends when the client closes; when the handshake, the first request or a head takes too long; when it has been quiet
//! for too long; when a ping or written bytes stay unacknowledged; when it gives way to a newcomer; and after the shutdown
//! began, as soon as its open requests are answered. Requests under way survive all but the loss of the client and the
//! end of the drain.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::executor::Owned;
use super::held::{Backlog, Held};
use super::register::Seat;
use super::tracked::{self, Origin};
use super::{BoxError, Limits};
use crate::tls::PeerIdentity;

/// Bytes that are encrypted before they are handed to the system. rustls itself stops at 64 KiB, which the heads of its records
/// make a packet for loopback and a scrap of another: 22 calls a MiB, where it is 6 now. A mebibyte is no better, for it leaves the
/// nearer caches.
const SEALED: usize = 272 << 10;

/// What all connections of a listener share.
pub(super) struct Server {
    tls: Option<TlsAcceptor>,
    limits: Limits,
    shutdown: CancellationToken,
    tasks: TaskTracker,
}

impl Server {
    pub(super) fn new(
        tls: Option<Arc<ServerConfig>>,
        limits: Limits,
        shutdown: CancellationToken,
        tasks: TaskTracker,
    ) -> Self {
        Self { tls: tls.map(TlsAcceptor::from), limits, shutdown, tasks }
    }
}

/// Serves one accepted socket until it ends or its seat is cut.
pub(super) async fn run<S, B>(server: Arc<Server>, service: S, stream: TcpStream, remote: SocketAddr, seat: Seat)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let activity = seat.activity();
    // Streams that are still running when the connection is gone have nobody to answer.
    let _end_streams = activity.cut().clone().drop_guard();
    let whole = async {
        if let Err(error) = prepare(&stream, &server.limits) {
            tracing::debug!(%remote, %error, "closed a connection: its socket cannot be set up");
            return;
        }
        let (activity, answer) = (Arc::clone(activity), server.limits.answer);
        let origin = Origin { activity, remote, peer: None, backlog: None, answer };
        let Some(acceptor) = &server.tls else {
            return converse(&server, service, TokioIo::new(stream), origin).await;
        };
        if let Some(stream) = shake_hands(&server, acceptor, stream, remote).await {
            origin.activity.touch();
            let (peer, backlog) = (PeerIdentity::proven_by(stream.get_ref().1), Backlog::free());
            let origin = Origin { peer, backlog: Some(backlog.clone()), ..origin };
            let stream = Held::new(stream, backlog, server.limits.unsent);
            converse(&server, service, TokioIo::new(stream), origin).await;
        }
    };
    if activity.cut().run_until_cancelled(whole).await.is_none() {
        tracing::debug!(%remote, "cut a connection");
    }
}

/// Small answers must not wait for the acknowledgement of earlier ones; a vanished client must be noticed although we only
/// ever write to it.
fn prepare(stream: &TcpStream, limits: &Limits) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    // The system counts whole seconds here, and refuses none.
    sockopt::set_tcp_keepidle(stream, limits.unacknowledged.max(Duration::from_secs(1)))?;
    let milliseconds = u32::try_from(limits.unacknowledged.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(stream, milliseconds)?;
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(limits.unsent)
}

/// `None` when there is no connection in the end. In the drain, nobody is let in any more.
async fn shake_hands(
    server: &Server,
    acceptor: &TlsAcceptor,
    stream: TcpStream,
    remote: SocketAddr,
) -> Option<TlsStream<TcpStream>> {
    let handshake = tokio::time::timeout(
        server.limits.handshake,
        acceptor.accept_with(stream, |session| session.set_buffer_limit(Some(SEALED))),
    );
    match server.shutdown.run_until_cancelled(handshake).await? {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%remote, %error, "closed a connection: the TLS handshake failed");
            None
        }
        Err(_) => {
            tracing::debug!(%remote, "closed a connection: the TLS handshake took too long");
            None
        }
    }
}

/// Speaks HTTP on a connection whose other end is known as far as it can be.
async fn converse<S, B, I>(server: &Server, service: S, io: I, origin: Origin)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    I: Read + Write + Unpin + Send + 'static,
{
    let (limits, activity, remote) = (&server.limits, Arc::clone(&origin.activity), origin.remote);
    let service = service_fn(move |request| tracked::answer(service.clone(), request, origin.clone()));
    let http = protocol(limits, Owned::new(server.tasks.clone(), activity.cut().clone()));
    let mut connection = pin!(http.serve_connection(io, service));

    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = server.shutdown.cancelled() => None,
        () = activity.quiet_for(limits.first_request, limits.idle) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None if !activity.has_asked() && activity.retire() => {
            return tracing::debug!(%remote, "closed a connection without a request");
        }
        None => {
            connection.as_mut().graceful_shutdown();
            activity.touch();
            tokio::select! {
                ended = connection => ended,
                // A request may have come while we said goodbye: it is still answered.
                () = activity.quiet_for(limits.drain, limits.drain) => {
                    return tracing::debug!(%remote, "closed a connection that did not part");
                }
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%remote, error, "a connection ended early");
    }
}

fn protocol(limits: &Limits, executor: Owned) -> auto::Builder<Owned> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_buf_size(limits.header_list_size as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout)
        .max_concurrent_streams(limits.max_streams)
        .max_pending_accept_reset_streams(limits.max_pending_accept_reset_streams)
        .max_local_error_reset_streams(limits.max_local_error_reset_streams)
        .max_header_list_size(limits.header_list_size)
        .max_frame_size(limits.frame_size)
        .initial_stream_window_size(limits.stream_window)
        .initial_connection_window_size(limits.connection_window)
        .max_send_buf_size(limits.send_buffer);
    if limits.http2_only { builder.http2_only() } else { builder }
}
