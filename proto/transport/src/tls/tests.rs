//! Handshakes that must fail, and one that must not: over memory, certificates made to order.

use std::io;
use std::sync::Arc;

use proto::ids::{PeerId, PublicKey};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::client::ResolvesClientCert;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::TLS12;
use rustls::{ClientConfig, HandshakeKind, ServerConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

fn identity() -> Identity {
    let folder = tempfile::tempdir().unwrap();
    Identity::load_or_create(&folder.path().join("key")).unwrap()
}

/// A self-signed certificate and its key.
fn made(algorithm: &'static SignatureAlgorithm, params: &CertificateParams) -> CertifiedKey {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let secret = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    CertifiedKey::new(vec![certificate.der().clone()], any_supported_type(&secret).unwrap())
}

/// The certificate of one with the key of another: what a thief of certificates can present.
fn stolen(from: &Identity, by: &Identity) -> CertifiedKey {
    CertifiedKey::new(from.certified().cert.clone(), Arc::clone(&by.certified().key))
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// What each side knows at the end: the client how it was let in, the server by whom.
type Met = (HandshakeKind, Option<PeerIdentity>);

/// Shakes hands and sends a byte each way; only then has the client heard what the server thinks of its certificate. Fails
/// with what each side says.
async fn meet(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> Result<Met, String> {
    let (near, far) = duplex(64 << 10);
    let (client, server) = (TlsConnector::from(Arc::clone(client)), TlsAcceptor::from(Arc::clone(server)));
    let calling = async {
        let mut stream = client.connect("peer.invalid".try_into().unwrap(), near).await?;
        stream.write_all(b"?").await?;
        stream.read_u8().await?;
        Ok::<_, io::Error>(stream.get_ref().1.handshake_kind().expect("it is over"))
    };
    let answering = async {
        let mut stream = server.accept(far).await?;
        stream.read_u8().await?;
        stream.write_all(b"!").await?;
        Ok::<_, io::Error>(PeerIdentity::proven_by(stream.get_ref().1))
    };
    match tokio::join!(calling, answering) {
        (Ok(kind), Ok(peer)) => Ok((kind, peer)),
        (called, answered) => Err(format!("client: {}; server: {}", fault(called), fault(answered))),
    }
}

fn fault<T>(side: io::Result<T>) -> String {
    side.err().map_or("content".to_owned(), |error| error.to_string())
}

async fn refusal(client: ClientConfig, server: ServerConfig) -> String {
    meet(&Arc::new(client), &Arc::new(server)).await.expect_err("refused")
}

fn with_client(peer: &Identity, resolver: Arc<dyn ResolvesClientCert>) -> (ClientConfig, ServerConfig) {
    let mut client = client_config(&identity(), peer.peer_id());
    client.client_auth_cert_resolver = resolver;
    (client, server_config(peer))
}

fn with_server(expected: PeerId, resolver: Arc<dyn ResolvesServerCert>) -> (ClientConfig, ServerConfig) {
    let mut server = server_config(&identity());
    server.cert_resolver = resolver;
    (client_config(&identity(), expected), server)
}

#[tokio::test]
async fn the_right_keys_meet() {
    let (peer, caller) = (identity(), identity());
    let (client, server) = (client_config(&caller, peer.peer_id()), server_config(&peer));
    let (_, seen) = meet(&Arc::new(client), &Arc::new(server)).await.unwrap();
    assert_eq!(seen, Some(PeerIdentity { peer_id: caller.peer_id(), key: caller.public_key() }));
}

#[tokio::test]
async fn no_session_is_resumed_whichever_side_would() {
    let (peer, caller) = (identity(), identity());
    let mut eager_client = client_config(&caller, peer.peer_id());
    eager_client.resumption = Resumption::default();
    let mut eager_server = server_config(&peer);
    (eager_server.send_tls13_tickets, eager_server.ticketer) = (2, aws_lc_rs::Ticketer::new().unwrap());

    let (client, server) = (client_config(&caller, peer.peer_id()), server_config(&peer));
    for (client, server) in [(&eager_client, &server), (&client, &eager_server)] {
        let (client, server) = (Arc::new(client.clone()), Arc::new(server.clone()));
        for _ in 0..2 {
            assert_eq!(meet(&client, &server).await.unwrap().0, HandshakeKind::Full);
        }
    }
    let (client, server) = (Arc::new(eager_client), Arc::new(eager_server));
    meet(&client, &server).await.unwrap();
    assert_eq!(meet(&client, &server).await.unwrap().0, HandshakeKind::Resumed, "else the above shows nothing");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused() {
    let (client, server) = with_client(&identity(), Arc::new(NoCertificate));
    assert_eq!(
        refusal(client, server).await,
        "client: received fatal alert: CertificateRequired; server: peer sent no certificates"
    );
}

#[tokio::test]
async fn a_client_with_a_stolen_certificate_is_refused() {
    let thief = SingleCertAndKey::from(stolen(&identity(), &identity()));
    let (client, server) = with_client(&identity(), Arc::new(thief));
    assert_eq!(
        refusal(client, server).await,
        "client: received fatal alert: DecryptError; server: invalid peer certificate: BadSignature"
    );
}

#[tokio::test]
async fn a_client_with_another_kind_of_key_is_refused() {
    let cert = made(&PKCS_ECDSA_P256_SHA256, &CertificateParams::default()).cert;
    // Signed by an Ed25519 key, because a client with only the other kind does not even try.
    let key = CertifiedKey::new(cert, Arc::clone(&identity().certified().key));
    let (client, server) = with_client(&identity(), Arc::new(SingleCertAndKey::from(key)));
    let why = refusal(client, server).await;
    assert!(why.starts_with("client: received fatal alert: CertificateUnknown") && why.contains("NotAPeer"), "{why}");
}

#[tokio::test]
async fn a_server_with_another_key_is_refused() {
    let (expected, other) = (identity(), identity());
    let client = client_config(&identity(), expected.peer_id());
    let why = refusal(client, server_config(&other)).await;
    assert!(why.contains("WrongKey") && why.ends_with("server: received fatal alert: CertificateUnknown"), "{why}");
}

#[tokio::test]
async fn a_server_with_a_stolen_certificate_is_refused() {
    let expected = identity();
    let thief = SingleCertAndKey::from(stolen(&expected, &identity()));
    let (client, server) = with_server(expected.peer_id(), Arc::new(thief));
    assert_eq!(
        refusal(client, server).await,
        "client: invalid peer certificate: BadSignature; server: received fatal alert: DecryptError"
    );
}

#[tokio::test]
async fn dates_do_not_matter() {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(1980, 1, 1), rcgen::date_time_ymd(1980, 1, 2));
    let expired = made(&PKCS_ED25519, &params);
    let key = pin::ed25519_key(&expired.cert[0]).unwrap();
    let (client, server) = with_server(PeerId::of(&key), Arc::new(SingleCertAndKey::from(expired)));
    meet(&Arc::new(client), &Arc::new(server)).await.unwrap();
}

#[tokio::test]
async fn older_tls_is_refused() {
    let peer = identity();
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pin::ServerIs::new(peer.peer_id(), &provider())))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity().certified())));
    client.alpn_protocols = vec![ALPN_HTTP2.to_vec()];
    assert_eq!(
        refusal(client, server_config(&peer)).await,
        "client: received fatal alert: ProtocolVersion; server: peer is incompatible: Tls12NotOfferedOrEnabled"
    );
}

#[test]
fn the_key_is_read_from_ed25519_certificates_only() {
    let identity = identity();
    assert_eq!(pin::ed25519_key(&identity.certified().cert[0]), Some(identity.public_key()));
    assert_eq!(pin::ed25519_key(&made(&PKCS_ECDSA_P256_SHA256, &CertificateParams::default()).cert[0]), None);
    assert_eq!(pin::ed25519_key(&vec![0x30, 0x00].into()), None::<PublicKey>);
}
