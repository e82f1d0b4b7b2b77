//! A peer's port, as strangers find it: who proves no key, or another's, ends in the TLS handshake, and hears nothing.

use std::io;
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use transport::{DialError, DialOptions, Identity, client_config};

use crate::world::{Peer, World};

/// What any HTTP/2 client begins with: the preface and empty settings.
const HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

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

/// Speaks to a peer over TLS; its first bytes, and its own certificate.
async fn speak(peer: &Peer, config: ClientConfig) -> io::Result<(Vec<u8>, CertificateDer<'static>)> {
    let stream = TcpStream::connect(peer.address).await?;
    let mut stream = TlsConnector::from(Arc::new(config)).connect("peer.invalid".try_into().unwrap(), stream).await?;
    let certificate = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    stream.write_all(HELLO).await?;
    let mut heard = vec![0; 1024];
    let count = stream.read(&mut heard).await?;
    heard.truncate(count);
    Ok((heard, certificate))
}

#[tokio::test]
async fn whoever_proves_no_key_of_their_own_ends_at_the_handshake() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let key = world.path("stranger.pem");
    let stranger = Identity::load_or_create(&key).unwrap();
    let config = |peer: &Peer| client_config(&stranger, peer.id());
    let refusal = async |resolver: Arc<dyn ResolvesClientCert>| {
        let mut config = config(&one);
        config.client_auth_cert_resolver = resolver;
        speak(&one, config).await.expect_err("not one byte").to_string()
    };
    let (heard, _) = speak(&one, config(&one)).await.unwrap();
    assert!(!heard.is_empty(), "with a key of one's own the handshake succeeds: else the rest shows nothing");

    let refused = refusal(Arc::new(NoCertificate)).await;
    assert!(refused.contains("CertificateRequired"), "{refused}");

    // A certificate is public: peer 2 shows its own to everybody. Without the key it opens nothing.
    let (_, certificate) = speak(&two, config(&two)).await.unwrap();
    let secret = PrivateKeyDer::from_pem_file(&key).unwrap();
    let stolen =
        CertifiedKey::new(vec![certificate], rustls::crypto::aws_lc_rs::sign::any_supported_type(&secret).unwrap());
    let refused = refusal(Arc::new(SingleCertAndKey::from(stolen))).await;
    assert!(refused.contains("DecryptError"), "{refused}");
    assert!(one.ctl(["status"]).status.success());
}

#[tokio::test]
async fn whoever_answers_with_another_key_is_not_spoken_to() {
    let world = World::new();
    let (one, two) = (world.peer("1"), world.peer("2"));
    let stranger = Identity::load_or_create(&world.path("stranger.pem")).unwrap();
    let address = one.address.to_string().parse().unwrap();
    let dialled = transport::dial(&address, &stranger, two.id(), DialOptions::default()).await;
    let Err(DialError::WrongKey { expected, presented, .. }) = dialled else { panic!("{dialled:?}") };
    assert_eq!((expected, presented), (two.id(), one.id()));
}
