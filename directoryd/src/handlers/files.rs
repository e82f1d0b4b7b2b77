//! Files: announcing, listing, finding holders.

use std::sync::Arc;

use proto::directory::{
    FileDetail, FileEntry, Holders, MOST_ENTRIES, Page, PatchFiles, PatchedFiles, PeerFile, PeerState,
};
use proto::ids::{FileId, InstanceId, PeerId};
use rand::seq::SliceRandom as _;

use super::caller::Caller;
use super::paging::{self, Cursor};
use crate::app::{App, now};
use crate::db::FileFilter;
use crate::error::ApiError;

/// Names that the detail of a file shows.
const MOST_NAMES: i64 = 100;

/// Whether the caller may announce for `peer`; asked before the body is read. An instance that says which one it is cannot
/// announce for its successor.
pub(crate) async fn may_announce(
    app: &App,
    caller: &Caller,
    peer: PeerId,
    instance: Option<InstanceId>,
) -> Result<(), ApiError> {
    app.liveness.may_speak(peer, &caller.user, instance).await
}

pub(crate) async fn patch(app: &App, peer: PeerId, request: PatchFiles) -> Result<PatchedFiles, ApiError> {
    let entries = request.add.len() + request.remove.len();
    if entries > MOST_ENTRIES {
        return Err(ApiError::malformed(format!(
            "{entries} entries are more than {MOST_ENTRIES}: send several requests"
        )));
    }
    let (store, digests) = (app.store.clone(), Arc::clone(&app.digests));
    // Done to its end even if the caller goes away: what was stored must not be missed.
    let stored = tokio::spawn(async move {
        let patched = store.patch_files(peer, request, now()).await;
        digests.changed(&peer);
        patched
    });
    stored.await.map_err(|_| ApiError::busy())??.ok_or_else(ApiError::not_registered)
}

pub(crate) async fn list(
    app: &App,
    filter: FileFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<FileEntry>, ApiError> {
    let files = app.store.files(filter, cursor, paging::one_more(limit)).await?;
    Ok(paging::page(files, limit, behind))
}

pub(crate) async fn list_of(
    app: &App,
    peer: PeerId,
    partial: bool,
    part: Option<u8>,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<PeerFile>, ApiError> {
    app.store.known_peer(peer).await?.ok_or_else(|| ApiError::not_found("there is no such peer"))?;
    let files = app.store.files_of(peer, partial, part, cursor, paging::one_more(limit)).await?;
    Ok(paging::page(files, limit, |file| behind(&file.entry)))
}

fn behind(entry: &FileEntry) -> Cursor {
    Cursor { name: entry.name.to_string(), id: entry.file_id.as_bytes().to_vec() }
}

pub(crate) async fn get(app: &App, file: FileId) -> Result<FileDetail, ApiError> {
    app.store.file(file, MOST_NAMES).await?.ok_or_else(missing)
}

/// A random sample, peers that are up first.
pub(crate) async fn holders(app: &App, file: FileId, partial: bool, limit: usize) -> Result<Holders, ApiError> {
    let point = PeerId::from_bytes(rand::random());
    let mut items = app.store.holders(file, partial, limit, point).await?.ok_or_else(missing)?;
    items.shuffle(&mut rand::rng());
    items.sort_by_key(|holder| holder.state == PeerState::Down);
    Ok(Holders { items })
}

fn missing() -> ApiError {
    ApiError::not_found("nobody announces a file with this id")
}
