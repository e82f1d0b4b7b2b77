//! Downloads: begun, listed, held, and as they are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::FailureCode;
use crate::ids::{ByteCount, FileId, FileName, PeerId, PeerName, Rate, TransferId};

/// Parameters of `download`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Id, unique prefix of at least 6 digits, exact name, or `USER/NAME`.
    pub file: String,
    /// Absolute path of the file to write, or of a folder for it; without one, the daemon's download folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Only from these peers: names, ids or unique prefixes.
    #[serde(default)]
    pub from: Vec<String>,
    /// This peer is asked what `file` means and who holds it: name, id or unique prefix of an id. Without `from`, the
    /// holders that it names are those that are fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Replace a file that is there.
    #[serde(default)]
    pub force: bool,
    /// Only pretend: no content moves, and this peer then holds a simulated file. So it is with every simulated file.
    #[serde(default)]
    pub simulate: bool,
    /// Rate that it is held to. One that is under way already keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// Parameters of `wait`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `transfers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTransfers {
    /// Only those with a higher number: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TransferId>,
    /// Entries of a page: 1 to 200, usually 200, and fewer where they are long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `pause`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `cancel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Which.
    pub transfer_id: TransferId,
}

/// Answer to `download`: it runs. `wait` follows it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Which.
    pub transfer_id: TransferId,
    /// What is fetched.
    pub file_id: FileId,
    /// Name that it is shared under.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Where the file will be; empty for a simulated transfer.
    pub path: PathBuf,
    /// Whether it was under way already, and this question only joined it.
    pub joined: bool,
    /// Without content.
    #[serde(default)]
    pub simulated: bool,
}

/// Answer to `transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// In the order of their numbers.
    pub items: Vec<Transfer>,
    /// Goes into `after` for the next page; nothing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TransferId>,
}

/// A download, as far as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which.
    pub transfer_id: TransferId,
    /// What is fetched.
    pub file_id: FileId,
    /// Name that it is shared under.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Where the file is or will be; empty for a simulated transfer.
    pub path: PathBuf,
    /// How it is.
    pub state: TransferState,
    /// Why it is so, where that needs words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Kind of failure, of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCode>,
    /// Bytes checked and stored.
    pub bytes: ByteCount,
    /// Bytes per second over the last seconds; over the whole time once it has ended.
    pub rate: f64,
    /// Time spent so far, since the daemon took it up.
    pub seconds: f64,
    /// Whether all of it was checked against the id: true exactly for `done` ones with content.
    pub verified: bool,
    /// Without content.
    pub simulated: bool,
    /// Who gave how much.
    pub sources: Vec<Source>,
}

impl Eq for Transfer {}

/// How a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// Looking for holders and the manifest, or checking what is already there.
    Preparing,
    /// Pieces are on their way.
    Running,
    /// Nobody to fetch from; goes on when somebody is.
    Stalled,
    /// Waits for room on the disk or for the user, as `reason` says.
    Paused,
    /// The file is at its place.
    Done,
    /// Given up, as `reason` says.
    Failed,
    /// Given up by the user.
    Cancelled,
}

impl TransferState {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for TransferState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What one peer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub peer: PeerName,
    /// Its id.
    pub peer_id: PeerId,
    /// Bytes of pieces that were checked and stored.
    pub bytes: ByteCount,
    /// Why it is no longer asked, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned: Option<String>,
}
