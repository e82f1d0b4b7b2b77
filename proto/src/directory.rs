//! Bodies of the REST interface under `/api/v1` (`directoryd` serves it, `peerd` calls it).
//!
//! Sizes are bytes, durations seconds, times RFC 3339 in UTC. Bodies that come in refuse unknown keys; bodies that go out
//! may gain keys, so readers ignore what they do not know.

use serde::{Deserialize, Serialize};

mod accounts;
mod digest;
mod events;
mod files;
mod peers;
mod problem;

pub use accounts::{
    CurrentSession, ListedSession, LoginRequest, NewPassword, NewUser, PatchUser, Role, Session, SessionId, User,
};
pub use digest::{PARTS, PartDigests, SharesDigest, part_of};
pub use events::{Change, Event, Events, LONGEST_WAIT};
pub use files::{
    Announce, EntryResult, FileDetail, FileEntry, Holder, Holders, HoldingState, PatchFiles, PatchedFiles, PeerFile,
    Withdraw,
};
pub use peers::{
    DirectoryKey, DirectoryKeys, Heartbeat, IssuedChallenge, Lease, Peer, PeerState, RegisterPeer, Ticket,
    registration_message,
};
pub use problem::{Problem, ProblemCode};

/// Most entries of one [`PatchFiles`], of a page of files, and of a page of peers.
pub const MOST_ENTRIES: usize = 1000;
/// Entries of a page where the caller names no number.
pub const USUAL_ENTRIES: usize = 100;

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// In the order of the listing.
    pub items: Vec<T>,
    /// Goes into `cursor=` for the next page; `null` on the last one. Opaque.
    pub next: Option<String>,
}

/// `GET /stats`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Stats {
    /// Accounts.
    pub users: u64,
    /// Peers that ever registered.
    pub peers: u64,
    /// Those of them that are up.
    pub peers_up: u64,
    /// Files that somebody announces.
    pub files: u64,
    /// Their sizes together, each file once.
    pub bytes: u64,
}

/// `GET /version`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Version {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
}
