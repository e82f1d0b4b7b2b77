//! What this peer shares: more of it, less of it, and which share a word means.

use std::sync::Arc;
use std::time::Duration;

use proto::control::{DirectoryState, Failure, FailureCode, Progress, Unshare, Unshared, Upload, Uploaded};
use proto::ids::{ByteCount, FileId};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::callers::Caller;
use super::connection::Watcher;
use super::dispatch::{Desk, blocking};
use super::{failures, queries, simulated};
use crate::directory::{View, resolve};
use crate::mailbox::PROMPT;
use crate::shares::actor::{NotShared, Shared};
use crate::shares::{self, Share, scan};

/// How long an upload waits for the directory to acknowledge it, before it says that this will come later.
const ANNOUNCE: Duration = Duration::from_secs(10);

impl Desk {
    pub(super) async fn upload(&self, caller: Caller, upload: Upload, watcher: Watcher) -> Result<Uploaded, Failure> {
        queries::token(self)?;
        let Upload { path, name } = upload;
        if !path.is_absolute() {
            return Err(Failure::new(FailureCode::Usage, "the path of an upload has to be absolute"));
        }
        let roots = self.config.share.clone();
        let path = blocking(move || {
            let path = scan::resolve(&path).map_err(|error| failures::not_shared(&error.into()))?;
            caller.may_share(&path, &roots).map(|()| path)
        })
        .await?;
        let (progress, telling) = tell_hashing(watcher);
        let ask = |reply| shares::Msg::Share { path, name, progress: Some(progress), reply: Some(reply) };
        let shared = self.hashed(ask).await?;
        drop(telling);
        let announced = self.announced(shared.version).await;
        let Share { file_id, name, stamp, .. } = shared.share;
        Ok(Uploaded { file_id, name, size: stamp.size, simulated: false, announced })
    }

    /// Hashing takes as long as it takes; only a failure of the actor ends the wait.
    async fn hashed(
        &self,
        ask: impl FnOnce(crate::mailbox::Reply<Result<Shared, NotShared>>) -> shares::Msg,
    ) -> Result<Shared, Failure> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.mail.shares.cast(ask(reply)).map_err(failures::away)?;
        let answer = answer.await.map_err(|_| failures::away(crate::mailbox::Away))?;
        answer.map_err(|error| failures::not_shared(&error))
    }

    /// Whether the directory has acknowledged the catalog up to that version, waiting a little while it can.
    pub(super) async fn announced(&self, version: u64) -> bool {
        let mut view = self.view.clone();
        let hopeless =
            |view: &View| matches!(view.status.state, DirectoryState::Unreachable | DirectoryState::LoggedOut);
        let settled = |view: &View| view.announced >= version || hopeless(view);
        match tokio::time::timeout(ANNOUNCE, view.wait_for(settled)).await {
            Ok(Ok(view)) => view.announced >= version,
            _ => false,
        }
    }

    pub(super) async fn unshare(&self, unshare: &Unshare) -> Result<Unshared, Failure> {
        let share = match self.find_share(&unshare.file) {
            Err(failure) if failure.code == FailureCode::NotFound => {
                let file = simulated::find(self, &unshare.file).ok_or(failure)?;
                return simulated::unshare(self, &file).await;
            }
            found => found?,
        };
        // A word that is a name takes that name away; one that is an id takes the file.
        let name = (unshare.file == share.name.as_str()).then(|| share.name.clone());
        let ask = |reply| shares::Msg::Unshare { file_id: share.file_id, name, reply };
        let asked = self.mail.shares.ask(ask, PROMPT).await.map_err(failures::away)?;
        asked.map_err(|error| failures::not_shared(&error))?;
        let version = self.catalog.borrow().version();
        self.announced(version).await;
        Ok(Unshared { file_id: share.file_id, name: share.name.clone() })
    }

    /// What a word means among this peer's own shares.
    pub(super) fn find_share(&self, word: &str) -> Result<Arc<Share>, Failure> {
        let catalog = self.catalog.borrow().clone();
        if let Some(share) = word.parse::<FileId>().ok().and_then(|id| catalog.get(id)) {
            return Ok(Arc::clone(share));
        }
        let mut found: Vec<_> = catalog.iter().filter(|share| share.name.as_str() == word).collect();
        if found.is_empty() && word.len() >= resolve::SHORTEST_PREFIX {
            found = catalog.iter().filter(|share| share.file_id.to_string().starts_with(word)).collect();
            found.dedup_by_key(|share| share.file_id);
        }
        match found.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] => Err(Failure::new(
                FailureCode::NotFound,
                format!("this peer shares nothing called `{}`", word.escape_debug()),
            )
            .hint("`peerctl list-files --mine` shows what it shares")),
            more => {
                let candidates =
                    more.iter().map(|share| format!("{}  {}", share.file_id, share.path.display())).collect();
                let failure = Failure::new(
                    FailureCode::Ambiguous,
                    format!("`{}` means more than one share", word.escape_debug()),
                );
                Err(failure.hint("name the one you mean by its id").candidates(candidates))
            }
        }
    }
}

/// Tells the caller how far a file is hashed, as often as a person looks, until both are dropped.
pub(super) fn tell_hashing(watcher: Watcher) -> (watch::Sender<(ByteCount, ByteCount)>, AbortOnDropHandle<()>) {
    let (progress, mut seen) = watch::channel(Default::default());
    let telling = tokio::spawn(async move {
        while seen.changed().await.is_ok() {
            let (done, total) = *seen.borrow_and_update();
            watcher.tell(Progress::Hashing { done, total });
            // A person sees no more than this, and the socket need not carry it.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    (progress, AbortOnDropHandle::new(telling))
}
