//! The ends of a download: the file at its place, given up by us, given up by the user.

use std::sync::Arc;

use proto::control::{FailureCode, Transfer, TransferState};

use super::outcome::{self, Failed};
use super::{Msg, Phase, State};
use crate::mailbox::PROMPT;
use crate::shares::{self, Share};
use crate::store::part::{BadDestination, Part};
use crate::store::resume::Note;
use crate::store::source::open_regular;

impl State {
    pub(super) fn finish(&mut self) {
        self.remember();
        let Phase::Swarming(swarming) = std::mem::replace(&mut self.phase, Phase::Finishing) else { return };
        self.waiting = None;
        self.locate = None;
        self.listening = None;
        let part = Arc::clone(swarming.shared().writer.part());
        drop(swarming);
        let (me, note) = (self.me.clone(), self.args.note.clone());
        tokio::spawn(async move {
            let path = note.path.clone();
            let renamed = tokio::task::spawn_blocking(move || put_in_place(&part, &note));
            let failed = |error| BadDestination::Io { path, error: std::io::Error::other(error) };
            let _ = me.cast(Msg::Finished(renamed.await.unwrap_or_else(|error| Err(failed(error)))));
        });
    }

    pub(super) fn finished(&mut self, result: Result<Share, BadDestination>) {
        match result {
            Ok(share) => self.adopt(share),
            Err(error) => self.fail(error.into()),
        }
    }

    /// The file is there. It becomes a share before the download is called done, so that whoever waits for it finds this
    /// peer among the holders.
    pub(super) fn adopt(&mut self, share: Share) {
        self.phase = Phase::Over;
        let (tools, note) = (self.args.tools.clone(), self.args.note.clone());
        let mut last = self.view(TransferState::Done, None);
        last.bytes = last.size;
        last.verified = true;
        self.explain();
        let (view, offered, keeper) = (self.args.view.clone(), self.offered.take(), self.keeper.clone());
        tokio::spawn(async move {
            let share = Share { name: note.name.clone(), ..share };
            let path = share.path.clone();
            let adopted = tools.shares.ask(|reply| shares::Msg::Adopt { share, reply: Some(reply) }, PROMPT).await;
            if let Err(error) =
                adopted.map_err(|away| away.to_string()).and_then(|done| done.map_err(|error| error.to_string()))
            {
                tracing::warn!(transfer = %note.transfer_id, error, "the finished file is in place, but not shared");
            }
            if let Some(offered) = offered {
                offered.finish(path);
            }
            keeper.forget().await;
            tools.figures.ended(last.state, false);
            tracing::info!(transfer = %note.transfer_id, file_id = %note.file_id, path = %note.path.display(), "downloaded");
            view.send_replace(last);
        });
    }

    pub(super) fn fail(&mut self, failed: Failed) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        self.explain();
        self.phase = Phase::Over;
        tracing::warn!(transfer = %self.args.note.transfer_id, reason = failed.reason, "a download has failed");
        let mut last = self.view(TransferState::Failed, Some(failed.reason));
        last.failure = Some(failed.code);
        self.end(last, None);
    }

    pub(super) fn cancel(&mut self) {
        self.explain();
        let part = match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Swarming(swarming) => Some(Arc::clone(swarming.shared().writer.part())),
            _ => None,
        };
        let mut last = self.view(TransferState::Cancelled, Some("given up by the user".into()));
        last.failure = Some(FailureCode::Cancelled);
        self.end(last, part);
    }

    /// Says the last word once the note, and the part file of a cancelled download, are gone.
    fn end(&mut self, last: Transfer, discard: Option<Arc<Part>>) {
        self.offer_no_more();
        let (keeper, view) = (self.keeper.clone(), self.args.view.clone());
        let figures = self.args.tools.figures.clone();
        tokio::spawn(async move {
            keeper.forget().await;
            if let Some(part) = discard {
                outcome::discard(part).await;
            }
            figures.ended(last.state, false);
            view.send_replace(last);
        });
    }
}

/// Syncs and renames, and looks at the result as the shares actor will: where the folder was moved away meanwhile, the file
/// went with it and is not at its path.
fn put_in_place(part: &Part, note: &Note) -> Result<Share, BadDestination> {
    part.finish(note.force)?;
    let failed = |error| BadDestination::Io { path: note.path.clone(), error };
    open_regular(&note.path).map_err(failed)?;
    let (path, stamp) = (note.path.clone(), part.stamp().map_err(failed)?);
    Ok(Share { file_id: note.file_id, name: note.name.clone(), path, stamp })
}
