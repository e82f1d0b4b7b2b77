//! Speaks for this peer at the directory: logs in, registers, and tells it every change of the catalog. Control
//! connections cast logins and logouts, the heartbeat actor reports what it heard; everybody else reads the [`View`].
//!
//! A failure loses a login under way; the token is on disk, and the next incarnation registers with it anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use proto::Timestamp;
use proto::directory::{DirectoryKeys, Lease, LoginRequest, Session as Login, SharesDigest, Ticket};
use proto::ids::{InstanceId, PeerAddress, PeerName, UserName};
use proto::ticket::Verifier;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;
use transport::Identity;

use super::client::{Client, ClientError};
use super::clock::Clock;
use super::events::{Interests, Listener};
use super::session::{Fact, Next, Session};
use crate::mailbox::Reply;
use crate::shares::Catalog;
use crate::store::layout::StateDir;

mod announcing;
mod lease;
mod listed;
mod login;
mod view;

pub use listed::Listed;
pub use view::View;

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
        result: Result<(Lease, Listed), ClientError>,
    },
    /// A heartbeat was answered.
    Beaten {
        /// What it said that the directory lists.
        believed: Option<SharesDigest>,
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
        /// What the directory lists now.
        result: Result<Listed, ClientError>,
    },
    /// What the directory lists was read, for it differs.
    Compared {
        /// That.
        result: Result<Listed, ClientError>,
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
    /// Who waits for news of files.
    pub interests: Interests,
}

/// What it knows.
pub struct State {
    args: Args,
    session: Session,
    login: Option<Arc<Login>>,
    lease: Option<Lease>,
    /// What the directory has acknowledged; nothing before the first registration.
    listed: Option<Listed>,
    /// No answer to an exchange was lost since: it is what the directory lists.
    certain: bool,
    announced: u64,
    /// An exchange or a comparison is under way.
    syncing: bool,
    /// When the last comparison began.
    compared: Option<Instant>,
    ticket: Option<Ticket>,
    verifier: Option<Arc<Verifier>>,
    clock: Option<Clock>,
    /// When the keys were last asked for.
    keys_asked: Option<Instant>,
    /// Only the latest pause counts.
    retry: Option<AbortOnDropHandle<()>>,
    _follow: AbortOnDropHandle<()>,
    _listen: AbortOnDropHandle<()>,
}

impl Actor for Directory {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let login = login::kept(&args.state_dir.session()).map(Arc::new);
        let mut state = State {
            session: Session::new(args.login.is_some(), Timestamp::now()),
            login,
            lease: None,
            listed: None,
            certain: false,
            announced: 0,
            syncing: false,
            compared: None,
            ticket: None,
            verifier: None,
            clock: None,
            keys_asked: None,
            retry: None,
            _follow: announcing::follow(&me, args.catalog.clone()),
            _listen: listen(&args),
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
            Msg::Beaten { believed, result } => state.beaten(&me, believed, result),
            Msg::FetchKeys => state.fetch_keys(&me),
            Msg::Keys { result } => state.keys(result),
            Msg::Synced { result } => state.synced(&me, result),
            Msg::Compared { result } => state.compared(&me, result),
            Msg::CatalogChanged => state.sync(&me),
            Msg::Retry => state.due(&me),
            Msg::Leave { reply } => state.leave(reply),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

/// The task goes with the actor, and comes back with it.
fn listen(args: &Args) -> AbortOnDropHandle<()> {
    let (client, me) = (args.client.clone(), args.me.identity.peer_id());
    Listener { client, me, view: args.view.subscribe(), interests: args.interests.clone() }.spawn()
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
            let problem = after.problem.as_deref();
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

    fn failed(&mut self, me: &ActorRef<Msg>, error: &ClientError) {
        if error.code() == Some(proto::directory::ProblemCode::Unauthenticated) {
            self.forget_login();
        }
        self.took(me, &Fact::Failed(error));
    }

    fn publish(&self) {
        self.args.view.send_replace(View {
            status: self.session.status(&self.args.url),
            login: self.login.clone(),
            lease: self.lease.clone(),
            announced: self.announced,
            shares_digest: self.believed(),
            ticket: self.ticket.clone(),
            verifier: self.verifier.clone(),
            clock: self.clock,
        });
    }
}
