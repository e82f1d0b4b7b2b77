//! Who is logged in.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::directory::Role;
use crate::ids::{PeerId, PeerName, UserName};
use crate::secret::Secret;

/// Parameters of `login`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Account.
    pub user: UserName,
    /// Its password.
    pub password: Secret,
}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoAmI {}

/// Answer to `login` and `whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// This peer.
    pub peer_id: PeerId,
    /// What people call it.
    pub peer: PeerName,
}
