//! How far it is, for everybody who wants to see.

use proto::control::{Transfer, TransferState};
use proto::ids::ByteCount;

use super::{Phase, State};

impl State {
    pub(super) fn show(&mut self) {
        if let Phase::Swarming(swarming) = &mut self.phase {
            let (offers, id) = (&self.args.tools.offers, self.args.note.file_id);
            swarming.tell_gains(|peer| offers.is_watched_by(id, peer));
        }
        let (state, reason) = match (&self.waiting, &self.phase) {
            (_, Phase::Over) => return,
            (None, Phase::Finishing) => (TransferState::Running, None),
            _ if self.args.note.paused => (TransferState::Paused, Some(self.how_to_resume())),
            (Some((state, why)), _) => (*state, Some(why.clone())),
            (None, Phase::Locating | Phase::Preparing(_)) => (TransferState::Preparing, None),
            (None, Phase::Swarming(_)) => (TransferState::Running, None),
        };
        let view = self.view(state, reason);
        self.meter.note(self.began.elapsed(), view.bytes);
        self.args.view.send_if_modified(|current| {
            let changed = *current != view;
            *current = view;
            changed
        });
        self.look_back();
    }

    pub(super) fn view(&self, state: TransferState, reason: Option<String>) -> Transfer {
        let note = &self.args.note;
        let before = self.args.view.borrow().bytes;
        let bytes = match &self.phase {
            Phase::Swarming(swarming) => ByteCount::new(swarming.progress().stored_bytes),
            Phase::Finishing => note.size,
            _ => before,
        };
        let seconds = self.began.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let whole = note.size.as_u64() as f64 / seconds.max(1e-6);
        Transfer {
            transfer_id: note.transfer_id,
            file_id: note.file_id,
            name: note.name.clone(),
            size: note.size,
            path: note.path.clone(),
            state,
            reason,
            failure: None,
            bytes,
            rate: if state == TransferState::Done { whole } else { self.meter.rate() },
            seconds,
            verified: false,
            simulated: false,
            sources: self.sources.list(),
        }
    }
}
