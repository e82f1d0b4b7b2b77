//! Listens to the directory: whoever waits for holders of a file hears at once when there may be another one.
//!
//! One stream for the whole daemon, of the files that somebody is [`interested`](Interests) in; while that is nobody, none.
//! What comes only says "look again": the directory's answer is what counts, and the looks that happen anyway find what a
//! broken stream has missed.

use std::collections::BTreeSet;
use std::time::Duration;

use proto::directory::{Change, ProblemCode};
use proto::ids::{FileId, PeerId};
use proto::secret::Secret;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::actor::View;
use super::client::{Client, ClientError};

mod frames;
mod interests;

pub(super) use frames::Frames;
pub use interests::{Interest, Interests};

/// First and longest pause before a stream that was lost is opened again.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// Most files that the directory lets one listen to.
const MOST_FILES: usize = 256;

/// What the task works with.
pub(super) struct Listener {
    pub(super) client: Client,
    /// What this peer itself announces is no news.
    pub(super) me: PeerId,
    pub(super) view: watch::Receiver<View>,
    pub(super) interests: Interests,
}

impl Listener {
    /// Listens until the handle is dropped.
    pub(super) fn spawn(self) -> AbortOnDropHandle<()> {
        AbortOnDropHandle::new(tokio::spawn(self.run()))
    }

    async fn run(mut self) {
        let (mut since, mut failures, mut heard) = (None, 0, BTreeSet::new());
        loop {
            let (token, files) = self.wanted().await;
            match self.listen(&token, &files, &mut since, &mut heard).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    tracing::debug!(%error, "the directory's events cannot be heard; trying again");
                    if error.code() == Some(ProblemCode::Gone) {
                        since = None;
                    }
                    // What was missed meanwhile is found by looking.
                    heard.clear();
                    let longest = FIRST_PAUSE.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE);
                    failures += 1;
                    tokio::time::sleep(longest.mul_f64(rand::random_range(0.5..=1.0))).await;
                }
            }
        }
    }

    /// Waits until there is something to listen to, and a right to.
    async fn wanted(&mut self) -> (Secret, BTreeSet<FileId>) {
        let mut wishes = self.interests.wishes();
        loop {
            let token = self.view.borrow_and_update().token().cloned();
            let files = wishes.now();
            if let (Some(token), false) = (token, files.is_empty()) {
                return (token, files.into_iter().take(MOST_FILES).collect());
            }
            tokio::select! {
                changed = self.view.changed() => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
                () = wishes.changed() => {}
            }
        }
    }

    /// Until other files are wanted, or the stream is lost.
    async fn listen(
        &self,
        token: &Secret,
        files: &BTreeSet<FileId>,
        since: &mut Option<u64>,
        heard: &mut BTreeSet<FileId>,
    ) -> Result<(), ClientError> {
        let mut wishes = self.interests.wishes();
        let mut stream = self.client.events(token, files, *since).await?;
        // Whoever joined between a download's last look and this moment was announced to nobody.
        files.difference(heard).for_each(|file| self.interests.ring(*file));
        heard.clone_from(files);
        loop {
            tokio::select! {
                event = stream.next() => {
                    let event = event?;
                    *since = Some(event.seq);
                    if let Change::FileAnnounced { peer_id, file_id } | Change::FilePartial { peer_id, file_id } = event.change
                        && peer_id != self.me
                    {
                        self.interests.ring(file_id);
                    }
                }
                () = wishes.changed() => if wishes.now().into_iter().take(MOST_FILES).collect::<BTreeSet<_>>() != *files {
                    return Ok(());
                },
            }
        }
    }
}
