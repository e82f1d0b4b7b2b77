//! Why a peer was not reached: the three cases that callers treat differently.

use std::error::Error;
use std::io;
use std::time::Duration;

use proto::ids::{PeerAddress, PeerId};
use rustls::CertificateError;

use crate::tls::WrongKey;

/// Why there is no channel to a peer. Each text says what failed, why, and what to do next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DialError {
    /// Nothing answers there, or not in time. It may come back: try again later, and other holders meanwhile.
    #[error("cannot reach the peer at {address}: {why}; check that its peerd runs and that no firewall is in between")]
    Unreachable {
        /// Where it should be.
        address: PeerAddress,
        /// The system's answer.
        why: String,
    },
    /// Another peer answered. Nothing was sent to it. Trying again helps only after the directory names a new address.
    #[error(
        "{address} answered as peer {presented}, but {expected} was expected; nothing was sent: \
         the address was taken over, or the peer has a new key; `peerctl list-peers` shows who is where now"
    )]
    WrongKey {
        /// Who was dialled where.
        address: PeerAddress,
        /// The peer that was meant.
        expected: PeerId,
        /// The peer that answered.
        presented: PeerId,
    },
    /// Something answered that does not speak TLS as peers do.
    #[error("no secure connection to the peer at {address}: {why}; check that a peerd of this version listens there")]
    Tls {
        /// Where it should be.
        address: PeerAddress,
        /// What rustls says.
        why: String,
    },
}

impl DialError {
    /// The dial error at the bottom of another one: of a `tonic::Status` or a `tonic::transport::Error` that came out of
    /// a channel while it reconnected.
    pub fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    pub(super) fn from_tonic(address: &PeerAddress, error: &tonic::transport::Error) -> Self {
        Self::cause(error)
            .cloned()
            .unwrap_or_else(|| Self::Unreachable { address: address.clone(), why: innermost(error) })
    }

    /// An error of TCP or, wrapped by tokio-rustls, of TLS.
    pub(super) fn from_io(address: &PeerAddress, error: &io::Error) -> Self {
        let address = address.clone();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(tls) => match wrong_key(tls) {
                Some(WrongKey { expected, presented }) => {
                    Self::WrongKey { address, expected: *expected, presented: *presented }
                }
                None => Self::Tls { address, why: reason(tls) },
            },
            None => Self::Unreachable { address, why: error.to_string() },
        }
    }

    pub(super) fn timed_out(address: &PeerAddress, after: Duration) -> Self {
        Self::Unreachable { address: address.clone(), why: format!("no answer within {after:?}") }
    }
}

/// rustls shows what our own verifier says as nested debug output.
fn reason(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.to_string(),
        other => other.to_string(),
    }
}

fn wrong_key(error: &rustls::Error) -> Option<&WrongKey> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
