//! How the daemon is.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::ids::{PeerAddress, PeerId, PeerName, UserName};

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {}

/// Answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// This peer.
    pub peer_id: PeerId,
    /// What people call it.
    pub name: PeerName,
    /// Who is logged in.
    pub user: Option<UserName>,
    /// The directory, and how it is with it.
    pub directory: DirectoryStatus,
    /// Where other peers are told to reach this one.
    pub address: PeerAddress,
    /// Files shared.
    pub shares: u64,
    /// Transfers that run.
    pub transfers: u64,
    /// Version of the daemon.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where downloads go that name no other place.
    pub download_dir: PathBuf,
    /// The daemon's parts.
    pub actors: Vec<ActorStatus>,
}

/// The directory as this peer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStatus {
    /// Where it is.
    pub url: String,
    /// How it is with it.
    pub state: DirectoryState,
    /// Since when it is so.
    pub since: Timestamp,
    /// What the last attempt said, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How it is with the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryState {
    /// Registered; heartbeats are answered.
    Connected,
    /// On the way there.
    Connecting,
    /// Does not answer; it is being tried again.
    Unreachable,
    /// Nobody has logged in, or the session has ended.
    LoggedOut,
}

impl std::fmt::Display for DirectoryState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Unreachable => "unreachable",
            Self::LoggedOut => "logged-out",
        })
    }
}

/// One part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorStatus {
    /// Its name.
    pub name: String,
    /// How often it was restarted after a failure.
    pub restarts: u32,
}
