//! Reads what is listed from the database, a part at a time, so that others get in between.

use std::sync::Arc;
use std::time::Instant;

use proto::ids::{FileId, PeerId};

use super::names::{Names, Row};
use super::{Due, Listing, MOST, Renewed, What};
use crate::app::App;
use crate::db::{After, Answer, FileFilter, Store};

/// Rows that are read at once.
const AT_ONCE: u16 = 1000;

/// Has whatever is due read beside the requests.
pub(crate) fn begin(app: &App) {
    if let Some(due) = app.memory.listing.due(Instant::now()) {
        app.beside.spawn(renew(Arc::clone(&app.memory.listing), app.store.clone(), due));
    }
}

async fn renew(listing: Arc<Listing>, store: Store, due: Due) {
    let read = match &due.what {
        What::All => all(&store).await,
        What::Changed { files, peers } => changed(&listing, &store, &due, files, peers).await,
    };
    let outcome = read.unwrap_or_else(|error| {
        tracing::debug!(%error, "the list of files cannot be read; it is not kept in memory for a while");
        Renewed::Failed
    });
    // What it takes the place of may be large.
    let _ = tokio::task::spawn_blocking(move || listing.renewed(&due, outcome)).await;
}

async fn all(store: &Store) -> Answer<Renewed> {
    let (mut names, mut after) = (Names::default(), None);
    loop {
        let page = store.files(FileFilter::default(), after, AT_ONCE.into()).await?;
        let ended = page.len() < AT_ONCE.into();
        after = page.last().map(After::behind);
        for entry in &page {
            names.put(Row::new(entry));
        }
        if names.size() > MOST {
            return Ok(Renewed::TooMany);
        }
        if ended {
            return Ok(Renewed::All(names));
        }
    }
}

async fn changed(listing: &Listing, store: &Store, due: &Due, files: &[FileId], peers: &[PeerId]) -> Answer<Renewed> {
    for part in files.chunks(AT_ONCE.into()) {
        listing.put(due, part, &store.files_named(part.to_vec()).await?);
    }
    for peer in peers {
        let mut after = None;
        loop {
            let part = store.held_by(*peer, after, AT_ONCE.into()).await?;
            listing.put(due, &part, &store.files_named(part.clone()).await?);
            after = part.last().copied();
            if part.len() < AT_ONCE.into() {
                break;
            }
        }
    }
    Ok(Renewed::Changed)
}
