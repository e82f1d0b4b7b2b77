//! Speaks for this peer at the directory: logs in, registers, and tells it every change of the catalog. Control
//! connections cast logins and logouts, the heartbeat actor reports what it heard; everybody else reads the [`View`].
//!
//! A failure loses a login under way; the token is on disk, and the next incarnation registers with it anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::Timestamp;
use proto::control::DirectoryStatus;
use proto::directory::{
    DirectoryKeys, FileEntry, Lease, LoginRequest, MOST_ENTRIES, PatchFiles, RegisterPeer, Role, Session as Login,
    Ticket, registration_message,
};
use proto::ids::{ByteCount, InstanceId, PeerAddress, PeerId, PeerName, UserName};
use proto::secret::Secret;
use proto::ticket::{KeyId, Verifier};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use transport::Identity;

use super::client::{Client, ClientError, FileQuery};
use super::clock::Clock;
use super::session::{Fact, Next, Session};
use crate::mailbox::Reply;
use crate::shares::{Catalog, Share};
use crate::store::layout::{self, StateDir};
use crate::store::source::Stamp;

/// How long a parting word to the directory may take.
const PARTING: Duration = Duration::from_secs(2);
/// Shortest pause between two questions for the directory's keys.
const KEYS_PAUSE: Duration = Duration::from_secs(2);

/// The directory actor.
pub struct Directory;

/// What it hears.
pub enum Msg {
    /// Log in as somebody.
    LogIn {
        /// Who.
        request: LoginRequest,
        /// Who asked.
        reply: Reply<Result<Arc<Login>, ClientError>>,
    },
    /// Log out: down at once, and the session ends.
    LogOut {
        /// Who asked.
        reply: Reply<Result<(), ClientError>>,
    },
    /// A login was answered.
    LoggedIn {
        /// How.
        result: Result<Login, ClientError>,
        /// Who asked; nobody where the daemon did so itself.
        reply: Option<Reply<Result<Arc<Login>, ClientError>>>,
    },
    /// A registration was answered.
    Registered {
        /// The lease, and what the directory thinks this peer shares.
        result: Result<(Lease, Catalog), ClientError>,
    },
    /// A heartbeat was answered.
    Beaten {
        /// How.
        result: Result<Lease, ClientError>,
    },
    /// Somebody showed a ticket that was signed with a key unknown here.
    FetchKeys,
    /// The directory's keys came.
    Keys {
        /// They.
        result: Result<DirectoryKeys, ClientError>,
    },
    /// An exchange of shares has ended.
    Synced {
        /// What the directory knows now.
        result: Result<Catalog, ClientError>,
    },
    /// The catalog has changed.
    CatalogChanged,
    /// The pause after a failure is over.
    Retry,
    /// The daemon stops: say so to the directory, but keep the session.
    Leave {
        /// Who waits.
        reply: Reply<()>,
    },
    /// Panic, for tests of the supervision.
    Crash,
}

/// What others may know without asking.
#[derive(Debug, Clone)]
pub struct View {
    /// How it is with the directory.
    pub status: DirectoryStatus,
    /// The login, where there is one.
    pub login: Option<Arc<Login>>,
    /// The lease, where the peer is registered.
    pub lease: Option<Lease>,
    /// Version of the catalog that the directory has acknowledged.
    pub announced: u64,
    /// The newest ticket; shown to other peers.
    pub ticket: Option<Ticket>,
    /// Checks the tickets of other peers; nothing before the first registration.
    pub verifier: Option<Arc<Verifier>>,
    /// What time it is there; as above.
    pub clock: Option<Clock>,
}

impl View {
    /// Before anything was tried.
    pub fn initial(url: &str) -> Self {
        let status = Session::new(false, Timestamp::now()).status(url);
        Self { status, login: None, lease: None, announced: 0, ticket: None, verifier: None, clock: None }
    }

    /// The token, where somebody is logged in.
    pub fn token(&self) -> Option<&Secret> {
        self.login.as_ref().map(|login| &login.token)
    }

    /// Who is logged in.
    pub fn user(&self) -> Option<(UserName, Role)> {
        self.login.as_ref().map(|login| (login.user.clone(), login.role))
    }
}

/// Who this peer is, as it registers.
#[derive(Debug, Clone)]
pub struct Registrant {
    /// Its key.
    pub identity: Identity,
    /// This start of it.
    pub instance: InstanceId,
    /// What people call it.
    pub name: PeerName,
    /// Where others reach it.
    pub address: PeerAddress,
}

/// What it is started with.
pub struct Args {
    /// Who this peer is.
    pub me: Registrant,
    /// The REST calls.
    pub client: Client,
    /// URL for `status`.
    pub url: String,
    /// Where the session is kept.
    pub state_dir: Arc<StateDir>,
    /// Who logs in at start, with which password file.
    pub login: Option<(UserName, PathBuf)>,
    /// What is shared.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// Where the view is published.
    pub view: watch::Sender<View>,
}

/// What it knows.
pub struct State {
    args: Args,
    session: Session,
    login: Option<Arc<Login>>,
    lease: Option<Lease>,
    /// What the directory has acknowledged of the catalog; nothing before the first registration.
    acknowledged: Option<Catalog>,
    announced: u64,
    syncing: bool,
    ticket: Option<Ticket>,
    verifier: Option<Arc<Verifier>>,
    clock: Option<Clock>,
    /// When the keys were last asked for.
    keys_asked: Option<Instant>,
    /// Only the latest pause counts.
    retry: Option<AbortOnDropHandle<()>>,
    _follow: AbortOnDropHandle<()>,
}

impl Actor for Directory {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let login = read_login(&args.state_dir.session()).map(Arc::new);
        let mut state = State {
            session: Session::new(args.login.is_some(), Timestamp::now()),
            login,
            lease: None,
            acknowledged: None,
            announced: 0,
            syncing: false,
            ticket: None,
            verifier: None,
            clock: None,
            keys_asked: None,
            retry: None,
            _follow: follow(&me, args.catalog.clone()),
            args,
        };
        let token = state.login.is_some();
        state.took(&me, &Fact::Started { token });
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::LogIn { request, reply } => state.log_in(&me, request, Some(reply)),
            Msg::LogOut { reply } => state.log_out(&me, reply),
            Msg::LoggedIn { result, reply } => state.logged_in(&me, result, reply),
            Msg::Registered { result } => state.registered(&me, result),
            Msg::Beaten { result } => state.beaten(&me, result),
            Msg::FetchKeys => state.fetch_keys(&me),
            Msg::Keys { result } => state.keys(result),
            Msg::Synced { result } => state.synced(&me, result),
            Msg::CatalogChanged => state.sync(&me),
            Msg::Retry => state.due(&me),
            Msg::Leave { reply } => state.leave(reply),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

impl State {
    /// Takes a fact in and does what follows from it.
    fn took(&mut self, me: &ActorRef<Msg>, fact: &Fact<'_>) {
        let before = self.session.status(&self.args.url).state;
        let next = self.session.on(fact, Timestamp::now(), rand::random());
        if !self.session.registered() {
            self.lease = None;
        }
        self.publish();
        let after = self.args.view.borrow().status.clone();
        if before != after.state {
            let problem = after.problem.as_deref().unwrap_or("");
            tracing::info!(state = %after.state, problem, "the directory is {}", after.state);
        }
        match next {
            Next::Rest => self.retry = None,
            Next::LogIn => self.log_in_by_file(me),
            Next::Register => self.register(me),
            Next::Retry(pause) => {
                let me = me.clone();
                self.retry = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                    tokio::time::sleep(pause).await;
                    let _ = me.cast(Msg::Retry);
                })));
            }
        }
    }

    /// What a pause held up.
    fn due(&mut self, me: &ActorRef<Msg>) {
        match &self.login {
            None => self.log_in_by_file(me),
            Some(_) if !self.session.registered() => self.register(me),
            Some(_) => self.sync(me),
        }
    }

    fn log_in_by_file(&mut self, me: &ActorRef<Msg>) {
        let Some((user, file)) = self.args.login.clone() else { return };
        match Secret::read(&file) {
            Ok(password) => self.log_in(me, LoginRequest { username: user, password }, None),
            Err(error) => {
                let error = ClientError::NoAnswer { why: format!("the password file: {error}"), retry_after: None };
                self.took(me, &Fact::Failed(&error));
            }
        }
    }

    fn log_in(&self, me: &ActorRef<Msg>, request: LoginRequest, reply: Option<Reply<Result<Arc<Login>, ClientError>>>) {
        let (me, client) = (me.clone(), self.args.client.clone());
        tokio::spawn(async move {
            let result = client.log_in(&request).await;
            let _ = me.cast(Msg::LoggedIn { result, reply });
        });
    }

    fn logged_in(
        &mut self,
        me: &ActorRef<Msg>,
        result: Result<Login, ClientError>,
        reply: Option<Reply<Result<Arc<Login>, ClientError>>>,
    ) {
        match result {
            Ok(login) => {
                let path = self.args.state_dir.session();
                let kept =
                    serde_json::to_vec(&login).map_err(Into::into).and_then(|text| layout::replace(&path, &text));
                if let Err(error) = kept {
                    tracing::warn!(%error, "the session cannot be kept; after a restart somebody has to log in again");
                }
                let login = Arc::new(login);
                self.login = Some(Arc::clone(&login));
                self.took(me, &Fact::LoggedIn);
                answer(reply, Ok(login));
            }
            // A person who mistypes does not end the session that runs.
            Err(error) => {
                if reply.is_none() {
                    self.took(me, &Fact::Failed(&error));
                }
                answer(reply, Err(error));
            }
        }
    }

    fn log_out(&mut self, me: &ActorRef<Msg>, reply: Reply<Result<(), ClientError>>) {
        let login = self.forget_login();
        self.took(me, &Fact::LoggedOut);
        let (client, id) = (self.args.client.clone(), self.args.me.identity.peer_id());
        tokio::spawn(async move {
            let result = match login {
                Some(login) => part(&client, &login.token, id, true).await,
                None => Ok(()),
            };
            let _ = reply.send(result);
        });
    }

    fn leave(&self, reply: Reply<()>) {
        let (client, id, login) = (self.args.client.clone(), self.args.me.identity.peer_id(), self.login.clone());
        let registered = self.session.registered();
        tokio::spawn(async move {
            if let Some(login) = login.filter(|_| registered) {
                let _ = tokio::time::timeout(PARTING, part(&client, &login.token, id, false)).await;
            }
            let _ = reply.send(());
        });
    }

    fn forget_login(&mut self) -> Option<Arc<Login>> {
        self.acknowledged = None;
        self.announced = 0;
        self.ticket = None;
        if let Err(error) = layout::remove(&self.args.state_dir.session()) {
            tracing::warn!(%error, "the kept session cannot be removed");
        }
        self.login.take()
    }

    fn register(&self, me: &ActorRef<Msg>) {
        let Some(login) = self.login.clone() else { return };
        let (me, client, registrant) = (me.clone(), self.args.client.clone(), self.args.me.clone());
        tokio::spawn(async move {
            let result = register(&client, &login.token, &registrant).await;
            let _ = me.cast(Msg::Registered { result });
        });
    }

    fn registered(&mut self, me: &ActorRef<Msg>, result: Result<(Lease, Catalog), ClientError>) {
        match result {
            Ok((lease, acknowledged)) => {
                self.leased(me, lease);
                self.acknowledged = Some(acknowledged);
                self.took(me, &Fact::Registered);
                self.sync(me);
            }
            Err(error) => self.failed(me, &error),
        }
    }

    fn beaten(&mut self, me: &ActorRef<Msg>, result: Result<Lease, ClientError>) {
        if !self.session.registered() {
            return;
        }
        match result {
            Ok(lease) => {
                self.leased(me, lease);
                self.took(me, &Fact::Answered);
                self.sync(me);
            }
            Err(error) => self.failed(me, &error),
        }
    }

    /// A lease brings the time, now and then a ticket, and word of the keys.
    fn leased(&mut self, me: &ActorRef<Msg>, lease: Lease) {
        self.clock = Some(Clock::set(lease.now));
        if lease.ticket.is_some() {
            self.ticket.clone_from(&lease.ticket);
        }
        let known = |verifier: &Arc<Verifier>| verifier.key_ids().eq(sorted(&lease.key_ids));
        if !self.verifier.as_ref().is_some_and(known) {
            self.fetch_keys(me);
        }
        self.lease = Some(lease);
    }

    /// At most every few seconds: anybody can show a ticket with an unknown key.
    fn fetch_keys(&mut self, me: &ActorRef<Msg>) {
        if self.keys_asked.is_some_and(|asked| asked.elapsed() < KEYS_PAUSE) {
            return;
        }
        self.keys_asked = Some(Instant::now());
        let (me, client) = (me.clone(), self.args.client.clone());
        tokio::spawn(async move {
            let result = client.keys().await;
            let _ = me.cast(Msg::Keys { result });
        });
    }

    fn keys(&mut self, result: Result<DirectoryKeys, ClientError>) {
        match result {
            Ok(keys) => {
                let verifier = Verifier::new(keys.audience, keys.keys.into_iter().map(|key| key.key));
                self.verifier = Some(Arc::new(verifier));
                self.publish();
            }
            // The next heartbeat asks again.
            Err(error) => tracing::debug!(%error, "the directory's keys could not be fetched"),
        }
    }

    fn failed(&mut self, me: &ActorRef<Msg>, error: &ClientError) {
        if error.code() == Some(proto::directory::ProblemCode::Unauthenticated) {
            self.forget_login();
        }
        self.took(me, &Fact::Failed(error));
    }

    /// Tells the directory what it does not know yet, if it can be told now. One exchange at a time.
    fn sync(&mut self, me: &ActorRef<Msg>) {
        if self.syncing || !self.session.registered() {
            return;
        }
        let (Some(login), Some(known)) = (self.login.clone(), self.acknowledged.clone()) else { return };
        let catalog = self.args.catalog.borrow_and_update().clone();
        if catalog.version() == self.announced {
            return;
        }
        self.syncing = true;
        let (me, client, id) = (me.clone(), self.args.client.clone(), self.args.me.identity.peer_id());
        tokio::spawn(async move {
            let result = exchange(&client, &login.token, id, &catalog, &known).await;
            let _ = me.cast(Msg::Synced { result: result.map(|()| catalog.as_ref().clone()) });
        });
    }

    fn synced(&mut self, me: &ActorRef<Msg>, result: Result<Catalog, ClientError>) {
        self.syncing = false;
        match result {
            Ok(catalog) if self.session.registered() => {
                self.announced = catalog.version();
                self.acknowledged = Some(catalog);
                self.took(me, &Fact::Answered);
                self.sync(me);
            }
            Ok(_) => {}
            Err(error) => self.failed(me, &error),
        }
    }

    fn publish(&self) {
        self.args.view.send_replace(View {
            status: self.session.status(&self.args.url),
            login: self.login.clone(),
            lease: self.lease.clone(),
            announced: self.announced,
            ticket: self.ticket.clone(),
            verifier: self.verifier.clone(),
            clock: self.clock,
        });
    }
}

fn sorted(ids: &[KeyId]) -> std::collections::btree_set::IntoIter<&KeyId> {
    ids.iter().collect::<std::collections::BTreeSet<_>>().into_iter()
}

/// Casts a message for every change of the catalog, as long as the actor lives.
fn follow(me: &ActorRef<Msg>, mut catalog: watch::Receiver<Arc<Catalog>>) -> AbortOnDropHandle<()> {
    let me = me.clone();
    AbortOnDropHandle::new(tokio::spawn(async move {
        while catalog.changed().await.is_ok() {
            catalog.borrow_and_update();
            if me.cast(Msg::CatalogChanged).is_err() {
                return;
            }
        }
    }))
}

fn read_login(path: &std::path::Path) -> Option<Login> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Proves the key, registers, and reads what the directory thinks is shared.
async fn register(client: &Client, token: &Secret, me: &Registrant) -> Result<(Lease, Catalog), ClientError> {
    let id = me.identity.peer_id();
    let nonce = client.challenge(token).await?.nonce;
    let signed = registration_message(&nonce, &id, &me.instance, &me.name, &me.address);
    let body = RegisterPeer {
        name: me.name.clone(),
        address: me.address.clone(),
        key: me.identity.public_key(),
        nonce,
        signature: me.identity.sign(&signed),
        instance: me.instance,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let lease = client.register(token, id, &body).await?;
    Ok((lease, known_shares(client, token, id).await?))
}

/// What the directory thinks that this peer has, and what it thinks that it is fetching.
async fn known_shares(client: &Client, token: &Secret, id: PeerId) -> Result<Catalog, ClientError> {
    let mut known = Catalog::default();
    for entry in listed(client, token, id, false).await? {
        known.insert(as_share(entry));
    }
    for entry in listed(client, token, id, true).await? {
        if known.get(entry.file_id).is_none() {
            known.insert_partial(entry.file_id, entry.name, entry.size);
        }
    }
    Ok(known)
}

async fn listed(client: &Client, token: &Secret, id: PeerId, partial: bool) -> Result<Vec<FileEntry>, ClientError> {
    let mut entries = Vec::new();
    let mut query = FileQuery { limit: Some(1000), partial: Some(partial), ..FileQuery::default() };
    loop {
        let page = client.peer_files(token, id, &query).await?;
        entries.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return Ok(entries);
        }
    }
}

/// The directory's word for a share: path and time are not its business.
fn as_share(entry: FileEntry) -> Share {
    let stamp = Stamp { size: entry.size, modified_ns: 0 };
    Share { file_id: entry.file_id, name: entry.name, path: PathBuf::new(), stamp }
}

async fn exchange(
    client: &Client,
    token: &Secret,
    id: PeerId,
    catalog: &Catalog,
    known: &Catalog,
) -> Result<(), ClientError> {
    let changes = catalog.changes_since(known);
    // Gone ones first: a file that was replaced under its name is never listed twice.
    for remove in changes.remove.chunks(MOST_ENTRIES) {
        client.patch_files(token, id, &PatchFiles { add: Vec::new(), remove: remove.to_vec() }).await?;
    }
    for add in changes.add.chunks(MOST_ENTRIES) {
        let patched = client.patch_files(token, id, &PatchFiles { add: add.to_vec(), remove: Vec::new() }).await?;
        for (entry, result) in add.iter().zip(&patched.added) {
            if let Some(why) = &result.refused {
                let size: ByteCount = entry.size;
                tracing::warn!(file_id = %entry.file_id, name = %entry.name, %size, why, "the directory does not list a shared file");
            }
        }
    }
    Ok(())
}

/// Says that the peer goes down, and ends the session too if the user logs out.
async fn part(client: &Client, token: &Secret, id: PeerId, log_out: bool) -> Result<(), ClientError> {
    let gone = client.deregister(token, id).await;
    if log_out {
        client.log_out(token).await?;
    }
    match gone {
        // It does not know the peer: then it is down there.
        Err(ClientError::Refused(_)) => Ok(()),
        other => other,
    }
}

fn answer<T>(reply: Option<Reply<T>>, value: T) {
    if let Some(reply) = reply {
        let _ = reply.send(value);
    }
}
