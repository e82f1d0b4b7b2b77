//! Manifests on disk, as they go over the wire: 32 bytes per piece, and the proof of the size.
//!
//! A manifest is checked against its id each time it is read, so a damaged one is as good as a missing one: the file is
//! hashed again. That is why nobody waits until the disk has it: two such waits a file, among 100,000 small ones, are minutes. A small cache holds the ones in use; with 100,000 shares all of them would not fit in memory.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use proto::ids::{ByteCount, FileId};
use proto::manifest::Manifest;

use super::layout::{self, StateDir};

/// Bytes of piece hashes that are kept in memory: 32 MiB, or a mebi of pieces.
const CACHED_BYTES: usize = 32 << 20;

/// The manifests of a state folder.
#[derive(Debug)]
pub struct Manifests {
    state: Arc<StateDir>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    entries: HashMap<FileId, (Arc<Manifest>, u64)>,
    bytes: usize,
    clock: u64,
}

impl Manifests {
    /// Of a state folder.
    pub fn new(state: Arc<StateDir>) -> Self {
        Self { state, cache: Mutex::default() }
    }

    /// Keeps a manifest.
    pub fn save(&self, manifest: &Manifest) -> io::Result<()> {
        layout::replace_unsynced(&self.state.manifest(manifest.id()), &manifest.encode())
    }

    /// Reads one that was kept, if it is there and still folds up to its id.
    pub fn load(&self, id: FileId, size: ByteCount) -> Option<Arc<Manifest>> {
        if let Some(manifest) = self.cache().get(id) {
            return Some(manifest);
        }
        let encoded = std::fs::read(self.state.manifest(id)).ok()?;
        let manifest = Arc::new(Manifest::decode(id, size, &encoded).ok()?);
        self.cache().put(Arc::clone(&manifest));
        Some(manifest)
    }

    /// Forgets one. Not being able to is no fault worth telling: it is a few kilobytes, and harmless.
    pub fn forget(&self, id: FileId) {
        self.cache().evict(id);
        let _ = layout::remove(&self.state.manifest(id));
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an entry is charged with: its hashes and the map's share.
fn charge(manifest: &Manifest) -> usize {
    Manifest::encoded_len(&manifest.geometry()) + 128
}

impl Cache {
    fn get(&mut self, id: FileId) -> Option<Arc<Manifest>> {
        self.clock += 1;
        let (manifest, used) = self.entries.get_mut(&id)?;
        *used = self.clock;
        Some(Arc::clone(manifest))
    }

    fn put(&mut self, manifest: Arc<Manifest>) {
        self.bytes += charge(&manifest);
        let id = manifest.id();
        if let Some((old, _)) = self.entries.insert(id, (manifest, self.clock)) {
            self.bytes -= charge(&old);
        }
        while self.bytes > CACHED_BYTES && self.entries.len() > 1 {
            // The one unused longest goes. The scan is short where manifests are large and rare where they are small.
            let Some(oldest) = self.entries.iter().min_by_key(|(_, (_, used))| *used).map(|(id, _)| *id) else {
                return;
            };
            self.evict(oldest);
        }
    }

    fn evict(&mut self, id: FileId) {
        if let Some((manifest, _)) = self.entries.remove(&id) {
            self.bytes -= charge(&manifest);
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::manifest::Builder;

    use super::*;

    fn manifest(len: usize) -> Manifest {
        let mut builder = Builder::new(ByteCount::new(len as u64)).unwrap();
        builder.update(&vec![7; len]);
        builder.finish().unwrap()
    }

    #[test]
    fn damaged_ones_are_as_good_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(folder.path()).unwrap());
        let wanted = manifest(100_000);
        let size = wanted.geometry().size();
        let manifests = Manifests::new(Arc::clone(&state));
        assert!(manifests.load(wanted.id(), size).is_none());
        manifests.save(&wanted).unwrap();
        assert_eq!(*manifests.load(wanted.id(), size).unwrap(), wanted);

        let cold = Manifests::new(Arc::clone(&state));
        let mut encoded = wanted.encode();
        encoded[40] ^= 1;
        std::fs::write(state.manifest(wanted.id()), encoded).unwrap();
        assert!(cold.load(wanted.id(), size).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let mut cache = Cache::default();
        let sample = manifest(8 << 20);
        for size in 0..5000_u64 {
            let id = FileId::of(&size.to_le_bytes());
            cache.entries.insert(id, (Arc::new(sample.clone()), size));
            cache.bytes += charge(&sample);
        }
        cache.clock = 5000;
        cache.put(Arc::new(sample.clone()));
        assert!(cache.bytes <= CACHED_BYTES && cache.entries.contains_key(&sample.id()));
    }
}
