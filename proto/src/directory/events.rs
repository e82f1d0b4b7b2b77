//! The log of changes: `GET /events`.

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::ids::{FileId, PeerId, UserName};

/// Longest that a poll may wait, seconds.
pub const LONGEST_WAIT: u64 = 50;

/// One change, as the log has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Event {
    /// Its number: later changes have greater ones. Some numbers are never given.
    pub seq: u64,
    /// When it was noted.
    pub at: Timestamp,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// What can change. A heartbeat is no change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(tag = "kind")]
pub enum Change {
    /// A peer registered, or came back.
    #[serde(rename = "peer.up")]
    PeerUp {
        /// Which.
        peer_id: PeerId,
    },
    /// Its lease ended, or it logged out.
    #[serde(rename = "peer.down")]
    PeerDown {
        /// Which.
        peer_id: PeerId,
    },
    /// A peer has all of a file, or shares it under other names than before.
    #[serde(rename = "file.announced")]
    FileAnnounced {
        /// Who.
        peer_id: PeerId,
        /// What.
        file_id: FileId,
    },
    /// A peer has begun to fetch a file, or no longer has all of it.
    #[serde(rename = "file.partial")]
    FilePartial {
        /// Who.
        peer_id: PeerId,
        /// What.
        file_id: FileId,
    },
    /// A peer no longer has a file at all.
    #[serde(rename = "file.withdrawn")]
    FileWithdrawn {
        /// Who.
        peer_id: PeerId,
        /// What.
        file_id: FileId,
    },
    /// An account was made, changed or removed. Told to admins, and to the account itself.
    #[serde(rename = "user.changed")]
    UserChanged {
        /// Which.
        user: UserName,
    },
    /// One that this program is too old to know.
    #[serde(other, rename = "unknown")]
    Unknown,
}

impl Change {
    /// Its name in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PeerUp { .. } => "peer.up",
            Self::PeerDown { .. } => "peer.down",
            Self::FileAnnounced { .. } => "file.announced",
            Self::FilePartial { .. } => "file.partial",
            Self::FileWithdrawn { .. } => "file.withdrawn",
            Self::UserChanged { .. } => "user.changed",
            Self::Unknown => "unknown",
        }
    }

    /// The file that it is about.
    pub const fn file(&self) -> Option<FileId> {
        match self {
            Self::FileAnnounced { file_id, .. }
            | Self::FilePartial { file_id, .. }
            | Self::FileWithdrawn { file_id, .. } => Some(*file_id),
            _ => None,
        }
    }

    /// The peer that it is about.
    pub const fn peer(&self) -> Option<PeerId> {
        match self {
            Self::PeerUp { peer_id }
            | Self::PeerDown { peer_id }
            | Self::FileAnnounced { peer_id, .. }
            | Self::FilePartial { peer_id, .. }
            | Self::FileWithdrawn { peer_id, .. } => Some(*peer_id),
            Self::UserChanged { .. } | Self::Unknown => None,
        }
    }
}

/// Answer to a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Events {
    /// In their order; none where nothing happened in time.
    pub items: Vec<Event>,
    /// Goes into `since=` for what comes next.
    pub last: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_flat_and_those_of_the_future_are_read() {
        let peer_id = PeerId::from_bytes([7; 20]);
        let event = Event { seq: 7, at: Timestamp::UNIX_EPOCH, change: Change::PeerUp { peer_id } };
        let text = serde_json::to_value(&event).unwrap();
        assert_eq!(
            text,
            serde_json::json!({"seq": 7, "at": "1970-01-01T00:00:00Z", "kind": "peer.up", "peer_id": peer_id})
        );
        assert_eq!(text["kind"], event.change.kind());
        assert_eq!(serde_json::from_value::<Event>(text).unwrap(), event);
        let future = r#"{"seq": 8, "at": "1970-01-01T00:00:00Z", "kind": "star.born", "star": "x"}"#;
        assert_eq!(serde_json::from_str::<Event>(future).unwrap().change, Change::Unknown);
    }
}
