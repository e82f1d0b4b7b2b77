//! What may stand behind the question mark. Unknown keys are refused: a typo must not look like an empty result.

use std::time::Duration;

use proto::directory::{LONGEST_WAIT, PeerState};
use proto::ids::{FileId, FileName, InstanceId, PeerName, UserName};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use crate::db::{FileFilter, PeerFilter};
use crate::error::ApiError;
use crate::handlers::paging::{self, Cursor};

/// Longest text that is searched for, bytes; no name is longer.
const LONGEST_SEARCH: usize = 255;

pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, ApiError> {
    serde_urlencoded::from_str(query).map_err(|error| ApiError::malformed(format!("a parameter does not fit: {error}")))
}

/// Which way a list goes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    /// From the first to the last.
    #[default]
    Asc,
    /// From the last to the first.
    Desc,
}

/// A text that names are searched for.
fn searched(key: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    let text = text.filter(|text| !text.is_empty());
    if text.as_ref().is_some_and(|text| text.len() > LONGEST_SEARCH) {
        return Err(ApiError::malformed(format!("`{key}` is longer than {LONGEST_SEARCH} bytes")));
    }
    // No name has it, and not every database can be asked for it.
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(ApiError::malformed(format!("`{key}` has a character in it that no name can have")));
    }
    Ok(text)
}

fn cursor(text: Option<&String>) -> Result<Option<Cursor>, ApiError> {
    text.map(|text| paging::decode(text)).transpose()
}

/// `GET /files`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Files {
    /// Text that the name has in it, in either case; at most 255 bytes.
    #[schema(max_length = 255)]
    q: Option<String>,
    /// Text that the name begins with, in exactly this case; at most 255 bytes.
    #[schema(max_length = 255)]
    starts: Option<String>,
    /// The name itself.
    name: Option<FileName>,
    /// First digits of the file id, 6 at least.
    #[schema(pattern = "^[0-9a-fA-F]{6,64}$")]
    prefix: Option<String>,
    /// Those that this user's peers share.
    user: Option<UserName>,
    /// Which way, by name.
    #[serde(default)]
    order: Order,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries of the page; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Files {
    pub(super) fn page(&self) -> Result<(Option<Cursor>, usize), ApiError> {
        Ok((cursor(self.cursor.as_ref())?, paging::page_limit(self.limit)?))
    }

    pub(super) fn filter(self) -> Result<FileFilter, ApiError> {
        let ids = self.prefix.map(|prefix| paging::file_ids(&prefix)).transpose()?;
        Ok(FileFilter {
            search: searched("q", self.q)?,
            starts: searched("starts", self.starts)?,
            name: self.name,
            ids,
            user: self.user,
            backwards: self.order == Order::Desc,
        })
    }
}

/// `GET /peers`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Peers {
    /// Text that the name begins with, in exactly this case; at most 255 bytes.
    #[schema(max_length = 255)]
    starts: Option<String>,
    /// The name itself.
    name: Option<PeerName>,
    /// First digits of the peer id, 6 at least; dashes do not count.
    #[schema(pattern = "^-*([a-zA-Z2-7]-*){6,32}$")]
    prefix: Option<String>,
    /// Those that are up, or down.
    state: Option<PeerState>,
    /// Those of this user.
    user: Option<UserName>,
    /// Which way, by name.
    #[serde(default)]
    order: Order,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries of the page; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Peers {
    pub(super) fn page(&self) -> Result<(Option<Cursor>, usize), ApiError> {
        Ok((cursor(self.cursor.as_ref())?, paging::page_limit(self.limit)?))
    }

    pub(super) fn filter(self) -> Result<PeerFilter, ApiError> {
        let ids = self.prefix.map(|prefix| paging::peer_ids(&prefix)).transpose()?;
        Ok(PeerFilter {
            starts: searched("starts", self.starts)?,
            name: self.name,
            ids,
            state: self.state,
            user: self.user,
            backwards: self.order == Order::Desc,
        })
    }
}

/// `GET /peers/{peer_id}/files`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesOfPeer {
    /// Also what the peer is still fetching.
    #[serde(default)]
    pub(super) partial: bool,
    /// Only files whose id begins with this byte.
    #[schema(maximum = 255)]
    pub(super) part: Option<u8>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries of the page; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl FilesOfPeer {
    pub(super) fn page(&self) -> Result<(Option<Cursor>, usize), ApiError> {
        Ok((cursor(self.cursor.as_ref())?, paging::page_limit(self.limit)?))
    }
}

/// `GET /sessions`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Sessions {
    /// Somebody else's, for admins.
    pub(super) user: Option<UserName>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries of the page; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Sessions {
    pub(super) fn page(&self) -> Result<(Option<Cursor>, usize), ApiError> {
        Ok((cursor(self.cursor.as_ref())?, paging::page_limit(self.limit)?))
    }
}

/// `GET /users`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Entries of the page; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Users {
    pub(super) fn page(&self) -> Result<(Option<Cursor>, usize), ApiError> {
        Ok((cursor(self.cursor.as_ref())?, paging::page_limit(self.limit)?))
    }
}

/// `GET /events`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Events {
    /// Ids, with commas between.
    file: Option<String>,
    /// What is behind the event of this number.
    since: Option<u64>,
    /// Instead of a stream, one answer: at once if anything happened since, otherwise after this many seconds at most.
    #[schema(maximum = 50)]
    wait: Option<u64>,
    /// Most events of one answer; 100 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Events {
    /// Most files that one may listen to at once.
    const MOST_FILES: usize = 256;

    pub(super) fn files(&self) -> Result<Option<Vec<FileId>>, ApiError> {
        let Some(text) = &self.file else { return Ok(None) };
        let files: Result<Vec<FileId>, _> = text.split(',').map(str::parse).collect();
        let mut files = files.map_err(|error| ApiError::malformed(format!("`file` does not fit: {error}")))?;
        files.sort_unstable();
        files.dedup();
        if files.len() > Self::MOST_FILES {
            return Err(ApiError::malformed(format!("`file` has more than {} ids", Self::MOST_FILES)));
        }
        Ok(Some(files))
    }

    /// The last event that was seen; who reconnects says so in a header, and that counts.
    pub(super) fn since(&self, last_event: Option<&str>) -> Result<Option<u64>, ApiError> {
        let Some(last_event) = last_event else { return Ok(self.since) };
        let number = last_event.trim().parse().map_err(|_| ApiError::malformed("`Last-Event-ID` is no number"))?;
        Ok(Some(number))
    }

    /// How long a poll may wait; `None` for a stream.
    pub(super) fn wait(&self) -> Result<Option<Duration>, ApiError> {
        match self.wait {
            Some(wait) if wait > LONGEST_WAIT => {
                Err(ApiError::malformed(format!("`wait` is at most {LONGEST_WAIT} seconds")))
            }
            wait => Ok(wait.map(Duration::from_secs)),
        }
    }

    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        paging::page_limit(self.limit)
    }
}

/// `GET /files/{file_id}/holders`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Holders {
    /// Also those that are still fetching it.
    #[serde(default)]
    pub(super) partial: bool,
    /// Most that are answered; 32 where nothing is said.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Holders {
    /// Neighbours enough for a swarm to stay connected.
    const USUAL: usize = 32;

    pub(super) fn limit(&self) -> Result<usize, ApiError> {
        paging::limit(self.limit, Self::USUAL)
    }
}

/// What is said for a peer: `DELETE /peers/{peer_id}`, `PATCH /peers/{peer_id}/files`
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Speaker {
    /// Only if this instance still speaks for the peer.
    pub(super) instance: Option<InstanceId>,
}
