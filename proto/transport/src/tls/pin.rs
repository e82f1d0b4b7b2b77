//! The two verifiers: [`ServerIs`] demands one peer, [`AnyPeer`] any Ed25519 key.
//!
//! A certificate is public; copying it proves nothing. What proves the key is the signature over the handshake, and that
//! check is the provider's, restricted to Ed25519: were it not delegated, the pin would hold for anyone.

use std::sync::Arc;

use proto::ids::{PeerId, PublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme};

/// DER of an Ed25519 `SubjectPublicKeyInfo` up to the 32 bytes of the key (RFC 8410 §4): it has no other encoding.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The Ed25519 key in a certificate, if that is what it carries.
pub(super) fn ed25519_key(certificate: &CertificateDer<'_>) -> Option<PublicKey> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let info = parsed.subject_public_key_info();
    let key = info.strip_prefix(&ED25519_SPKI)?;
    Some(PublicKey::from_bytes(key.try_into().ok()?))
}

/// Another peer than the expected one answered. Travels inside [`rustls::Error`] to whoever dialled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the key belongs to peer {presented}, not to {expected}")]
pub(crate) struct WrongKey {
    pub(crate) expected: PeerId,
    pub(crate) presented: PeerId,
}

#[derive(Debug, thiserror::Error)]
#[error("the certificate carries no Ed25519 key, so it is not that of a peer")]
struct NotAPeer;

/// What both verifiers say about the signature over the handshake: the provider decides whether it was made with the key
/// of the certificate. TLS 1.2 is never offered, and checked all the same.
macro_rules! signed_by_the_key {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, &self.signatures)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, &self.signatures)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }
    };
}

/// Accepts exactly one peer.
#[derive(Debug)]
pub(super) struct ServerIs {
    expected: PeerId,
    signatures: WebPkiSupportedAlgorithms,
}

impl ServerIs {
    pub(super) fn new(expected: PeerId, provider: &CryptoProvider) -> Self {
        Self { expected, signatures: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for ServerIs {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = PeerId::of(&ed25519_key(end_entity).ok_or_else(|| refused(NotAPeer))?);
        if presented == self.expected {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(refused(WrongKey { expected: self.expected, presented }))
        }
    }

    signed_by_the_key!();
}

/// Accepts whoever proves an Ed25519 key, and nobody without one.
#[derive(Debug)]
pub(super) struct AnyPeer {
    signatures: WebPkiSupportedAlgorithms,
}

impl AnyPeer {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { signatures: provider.signature_verification_algorithms }
    }
}

impl ClientCertVerifier for AnyPeer {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        ed25519_key(end_entity).map(|_| ClientCertVerified::assertion()).ok_or_else(|| refused(NotAPeer))
    }

    fn client_auth_mandatory(&self) -> bool {
        true
    }

    signed_by_the_key!();
}

fn refused(why: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}
