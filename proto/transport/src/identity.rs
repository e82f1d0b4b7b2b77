//! The key that makes a peer itself.
//!
//! One Ed25519 key per state folder, made on the first start and never changed: the peer id is its hash, so losing the
//! file is losing the identity, and a copy of it is the same peer. The private key leaves this module only as signatures,
//! its own and those of TLS handshakes ([`crate::tls`]). What is on disk is `file`'s concern.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use proto::ids::{PeerId, PublicKey, Signature};
use rustls::crypto::aws_lc_rs::sign::any_eddsa_type;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::sign::CertifiedKey;

mod file;

/// The key of this peer, ready for use. A clone is another handle on the same key.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    peer_id: PeerId,
    public_key: PublicKey,
    key: Ed25519KeyPair,
    /// The same key and its self-signed certificate, in the form in which rustls takes them.
    certified: Arc<CertifiedKey>,
}

/// Why there is no identity. Each text names the file, the fault and the next step.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file system said no.
    #[error("cannot {action} the identity key {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The key file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Others than the owner may read or write the file.
    #[error(
        "the identity key {path} has mode {mode:04o}, so others on this machine may have read it; \
         close it with `chmod 600 {path}`, and delete it to become a new peer if they did",
        path = path.display()
    )]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file belongs to somebody else than the user that this process runs as.
    #[error(
        "the identity key {path} belongs to uid {owner}, but this process runs as uid {user}; \
         run it as the owner, or `chown {user} {path}`",
        path = path.display()
    )]
    Owner {
        /// The key file.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// The effective user of this process.
        user: u32,
    },
    /// There is something else than a regular file: a symbolic link, a folder, a pipe.
    #[error(
        "the identity key {} is not a regular file; put the key itself there, or move what is there away to become a new peer",
        path.display()
    )]
    NotAFile {
        /// Where the key file should be.
        path: PathBuf,
    },
    /// The file holds no Ed25519 private key.
    #[error(
        "the identity key {path} holds no Ed25519 private key (PKCS#8, PEM): {why}; \
         restore it from a copy, or `mv {path} {path}.broken` to become a new peer",
        path = path.display()
    )]
    Malformed {
        /// The key file.
        path: PathBuf,
        /// What its content lacks.
        why: String,
    },
}

impl Identity {
    /// Reads the key file, or makes a new key and keeps it there with mode 0600. Of two processes that do so at once, both
    /// get the same key. Blocking, and meant for the start of a program. The folder must exist.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        let pem = match file::read(path)? {
            Some(pem) => pem,
            None => file::create(path)?,
        };
        let malformed = |why: String| IdentityError::Malformed { path: path.to_owned(), why };
        let der = file::decode(&pem).map_err(malformed)?;
        Self::from_pkcs8(&der).map_err(malformed)
    }

    /// The id that other peers know this one by.
    pub fn peer_id(&self) -> PeerId {
        self.0.peer_id
    }

    /// The public half of the key.
    pub fn public_key(&self) -> PublicKey {
        self.0.public_key
    }

    /// Signs a message (RFC 8032, pure Ed25519). What is signed must begin with text of our own that says what it is for:
    /// never sign bytes that are wholly another's choice.
    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.0.key.sign(message).as_ref());
        Signature::from_bytes(bytes)
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.certified)
    }

    fn from_pkcs8(der: &PrivatePkcs8KeyDer<'static>) -> Result<Self, String> {
        // "Maybe unchecked": the public half need not be in the file; OpenSSL leaves it out.
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der()).map_err(|e| e.to_string())?;
        let mut public = [0; 32];
        public.copy_from_slice(key.public_key().as_ref());
        let public_key = PublicKey::from_bytes(public);
        let peer_id = PeerId::of(&public_key);
        let certified = Arc::new(certify(der, peer_id)?);
        Ok(Self(Arc::new(Inner { peer_id, public_key, key, certified })))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("peer_id", &self.0.peer_id).finish_non_exhaustive()
    }
}

/// Whether `signature` is that of `key` over `message`.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
    UnparsedPublicKey::new(&ED25519, key.as_bytes()).verify(message, signature.as_bytes()).is_ok()
}

/// A certificate is only the envelope in which TLS carries the key: rcgen's default dates (1975 to 4096) stay, because the
/// verifiers of [`crate::tls`] look at the key alone and a peer with a wrong clock must still be let in.
fn certify(der: &PrivatePkcs8KeyDer<'static>, peer_id: PeerId) -> Result<CertifiedKey, String> {
    let key = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(der, &rcgen::PKCS_ED25519).map_err(|e| e.to_string())?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, peer_id.to_string());
    let certificate = params.self_signed(&key).map_err(|e| e.to_string())?;
    let signer = any_eddsa_type(der).map_err(|e| e.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], signer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let folder = tempfile::tempdir().unwrap();
        let one = Identity::load_or_create(&folder.path().join("one")).unwrap();
        let two = Identity::load_or_create(&folder.path().join("two")).unwrap();
        let signature = one.sign(b"message");
        assert!(verify(&one.public_key(), b"message", &signature));
        assert!(!verify(&one.public_key(), b"massage", &signature));
        assert!(!verify(&two.public_key(), b"message", &signature));
        assert_eq!(one.peer_id(), PeerId::of(&one.public_key()));
    }

    #[test]
    fn nothing_secret_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let identity = Identity::load_or_create(&path).unwrap();
        assert_eq!(format!("{identity:?}"), format!("Identity {{ peer_id: {}, .. }}", identity.peer_id()));
    }
}
