//! What each request comes to: one exhaustive match, then a function per request that touches this daemon. Questions that
//! only the directory can answer are in [`super::queries`].

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proto::Timestamp;
use proto::control::{
    ActorStatus, Cancel, Crash, DirectoryState, Done, Download, Explain, Explanation, Failure, FailureCode, Identity,
    Login, Progress, Request, Response, Started, Status, Transfer, Unshare, Unshared, Upload, Uploaded, Wait,
};
use proto::directory::{FileEntry, LoginRequest};
use proto::ids::{ByteCount, FileId, PeerAddress, PeerId, PeerName, TransferId};
use proto::secret::Secret;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use traces::Span;

use super::callers::Caller;
use super::connection::Watcher;
use super::{checkup, complete, events, failures, news, pages, queries, simulate, simulated, through};
use crate::config::Config;
use crate::directory::{self, Client, View, resolve};
use crate::mailbox::{Mailbox, PROMPT};
use crate::shares::actor::{NotShared, Shared};
use crate::shares::{self, Catalog, Share, scan};
use crate::store::part::{self, Destination};
use crate::store::resume::Note;
use crate::{heartbeat, server, simulation, transfers};

/// How long an answer may take that involves the directory.
const REMOTE: Duration = Duration::from_secs(20);
/// How long an upload waits for the directory to acknowledge it, before it says that this will come later.
const ANNOUNCE: Duration = Duration::from_secs(10);

/// Everything that requests are carried out with. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    /// What the daemon runs with.
    pub config: Arc<Config>,
    /// This peer.
    pub peer_id: PeerId,
    /// Proves who it is.
    pub identity: transport::Identity,
    /// Where other peers are told to reach it.
    pub address: PeerAddress,
    /// Since when the daemon runs.
    pub started_at: Timestamp,
    /// The REST calls.
    pub client: Client,
    /// How it is with the directory.
    pub view: watch::Receiver<View>,
    /// What is shared.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// Number of downloads that run.
    pub running: watch::Receiver<u64>,
    /// The daemon's parts.
    pub parts: watch::Receiver<Vec<ActorStatus>>,
    /// Their addresses.
    pub mail: Mail,
}

/// Addresses of the actors.
#[derive(Clone)]
pub struct Mail {
    /// Shares.
    pub shares: Mailbox<shares::Msg>,
    /// Directory.
    pub directory: Mailbox<directory::Msg>,
    /// Heartbeat.
    pub heartbeat: Mailbox<heartbeat::Msg>,
    /// Simulation.
    pub simulation: Mailbox<simulation::Msg>,
    /// gRPC server.
    pub server: Mailbox<server::Msg>,
    /// Transfers.
    pub transfers: Mailbox<transfers::Msg>,
    /// Control.
    pub control: Mailbox<super::Msg>,
}

/// Carries a caller's request out and wraps what comes of it.
pub async fn carry_out(desk: &Desk, caller: Caller, id: u64, request: Request, watcher: Watcher) -> Response {
    fn wrap<T: Serialize>(id: u64, result: Result<T, Failure>) -> Response {
        match result {
            Ok(reply) => Response::done(id, &reply),
            Err(failure) => Response::failed(Some(id), failure),
        }
    }
    match request {
        Request::GetStatus(_) => wrap(id, Ok(desk.status())),
        Request::Login(login) => wrap(id, desk.log_in(login).await),
        Request::Logout(_) => wrap(id, desk.log_out().await),
        Request::WhoAmI(_) => wrap(id, desk.who_am_i()),
        Request::ListPeers(list) => wrap(id, queries::list_peers(desk, list).await),
        Request::ShowPeer(show) => wrap(id, queries::show_peer(desk, &show.peer).await),
        Request::ListFiles(list) => wrap(id, queries::list_files(desk, list).await),
        Request::Complete(asked) => wrap(id, complete::complete(desk, &asked).await),
        Request::ShowFile(show) => wrap(id, queries::show_file(desk, &show.file).await),
        Request::Upload(upload) => wrap(id, desk.upload(caller, upload, watcher).await),
        Request::Simulated(file) => wrap(id, simulated::upload(desk, file).await),
        Request::Unshare(unshare) => wrap(id, desk.unshare(&unshare).await),
        Request::Download(download) => wrap(id, desk.download(caller, download).await),
        Request::Wait(wait) => wrap(id, desk.wait(&wait, &watcher).await),
        Request::ListTransfers(list) => wrap(id, desk.transfers().await.map(|all| pages::transfers(all, &list))),
        Request::Pause(pause) => wrap(id, desk.set_paused(pause.transfer_id, true).await),
        Request::Resume(resume) => wrap(id, desk.set_paused(resume.transfer_id, false).await),
        Request::Explain(explain) => wrap(id, desk.explain(&explain).await),
        Request::Cancel(cancel) => wrap(id, desk.cancel(&cancel, &watcher).await),
        Request::Simulate(asked) => wrap(id, simulate::simulate(desk, asked, watcher).await),
        Request::Calibrate(_) => wrap(id, simulate::calibrate(desk).await),
        Request::Verify(verify) => wrap(id, checkup::verify(desk, &verify, watcher).await),
        Request::Examine(_) => wrap(id, Ok(checkup::examine(desk).await)),
        Request::GetVersions(_) => wrap(id, Ok(checkup::versions(desk).await)),
        Request::Subscribe(_) => wrap(id, news::subscribe(desk, &watcher).await),
        Request::WatchEvents(asked) => wrap(id, events::watch(desk, asked, &watcher).await),
        Request::Crash(crash) => wrap(id, desk.crash(&crash)),
    }
}

impl Desk {
    fn status(&self) -> Status {
        let view = self.view.borrow().clone();
        Status {
            peer_id: self.peer_id,
            name: self.name(),
            user: view.user().map(|(user, _)| user),
            directory: view.status,
            address: self.address.clone(),
            shares: self.catalog.borrow().len() as u64,
            transfers: *self.running.borrow(),
            version: env!("CARGO_PKG_VERSION").into(),
            started_at: self.started_at,
            download_dir: self.config.download_dir.clone(),
            actors: self.parts.borrow().clone(),
        }
    }

    fn name(&self) -> PeerName {
        self.config.name.clone()
    }

    async fn log_in(&self, login: Login) -> Result<Identity, Failure> {
        let request = LoginRequest { username: login.user, password: login.password };
        let asked = self.mail.directory.ask(|reply| directory::Msg::LogIn { request, reply }, REMOTE).await;
        let session = asked.map_err(failures::away)?.map_err(|error| failures::directory(&error))?;
        // Whoever lists next wants to see this peer; an outage meanwhile is `status`' to tell.
        let mut view = self.view.clone();
        let _ = tokio::time::timeout(PROMPT, view.wait_for(|view| view.lease.is_some())).await;
        Ok(self.identity(&session))
    }

    async fn log_out(&self) -> Result<Done, Failure> {
        let asked = self.mail.directory.ask(|reply| directory::Msg::LogOut { reply }, REMOTE).await;
        asked.map_err(failures::away)?.map_err(|error| failures::directory(&error))?;
        Ok(Done {})
    }

    fn who_am_i(&self) -> Result<Identity, Failure> {
        let login = self.view.borrow().login.clone().ok_or_else(failures::not_logged_in)?;
        Ok(self.identity(&login))
    }

    fn identity(&self, login: &proto::directory::Session) -> Identity {
        Identity {
            user: login.user.clone(),
            role: login.role,
            expires_at: login.expires_at,
            peer_id: self.peer_id,
            peer: self.name(),
        }
    }

    async fn upload(&self, caller: Caller, upload: Upload, watcher: Watcher) -> Result<Uploaded, Failure> {
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

    async fn unshare(&self, unshare: &Unshare) -> Result<Unshared, Failure> {
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

    async fn download(&self, caller: Caller, download: Download) -> Result<Started, Failure> {
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

    async fn wait(&self, wait: &Wait, watcher: &Watcher) -> Result<Transfer, Failure> {
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

    async fn set_paused(&self, id: TransferId, paused: bool) -> Result<Transfer, Failure> {
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::SetPaused { id, paused, reply }, PROMPT).await;
        asked.map_err(failures::away)?.map_err(|error| failures::not_set(id, &error))
    }

    async fn explain(&self, explain: &Explain) -> Result<Explanation, Failure> {
        let id = explain.transfer_id;
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::Explain { id, reply }, PROMPT).await;
        asked.map_err(failures::away)?.ok_or_else(|| failures::unknown_transfer(id))
    }

    async fn cancel(&self, cancel: &Cancel, watcher: &Watcher) -> Result<Transfer, Failure> {
        let id = cancel.transfer_id;
        let asked = self.mail.transfers.ask(|reply| transfers::Msg::Cancel { id, reply }, PROMPT).await;
        let view = asked.map_err(failures::away)?.ok_or_else(|| failures::unknown_transfer(id))?;
        let ended = tokio::time::timeout(PROMPT, follow(view, watcher)).await;
        ended.ok().flatten().ok_or_else(|| failures::away(crate::mailbox::Away))
    }

    fn crash(&self, crash: &Crash) -> Result<Done, Failure> {
        if !self.config.fault_injection {
            return Err(Failure::new(
                FailureCode::Forbidden,
                "faults may be injected only into a daemon started for it",
            ));
        }
        let sent = match crash.actor.as_str() {
            "shares" => self.mail.shares.cast(shares::Msg::Crash),
            "directory" => self.mail.directory.cast(directory::Msg::Crash),
            "heartbeat" => self.mail.heartbeat.cast(heartbeat::Msg::Crash),
            "simulation" => self.mail.simulation.cast(simulation::Msg::Crash),
            "server" => self.mail.server.cast(server::Msg::Crash),
            "transfers" => self.mail.transfers.cast(transfers::Msg::Crash),
            "control" => self.mail.control.cast(super::Msg::Crash),
            other => match other.strip_prefix("download:").and_then(|id| id.parse().ok()) {
                Some(id) => self.mail.transfers.cast(transfers::Msg::CrashDownload(id)),
                None => {
                    return Err(Failure::new(
                        FailureCode::NotFound,
                        format!("no actor is called `{}`", other.escape_debug()),
                    ));
                }
            },
        };
        sent.map(|()| Done {}).map_err(failures::away)
    }
}

/// Looks at the file system on a thread for it.
async fn blocking<T: Send + 'static>(look: impl FnOnce() -> Result<T, Failure> + Send + 'static) -> Result<T, Failure> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|error| Err(Failure::new(FailureCode::Internal, error.to_string())))
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
