//! Holders and a manifest: looked for again and again, more seldom with time.

use std::sync::Arc;
use std::time::Duration;

use proto::control::TransferState;
use proto::directory::Holder;
use proto::manifest::Manifest;
use swarm::Looks;
use tokio_util::task::AbortOnDropHandle;

use super::{Msg, Phase, State};
use crate::transfers::locate::{Search, Unlocated};

/// Conversations at a time.
const MOST_LINKS: usize = 32;
/// Luck as [`Looks`] takes it.
fn luck() -> u32 {
    rand::random_range(0..1000)
}

impl State {
    /// A manifest from an earlier attempt, or of a file that this peer shares, spares the search for one.
    pub(super) fn begin(&mut self) {
        let note = &self.args.note;
        match self.args.tools.manifests.load(note.file_id, note.size) {
            Some(manifest) => self.prepare(manifest),
            None => self.locate(),
        }
    }

    pub(super) fn locate(&mut self) {
        if self.args.note.paused {
            return;
        }
        let (me, locator) = (self.me.clone(), self.args.tools.locator.clone());
        let (id, from) = (self.args.note.file_id, self.args.note.from.clone());
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = me.cast(Msg::Located(locator.holders(id, &from).await));
        })));
    }

    fn locate_after(&mut self, pause: Duration) {
        if self.args.note.paused {
            return;
        }
        let me = self.me.clone();
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = me.cast(Msg::Locate);
        })));
    }

    pub(super) fn located(&mut self, result: Result<Vec<Holder>, Unlocated>) {
        match result {
            Ok(holders) => self.sources.located(holders),
            Err(error) => {
                tracing::debug!(transfer = %self.args.note.transfer_id, %error, "holders could not be looked for");
                self.sources.not_located(&error);
            }
        }
        match &mut self.phase {
            _ if self.args.note.paused => {}
            Phase::Locating => self.search(),
            Phase::Swarming(swarming) => {
                for holder in self.sources.worth_dialling(MOST_LINKS, |peer| swarming.is_linked(peer)) {
                    swarming.open(holder, self.sources.of_many());
                }
                self.judge();
                let stalled = matches!(self.waiting, Some((TransferState::Stalled, _)));
                let pause = self.looks.pause(stalled, luck());
                self.locate_after(pause);
            }
            Phase::Preparing(_) | Phase::Finishing | Phase::Over => {}
        }
    }

    fn search(&mut self) {
        let holders = self.sources.worth_dialling(MOST_LINKS, |_| false);
        if holders.is_empty() {
            self.judge();
            return self.locate_after(Looks::pause_before_any(luck()));
        }
        let (me, locator, id) = (self.me.clone(), self.args.tools.locator.clone(), self.args.note.file_id);
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = me.cast(Msg::Searched(Box::new(locator.search(id, holders).await)));
        })));
    }

    pub(super) fn searched(&mut self, search: Search) {
        search.liars.into_iter().for_each(|(peer, why)| self.banned(peer, why));
        search.silent.into_iter().for_each(|(peer, why)| self.sources.silent(peer, why));
        let Some(manifest) = search.found else {
            self.judge();
            if !matches!(self.phase, Phase::Over) {
                self.locate_after(Looks::pause_before_any(luck()));
            }
            return;
        };
        self.adopt_size(&manifest);
        self.prepare(Arc::new(manifest));
    }

    /// The proven size stands, whatever the directory said; a restart must find it in the note.
    fn adopt_size(&mut self, manifest: &Manifest) {
        let (note, size) = (&mut self.args.note, manifest.geometry().size());
        if note.size != size {
            tracing::info!(transfer = %note.transfer_id, listed = %note.size, proven = %size, "the listed size was wrong");
            note.size = size;
            self.keeper.update(note);
        }
    }
}
