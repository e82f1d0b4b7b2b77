//! Questions that the directory answers, asked for whoever sits at the control socket. A page at a time, so that no answer
//! grows with the fleet.

use proto::control::{Failure, FileShown, ListFiles, ListPeers};
use proto::directory::{FileEntry, Page, Peer};
use proto::ids::{FileName, PeerName};
use proto::secret::Secret;

use super::dispatch::Desk;
use super::{failures, through};
use crate::directory::client::{FileQuery, PeerQuery};
use crate::directory::resolve::{self, Unresolved};

/// Holders that `show-file` lists at the most.
const HOLDERS: u32 = 1000;

/// The token of whoever is logged in.
pub(super) fn token(desk: &Desk) -> Result<Secret, Failure> {
    let view = desk.view.borrow();
    view.token().cloned().ok_or_else(|| match &view.status.problem {
        Some(problem) => {
            let failure = failures::not_logged_in();
            Failure { message: format!("{}: {problem}", failure.message), ..failure }
        }
        None => failures::not_logged_in(),
    })
}

pub(super) async fn list_peers(desk: &Desk, list: ListPeers) -> Result<Page<Peer>, Failure> {
    let state = if list.all { None } else { Some("up") };
    let query = PeerQuery { state, cursor: list.cursor, limit: list.limit, ..PeerQuery::default() };
    desk.client.peers(&token(desk)?, &query).await.map_err(|error| failures::directory(&error))
}

pub(super) async fn show_peer(desk: &Desk, word: &str) -> Result<Peer, Failure> {
    resolve_peer(desk, &token(desk)?, word).await
}

/// The peer that a word means.
pub(super) async fn resolve_peer(desk: &Desk, token: &Secret, word: &str) -> Result<Peer, Failure> {
    match resolve::peer(&desk.client, token, word).await {
        Ok(peer) => Ok(peer),
        Err(error @ Unresolved::Nothing) => {
            let failure = failures::unresolved("peer", word, &error);
            let near = resolve::near_peers(&desk.client, token, word).await;
            Err(failures::suggest(failure, near.iter().map(PeerName::to_string)))
        }
        Err(error) => Err(failures::unresolved("peer", word, &error)),
    }
}

/// The file that a word means.
pub(super) async fn resolve_file(desk: &Desk, token: &Secret, word: &str) -> Result<FileEntry, Failure> {
    match resolve::file(&desk.client, token, word).await {
        Ok(entry) => Ok(entry),
        Err(error @ Unresolved::Nothing) => {
            let failure = failures::unresolved("file", word, &error);
            let near = resolve::near_files(&desk.client, token, word).await;
            Err(failures::suggest(failure, near.iter().map(FileName::displayable)))
        }
        Err(error) => Err(failures::unresolved("file", word, &error)),
    }
}

pub(super) async fn list_files(desk: &Desk, list: ListFiles) -> Result<Page<FileEntry>, Failure> {
    if let Some(via) = list.via.clone() {
        return through::list_files(desk, list, &via).await;
    }
    let token = token(desk)?;
    let query = FileQuery { q: list.pattern, cursor: list.cursor, limit: list.limit, ..FileQuery::default() };
    let holder = match &list.peer {
        Some(word) => Some(resolve_peer(desk, &token, word).await?.peer_id),
        None => list.mine.then_some(desk.peer_id),
    };
    let page = match holder {
        Some(peer) => desk.client.peer_files(&token, peer, &query).await.map(|page| {
            let items = page.items.into_iter().map(|file| file.entry).collect();
            Page { items, next: page.next }
        }),
        None => desk.client.files(&token, &query).await,
    };
    page.map_err(|error| failures::directory(&error))
}

pub(super) async fn show_file(desk: &Desk, word: &str) -> Result<FileShown, Failure> {
    let token = token(desk)?;
    let entry = resolve_file(desk, &token, word).await?;
    let failed = |error| failures::directory(&error);
    let file = desk.client.file(&token, entry.file_id).await.map_err(failed)?;
    let holders = desk.client.holders(&token, entry.file_id, true, HOLDERS).await.map_err(failed)?;
    Ok(FileShown { file, holders_list: holders.items })
}
