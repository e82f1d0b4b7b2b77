//! Files: announcing, listing, who holds them.

use serde::{Deserialize, Serialize};

use super::PeerState;
use crate::ids::{ByteCount, FileId, FileName, PeerAddress, PeerId, PeerName, UserName};

/// How much of a file a peer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HoldingState {
    /// All of it.
    Complete,
    /// It is fetching it and serves what it has. Not counted in `holders`.
    Partial,
}

/// One file that a peer says it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// Which file.
    pub file_id: FileId,
    /// Under which name.
    pub name: FileName,
    /// Its size; every announcer of one id must agree.
    pub size: ByteCount,
    /// How much of it.
    pub state: HoldingState,
    /// Announced without content, as in the original course project.
    #[serde(default)]
    pub simulated: bool,
    /// Where a simulated file is said to come from. At most 2048 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// One file that a peer no longer holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// Which file.
    pub file_id: FileId,
    /// Only this name of it; without one, the file altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
}

/// `PATCH /peers/{peer_id}/files`; at most [`MOST_ENTRIES`] in both lists together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchFiles {
    /// To add or change.
    #[serde(default)]
    pub add: Vec<Announce>,
    /// To take away; what is not there is no fault.
    #[serde(default)]
    pub remove: Vec<Withdraw>,
}

/// Answer to [`PatchFiles`]: a result per entry, in the order of the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PatchedFiles {
    /// Per entry of `add`.
    pub added: Vec<EntryResult>,
    /// Per entry of `remove`.
    pub removed: Vec<EntryResult>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct EntryResult {
    /// Which file.
    pub file_id: FileId,
    /// Why it was refused; absent where it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// A file under one name, as listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FileEntry {
    /// Which file.
    pub file_id: FileId,
    /// One name that it is shared under; a file with two names is listed under each.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Peers that hold all of it, up or down.
    pub holders: u64,
    /// Those of them that are up.
    pub holders_up: u64,
    /// Without content.
    pub simulated: bool,
    /// Of a simulated file.
    pub url: Option<String>,
}

/// A file under one name, as one peer shares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PeerFile {
    /// The file.
    #[serde(flatten)]
    pub entry: FileEntry,
    /// How much of it this peer has.
    pub state: HoldingState,
}

/// `GET /files/{file_id}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct FileDetail {
    /// Under its first name in alphabetical order.
    #[serde(flatten)]
    pub entry: FileEntry,
    /// Every name that it is shared under, in alphabetical order; at most 100.
    pub names: Vec<FileName>,
}

/// Someone to fetch a file from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Holder {
    /// Who.
    pub peer_id: PeerId,
    /// What people call it.
    pub name: PeerName,
    /// Whose it is.
    pub user: UserName,
    /// Where it listens.
    pub address: PeerAddress,
    /// Up or down.
    pub state: PeerState,
    /// How much of the file it has.
    pub holding: HoldingState,
}

/// `GET /files/{file_id}/holders`: a random sample, peers that are up first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Holders {
    /// The sample.
    pub items: Vec<Holder>,
}
