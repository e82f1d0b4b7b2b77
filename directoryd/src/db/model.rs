//! What goes into the store and comes out of it, beside the bodies of `proto::directory`: the same for every database.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use proto::Timestamp;
use proto::directory::{FileEntry, PeerState, Role, SessionId, SharesDigest};
use proto::ids::{FileId, FileName, InstanceId, PeerAddress, PeerId, PeerName, PublicKey, UserName};
use proto::ticket::{KeyId, Signer};

// ---- accounts ----

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Its name.
    pub name: UserName,
    /// argon2id, as a PHC string.
    pub password_hash: String,
    /// What it may do.
    pub role: Role,
}

/// What a login is checked against.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) password_hash: String,
    pub(crate) role: Role,
    pub(crate) disabled: bool,
}

// ---- sessions ----

/// A session to be kept.
#[derive(Debug, Clone)]
pub(crate) struct NewSession {
    /// BLAKE3 of the token.
    pub(crate) token_hash: [u8; 32],
    pub(crate) user: UserName,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    /// Where the login came from.
    pub(crate) address: IpAddr,
}

/// A session, as its user sees it.
#[derive(Debug)]
pub(crate) struct ListedSession {
    pub(crate) id: SessionId,
    pub(crate) created_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) address: Option<IpAddr>,
}

/// Whose a session is, as of now.
#[derive(Debug, Clone)]
pub(crate) struct SessionOwner {
    pub(crate) user: UserName,
    pub(crate) role: Role,
    pub(crate) expires_at: Timestamp,
}

/// What names a session is the first half of its token's hash: it takes no column and no index, and nobody finds a token
/// by it.
pub(crate) fn session_id(token_hash: &[u8; 32]) -> SessionId {
    let mut id = [0; SessionId::LEN];
    id.copy_from_slice(&token_hash[..SessionId::LEN]);
    SessionId::from_bytes(id)
}

// ---- signing keys ----

/// How long things last that a rotation has to wait for.
#[derive(Debug, Clone, Copy)]
pub struct KeyTerms {
    /// Within it, every peer that is up has had a heartbeat.
    pub lease: Duration,
    /// Life of a ticket.
    pub ticket: Duration,
}

/// A key that tickets may be signed with.
#[derive(Debug, Clone)]
pub struct SigningKey {
    /// Its name.
    pub id: KeyId,
    /// The key itself; `Debug` shows its name only.
    pub(crate) signer: Arc<Signer>,
    /// When it was made.
    pub created_at: Timestamp,
    /// It signs from then on.
    pub signs_from: Timestamp,
    /// By then its last ticket has ended; `None` for the newest.
    pub ends_at: Option<Timestamp>,
}

/// What became of a wish for a new key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It was made.
    Made {
        /// Its name.
        id: KeyId,
        /// It signs from then on.
        signs_from: Timestamp,
        /// When the key before ends; `None` where there is none any more.
        former_ends: Option<Timestamp>,
    },
    /// The last rotation is still going on.
    TooSoon {
        /// Until then.
        until: Timestamp,
    },
}

// ---- peers ----

/// A peer whose proof was checked.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) peer_id: PeerId,
    pub(crate) user: UserName,
    pub(crate) key: PublicKey,
    pub(crate) name: PeerName,
    pub(crate) address: PeerAddress,
    pub(crate) instance: InstanceId,
    pub(crate) version: String,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registered {
    New,
    Known {
        was_up: bool,
    },
    /// The id belongs to another user.
    Taken,
}

/// Who may speak for a peer.
#[derive(Debug, Clone)]
pub(crate) struct KnownPeer {
    pub(crate) peer_id: PeerId,
    pub(crate) user: UserName,
    /// `None` after a logout.
    pub(crate) instance: Option<InstanceId>,
    pub(crate) last_seen: Timestamp,
    /// Of its shares; `None` until they are counted.
    pub(crate) digest: Option<SharesDigest>,
}

// ---- the log of changes ----

/// From where to where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// What has this number or a smaller one is forgotten.
    pub(crate) gone: u64,
    /// The last number that was given.
    pub(crate) end: u64,
}

// ---- listings ----

/// The row behind which a page begins: its name and the bytes of its id.
#[derive(Debug, Clone)]
pub(crate) struct After {
    pub(crate) name: String,
    pub(crate) id: Vec<u8>,
}

impl After {
    pub(crate) fn behind(entry: &FileEntry) -> Self {
        Self { name: entry.name.to_string(), id: entry.file_id.as_bytes().to_vec() }
    }
}

/// Which files; everything given must hold.
#[derive(Debug, Default, Clone)]
pub(crate) struct FileFilter {
    /// Somewhere in the name, in whatever case.
    pub(crate) search: Option<String>,
    /// At the beginning of the name, in exactly this case.
    pub(crate) starts: Option<String>,
    /// The name, exactly.
    pub(crate) name: Option<FileName>,
    /// The id lies between these.
    pub(crate) ids: Option<RangeInclusive<FileId>>,
    /// A peer of this user shares it, under this name.
    pub(crate) user: Option<UserName>,
    /// From the last name to the first.
    pub(crate) backwards: bool,
}

/// Which peers; everything given must hold.
#[derive(Debug, Default, Clone)]
pub(crate) struct PeerFilter {
    /// At the beginning of the name, in exactly this case.
    pub(crate) starts: Option<String>,
    pub(crate) name: Option<PeerName>,
    pub(crate) ids: Option<RangeInclusive<PeerId>>,
    pub(crate) state: Option<PeerState>,
    pub(crate) user: Option<UserName>,
    /// From the last name to the first.
    pub(crate) backwards: bool,
}
