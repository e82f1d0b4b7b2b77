//! What others may know without asking.

use std::sync::Arc;

use proto::Timestamp;
use proto::control::DirectoryStatus;
use proto::directory::{Lease, Role, Session as Login, SharesDigest, Ticket};
use proto::ids::UserName;
use proto::secret::Secret;
use proto::ticket::Verifier;

use crate::directory::clock::Clock;
use crate::directory::session::Session;

/// What others may know without asking.
#[derive(Debug, Clone)]
pub struct View {
    /// How it is with the directory.
    pub status: DirectoryStatus,
    /// The login, where there is one.
    pub login: Option<Arc<Login>>,
    /// The lease, where the peer is registered.
    pub lease: Option<Lease>,
    /// Version of the catalog that the directory has acknowledged.
    pub announced: u64,
    /// Of what the directory is believed to list; nothing while that is changing.
    pub shares_digest: Option<SharesDigest>,
    /// The newest ticket; shown to other peers.
    pub ticket: Option<Ticket>,
    /// Checks the tickets of other peers; nothing before the first registration.
    pub verifier: Option<Arc<Verifier>>,
    /// What time it is there; as above.
    pub clock: Option<Clock>,
}

impl View {
    /// Before anything was tried.
    pub fn initial(url: &str) -> Self {
        let status = Session::new(false, Timestamp::now()).status(url);
        Self {
            status,
            login: None,
            lease: None,
            announced: 0,
            shares_digest: None,
            ticket: None,
            verifier: None,
            clock: None,
        }
    }

    /// The token, where somebody is logged in.
    pub fn token(&self) -> Option<&Secret> {
        self.login.as_ref().map(|login| &login.token)
    }

    /// Who is logged in.
    pub fn user(&self) -> Option<(UserName, Role)> {
        self.login.as_ref().map(|login| (login.user.clone(), login.role))
    }
}
