//! A gRPC channel to one expected peer.
//!
//! tonic's own `tls_config_with_verifier` was weighed and left: it takes the process's default provider when there
//! is one, the key as PEM, offers TLS 1.2 too, and buries why a handshake failed. This connector is shorter than the
//! detour around that: TCP, then TLS with [`client_config`], both again for every reconnection, so
//! the pin holds for the whole life of the channel.

use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proto::ids::{PeerAddress, PeerId};
use rustls::pki_types::ServerName;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

use crate::identity::Identity;
use crate::tls::client_config;

mod error;

pub use error::DialError;

/// Bytes that one read takes from the socket. rustls itself asks for 4 KiB at a time, four or five calls of the system for a
/// record of 16 KiB. Twice as much went out of the nearer caches and was slower.
const RECEIVE_BUFFER: usize = 64 << 10;

/// Settings of one channel. The defaults suit piece transfers over a LAN.
#[derive(Debug, Clone)]
pub struct DialOptions {
    /// For name lookup, TCP and TLS together.
    pub connect_timeout: Duration,
    /// An HTTP/2 ping goes out after this much silence, on idle channels too.
    pub keepalive_interval: Duration,
    /// The channel is broken when a ping stays unanswered for this long: a half-open connection is found within the sum
    /// of both.
    pub keepalive_timeout: Duration,
    /// Largest HTTP/2 frame that the other side may send, bytes (16 KiB to 16 MiB). It, not the windows, sets the pace on
    /// a fast link.
    pub frame_size: u32,
    /// Bytes that the other side may send ahead on one stream.
    pub stream_window: u32,
    /// Bytes that it may send ahead on the whole connection.
    pub connection_window: u32,
}

impl Default for DialOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(10),
            frame_size: 1 << 20,
            // Four pieces of a mebibyte and what stands before them: none is cut at the end of the window.
            stream_window: (4 << 20) + (64 << 10),
            connection_window: 8 << 20,
        }
    }
}

/// Connects to the peer `expected` at `address`. Returns when TLS is up and the key is proven. The channel reconnects by
/// itself when it is used again after a break; what fails then is found with [`DialError::cause`].
pub async fn dial(
    address: &PeerAddress,
    identity: &Identity,
    expected: PeerId,
    options: DialOptions,
) -> Result<Channel, DialError> {
    let endpoint = endpoint(expected, &options);
    let target = Arc::new(Target {
        address: address.clone(),
        tls: TlsConnector::from(Arc::new(client_config(identity, expected))),
        timeout: options.connect_timeout,
    });
    let connector = tower::service_fn(move |_: http::Uri| {
        let target = Arc::clone(&target);
        async move { target.connect().await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connector).await.map_err(|error| DialError::from_tonic(address, &error))
}

fn endpoint(expected: PeerId, options: &DialOptions) -> Endpoint {
    // The scheme is that of the stream which tonic is handed: TLS is done by then. The authority is never resolved.
    Endpoint::from_shared(format!("http://{expected}"))
        .expect("a peer id is 32 letters and digits, and so a valid authority")
        .http2_keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .keep_alive_while_idle(true)
        .max_frame_size(options.frame_size)
        .initial_stream_window_size(options.stream_window)
        .initial_connection_window_size(options.connection_window)
}

/// Where to connect to, and how; shared by all connections of a channel.
struct Target {
    address: PeerAddress,
    tls: TlsConnector,
    timeout: Duration,
}

impl Target {
    async fn connect(&self) -> Result<TlsStream<BufReader<TcpStream>>, DialError> {
        match tokio::time::timeout(self.timeout, self.establish()).await {
            Ok(done) => done.map_err(|error| DialError::from_io(&self.address, &error)),
            Err(_) => Err(DialError::timed_out(&self.address, self.timeout)),
        }
    }

    async fn establish(&self) -> std::io::Result<TlsStream<BufReader<TcpStream>>> {
        let stream = TcpStream::connect(self.address.as_str()).await?;
        stream.set_nodelay(true)?;
        // rustls asks for a name; the verifier looks at the key only, and no SNI is sent.
        let name = ServerName::try_from("peer.invalid").expect("a valid name");
        self.tls.connect(name, BufReader::with_capacity(RECEIVE_BUFFER, stream)).await
    }
}
