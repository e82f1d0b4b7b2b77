//! The user pauses and resumes. It is on disk before the user hears of it, so that a restart of the daemon changes nothing.

use std::io;

use proto::control::{Transfer, TransferState};
use swarm::Input;

use super::{Phase, State};
use crate::mailbox::Reply;

impl State {
    pub(super) fn set_paused(&mut self, paused: bool, reply: Reply<io::Result<Transfer>>) {
        if self.args.note.paused != paused {
            self.args.note.paused = paused;
            self.keeper.update(&self.args.note);
            tracing::info!(transfer = %self.args.note.transfer_id, paused, "a download was paused or resumed by the user");
            if paused {
                self.pause();
            } else {
                self.resume();
            }
        }
        self.show();
        let (keeper, view) = (self.keeper.clone(), self.args.view.subscribe());
        tokio::spawn(async move {
            let saved = keeper.save().await;
            let _ = reply.send(saved.map(|()| view.borrow().clone()));
        });
    }

    fn pause(&mut self) {
        (self.locate, self.listening) = (None, None);
        if !self.waits_for_room() {
            self.waiting = None;
        }
        if let Phase::Swarming(swarming) = &mut self.phase {
            let events = swarming.pause();
            self.events(events);
        }
    }

    fn resume(&mut self) {
        let waits_for_room = self.waits_for_room();
        match &mut self.phase {
            Phase::Locating => self.begin(),
            Phase::Swarming(swarming) => {
                let events = if waits_for_room { Vec::new() } else { swarming.take(Input::Resume) };
                self.events(events);
                self.locate();
            }
            Phase::Preparing(_) | Phase::Finishing | Phase::Over => {}
        }
    }

    fn waits_for_room(&self) -> bool {
        matches!(self.waiting, Some((TransferState::Paused, _)))
    }

    pub(super) fn how_to_resume(&self) -> String {
        format!("by the user; `peerctl resume {}` goes on", self.args.note.transfer_id)
    }
}
