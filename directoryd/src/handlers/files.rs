//! Files: announcing, listing, finding holders.

use std::sync::Arc;
use std::time::Instant;

use proto::directory::{FileDetail, FileEntry, MOST_ENTRIES, Page, PatchFiles, PatchedFiles, PeerFile};
use proto::ids::{FileId, InstanceId, PeerId};

use super::caller::Caller;
use super::paging::{self, Cursor};
use crate::app::{App, now};
use crate::db::FileFilter;
use crate::error::ApiError;
use crate::listing::{self, Told, renewal};
use crate::swarms::{self, Found, MOST_HOLDERS, Wish};

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

pub(crate) async fn patch(app: &Arc<App>, peer: PeerId, request: PatchFiles) -> Result<PatchedFiles, ApiError> {
    let entries = request.add.len() + request.remove.len();
    if entries > MOST_ENTRIES {
        return Err(ApiError::malformed(format!(
            "{entries} entries are more than {MOST_ENTRIES}: send several requests"
        )));
    }
    app.to_its_end(move |app| async move {
        let added = request.add.iter().map(|entry| entry.file_id);
        let named: Vec<FileId> = added.chain(request.remove.iter().map(|entry| entry.file_id)).collect();
        let patched = app.store.patch_files(peer, request, now()).await;
        // Whatever came of it: where no answer came from the database, it may be done all the same.
        app.memory.files_changed(named);
        app.digests.changed(&peer);
        patched?.ok_or_else(ApiError::not_registered)
    })
    .await
}

/// A page as it is kept in memory, unless the caller has its tag; `None` where the database has to be asked.
pub(crate) fn list_kept(
    app: &App,
    filter: &FileFilter,
    cursor: Option<&Cursor>,
    limit: usize,
    has: impl FnOnce(&str) -> bool,
) -> Option<Told> {
    let stretch = listing::stretch(filter, cursor)?;
    renewal::begin(app);
    app.memory.listing.page(&stretch, limit, Instant::now(), has, paging::encode)
}

pub(crate) async fn list(
    app: &App,
    filter: FileFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<FileEntry>, ApiError> {
    let files = app.store.files(filter, cursor, paging::one_more(limit)).await?;
    Ok(paging::page(files, limit, Cursor::behind))
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
    Ok(paging::page(files, limit, |file| Cursor::behind(&file.entry)))
}

pub(crate) async fn get(app: &App, file: FileId) -> Result<FileDetail, ApiError> {
    app.store.file(file, MOST_NAMES).await?.ok_or_else(missing)
}

/// [`proto::directory::Holders`] as JSON: a random sample, peers that are up first.
pub(crate) async fn holders(app: &App, file: FileId, wish: Wish) -> Result<Vec<u8>, ApiError> {
    match app.memory.swarms.sample(&file, wish, Instant::now()) {
        Found::Sample(text) => return Ok(text),
        Found::Many => {}
        Found::Unknown(asked) => {
            let all = app.store.all_holders(file, MOST_HOLDERS).await?;
            if all.len() > MOST_HOLDERS {
                app.memory.swarms.learn_many(&file, asked);
            } else if !all.is_empty() {
                let strangers = app.memory.swarms.strangers(&all);
                if !strangers.is_empty() {
                    app.memory.swarms.meet(asked, &app.store.holder_cards(strangers).await?);
                }
                if let Some(text) = app.memory.swarms.learn(&file, asked, &all, wish) {
                    return Ok(text);
                }
            }
        }
    }
    let point = PeerId::from_bytes(rand::random());
    let sample = app.store.holders(file, wish.partial, wish.limit, point).await?.ok_or_else(missing)?;
    Ok(swarms::said(&sample))
}

fn missing() -> ApiError {
    ApiError::not_found("nobody announces a file with this id")
}
