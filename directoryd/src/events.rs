//! What can change, as the log of changes has it.
//!
//! Each change writes its row in the transaction that makes it ([`crate::db`]), so that the log and the state never
//! disagree, whatever crashes when. A heartbeat is no change.

use proto::ids::{FileId, PeerId, UserName};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A peer registered, or came back.
    PeerUp(PeerId),
    /// Its lease ended, or it logged out.
    PeerDown(PeerId),
    /// A peer has all of a file, or shares it under other names than before.
    FileAnnounced {
        /// Who.
        peer: PeerId,
        /// What.
        file: FileId,
    },
    /// A peer has begun to fetch a file, or no longer has all of it.
    FilePartial {
        /// Who.
        peer: PeerId,
        /// What.
        file: FileId,
    },
    /// A peer no longer has a file at all.
    FileWithdrawn {
        /// Who.
        peer: PeerId,
        /// What.
        file: FileId,
    },
    /// An account was made, changed or removed.
    UserChanged(UserName),
}

impl Event {
    /// Its name in the log.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::PeerUp(_) => "peer.up",
            Self::PeerDown(_) => "peer.down",
            Self::FileAnnounced { .. } => "file.announced",
            Self::FilePartial { .. } => "file.partial",
            Self::FileWithdrawn { .. } => "file.withdrawn",
            Self::UserChanged(_) => "user.changed",
        }
    }
}
