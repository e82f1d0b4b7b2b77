//! What this peer shares.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::{ByteCount, FileId, FileName};

/// Parameters of `upload`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Absolute path of a regular file.
    pub path: PathBuf,
    /// Another name than the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
}

/// Answer to `upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// Id of the content.
    pub file_id: FileId,
    /// Shared under this name.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Without content.
    pub simulated: bool,
    /// Whether the directory has acknowledged it; if not, it will be told as soon as it answers.
    pub announced: bool,
}

/// Parameters of `unshare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unshare {
    /// Id, unique prefix of at least 6 digits, or exact name of a file that this peer shares.
    pub file: String,
}

/// Answer to `unshare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unshared {
    /// Id of the content.
    pub file_id: FileId,
    /// Name that it was shared under.
    pub name: FileName,
}
