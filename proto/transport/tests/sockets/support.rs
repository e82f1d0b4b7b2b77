//! Servers to talk to, and clients that misbehave.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming};
use proto::ids::{PeerAddress, PeerId};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::sync::CancellationToken;
use tower::Service;
use transport::{Drained, Identity, Lanes, Limits, client_config, serve};

/// Nothing that a test waits for may take longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A clock of the server that a test waits for.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

/// A clock of the server that must not be what ends a connection.
pub(crate) const LONG: Duration = Duration::from_mins(10);

/// Every clock long: a test shortens the one that it is about.
pub(crate) fn patient() -> Limits {
    Limits {
        handshake: LONG,
        first_request: LONG,
        header: LONG,
        idle: LONG,
        answer: LONG,
        unacknowledged: LONG,
        keepalive_interval: LONG,
        keepalive_timeout: LONG,
        drain: LONG,
        ..Limits::default()
    }
}

pub(crate) async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

pub(crate) fn identity() -> Identity {
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(&folder.path().join("key")).unwrap()
}

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinHandle<Drained>,
}

impl Running {
    pub(crate) fn peer_address(&self) -> PeerAddress {
        self.address.to_string().parse().unwrap()
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection after the handshake, with a key of its own.
    pub(crate) async fn connect_tls(&self, expected: PeerId) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(Arc::new(client_config(&identity(), expected)));
        connector.connect("peer.invalid".try_into().unwrap(), self.connect().await).await.unwrap()
    }

    /// Cancels the shutdown token and waits for the end.
    pub(crate) async fn stop(self) -> Drained {
        self.shutdown.cancel();
        soon("the end of serving", self.serving).await.unwrap()
    }
}

pub(crate) async fn start<S, B>(tls: Option<ServerConfig>, limits: Limits, service: S) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    start_on(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls, limits, service)
}

pub(crate) fn start_on<S, B>(listener: TcpListener, tls: Option<ServerConfig>, limits: Limits, service: S) -> Running
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(Lanes::none(), listener, tls.map(Arc::new), service, limits, shutdown.clone()));
    Running { address, shutdown, serving }
}

/// A body that a test feeds, chunk by chunk; it ends when the sender is dropped.
pub(crate) struct Fed(mpsc::Receiver<Bytes>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// A service whose every answer is a body that the test feeds: the senders come out of the receiver, one for each request.
pub(crate) fn fed() -> (
    impl Service<Request<Incoming>, Response = Response<Fed>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    mpsc::Receiver<mpsc::Sender<Bytes>>,
) {
    let (senders, opened) = mpsc::channel(1024);
    let service = tower::service_fn(move |_: Request<Incoming>| {
        let senders = senders.clone();
        async move {
            let (sender, receiver) = mpsc::channel(1);
            let _ = senders.send(sender).await;
            Ok(Response::new(Fed(receiver)))
        }
    });
    (service, opened)
}

/// A service that answers at once.
pub(crate) fn hello()
-> impl Service<Request<Incoming>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
    tower::service_fn(|_: Request<Incoming>| async { Ok(Response::new("hello".to_owned())) })
}

pub(crate) const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/// Preface, SETTINGS, and HEADERS of stream 1: `:method GET`, `:scheme http`, `:path /` (RFC 7541, appendix A).
pub(crate) const HTTP2_GET: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x05\0\0\0\x01\x82\x86\x84";

/// Sends a request and reads until the text appears.
pub(crate) async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &str) {
    stream.write_all(GET).await.unwrap();
    read_until(stream, text).await;
}

/// What came up to there.
pub(crate) async fn read_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut seen = Vec::new();
    soon(text, async {
        while !String::from_utf8_lossy(&seen).contains(text) {
            let n = stream.read_buf(&mut seen).await.unwrap();
            assert_ne!(n, 0, "closed after {:?}", String::from_utf8_lossy(&seen));
        }
        String::from_utf8_lossy(&seen).into_owned()
    })
    .await
}

/// Waits until the other side has closed or reset the connection.
pub(crate) async fn closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 1024];
    soon("the connection to be closed", async { while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {} })
        .await;
}

/// Sends one byte every few milliseconds until the other side has had enough.
pub(crate) async fn trickle(stream: TcpStream, bytes: impl Iterator<Item = u8> + Send) {
    let (mut reads, mut writes) = stream.into_split();
    let dripping = async {
        for byte in bytes {
            if writes.write_all(&[byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = closed(&mut reads) => {}
        () = dripping => unreachable!("it never ends"),
    }
}
