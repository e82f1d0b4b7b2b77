//! The note of a download that runs. Several tasks want it written: what is written is the latest, by one at a time, and
//! nothing once it is removed, so that no late task brings an ended download back.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Note;
use crate::store::layout::StateDir;

/// Writes and removes one note. Clones write the same.
#[derive(Debug, Clone)]
pub struct Keeper(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state_dir: Arc<StateDir>,
    latest: Mutex<Note>,
    /// Held while the disk works; true once the note is removed.
    removed: Mutex<bool>,
}

impl Keeper {
    /// For a note that is on disk, or will be.
    pub fn new(note: Note, state_dir: Arc<StateDir>) -> Self {
        Self(Arc::new(Inner { state_dir, latest: Mutex::new(note), removed: Mutex::new(false) }))
    }

    /// From now on this is what is written. Touches no disk.
    pub fn update(&self, note: &Note) {
        note.clone_into(&mut lock(&self.0.latest));
    }

    /// Writes the latest, on a thread for it.
    pub async fn save(&self) -> io::Result<()> {
        self.blocking(|inner| {
            let removed = lock(&inner.removed);
            let latest = lock(&inner.latest).clone();
            if *removed { Ok(()) } else { latest.save(&inner.state_dir) }
        })
        .await
    }

    /// Removes it: the daemon does not take the download up again.
    pub async fn forget(&self) {
        let forgotten = self.blocking(|inner| {
            let mut removed = lock(&inner.removed);
            *removed = true;
            lock(&inner.latest).remove(&inner.state_dir)
        });
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "the note of an ended download cannot be removed");
        }
    }

    async fn blocking(&self, work: impl FnOnce(&Inner) -> io::Result<()> + Send + 'static) -> io::Result<()> {
        let inner = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || work(&inner)).await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::resume::tests::note;

    #[tokio::test]
    async fn the_latest_is_written_and_nothing_after_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(folder.path()).unwrap());
        let keeper = Keeper::new(note(), Arc::clone(&state));
        keeper.save().await.unwrap();
        let paused = Note { paused: true, ..note() };
        keeper.update(&paused);
        keeper.save().await.unwrap();
        assert_eq!(Note::all(&state).unwrap(), [paused]);
        keeper.forget().await;
        keeper.save().await.unwrap();
        assert_eq!(Note::all(&state).unwrap(), []);
    }
}
