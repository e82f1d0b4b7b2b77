//! Keeps the directory's picture of this peer equal to the catalog.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::directory::{Announce, HoldingState, MOST_ENTRIES, PARTS, PartDigests, PatchFiles, PeerFile, SharesDigest};
use proto::ids::PeerId;
use proto::secret::Secret;
use ractor::ActorRef;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::listed::Listed;
use super::{Msg, Registrant, State};
use crate::directory::client::{Client, ClientError, FileQuery};
use crate::directory::session::Fact;
use crate::shares::catalog::Changes;
use crate::shares::{Catalog, Share};
use crate::store::source::Stamp;

/// Shortest pause between two comparisons: one that did not help will not help a second later.
const COMPARE_PAUSE: Duration = Duration::from_mins(1);

/// From so many parts that differ on, the whole list is read.
const MANY_PARTS: usize = PARTS / 2;

impl State {
    /// Tells the directory what it does not know yet, if it can be told now. One exchange at a time.
    pub(super) fn sync(&mut self, me: &ActorRef<Msg>) {
        if self.syncing || !self.session.registered() {
            return;
        }
        let (Some(login), Some(known)) = (self.login.clone(), self.listed.clone()) else { return };
        let catalog = self.args.catalog.borrow_and_update().clone();
        if catalog.version() == self.announced {
            return;
        }
        self.syncing = true;
        self.publish();
        let (me, client, peer) = (me.clone(), self.args.client.clone(), self.args.me.clone());
        tokio::spawn(async move {
            let result = exchange(&client, &login.token, &peer, &catalog, &known).await;
            let _ = me.cast(Msg::Synced { result });
        });
    }

    pub(super) fn synced(&mut self, me: &ActorRef<Msg>, result: Result<Listed, ClientError>) {
        self.syncing = false;
        self.certain = result.is_ok() && self.session.registered();
        match result {
            Ok(listed) if self.certain => {
                self.announced = listed.told();
                self.listed = Some(listed);
                self.took(me, &Fact::Answered);
                self.sync(me);
            }
            Ok(_) => {}
            Err(error) => self.failed(me, &error),
        }
    }

    /// What a heartbeat may say that the directory lists; nothing while that is changing, or where an answer was lost.
    pub(super) fn believed(&self) -> Option<SharesDigest> {
        let certain = self.certain && !self.syncing && self.session.registered();
        self.listed.as_ref().filter(|_| certain).map(Listed::digest)
    }

    /// A heartbeat said `believed`, and heard that the directory lists something else: it went back to a backup, or one of
    /// both has a fault. Reads what it does list; the difference is told then.
    pub(super) fn differs(&mut self, me: &ActorRef<Msg>, believed: Option<SharesDigest>, parts: Option<PartDigests>) {
        let Some(base) = self.listed.clone().filter(|_| believed.is_some() && believed == self.believed()) else {
            return;
        };
        if self.compared.is_some_and(|compared| compared.elapsed() < COMPARE_PAUSE) {
            return;
        }
        let Some(login) = self.login.clone() else { return };
        tracing::info!("the directory lists other shares than these; telling it the difference");
        self.compared = Some(Instant::now());
        self.syncing = true;
        self.publish();
        let (me, client, peer) = (me.clone(), self.args.client.clone(), self.args.me.identity.peer_id());
        tokio::spawn(async move {
            let result = known_shares(&client, &login.token, peer, &base, parts.as_ref()).await;
            let _ = me.cast(Msg::Compared { result });
        });
    }

    pub(super) fn compared(&mut self, me: &ActorRef<Msg>, result: Result<Listed, ClientError>) {
        self.syncing = false;
        match result {
            Ok(listed) => {
                self.announced = listed.told();
                self.listed = Some(listed);
                self.publish();
                self.sync(me);
            }
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

/// What the directory lists of this peer, complete and in part: read as far as its `parts` are not those of `base`, which is
/// what it may be.
pub(super) async fn known_shares(
    client: &Client,
    token: &Secret,
    id: PeerId,
    base: &Listed,
    parts: Option<&PartDigests>,
) -> Result<Listed, ClientError> {
    let differing = parts.map(|parts| base.part_digests().differing(parts));
    // Of many parts, each would be a nearly empty page.
    let Some(differing) = differing.filter(|differing| differing.len() <= MANY_PARTS) else {
        let mut known = Listed::default();
        read(client, token, id, None, &mut known).await?;
        return Ok(known);
    };
    let mut known = base.without_parts(&differing);
    for part in differing {
        read(client, token, id, Some(part), &mut known).await?;
    }
    Ok(known)
}

async fn read(
    client: &Client,
    token: &Secret,
    id: PeerId,
    part: Option<u8>,
    known: &mut Listed,
) -> Result<(), ClientError> {
    let limit = u32::try_from(MOST_ENTRIES).ok();
    let mut query = FileQuery { limit, partial: Some(true), part, ..FileQuery::default() };
    loop {
        let page = client.peer_files(token, id, &query).await?;
        for file in page.items {
            add(known.catalog_mut(), file);
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(());
        }
    }
}

/// The directory's word for a share: path and time are not its business.
fn add(known: &mut Catalog, PeerFile { entry, state }: PeerFile) {
    let (file_id, name, size, url) = (entry.file_id, entry.name, entry.size, entry.url);
    if entry.simulated {
        known.insert_simulated(Announce { file_id, name, size, state, simulated: true, url });
    } else if state == HoldingState::Partial {
        known.insert_partial(file_id, name, size);
    } else {
        known.insert(Share { file_id, name, path: PathBuf::new(), stamp: Stamp { size, modified_ns: 0 } });
    }
}

/// Tells the difference, and answers what the directory lists then.
async fn exchange(
    client: &Client,
    token: &Secret,
    me: &Registrant,
    catalog: &Arc<Catalog>,
    known: &Listed,
) -> Result<Listed, ClientError> {
    let (id, instance) = (me.identity.peer_id(), me.instance);
    let changes = known.changes_to(catalog);
    let mut refused = Vec::new();
    for batch in batches(&changes) {
        let patched = client.patch_files(token, id, instance, &batch).await?;
        for (entry, result) in batch.add.into_iter().zip(patched.added) {
            if let Some(why) = result.refused {
                tracing::warn!(file_id = %entry.file_id, name = %entry.name, size = %entry.size, why, "the directory does not list a shared file");
                refused.push(entry);
            }
        }
    }
    Ok(known.after(catalog.as_ref().clone(), &changes, &refused))
}

/// Gone ones first: a file that was replaced under its name is never listed twice, and in one batch not even missed.
fn batches(changes: &Changes) -> Vec<PatchFiles> {
    let mut batches = Vec::new();
    let (mut remove, mut add) = (changes.remove.as_slice(), changes.add.as_slice());
    while !remove.is_empty() || !add.is_empty() {
        let (gone, later) = remove.split_at(remove.len().min(MOST_ENTRIES));
        let (new, rest) = add.split_at(add.len().min(MOST_ENTRIES - gone.len()));
        batches.push(PatchFiles { add: new.to_vec(), remove: gone.to_vec() });
        (remove, add) = (later, rest);
    }
    batches
}

#[cfg(test)]
mod tests {
    use proto::directory::Withdraw;
    use proto::ids::{ByteCount, FileId};

    use super::*;

    #[test]
    fn batches_are_as_large_as_the_directory_takes_them() {
        let id = |number: usize| FileId::of(&number.to_le_bytes());
        let remove = (0..1500).map(|number| Withdraw { file_id: id(number), name: None }).collect();
        let (state, size) = (HoldingState::Complete, ByteCount::new(1));
        let file = |number| {
            let name = format!("{number}").parse().unwrap();
            Announce { file_id: id(number), name, size, state, simulated: false, url: None }
        };
        let changes = Changes { add: (0..800).map(file).collect(), remove };
        let sizes: Vec<_> = batches(&changes).iter().map(|batch| (batch.remove.len(), batch.add.len())).collect();
        assert_eq!(sizes, [(1000, 0), (500, 500), (0, 300)]);
        assert!(batches(&Changes::default()).is_empty());
    }
}
