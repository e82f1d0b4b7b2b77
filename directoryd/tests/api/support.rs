//! A directory of one's own, and peers to talk to it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use directoryd::{Admin, Config, Database, LogFormat, MaxRequests, NewAccount, Server, Store};
use proto::Timestamp;
use proto::directory::{
    Announce, FileEntry, HoldingState, IssuedChallenge, Lease, Page, PatchFiles, PatchedFiles, Peer, PeerState,
    Problem, ProblemCode, RegisterPeer, Role, Session, Withdraw, registration_message,
};
use proto::ids::{ByteCount, Challenge, FileId, InstanceId, PeerId};
use proto::secret::Secret;
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use transport::{Identity, Limits};

use crate::backend::Backend;

/// Longest that any state may take to come about.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const PASSWORD: &str = "correct horse";
/// Made once: argon2 is slow on purpose.
static HASH: LazyLock<String> = LazyLock::new(|| directoryd::hash_password(&secret(PASSWORD)).unwrap());

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

/// Asks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A client of a directory at some address.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    http: Client,
}

impl Api {
    pub(crate) fn at(address: &str) -> Self {
        Self::with(format!("http://{address}"), |client| client)
    }

    pub(crate) fn with(base: String, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Self {
        // reqwest wants a provider even where there is no TLS; the second test to come here finds it installed.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let http = change(Client::builder().timeout(PATIENCE)).build().unwrap();
        Self { base, http }
    }

    /// The same directory, as seen from another address of this machine.
    pub(crate) fn from(&self, address: [u8; 4]) -> Self {
        Self::with(self.base.clone(), |client| client.local_address(IpAddr::from(address)))
    }

    /// A request to a path under the version, or to a whole path where it begins with `//`.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = match path.strip_prefix('/') {
            Some(whole) if whole.starts_with('/') => format!("{}{whole}", self.base),
            _ => format!("{}/api/v1{path}", self.base),
        };
        self.http.request(method, url)
    }

    pub(crate) async fn log_in(&self, user: &str, password: &str) -> Response {
        let body = json!({"username": user, "password": password});
        self.request(Method::POST, "/sessions").json(&body).send().await.unwrap()
    }

    pub(crate) async fn session(&self, user: &str) -> User {
        let session: Session = take(self.log_in(user, PASSWORD).await, StatusCode::CREATED).await;
        User { api: self.clone(), token: session.token.expose().to_owned() }
    }
}

/// Somebody who is logged in.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) api: Api,
    pub(crate) token: String,
}

impl User {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.api.request(method, path).bearer_auth(&self.token)
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: &impl serde::Serialize) -> Response {
        self.request(method, path).json(body).send().await.unwrap()
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        take(self.request(Method::GET, path).send().await.unwrap(), StatusCode::OK).await
    }

    /// Names of the files that a listing finds, in its order.
    pub(crate) async fn names(&self, path: &str) -> Vec<String> {
        let page: Page<FileEntry> = self.get(path).await;
        page.items.iter().map(|entry| entry.name.to_string()).collect()
    }

    /// All files that are listed, page by page.
    pub(crate) async fn all_files(&self) -> Vec<FileEntry> {
        let (mut all, mut next) = (Vec::new(), Some("/files?limit=1000".to_owned()));
        while let Some(path) = next {
            let page: Page<FileEntry> = self.get(&path).await;
            all.extend(page.items);
            next = page.next.map(|cursor| format!("/files?limit=1000&cursor={cursor}"));
        }
        all
    }

    pub(crate) async fn file(&self, id: FileId) -> Value {
        self.get(&format!("/files/{id}")).await
    }

    pub(crate) async fn state(&self, peer: PeerId) -> PeerState {
        self.get::<Peer>(&format!("/peers/{peer}")).await.state
    }

    pub(crate) fn peer(&self, name: &str) -> TestPeer {
        TestPeer::new(self.clone(), name)
    }
}

/// A peer, as far as the directory can tell.
pub(crate) struct TestPeer {
    pub(crate) user: User,
    pub(crate) identity: Identity,
    pub(crate) instance: InstanceId,
    pub(crate) name: String,
}

impl TestPeer {
    pub(crate) fn new(user: User, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&folder.path().join("key")).unwrap();
        Self { user, identity, instance: InstanceId::from_bytes(rand::random()), name: name.to_owned() }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.identity.peer_id()
    }

    /// A registration that is in order.
    pub(crate) async fn proof(&self) -> RegisterPeer {
        self.proof_for(self.id()).await
    }

    /// A registration for some peer id, signed by this peer's key.
    pub(crate) async fn proof_for(&self, id: PeerId) -> RegisterPeer {
        let issued = self.user.request(Method::POST, "/peers/challenge").send().await.unwrap();
        let issued: IssuedChallenge = take(issued, StatusCode::CREATED).await;
        self.sign(id, issued.nonce)
    }

    /// The same with a challenge that is there already.
    pub(crate) fn sign(&self, id: PeerId, nonce: Challenge) -> RegisterPeer {
        let (name, address) = (self.name.parse().unwrap(), "127.0.0.1:5001".parse().unwrap());
        let message = registration_message(&nonce, &id, &self.instance, &name, &address);
        RegisterPeer {
            name,
            address,
            key: self.identity.public_key(),
            nonce,
            signature: self.identity.sign(&message),
            instance: self.instance,
            version: "0.1.0".to_owned(),
            shares_digest: None,
        }
    }

    pub(crate) async fn try_register(&self, proof: &RegisterPeer) -> Response {
        self.user.send(Method::PUT, &format!("/peers/{}", self.id()), proof).await
    }

    pub(crate) async fn register(&self) -> Lease {
        let response = self.try_register(&self.proof().await).await;
        assert!(response.status().is_success(), "{response:?}");
        response.json().await.unwrap()
    }

    pub(crate) async fn beat(&self) -> Response {
        let path = format!("/peers/{}/heartbeat", self.id());
        self.user.send(Method::POST, &path, &json!({"instance": self.instance})).await
    }

    pub(crate) async fn patch(&self, add: Vec<Announce>, remove: Vec<Withdraw>) -> PatchedFiles {
        take(self.try_patch(add, remove).await, StatusCode::OK).await
    }

    pub(crate) async fn try_patch(&self, add: Vec<Announce>, remove: Vec<Withdraw>) -> Response {
        self.user.send(Method::PATCH, &format!("/peers/{}/files", self.id()), &PatchFiles { add, remove }).await
    }

    pub(crate) async fn announce(&self, names: &[&str]) {
        let add = names.iter().map(|name| file(name)).collect();
        let patched = self.patch(add, vec![]).await;
        assert!(patched.added.iter().all(|result| result.refused.is_none()), "{patched:?}");
    }

    pub(crate) async fn log_out(&self) {
        let gone = self.user.request(Method::DELETE, &format!("/peers/{}", self.id())).send().await.unwrap();
        assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    }
}

/// A complete file whose content is its name.
pub(crate) fn file(name: &str) -> Announce {
    Announce {
        file_id: FileId::of(name.as_bytes()),
        name: name.parse().unwrap(),
        size: ByteCount::new(name.len() as u64),
        state: HoldingState::Complete,
        simulated: false,
        url: None,
    }
}

/// The body of an answer that must have this status.
pub(crate) async fn take<T: DeserializeOwned>(response: Response, status: StatusCode) -> T {
    let (is, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(is, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The problem in an answer, checked for what all problems have in common.
pub(crate) async fn problem(response: Response) -> Problem {
    let headers = response.headers().clone();
    assert_eq!(headers["content-type"], "application/problem+json", "{response:?}");
    let status = response.status();
    let problem: Problem = response.json().await.unwrap();
    assert_eq!(headers["x-request-id"], problem.request_id.as_str());
    assert_eq!((problem.status, problem.code.status()), (status.as_u16(), status.as_u16()));
    assert_eq!(problem.kind, format!("urn:enjambre:problem:{}", problem.code));
    problem
}

pub(crate) async fn code(response: Response) -> ProblemCode {
    problem(response).await.code
}

/// Settings of a directory over some database.
pub(crate) fn config(database: Database) -> Config {
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        database,
        lease: Duration::from_secs(30),
        heartbeat: Duration::from_secs(10),
        session: Duration::from_hours(1),
        ticket: Duration::from_mins(10),
        tls: None,
        limits: Limits::default(),
        max_requests: MaxRequests::USUAL,
        admin: Admin::Off,
        otlp_endpoint: None,
        events_kept: 1_000_000,
        nats: None,
        log_format: LogFormat::Text,
        log_level: "info".to_owned(),
    }
}

/// A directory in this process.
pub(crate) struct Directory {
    pub(crate) api: Api,
    pub(crate) store: Store,
    pub(crate) config: Config,
    /// Where its figures are served.
    pub(crate) figures: Option<SocketAddr>,
    pub(crate) backend: Backend,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

impl Directory {
    pub(crate) async fn start() -> Self {
        Self::with_lease(Duration::from_secs(30)).await
    }

    pub(crate) async fn with_lease(lease: Duration) -> Self {
        Self::configured(|config| (config.lease, config.heartbeat) = (lease, lease / 3)).await
    }

    pub(crate) async fn configured(change: impl FnOnce(&mut Config)) -> Self {
        let backend = Backend::start().await;
        let mut config = config(backend.database());
        change(&mut config);
        Self::over(backend, config).await
    }

    async fn over(backend: Backend, config: Config) -> Self {
        let server = Server::bind(config.clone()).await.unwrap();
        let (api, store, figures) = (Api::at(&server.address().to_string()), server.store(), server.admin_address());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(server.run(stop.clone()));
        Self { api, store, config, figures, backend, stop, serving }
    }

    /// Stops it, and starts another over the same database.
    pub(crate) async fn restart(self) -> Self {
        let config = self.config.clone();
        self.restart_with(config).await
    }

    /// The same with other settings.
    pub(crate) async fn restart_with(self, config: Config) -> Self {
        self.stop.cancel();
        self.serving.await.unwrap();
        drop(self.store);
        Self::over(self.backend, config).await
    }

    /// Its page of figures.
    pub(crate) async fn page(&self) -> String {
        let answer = reqwest::get(format!("http://{}/metrics", self.figures.unwrap())).await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
        answer.text().await.unwrap()
    }

    pub(crate) async fn add(&self, name: &str, role: Role) {
        let account = NewAccount { name: name.parse().unwrap(), password_hash: HASH.clone(), role };
        self.store.add_user(account, Timestamp::now()).await.unwrap().unwrap();
    }

    /// A new user, logged in.
    pub(crate) async fn user(&self, name: &str) -> User {
        self.add(name, Role::User).await;
        self.api.session(name).await
    }

    pub(crate) async fn admin(&self) -> User {
        self.add("root", Role::Admin).await;
        self.api.session("root").await
    }
}

/// The samples of a page, by name and labels. Every one has to stand under the `TYPE` of its figure, and every `TYPE` under
/// a `HELP`.
pub(crate) fn samples(page: &str) -> BTreeMap<String, f64> {
    let (mut helped, mut typed) = (None, None);
    let mut samples = BTreeMap::new();
    for line in page.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            helped = help.split(' ').next();
            assert!(help.split(' ').count() > 1, "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            typed = kind.split(' ').next();
            assert_eq!(helped, typed, "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let name = sample.split('{').next().unwrap();
            let figure = typed.unwrap();
            let suffix = name.strip_prefix(figure).unwrap_or_else(|| panic!("{line} stands under {figure}"));
            assert!(["", "_bucket", "_sum", "_count"].contains(&suffix), "{line}");
            assert!(samples.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "twice: {line}");
        }
    }
    samples
}
