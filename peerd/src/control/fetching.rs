//! Downloads: where one goes, from whom, and what may be done to one under way.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::control::{Cancel, Download, Explain, Explanation, Failure, FailureCode, Progress, Started, Transfer, Wait};
use proto::directory::FileEntry;
use proto::ids::{PeerId, TransferId};
use proto::secret::Secret;
use tokio::sync::watch;
use traces::Span;

use super::callers::Caller;
use super::connection::Watcher;
use super::dispatch::{Desk, blocking};
use super::{failures, queries, simulated, through};
use crate::mailbox::PROMPT;
use crate::store::part::{self, Destination};
use crate::store::resume::Note;
use crate::transfers;

impl Desk {
    pub(super) async fn download(&self, caller: Caller, download: Download) -> Result<Started, Failure> {
        let token = queries::token(self)?;
        let (entry, held_by) = self.locate(&token, &download).await?;
        let mut from = if download.from.is_empty() { held_by } else { Vec::new() };
        for word in &download.from {
            from.push(queries::resolve_peer(self, &token, word).await?.peer_id);
        }
        if download.simulate || entry.simulated {
            return simulated::download(self, &download, entry, from).await;
        }
        let path = self.destination(caller, download.output, entry.name.as_str()).await?;
        let wish = Note {
            transfer_id: TransferId(0),
            file_id: entry.file_id,
            name: entry.name.clone(),
            size: entry.size,
            path: path.clone(),
            force: download.force,
            from,
            simulated: None,
            rate: download.rate,
            paused: false,
        };
        let begun = self.begin(wish).await?;
        let (file_id, name, size) = (entry.file_id, entry.name, entry.size);
        Ok(Started { transfer_id: begun.id, file_id, name, size, path, joined: begun.joined, simulated: false })
    }

    /// What file is meant; where another peer was asked, also who holds it as far as that one knows.
    async fn locate(&self, token: &Secret, download: &Download) -> Result<(FileEntry, Vec<PeerId>), Failure> {
        if let Some(via) = &download.via {
            let (entry, holders) = through::discover(self, &download.file, via).await?;
            return if holders.is_empty() { Err(failures::no_holders(via)) } else { Ok((entry, holders)) };
        }
        Ok((queries::resolve_file(self, token, &download.file).await?, Vec::new()))
    }

    /// Where a download goes: as asked for, or the download folder, which is made if need be. The path has no links in it.
    async fn destination(&self, caller: Caller, output: Option<PathBuf>, name: &str) -> Result<PathBuf, Failure> {
        let (downloads, name) = (self.config.download_dir.clone(), name.to_owned());
        blocking(move || {
            let chosen = match output {
                Some(output) => chosen_place(output, &name)?,
                None => usual_place(&downloads, &name)?,
            };
            let path = part::resolve(&chosen).map_err(|error| failures::destination(&error))?;
            caller.may_write(&path, &downloads).map(|()| path)
        })
        .await
    }

    /// Starts a download once everything that can be known about its destination is known. One that is under way to the
    /// same place is joined, whatever its destination looks like by now.
    async fn begin(&self, wish: Note) -> Result<transfers::manager::Begun, Failure> {
        if !self.is_under_way(&wish).await? {
            let (path, force, size) = (wish.path.clone(), wish.force, wish.size);
            let check = move || {
                let destination = Destination::open(&path)?;
                if !force {
                    destination.check_vacant()?;
                }
                destination.check_room(size)
            };
            blocking(move || check().map_err(|error| failures::destination(&error))).await?;
        }
        self.start(wish).await
    }

    /// Hands a wish over that nothing speaks against.
    pub(super) async fn start(&self, wish: Note) -> Result<transfers::manager::Begun, Failure> {
        let within = Span::current();
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::Start { wish, within, reply }, PROMPT).await;
        asked
            .map_err(failures::away)?
            .map_err(|error| Failure::new(FailureCode::Io, format!("the state folder cannot be written: {error}")))
    }

    async fn is_under_way(&self, wish: &Note) -> Result<bool, Failure> {
        let same = |item: &Transfer| item.file_id == wish.file_id && item.path == wish.path && !item.state.is_final();
        Ok(self.transfers().await?.iter().any(same))
    }

    pub(super) async fn transfers(&self) -> Result<Vec<Transfer>, Failure> {
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::List { reply }, PROMPT).await;
        asked.map_err(failures::away)
    }

    pub(super) async fn wait(&self, wait: &Wait, watcher: &Watcher) -> Result<Transfer, Failure> {
        let id = wait.transfer_id;
        loop {
            let asked = self.mail.transfers.ask(|reply| transfers::Msg::Follow { id, reply }, PROMPT).await;
            let view = asked.map_err(failures::away)?.ok_or_else(|| failures::unknown_transfer(id))?;
            if let Some(last) = follow(view, watcher).await {
                return Ok(last);
            }
            // Its actor was restarted; the download goes on under the same number, and so does this.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub(super) async fn set_paused(&self, id: TransferId, paused: bool) -> Result<Transfer, Failure> {
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::SetPaused { id, paused, reply }, PROMPT).await;
        asked.map_err(failures::away)?.map_err(|error| failures::not_set(id, &error))
    }

    pub(super) async fn explain(&self, explain: &Explain) -> Result<Explanation, Failure> {
        let id = explain.transfer_id;
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::Explain { id, reply }, PROMPT).await;
        asked.map_err(failures::away)?.ok_or_else(|| failures::unknown_transfer(id))
    }

    pub(super) async fn cancel(&self, cancel: &Cancel, watcher: &Watcher) -> Result<Transfer, Failure> {
        let id = cancel.transfer_id;
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::Cancel { id, reply }, PROMPT).await;
        let view = asked.map_err(failures::away)?.ok_or_else(|| failures::unknown_transfer(id))?;
        let ended = tokio::time::timeout(PROMPT, follow(view, watcher)).await;
        ended.ok().flatten().ok_or_else(|| failures::away(crate::mailbox::Away))
    }
}

fn usual_place(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(folder).map_err(|error| {
        Failure::new(FailureCode::Io, format!("the download folder {}: {error}", folder.display()))
            .hint("choose another place with -o, or start peerd with --download-dir")
    })?;
    Ok(folder.join(name))
}

fn chosen_place(output: PathBuf, name: &str) -> Result<PathBuf, Failure> {
    if !output.is_absolute() {
        return Err(Failure::new(FailureCode::Usage, "the path of a download has to be absolute"));
    }
    let is_folder = output.as_os_str().as_encoded_bytes().ends_with(b"/") || output.is_dir();
    Ok(if is_folder { output.join(name) } else { output })
}

/// Tells every change until the end; nothing if the channel closes before.
async fn follow(mut view: watch::Receiver<Transfer>, watcher: &Watcher) -> Option<Transfer> {
    loop {
        let now = view.borrow_and_update().clone();
        if now.state.is_final() {
            return Some(now);
        }
        watcher.tell(Progress::Transfer(now));
        view.changed().await.ok()?;
    }
}
