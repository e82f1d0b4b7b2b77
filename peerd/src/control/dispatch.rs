//! What each request comes to: one exhaustive match. What touches shares is in [`super::sharing`], what touches downloads in
//! [`super::fetching`]; questions that only the directory can answer are in [`super::queries`].

use std::sync::Arc;
use std::time::Duration;

use proto::Timestamp;
use proto::control::{ActorStatus, Crash, Done, Failure, FailureCode, Identity, Login, Request, Response, Status};
use proto::directory::LoginRequest;
use proto::ids::{PeerAddress, PeerId, PeerName};
use serde::Serialize;
use tokio::sync::watch;

use super::callers::Caller;
use super::connection::Watcher;
use super::{checkup, complete, events, failures, news, pages, queries, simulate, simulated};
use crate::config::Config;
use crate::directory::{self, Client, View};
use crate::mailbox::{Mailbox, PROMPT};
use crate::shares::{self, Catalog};
use crate::{heartbeat, server, simulation, transfers};

/// How long an answer may take that involves the directory.
const REMOTE: Duration = Duration::from_secs(20);

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
pub(super) async fn blocking<T: Send + 'static>(
    look: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let looked = tokio::task::spawn_blocking(look).await;
    looked.unwrap_or_else(|error| Err(Failure::new(FailureCode::Internal, error.to_string())))
}
