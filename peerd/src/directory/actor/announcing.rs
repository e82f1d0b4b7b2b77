//! Keeps the directory's picture of this peer equal to the catalog.

use std::path::PathBuf;
use std::sync::Arc;

use proto::directory::{Announce, FileEntry, HoldingState, MOST_ENTRIES, PatchFiles};
use proto::ids::{ByteCount, PeerId};
use proto::secret::Secret;
use ractor::ActorRef;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::{Msg, Registrant, State};
use crate::directory::client::{Client, ClientError, FileQuery};
use crate::directory::session::Fact;
use crate::shares::{Catalog, Share};
use crate::store::source::Stamp;

impl State {
    /// Tells the directory what it does not know yet, if it can be told now. One exchange at a time.
    pub(super) fn sync(&mut self, me: &ActorRef<Msg>) {
        if self.syncing || !self.session.registered() {
            return;
        }
        let (Some(login), Some(known)) = (self.login.clone(), self.acknowledged.clone()) else { return };
        let catalog = self.args.catalog.borrow_and_update().clone();
        if catalog.version() == self.announced {
            return;
        }
        self.syncing = true;
        let (me, client, peer) = (me.clone(), self.args.client.clone(), self.args.me.clone());
        tokio::spawn(async move {
            let result = exchange(&client, &login.token, &peer, &catalog, &known).await;
            let _ = me.cast(Msg::Synced { result: result.map(|()| catalog.as_ref().clone()) });
        });
    }

    pub(super) fn synced(&mut self, me: &ActorRef<Msg>, result: Result<Catalog, ClientError>) {
        self.syncing = false;
        match result {
            Ok(catalog) if self.session.registered() => {
                self.announced = catalog.version();
                self.acknowledged = Some(catalog);
                self.took(me, &Fact::Answered);
                self.sync(me);
            }
            Ok(_) => {}
            Err(error) => self.failed(me, &error),
        }
    }
}

/// Casts a message for every change of the catalog, as long as the actor lives.
pub(super) fn follow(me: &ActorRef<Msg>, mut catalog: watch::Receiver<Arc<Catalog>>) -> AbortOnDropHandle<()> {
    let me = me.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        while catalog.changed().await.is_ok() {
            catalog.borrow_and_update();
            if me.cast(Msg::CatalogChanged).is_err() {
                return;
            }
        }
    }))
}

/// What the directory thinks that this peer has, and what it thinks that it is fetching.
pub(super) async fn known_shares(client: &Client, token: &Secret, id: PeerId) -> Result<Catalog, ClientError> {
    let mut known = Catalog::default();
    for entry in listed(client, token, id, false).await? {
        match simulated(&entry) {
            Some(file) => known.insert_simulated(file),
            None => known.insert(as_share(entry)),
        }
    }
    for entry in listed(client, token, id, true).await? {
        if known.get(entry.file_id).is_none() && known.simulated(entry.file_id).is_none() {
            known.insert_partial(entry.file_id, entry.name, entry.size);
        }
    }
    Ok(known)
}

async fn listed(client: &Client, token: &Secret, id: PeerId, partial: bool) -> Result<Vec<FileEntry>, ClientError> {
    let mut entries = Vec::new();
    let mut query = FileQuery { limit: Some(1000), partial: Some(partial), ..FileQuery::default() };
    loop {
        let page = client.peer_files(token, id, &query).await?;
        entries.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(entries);
        }
    }
}

/// What the directory lists, if it is a simulated file.
fn simulated(entry: &FileEntry) -> Option<Announce> {
    let FileEntry { file_id, name, size, url, .. } = entry.clone();
    let state = HoldingState::Complete;
    entry.simulated.then_some(Announce { file_id, name, size, state, simulated: true, url })
}

/// The directory's word for a share: path and time are not its business.
fn as_share(entry: FileEntry) -> Share {
    let stamp = Stamp { size: entry.size, modified_ns: 0 };
    Share { file_id: entry.file_id, name: entry.name, path: PathBuf::new(), stamp }
}

async fn exchange(
    client: &Client,
    token: &Secret,
    me: &Registrant,
    catalog: &Catalog,
    known: &Catalog,
) -> Result<(), ClientError> {
    let (id, instance) = (me.identity.peer_id(), me.instance);
    let changes = catalog.changes_since(known);
    // Gone ones first: a file that was replaced under its name is never listed twice.
    for remove in changes.remove.chunks(MOST_ENTRIES) {
        client.patch_files(token, id, instance, &PatchFiles { add: Vec::new(), remove: remove.to_vec() }).await?;
    }
    for add in changes.add.chunks(MOST_ENTRIES) {
        let patched =
            client.patch_files(token, id, instance, &PatchFiles { add: add.to_vec(), remove: Vec::new() }).await?;
        for (entry, result) in add.iter().zip(&patched.added) {
            if let Some(why) = &result.refused {
                let size: ByteCount = entry.size;
                tracing::warn!(file_id = %entry.file_id, name = %entry.name, %size, why, "the directory does not list a shared file");
            }
        }
    }
    Ok(())
}
