//! Holders and a manifest: looked for again and again, more seldom with time.

use std::sync::Arc;
use std::time::Duration;

use proto::control::TransferState;
use proto::directory::Holder;
use proto::ids::PeerId;
use proto::manifest::Manifest;
use swarm::{Looks, NEIGHBOURS};
use tokio_util::task::AbortOnDropHandle;
use traces::Instrument;

use super::sources::MOST_LINKS;
use super::{Msg, Phase, State};
use crate::transfers::locate::{Search, Unlocated};

/// Conversations from which on it need not hear of every newcomer.
const ENOUGH: usize = 8;
/// Those who hear the same news look within this time.
const SPREAD: Duration = Duration::from_millis(300);
/// News within this time are one look.
const GATHER: Duration = Duration::from_millis(500);
/// The pause where there was news during a look.
const AGAIN: Duration = Duration::from_millis(200);
/// Those who watch are met after this: where all begin together, the first pieces go before dozens of handshakes, and the next
/// look finds most of them.
const SOON: Duration = Duration::from_millis(250);

/// When to meet somebody who watches.
pub(super) fn soon() -> Duration {
    SOON.mul_f64(rand::random_range(0.75..1.25))
}

/// Luck as [`Looks`] takes it.
fn luck() -> u32 {
    rand::random_range(0..1000)
}

impl State {
    /// A manifest from an earlier attempt, or of a file that this peer shares, spares the search for one.
    pub(super) fn begin(&mut self) {
        self.listen();
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
        (self.pausing, self.heard) = (false, false);
        let (me, locator) = (self.me.clone(), self.args.tools.locator.clone());
        let (id, from) = (self.args.note.file_id, self.args.note.from.clone());
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(
            async move {
                let _ = me.cast(Msg::Located(locator.holders(id, &from).await));
            }
            .in_current_span(),
        )));
    }

    fn locate_after(&mut self, pause: Duration) {
        if self.args.note.paused {
            return;
        }
        // What came during the look may have come too late for it.
        let pause = if std::mem::take(&mut self.heard) { pause.min(AGAIN) } else { pause };
        self.pausing = true;
        let me = self.me.clone();
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let _ = me.cast(Msg::Locate);
        })));
    }

    /// Somebody may have joined. A look that is under way is not begun anew: news that keep coming would never let it end.
    pub(super) fn news(&mut self) {
        if self.pausing { self.locate() } else { self.heard = true }
    }

    /// Hears of others as long as there are few of them. Who has enough finds more by looking, and a popular file's news
    /// are nobody's work.
    fn listen(&mut self) {
        if self.args.note.paused {
            return;
        }
        let few = match &self.phase {
            Phase::Locating => true,
            Phase::Swarming(swarming) => swarming.links() < ENOUGH,
            Phase::Preparing(_) | Phase::Finishing | Phase::Over => return,
        };
        if !few {
            self.listening = None;
        } else if self.listening.is_none() {
            let (me, mut interest) = (self.me.clone(), self.args.tools.interests.follow(self.args.note.file_id));
            self.listening = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                loop {
                    interest.news().await;
                    // Others hear it at the same moment.
                    tokio::time::sleep(SPREAD.mul_f64(rand::random_range(0.0..1.0))).await;
                    if me.cast(Msg::News).is_err() {
                        return;
                    }
                    tokio::time::sleep(GATHER).await;
                }
            })));
        }
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
                // Among many, half of them the first time: as many find this peer, and are linked with both ways.
                let links = swarming.links();
                let half = links == 0 && self.sources.listed_count() > NEIGHBOURS + 1;
                let most = if half { NEIGHBOURS / 2 } else { NEIGHBOURS };
                for holder in self.sources.worth_dialling(links, most, |peer| swarming.is_linked(peer)) {
                    swarming.open(holder, self.sources.of_many());
                }
                self.judge();
                self.listen();
                let stalled = matches!(self.waiting, Some((TransferState::Stalled, _)));
                let pause = self.looks.pause(stalled, luck());
                self.locate_after(pause);
            }
            Phase::Preparing(_) | Phase::Finishing | Phase::Over => {}
        }
    }

    /// Whoever fetches from here may have what is missing here. Those who came before it would never hear of it: they have
    /// neighbours enough.
    pub(super) fn watched(&mut self, peer: PeerId) {
        if !self.has_room_for(peer) {
            return;
        }
        if let Some(holder) = self.sources.listed(peer) {
            return self.met(holder);
        }
        let (me, locator) = (self.me.clone(), self.args.tools.locator.clone());
        tokio::spawn(
            async move {
                match locator.partial_holder(peer).await {
                    Ok(holder) => drop(me.cast(Msg::Met(holder))),
                    Err(error) => tracing::debug!(%peer, %error, "a peer that watches could not be looked up"),
                }
            }
            .in_current_span(),
        );
    }

    pub(super) fn met(&mut self, holder: Holder) {
        self.sources.met(&holder);
        if !self.has_room_for(holder.peer_id) || !self.sources.is_open(&holder) {
            return;
        }
        let of_many = self.sources.of_many();
        if let Phase::Swarming(swarming) = &mut self.phase {
            swarming.open(holder, of_many);
        }
    }

    /// Whether a peer that was not looked for may be linked with.
    fn has_room_for(&self, peer: PeerId) -> bool {
        let (Phase::Swarming(swarming), note) = (&self.phase, &self.args.note) else { return false };
        let wanted = note.from.is_empty() || note.from.contains(&peer);
        wanted && !note.paused && swarming.links() < MOST_LINKS && !swarming.is_linked(peer)
    }

    fn search(&mut self) {
        let holders = self.sources.worth_dialling(0, NEIGHBOURS, |_| false);
        if holders.is_empty() {
            self.judge();
            return self.locate_after(Looks::pause_before_any(luck()));
        }
        let (me, locator, id) = (self.me.clone(), self.args.tools.locator.clone(), self.args.note.file_id);
        self.locate = Some(AbortOnDropHandle::new(tokio::spawn(
            async move {
                let _ = me.cast(Msg::Searched(Box::new(locator.search(id, holders).await)));
            }
            .in_current_span(),
        )));
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
