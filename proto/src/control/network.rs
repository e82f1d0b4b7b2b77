//! Peers and files of the network, as the directory has them or another peer sees them.

use serde::{Deserialize, Serialize};

use crate::directory::{FileDetail, Holder};

/// Parameters of `list-peers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPeers {
    /// Down ones too.
    #[serde(default)]
    pub all: bool,
    /// From the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Entries of a page: 1 to 1000, usually 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `show-peer`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPeer {
    /// Name, id or unique prefix of an id.
    pub peer: String,
}

/// Parameters of `list-files`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// Part of the name, in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Only what this peer holds: name, id or unique prefix of an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Only what this peer itself shares.
    #[serde(default)]
    pub mine: bool,
    /// As this peer sees the network, asked of itself and not of the directory: name, id or unique prefix of an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Only what the peer in `via` itself shares.
    #[serde(default)]
    pub own: bool,
    /// From the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Entries of a page: 1 to 1000, usually 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `show-file`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowFile {
    /// Id, unique prefix of at least 6 digits, exact name, or `USER/NAME`.
    pub file: String,
}

/// Answer to `show-file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileShown {
    /// The file.
    #[serde(flatten)]
    pub file: FileDetail,
    /// Up to 1000 of its holders.
    pub holders_list: Vec<Holder>,
}
