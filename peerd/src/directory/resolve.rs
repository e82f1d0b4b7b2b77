//! What a word means: a file by id, exact name, `USER/NAME` or prefix of an id; a peer by id, name or prefix of an id.
//! A word that could mean two things is refused with both, never guessed.

use std::collections::{BTreeMap, BTreeSet};

use proto::directory::{FileEntry, Peer, ProblemCode};
use proto::ids::{FileId, FileName, PeerId, PeerName, UserName};
use proto::secret::Secret;

use super::client::{Client, ClientError, FileQuery, PeerQuery};

/// Digits of an id that are taken as a prefix, at the least.
pub const SHORTEST_PREFIX: usize = 6;
/// Candidates that are worth listing.
const CANDIDATES: u32 = 20;
/// Names that are looked through for one that may have been meant.
const NEIGHBOURS: u32 = 1000;

/// Why a word names nothing usable.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// Nothing of that name.
    #[error("nothing is called that")]
    Nothing,
    /// More than one thing; how to say which.
    #[error("it could mean more than one thing")]
    Ambiguous(Vec<String>),
    /// The directory could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// The file that a word means.
pub async fn file(client: &Client, token: &Secret, word: &str) -> Result<FileEntry, Unresolved> {
    if let Ok(id) = word.parse::<FileId>() {
        return match client.file(token, id).await {
            Ok(detail) => Ok(detail.entry),
            Err(error) if error.code() == Some(ProblemCode::NotFound) => Err(Unresolved::Nothing),
            Err(error) => Err(error.into()),
        };
    }
    // What cannot be a name is the name of nothing; the directory need not be asked.
    let (user, name) = word.split_once('/').map_or((None, word), |(user, name)| (Some(user), name));
    if name.parse::<FileName>().is_err() || user.is_some_and(|user| user.parse::<UserName>().is_err()) {
        return Err(Unresolved::Nothing);
    }
    let mut queries = vec![FileQuery { name: Some(word.into()), ..FileQuery::default() }];
    if let Some(user) = user {
        queries = vec![FileQuery { user: Some(user.into()), name: Some(name.into()), ..FileQuery::default() }];
    } else if begins_file_id(word) {
        queries.push(FileQuery { prefix: Some(word.to_ascii_lowercase()), ..FileQuery::default() });
    }
    for query in queries {
        let page = client.files(token, &FileQuery { limit: Some(CANDIDATES), ..query }).await?;
        // One content under two names is one file.
        let different: BTreeMap<_, _> = page.items.into_iter().map(|entry| (entry.file_id, entry)).collect();
        match different.len() {
            0 => {}
            1 => return different.into_values().next().ok_or(Unresolved::Nothing),
            _ => return Err(Unresolved::Ambiguous(different.values().map(describe_file).collect())),
        }
    }
    Err(Unresolved::Nothing)
}

/// Names that somebody who typed `word` may have had in mind: those with its longest run of letters and digits in them.
/// Nothing where there are more than a few, or the directory does not answer: it is only a hint.
pub async fn near_files(client: &Client, token: &Secret, word: &str) -> Vec<FileName> {
    const FEW: usize = 3;
    let runs = word.split(|c: char| !c.is_alphanumeric());
    let Some(run) = runs.max_by_key(|run| run.chars().count()).filter(|run| run.chars().count() >= FEW) else {
        return Vec::new();
    };
    let query = FileQuery { q: Some(run.into()), limit: Some(CANDIDATES), ..FileQuery::default() };
    let page = client.files(token, &query).await.map(|page| page.items).unwrap_or_default();
    let names: BTreeSet<FileName> = page.into_iter().map(|entry| entry.name).collect();
    if names.len() > FEW { Vec::new() } else { names.into_iter().collect() }
}

/// Peers that somebody who typed `word` may have had in mind: those that a few slips of the finger lead to. Nothing where there
/// are more than a few, or the directory does not answer: it is only a hint.
pub async fn near_peers(client: &Client, token: &Secret, word: &str) -> Vec<PeerName> {
    const FEW: usize = 3;
    let Some(first) = word.chars().next() else { return Vec::new() };
    let mut names = BTreeSet::new();
    // The first letter is rarely the wrong one, and one page is all that is read of a large fleet.
    for start in BTreeSet::from([first.to_ascii_lowercase(), first.to_ascii_uppercase()]) {
        let query = PeerQuery { starts: Some(start.to_string()), limit: Some(NEIGHBOURS), ..PeerQuery::default() };
        let page = client.peers(token, &query).await.map(|page| page.items).unwrap_or_default();
        names.extend(page.into_iter().map(|peer| peer.name));
    }
    let (word, slips) = (word.to_lowercase(), word.chars().count().div_ceil(4));
    let close = |name: &PeerName| strsim::osa_distance(&name.as_str().to_lowercase(), &word) <= slips;
    let close: Vec<PeerName> = names.into_iter().filter(close).collect();
    if close.len() > FEW { Vec::new() } else { close }
}

/// The peer that a word means.
pub async fn peer(client: &Client, token: &Secret, word: &str) -> Result<Peer, Unresolved> {
    if let Ok(id) = word.parse::<PeerId>() {
        return match client.peer(token, id).await {
            Err(error) if matches!(error.code(), Some(ProblemCode::NotFound | ProblemCode::NotRegistered)) => {
                Err(Unresolved::Nothing)
            }
            other => Ok(other?),
        };
    }
    if word.parse::<PeerName>().is_err() {
        return Err(Unresolved::Nothing);
    }
    let mut queries = vec![PeerQuery { name: Some(word.into()), ..PeerQuery::default() }];
    if begins_peer_id(word) {
        queries.push(PeerQuery { prefix: Some(word.to_ascii_lowercase()), ..PeerQuery::default() });
    }
    for query in queries {
        let page = client.peers(token, &PeerQuery { limit: Some(CANDIDATES), ..query }).await?;
        match page.items.as_slice() {
            [] => {}
            [one] => return Ok(one.clone()),
            more => return Err(Unresolved::Ambiguous(more.iter().map(describe_peer).collect())),
        }
    }
    Err(Unresolved::Nothing)
}

/// Whether a word is taken for the first digits of a file's id, too.
pub fn begins_file_id(word: &str) -> bool {
    is_prefix(word, |c| c.is_ascii_hexdigit())
}

/// The same of a peer's id.
pub fn begins_peer_id(word: &str) -> bool {
    is_prefix(word, |c| matches!(c, 'a'..='z' | 'A'..='Z' | '2'..='7'))
}

fn is_prefix(word: &str, digit: impl Fn(char) -> bool) -> bool {
    word.len() >= SHORTEST_PREFIX && word.chars().all(digit)
}

fn describe_file(entry: &FileEntry) -> String {
    format!("{}  {}  {}", entry.file_id, entry.size, entry.name.displayable())
}

fn describe_peer(peer: &Peer) -> String {
    format!("{}  {}  {}", peer.peer_id, peer.name, peer.user)
}
