//! What happens while somebody sits at a prompt: told as it happens, to whoever has subscribed.

use serde::{Deserialize, Serialize};

use super::{DirectoryStatus, Transfer};
use crate::ids::{PeerId, PeerName};

/// No parameters. The answer comes when the daemon stops telling; until then notifications carry
/// [`super::Progress::News`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subscribe {}

/// Something that happened. What was so before the subscription is no news.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "news", rename_all = "kebab-case")]
pub enum News {
    /// The subscription stands: what happens from now on is told.
    Listening {},
    /// A transfer has come to its end, good or bad.
    Ended(Transfer),
    /// It is different with the directory.
    Directory(DirectoryStatus),
    /// A peer has come up. Only told in fleets of at most [`WATCHED_PEERS`].
    PeerUp {
        /// Its id.
        peer_id: PeerId,
        /// What people call it.
        peer: PeerName,
    },
    /// A peer has gone down. As above.
    PeerDown {
        /// Its id.
        peer_id: PeerId,
        /// What people call it.
        peer: PeerName,
    },
}

/// Most peers whose coming and going is told: in larger fleets somebody comes or goes all the time.
pub const WATCHED_PEERS: usize = 1000;
