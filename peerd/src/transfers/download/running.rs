//! Pieces come: facts go to the core, and what concerns the download as a whole is acted on.

use std::sync::Arc;
use std::time::Duration;

use proto::control::{FailureCode, TransferState};
use proto::ids::{ByteCount, PeerId};
use swarm::{Input, PeerKey};

use super::outcome::{self, Failed};
use super::swarming::Event;
use super::{Msg, Phase, State};
use crate::store::part::BadDestination;
use crate::transfers::link::Fact;

/// How often a full disk is looked at again.
const ROOM_EVERY: Duration = Duration::from_secs(3);

impl State {
    pub(super) fn link(&mut self, key: PeerKey, fact: Fact) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let (offers, id) = (&self.args.tools.offers, self.args.note.file_id);
        match &fact {
            Fact::Stored(piece, chunks) => offers.gained(id, *piece, chunks),
            // Whom we fetch from may fetch from us.
            Fact::Gained(pieces, _) => {
                if let Some(peer) = swarming.peer(key) {
                    offers.neighbour_has(id, peer, pieces);
                }
            }
            _ => {}
        }
        if let Fact::NotWritten(_, error) = fact {
            return self.not_written(error);
        }
        let events = swarming.fact(key, fact);
        self.events(events);
    }

    pub(super) fn due(&mut self) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let events = swarming.due();
        self.events(events);
    }

    pub(super) fn events(&mut self, events: Vec<Event>) {
        for event in events {
            match event {
                Event::Gained(peer, bytes) => self.sources.gained(peer, bytes),
                Event::Banned(peer, why) => {
                    self.banned(peer, why);
                    self.judge();
                }
                Event::Left(peer, why) => {
                    self.sources.silent(peer, why);
                    self.judge();
                }
                Event::Stalled => {
                    self.waiting = Some((TransferState::Stalled, self.sources.why_stalled()));
                    self.locate();
                }
                Event::Unstalled => self.waiting = None,
                Event::Done => return self.finish(),
            }
        }
    }

    pub(super) fn banned(&mut self, peer: PeerId, why: String) {
        let name = self.sources.name(peer);
        tracing::warn!(transfer = %self.args.note.transfer_id, peer = %peer, why, "peer {name} is not asked for this file any more");
        self.sources.banned(peer, why);
    }

    /// Whether there is still somebody to hope for: when every holder has lied, waiting would never end.
    pub(super) fn judge(&mut self) {
        if let Some(reason) = self.sources.hopeless() {
            return self.fail(Failed::new(FailureCode::VerificationFailed, reason));
        }
        let idle = match &self.phase {
            Phase::Locating => true,
            Phase::Swarming(swarming) => swarming.links() == 0,
            _ => false,
        };
        match &self.waiting {
            _ if self.args.note.paused => {}
            Some((TransferState::Paused, _)) => {}
            _ if idle => self.waiting = Some((TransferState::Stalled, self.sources.why_stalled())),
            _ => {}
        }
    }

    /// A full disk is waited for; any other fault of it is final.
    fn not_written(&mut self, error: std::io::Error) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let part = Arc::clone(swarming.shared().writer.part());
        if !outcome::is_full(&error) {
            return self.fail(BadDestination::Io { path: self.args.note.path.clone(), error }.into());
        }
        if matches!(self.waiting, Some((TransferState::Paused, _))) {
            return;
        }
        let events = swarming.take(Input::Pause);
        let progress = swarming.progress();
        let needed = ByteCount::new(progress.total_bytes - progress.stored_bytes);
        let why = part.check_room(needed).err().map_or_else(|| error.to_string(), |error| error.to_string());
        tracing::warn!(transfer = %self.args.note.transfer_id, why, "a download waits for room on the disk");
        self.waiting = Some((TransferState::Paused, format!("{why}; it goes on when there is room")));
        self.events(events);
        self.me.send_after(ROOM_EVERY, || Msg::LookForRoom);
    }

    pub(super) fn look_for_room(&mut self) {
        let Phase::Swarming(swarming) = &mut self.phase else { return };
        let progress = swarming.progress();
        let needed = ByteCount::new(progress.total_bytes - progress.stored_bytes);
        if swarming.shared().writer.part().check_room(needed).is_err() {
            self.me.send_after(ROOM_EVERY, || Msg::LookForRoom);
            return;
        }
        self.waiting = None;
        if !self.args.note.paused {
            let events = swarming.take(Input::Resume);
            self.events(events);
        }
    }
}
