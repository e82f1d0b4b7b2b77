//! Who wants to hear of which files. Shared by whoever waits and the task that listens; it goes with the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proto::ids::FileId;
use tokio::sync::watch;

/// All wishes of this daemon. Cheap to clone.
#[derive(Clone, Default)]
pub struct Interests(Arc<watch::Sender<Wanted>>);

type Wanted = BTreeMap<FileId, Bell>;

struct Bell {
    /// How many wait for it.
    waiting: usize,
    rings: watch::Sender<()>,
}

/// Somebody waits for news of a file, while this is here.
pub struct Interest {
    file: FileId,
    news: watch::Receiver<()>,
    interests: Interests,
}

/// The files that are wanted, watched.
pub(super) struct Wishes(watch::Receiver<Wanted>);

impl Interests {
    /// Waits for news of a file from now on.
    pub fn follow(&self, file: FileId) -> Interest {
        let mut news = None;
        self.0.send_if_modified(|wanted| {
            let bell = wanted.entry(file).or_insert_with(|| Bell { waiting: 0, rings: watch::Sender::new(()) });
            bell.waiting += 1;
            news = Some(bell.rings.subscribe());
            bell.waiting == 1
        });
        Interest { file, news: news.expect("set above"), interests: self.clone() }
    }

    pub(super) fn wishes(&self) -> Wishes {
        Wishes(self.0.subscribe())
    }

    /// There may be another holder.
    pub(super) fn ring(&self, file: FileId) {
        if let Some(bell) = self.0.borrow().get(&file) {
            bell.rings.send_replace(());
        }
    }
}

impl Interest {
    /// Waits until something was told since the last time.
    pub async fn news(&mut self) {
        // The bell stays for as long as this does.
        let _ = self.news.changed().await;
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        self.interests.0.send_if_modified(|wanted| {
            let Some(bell) = wanted.get_mut(&self.file) else { return false };
            bell.waiting -= 1;
            let last = bell.waiting == 0;
            if last {
                wanted.remove(&self.file);
            }
            last
        });
    }
}

impl Wishes {
    pub(super) fn now(&mut self) -> BTreeSet<FileId> {
        self.0.borrow_and_update().keys().copied().collect()
    }

    pub(super) async fn changed(&mut self) {
        // Its sender is in every handle; without one nobody will ever wish for anything.
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_file_is_wanted_while_somebody_waits_for_it() {
        let (interests, file) = (Interests::default(), FileId::of(b"x"));
        let mut wishes = interests.wishes();
        assert!(wishes.now().is_empty());
        let mut one = interests.follow(file);
        let two = interests.follow(file);
        assert_eq!(wishes.now(), [file].into());
        drop(two);
        assert!(wishes.changed().now_or_never().is_none(), "nothing has changed for the directory");
        assert!(one.news().now_or_never().is_none());
        interests.ring(FileId::of(b"y"));
        assert!(one.news().now_or_never().is_none());
        interests.ring(file);
        interests.ring(file);
        assert!(one.news().now_or_never().is_some());
        assert!(one.news().now_or_never().is_none(), "what came together is one piece of news");
        drop(one);
        assert!(wishes.changed().now_or_never().is_some());
        assert!(wishes.now().is_empty());
    }
}
