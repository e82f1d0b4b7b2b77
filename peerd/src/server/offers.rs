//! What is being served now: one [`Offer`] per file that somebody watches, made when the first neighbour comes and gone with
//! the last. Downloads register here what they have, so that a file is served from its first verified piece on.
//!
//! The policy (what to show to whom, who is next) is the serving half of the `swarm` crate; an offer drives it. Pieces are asked
//! for on many connections at once and each ask is decided in a moment, so a lock guards it: none waits for an actor.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use proto::ids::{FileId, PeerId};
use proto::manifest::Manifest;
use swarm::serve::Role;
use swarm::{Bitfield, Piece};
use tokio::sync::watch;

use crate::shares::Catalog;
use crate::store::manifests::Manifests;
use crate::store::part::Part;

pub mod call;
mod offer;
mod recent;

pub use call::Call;
pub use offer::{Gains, Neighbour, Offer, Refused};

/// Where the bytes of an offer are.
#[derive(Debug, Clone)]
pub enum Source {
    /// A shared file.
    Share(PathBuf),
    /// A download under way.
    Part(Arc<Part>),
}

/// Hears who begins to watch what a download has.
pub type Watched = Arc<dyn Fn(PeerId) + Send + Sync>;

/// A download under way, as far as others can have of it.
struct Partial {
    manifest: Arc<Manifest>,
    part: Arc<Part>,
    stored: Bitfield,
    watched: Watched,
}

/// A download that serves what it has. Dropping it, by a panic too, ends that and lets go of the part file.
pub struct Registration {
    offers: Offers,
    id: FileId,
    finished: Option<PathBuf>,
}

impl Registration {
    /// The file is at its place: neighbours are served from there.
    pub fn finish(mut self, path: PathBuf) {
        self.finished = Some(path);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.offers.unregister(self.id, self.finished.take());
    }
}

/// Every offer of this peer. Cheap to clone.
#[derive(Clone)]
pub struct Offers(Arc<Inner>);

struct Inner {
    catalog: watch::Receiver<Arc<Catalog>>,
    manifests: Arc<Manifests>,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    partials: HashMap<FileId, Partial>,
    /// Kept alive by its neighbours.
    open: HashMap<FileId, Weak<Offer>>,
    /// Files that other complete holders are known of.
    seconded: std::collections::HashSet<FileId>,
}

impl Offers {
    /// Of what the catalog has, and of downloads that register.
    pub fn new(catalog: watch::Receiver<Arc<Catalog>>, manifests: Arc<Manifests>) -> Self {
        Self(Arc::new(Inner { catalog, manifests, table: Mutex::default() }))
    }

    /// The manifest of a file that this peer has some of. Reads from disk.
    pub fn manifest(&self, id: FileId) -> Option<Arc<Manifest>> {
        if let Some(partial) = self.table().partials.get(&id) {
            return Some(Arc::clone(&partial.manifest));
        }
        let size = self.0.catalog.borrow().get(id)?.size();
        self.0.manifests.load(id, size)
    }

    /// Whether this peer has some of a file.
    pub fn has(&self, id: FileId) -> bool {
        self.0.catalog.borrow().get(id).is_some() || self.table().partials.contains_key(&id)
    }

    /// The offer of a file, if somebody watches it already.
    pub fn opened(&self, id: FileId) -> Option<Arc<Offer>> {
        self.table().open.get(&id).and_then(Weak::upgrade)
    }

    /// Whether a peer watches what there is of a file here, and so hears of it by itself.
    pub fn is_watched_by(&self, id: FileId, peer: PeerId) -> bool {
        self.opened(id).is_some_and(|offer| offer.has_neighbour(peer))
    }

    /// The offer of a file, opened if it is not; nothing if this peer has none of it. Reads from disk.
    pub fn open(&self, id: FileId) -> Option<Arc<Offer>> {
        let manifest = self.manifest(id)?;
        let share = self.0.catalog.borrow().get(id).cloned();
        let mut table = self.table();
        if let Some(open) = table.open.get(&id).and_then(Weak::upgrade) {
            return Some(open);
        }
        let count = manifest.geometry().count();
        let (source, have) = match (share, table.partials.get(&id)) {
            (Some(share), _) => (Source::Share(share.path.clone()), Bitfield::full(count)),
            (None, Some(partial)) => (Source::Part(Arc::clone(&partial.part)), partial.stored.clone()),
            (None, None) => return None,
        };
        let role = if table.seconded.contains(&id) { Role::OneOfMany } else { Role::LoneSeed };
        let offer = Offer::new(manifest, source, have, role);
        table.open.retain(|_, offer| offer.strong_count() > 0);
        table.open.insert(id, Arc::downgrade(&offer));
        Some(offer)
    }

    /// A download has begun; what it has is served for as long as the registration lives.
    #[must_use]
    pub fn register(
        &self,
        manifest: Arc<Manifest>,
        part: Arc<Part>,
        stored: Bitfield,
        watched: Watched,
    ) -> Registration {
        let id = manifest.id();
        // The one it fetches from has all of it.
        let mut table = self.table();
        table.seconded.insert(id);
        table.partials.insert(id, Partial { manifest, part, stored, watched });
        drop(table);
        Registration { offers: self.clone(), id, finished: None }
    }

    /// A peer watches what there is of a file here, and so fetches it: a download of the same may fetch from it.
    pub(super) fn watched_by(&self, id: FileId, peer: PeerId) {
        let watched = self.table().partials.get(&id).map(|partial| Arc::clone(&partial.watched));
        if let Some(watched) = watched {
            watched(peer);
        }
    }

    /// A peer says that it has these pieces: if it is a neighbour, it need not be told of them.
    pub fn neighbour_has(&self, id: FileId, peer: PeerId, pieces: &[Piece]) {
        if let Some(offer) = self.opened(id) {
            offer.neighbour_has(peer, pieces);
        }
    }

    /// A download has a piece more: these bytes, which are written, and in memory still.
    pub fn gained(&self, id: FileId, piece: Piece, chunks: &Arc<[Bytes]>) {
        let offer = {
            let mut table = self.table();
            if let Some(partial) = table.partials.get_mut(&id) {
                partial.stored.set(piece);
            }
            table.open.get(&id).and_then(Weak::upgrade)
        };
        if let Some(offer) = offer {
            offer.gained(piece, Arc::clone(chunks));
        }
    }

    /// A download has ended. If its file is at its place, neighbours are served from there.
    fn unregister(&self, id: FileId, finished: Option<PathBuf>) {
        let mut table = self.table();
        table.partials.remove(&id);
        let Some(offer) = table.open.get(&id).and_then(Weak::upgrade) else { return };
        if let Some(path) = finished {
            drop(table);
            return offer.moved(Source::Share(path));
        }
        // Gone at once: whoever holds on to it must not keep the file from being offered anew.
        table.open.remove(&id);
        drop(table);
        offer.close();
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proto::ids::ByteCount;
    use proto::manifest::Builder;

    use super::*;
    use crate::store::layout::StateDir;
    use crate::store::part::Destination;

    /// Offers, and a file of one piece.
    fn offers(folder: &Path) -> (Offers, Arc<Manifest>) {
        let mut manifest = Builder::new(ByteCount::new(5)).unwrap();
        manifest.update(b"hello");
        let state = Arc::new(StateDir::open(&folder.join("state")).unwrap());
        let offers = Offers::new(watch::Sender::new(Arc::default()).subscribe(), Arc::new(Manifests::new(state)));
        (offers, Arc::new(manifest.finish().unwrap()))
    }

    fn part(folder: &Path, manifest: &Manifest) -> Arc<Part> {
        let destination = Destination::open(&folder.join("hello")).unwrap();
        Arc::new(Part::open(destination, manifest.id(), ByteCount::new(5)).unwrap().0)
    }

    #[tokio::test]
    async fn a_download_that_begins_anew_is_offered_anew_whoever_holds_on_to_the_former() {
        let folder = tempfile::tempdir().unwrap();
        let (offers, manifest) = offers(folder.path());
        let register = || {
            let part = part(folder.path(), &manifest);
            offers.register(Arc::clone(&manifest), part, Bitfield::new(1), Arc::new(|_| {}))
        };
        let peer = PeerId::from_bytes([1; PeerId::LEN]);
        let registered = register();
        let former = offers.open(manifest.id()).unwrap();
        let _call = call::begin(&former, peer).unwrap();
        drop(registered);
        assert!(former.join(peer, Bitfield::new(1)).is_none());
        let _registered = register();
        assert!(offers.open(manifest.id()).unwrap().join(peer, Bitfield::new(1)).is_some());
    }

    #[test]
    fn a_download_hears_who_watches_it_as_long_as_it_is_registered() {
        let folder = tempfile::tempdir().unwrap();
        let (offers, manifest) = offers(folder.path());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let watched = Arc::new(move |peer| hear.lock().unwrap().push(peer));
        let registered =
            offers.register(Arc::clone(&manifest), part(folder.path(), &manifest), Bitfield::new(1), watched);
        let peers = [PeerId::from_bytes([1; PeerId::LEN]), PeerId::from_bytes([2; PeerId::LEN])];
        offers.watched_by(manifest.id(), peers[0]);
        drop(registered);
        offers.watched_by(manifest.id(), peers[1]);
        assert_eq!(*heard.lock().unwrap(), peers[..1]);
    }
}
