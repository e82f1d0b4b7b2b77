//! TLS settings: between peers held to keys, for the directory read from files.
//!
//! Between peers the certificate is only an envelope: both verifiers of `pin` look at the Ed25519 key in it and at
//! nothing else, no name, no date, no issuer. TLS 1.3 only. No session is ever resumed, so every connection proves its key
//! anew. The provider is named everywhere: what another crate installed as the process's default changes nothing.

use std::sync::Arc;

use proto::ids::{PeerId, PublicKey};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ServerConfig, ServerConnection};

use crate::identity::Identity;

mod pin;
#[cfg(test)]
mod tests;
mod web;

pub use web::{WebTlsError, web_server_config};

pub(crate) use pin::WrongKey;

const ALPN_HTTP2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The peer at the other end of a connection, as it proved in the handshake. The accept loop puts it into every request
/// of that connection: `request.extensions().get::<PeerIdentity>()`. It says who asks, not that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerIdentity {
    /// The id that follows from the key.
    pub peer_id: PeerId,
    /// The key itself.
    pub key: PublicKey,
}

impl PeerIdentity {
    fn of(key: PublicKey) -> Self {
        Self { peer_id: PeerId::of(&key), key }
    }

    /// Who is at the other end of an accepted connection; `None` where no client certificate was asked for.
    pub(crate) fn proven_by(connection: &ServerConnection) -> Option<Self> {
        pin::ed25519_key(connection.peer_certificates()?.first()?).map(Self::of)
    }
}

/// For a connection to the peer `expected`: whoever cannot prove that key ends in the handshake, before a byte of ours is
/// sent. Presents this peer's own certificate.
pub fn client_config(identity: &Identity, expected: PeerId) -> ClientConfig {
    let provider = provider();
    let verifier = pin::ServerIs::new(expected, &provider);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("it has suites for TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config.resumption = Resumption::disabled();
    // The name is a placeholder that rustls asks for; nobody needs to see it.
    config.enable_sni = false;
    config
}

/// For the port on which other peers call: a client must prove an Ed25519 key, any key. Who it is stands in
/// [`PeerIdentity`]; whether it may is decided above.
pub fn server_config(identity: &Identity) -> ServerConfig {
    let provider = provider();
    let verifier = pin::AnyPeer::new(&provider);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .expect("it has suites for TLS 1.3")
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.certified())));
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

/// That of AWS-LC, which puts AES-256 first: with keys of 128 bits the same bytes take a sixth less processor, and no attack on
/// either is within anybody's reach (RFC 8446, section 9.1, has the one with 128 bits as the suite that everybody must have).
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}
