//! The directory's REST interface, called. One struct, no state but the connection pool; the token is an argument.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::directory::{
    CurrentSession, DirectoryKeys, Event, Events, FileDetail, FileEntry, Heartbeat, Holders, IssuedChallenge, Lease,
    LoginRequest, MOST_ENTRIES, Page, PatchFiles, PatchedFiles, Peer, PeerFile, Problem, ProblemCode, RegisterPeer,
    Session,
};
use proto::ids::{FileId, InstanceId, PeerId};
use proto::secret::Secret;
use reqwest::{Method, RequestBuilder, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::events::Frames;

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);
/// Longest wait for an answer. Passwords take the directory tens of milliseconds each, and may queue.
const ANSWER: Duration = Duration::from_secs(15);

/// Longest that a stream of events is kept, and longest silence in it.
const STREAM: Duration = Duration::from_hours(24);
const SILENCE: Duration = Duration::from_secs(40);

/// The directory at one URL.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
}

/// Why a call came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// It does not answer, or has no time now. Worth trying again.
    #[error("{why}")]
    NoAnswer {
        /// What the network or the directory said.
        why: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// It said no.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// It answered something else than this interface.
    #[error("the answer is not that of a directory: {0}")]
    Nonsense(String),
}

impl ClientError {
    /// The kind of a refusal.
    pub fn code(&self) -> Option<ProblemCode> {
        match self {
            Self::Refused(problem) => Some(problem.code),
            _ => None,
        }
    }
}

/// Why the directory cannot be called at all.
#[derive(Debug, thiserror::Error)]
pub enum BadClient {
    /// The certificates that it is to be held to.
    #[error("directory-ca: {path}: {why}")]
    Certificates {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS.
    #[error("the HTTP client cannot be set up: {0}")]
    Tls(#[from] reqwest::Error),
}

fn certificates(path: &Path) -> Result<Vec<reqwest::Certificate>, BadClient> {
    let bad = |why: String| BadClient::Certificates { path: path.to_owned(), why };
    let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
    let found = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
    if found.is_empty() { Err(bad("there is no certificate in it".into())) } else { Ok(found) }
}

/// Which files to list. Empty fields do not restrict.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FileQuery {
    /// Part of the name, in either case.
    pub q: Option<String>,
    /// Beginning of the name.
    pub starts: Option<String>,
    /// Exact name.
    pub name: Option<String>,
    /// Shared by a peer of this user; goes with `name`.
    pub user: Option<String>,
    /// First hex digits of the id.
    pub prefix: Option<String>,
    /// Of one peer's files: those too that it is fetching.
    pub partial: Option<bool>,
    /// Of one peer's files: those whose id begins with this byte.
    pub part: Option<u8>,
    /// By name; upwards where it is not said.
    pub order: Option<Order>,
    /// From the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: Option<u32>,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// From the last to the first.
    Desc,
}

/// Which peers to list. Empty fields do not restrict.
#[derive(Debug, Clone, Default, Serialize)]
pub struct PeerQuery {
    /// `up` or `down`.
    pub state: Option<&'static str>,
    /// Beginning of the name.
    pub starts: Option<String>,
    /// Exact name.
    pub name: Option<String>,
    /// First digits of the id.
    pub prefix: Option<String>,
    /// By name; upwards where it is not said.
    pub order: Option<Order>,
    /// From the page before.
    pub cursor: Option<String>,
    /// Entries of the page.
    pub limit: Option<u32>,
}

type Answer<T> = Result<T, ClientError>;

impl Client {
    /// For the directory at that URL. An `https` one is held to the certificates in `ca` (PEM), to the system's without.
    ///
    /// # Errors
    /// The certificates cannot be read, or TLS cannot be set up.
    pub fn new(base: &str, ca: Option<&Path>) -> Result<Self, BadClient> {
        // One cryptography for all of TLS. Fails only where one was installed before, which is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("peerd/", env!("CARGO_PKG_VERSION")));
        let http = match ca {
            Some(path) => http.tls_certs_only(certificates(path)?),
            None => http,
        };
        Ok(Self { http: http.build()?, base: base.to_owned() })
    }

    /// Version of the directory.
    pub async fn version(&self) -> Answer<String> {
        #[derive(serde::Deserialize)]
        struct Version {
            version: String,
        }
        Ok(read::<Version>(self.http.get(format!("{}/version", self.base))).await?.version)
    }

    /// Logs in.
    pub async fn log_in(&self, request: &LoginRequest) -> Answer<Session> {
        read(self.call(Method::POST, "sessions", None).json(request)).await
    }

    /// What tickets are checked with.
    pub async fn keys(&self) -> Answer<DirectoryKeys> {
        read(self.call(Method::GET, "keys", None)).await
    }

    /// Ends the session.
    pub async fn log_out(&self, token: &Secret) -> Answer<()> {
        send(self.call(Method::DELETE, "sessions/current", Some(token))).await.map(drop)
    }

    /// Whose session it is.
    pub async fn session(&self, token: &Secret) -> Answer<CurrentSession> {
        read(self.call(Method::GET, "sessions/current", Some(token))).await
    }

    /// A nonce to sign.
    pub async fn challenge(&self, token: &Secret) -> Answer<IssuedChallenge> {
        read(self.call(Method::POST, "peers/challenge", Some(token))).await
    }

    /// Registers a peer.
    pub async fn register(&self, token: &Secret, id: PeerId, body: &RegisterPeer) -> Answer<Lease> {
        read(self.call(Method::PUT, &format!("peers/{id}"), Some(token)).json(body)).await
    }

    /// Says that a peer is up.
    pub async fn heartbeat(&self, token: &Secret, id: PeerId, body: &Heartbeat) -> Answer<Lease> {
        read(self.call(Method::POST, &format!("peers/{id}/heartbeat"), Some(token)).json(body)).await
    }

    /// Says that a peer is going down; refused where another start of it has registered since.
    pub async fn deregister(&self, token: &Secret, id: PeerId, instance: InstanceId) -> Answer<()> {
        let call = self.call(Method::DELETE, &format!("peers/{id}"), Some(token));
        send(call.query(&[("instance", instance)])).await.map(drop)
    }

    /// A page of peers.
    pub async fn peers(&self, token: &Secret, query: &PeerQuery) -> Answer<Page<Peer>> {
        read(self.call(Method::GET, "peers", Some(token)).query(query)).await
    }

    /// One peer.
    pub async fn peer(&self, token: &Secret, id: PeerId) -> Answer<Peer> {
        read(self.call(Method::GET, &format!("peers/{id}"), Some(token))).await
    }

    /// A page of what a peer holds.
    pub async fn peer_files(&self, token: &Secret, id: PeerId, query: &FileQuery) -> Answer<Page<PeerFile>> {
        read(self.call(Method::GET, &format!("peers/{id}/files"), Some(token)).query(query)).await
    }

    /// Announces and withdraws; refused where another start of the peer has registered since.
    pub async fn patch_files(
        &self,
        token: &Secret,
        id: PeerId,
        instance: InstanceId,
        body: &PatchFiles,
    ) -> Answer<PatchedFiles> {
        let call = self.call(Method::PATCH, &format!("peers/{id}/files"), Some(token));
        read(call.query(&[("instance", instance)]).json(body)).await
    }

    /// A page of files.
    pub async fn files(&self, token: &Secret, query: &FileQuery) -> Answer<Page<FileEntry>> {
        read(self.call(Method::GET, "files", Some(token)).query(query)).await
    }

    /// One file.
    pub async fn file(&self, token: &Secret, id: FileId) -> Answer<FileDetail> {
        read(self.call(Method::GET, &format!("files/{id}"), Some(token))).await
    }

    /// A random sample of a file's holders.
    pub async fn holders(&self, token: &Secret, id: FileId, partial: bool, limit: u32) -> Answer<Holders> {
        let call = self.call(Method::GET, &format!("files/{id}/holders"), Some(token));
        read(call.query(&[("partial", partial.to_string()), ("limit", limit.to_string())])).await
    }

    /// What changes about some files, behind a number; from now on without one.
    pub async fn events(&self, token: &Secret, files: &BTreeSet<FileId>, since: Option<u64>) -> Answer<EventStream> {
        let files: Vec<String> = files.iter().map(ToString::to_string).collect();
        let call = self.call(Method::GET, "events", Some(token)).query(&[("file", files.join(","))]);
        Self::listen(behind(call, since)).await
    }

    /// Everything that changes, likewise.
    pub async fn all_events(&self, token: &Secret, since: Option<u64>) -> Answer<EventStream> {
        let call = self.call(Method::GET, "events", Some(token));
        Self::listen(behind(call, since)).await
    }

    /// What has changed, behind a number; the latest without one.
    pub async fn past_events(&self, token: &Secret, since: Option<u64>) -> Answer<Events> {
        let call = self.call(Method::GET, "events", Some(token)).query(&[("wait", 0), ("limit", MOST_ENTRIES)]);
        read(behind(call, since)).await
    }

    async fn listen(call: RequestBuilder) -> Answer<EventStream> {
        let response = answered(call.timeout(STREAM)).await?;
        Ok(EventStream { response, frames: Frames::default() })
    }

    fn call(&self, method: Method, path: &str, token: Option<&Secret>) -> RequestBuilder {
        let mut call = self.http.request(method, format!("{}/api/v1/{path}", self.base));
        if let Some(traceparent) = traces::traceparent() {
            call = call.header(traces::TRACEPARENT, traceparent);
        }
        match token {
            Some(token) => call.bearer_auth(token.expose()),
            None => call,
        }
    }
}

fn behind(call: RequestBuilder, since: Option<u64>) -> RequestBuilder {
    match since {
        Some(since) => call.query(&[("since", since)]),
        None => call,
    }
}

async fn read<T: DeserializeOwned>(call: RequestBuilder) -> Answer<T> {
    let body = send(call).await?;
    serde_json::from_slice(&body).map_err(|error| ClientError::Nonsense(error.to_string()))
}

async fn send(call: RequestBuilder) -> Answer<Vec<u8>> {
    Ok(answered(call).await?.bytes().await.map_err(|error| no_answer(&error))?.into())
}

fn no_answer(error: &reqwest::Error) -> ClientError {
    ClientError::NoAnswer { why: root_cause(error), retry_after: None }
}

/// An answer that does as was asked, with its body still to come.
async fn answered(call: RequestBuilder) -> Answer<Response> {
    let response = call.send().await.map_err(|error| no_answer(&error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after(&response);
    let body = response.bytes().await.map_err(|error| no_answer(&error))?;
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    Err(match (status.as_u16(), problem) {
        (429 | 500..=599, problem) => {
            let why = problem.map_or_else(|| format!("it answered {status}"), |problem| problem.detail);
            ClientError::NoAnswer { why, retry_after }
        }
        (_, Some(problem)) => ClientError::Refused(Box::new(problem)),
        (_, None) => ClientError::Nonsense(format!("status {status} without a reason")),
    })
}

/// Changes, as the directory tells them.
pub struct EventStream {
    response: Response,
    frames: Frames,
}

impl EventStream {
    /// The next one. May be given up at any time: nothing is lost.
    pub async fn next(&mut self) -> Answer<Event> {
        loop {
            if let Some(event) = self.frames.next() {
                return event.map_err(ClientError::Nonsense);
            }
            let ended = |why: &str| ClientError::NoAnswer { why: why.to_owned(), retry_after: None };
            // The directory says something every 15 seconds, if only that nothing happens.
            let part = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let part = part.map_err(|_| ended("the stream of events is silent"))?.map_err(|error| no_answer(&error))?;
            self.frames.push(&part.ok_or_else(|| ended("the stream of events has ended"))?);
        }
    }
}

/// `Retry-After` in seconds (RFC 9110 §10.2.3; the form with a date is not used by directories).
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(http::header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The innermost reason: "connection refused" tells more than "error sending request".
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".into();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
