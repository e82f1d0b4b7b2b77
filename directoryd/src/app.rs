//! What all requests share: the store, and what is kept in memory beside it.
//!
//! Memory holds only what may be lost: leases ([`liveness`]), who holds what and what is listed ([`memory`]), digests of
//! shares ([`digests`]), challenges that were given out ([`challenges`]), recent answers to "whose token is this"
//! ([`session_cache`]), who got a ticket when ([`tickets`]), who asked how much of late ([`rates`]), and who failed to log in
//! ([`throttle`]).

use std::sync::Arc;
use std::time::Duration;

use proto::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::db::Store;
use crate::error::ApiError;
use crate::events::Feed;

mod challenges;
mod digests;
mod liveness;
mod memory;
mod passwords;
mod rates;
mod requests;
mod session_cache;
mod state_tag;
mod throttle;
mod tickets;

pub(crate) use challenges::{Challenges, LIFE as CHALLENGE_LIFE, Refusal as ChallengeRefusal};
pub(crate) use digests::Digests;
pub(crate) use liveness::Liveness;
pub(crate) use memory::Memory;
pub use passwords::hash_password;
pub(crate) use passwords::{Passwords, Turn};
pub(crate) use rates::Rates;
pub(crate) use requests::Requests;
pub(crate) use session_cache::SessionCache;
pub(crate) use state_tag::StateTag;
pub(crate) use throttle::Throttle;
pub(crate) use tickets::Tickets;

/// The wall clock, in the milliseconds that the database keeps: what is answered is what is stored.
pub(crate) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

/// How long things last, as configured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How long a peer counts as up after a sign of life.
    pub(crate) lease: Duration,
    /// When its next heartbeat should come.
    pub(crate) heartbeat: Duration,
    /// How long a login lasts.
    pub(crate) session: Duration,
}

/// Shared state of one server.
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) liveness: Liveness,
    pub(crate) memory: Arc<Memory>,
    pub(crate) digests: Digests,
    pub(crate) sessions: SessionCache,
    pub(crate) rates: Rates,
    pub(crate) challenges: Challenges,
    pub(crate) passwords: Passwords,
    pub(crate) throttle: Throttle,
    pub(crate) tickets: Tickets,
    pub(crate) requests: Requests,
    pub(crate) terms: Terms,
    /// Hands changes to those who listen.
    pub(crate) feed: Feed,
    /// Another process has written: whoever looks now and then, looks now.
    pub(crate) rung: Notify,
    pub(crate) state: StateTag,
    /// Runs what takes longer than a request may hold up others, or outlives the one that asked for it.
    pub(crate) beside: Handle,
    stopping: CancellationToken,
}

impl App {
    /// With the caller's runtime for what runs beside requests.
    pub(crate) fn new(store: Store, feed: Feed, tickets: Tickets, rates: Rates, terms: Terms) -> Self {
        let memory = Arc::new(Memory::default());
        Self {
            liveness: Liveness::new(store.clone(), Arc::clone(&memory), terms.lease),
            memory,
            digests: Digests::new(),
            sessions: SessionCache::default(),
            rates,
            challenges: Challenges::default(),
            passwords: Passwords::new(),
            throttle: Throttle::default(),
            tickets,
            requests: Requests::new(),
            feed,
            rung: Notify::new(),
            state: StateTag::draw(),
            beside: Handle::current(),
            stopping: CancellationToken::new(),
            store,
            terms,
        }
    }

    /// Does something to its end although whoever asked for it has gone: what is kept in memory has to hear of what was
    /// stored.
    pub(crate) async fn to_its_end<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, ApiError>> + Send + 'static,
    {
        let done = self.beside.spawn(work(Arc::clone(self)));
        done.await.unwrap_or_else(|error| Err(ApiError::fault(&error)))
    }

    /// Names what is stored now: whoever has an answer under it has nothing to read.
    pub(crate) fn state_tag(&self) -> String {
        self.state.tag(self.store.commits().number())
    }

    /// From here on the directory says that it is not ready, and whoever listens is let go.
    pub(crate) fn drain(&self) {
        self.stopping.cancel();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Another process has written to the database: accounts, sessions, keys, or anything.
    pub(crate) fn ring(&self) {
        self.sessions.clear();
        self.store.ring();
        self.rung.notify_one();
    }

    /// Waits until it stops.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }
}
