//! Drives the lease rule (`leases`): tells the database who goes up and down, in the order in which it happened.
//!
//! Ups and downs of one peer take turns at a lock of their own; heartbeats that only renew take none and write nothing. When
//! a peer was last seen reaches the database in batches.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::directory::{Holder, HoldingState, Peer, PeerState, ProblemCode};
use proto::ids::{InstanceId, PeerId, UserName};
use tokio_util::sync::CancellationToken;

use super::{Memory, now};
use crate::db::{KnownPeer, Registered, Registration, Store, StoreError};
use crate::error::ApiError;
use crate::leases::{Beat, LeaseHolder, Leases};

/// How often ended leases are looked for: "down at most one second after" with room for the write.
const SWEEP: Duration = Duration::from_millis(250);
/// How often signs of life are saved.
const SAVE: Duration = Duration::from_secs(30);
/// Peers per write of signs of life, so that other writes get in between.
const SAVE_AT_ONCE: usize = 500;
/// When to try again to bring a peer down, or to count its files, that the database would not.
const RETRY: Duration = Duration::from_secs(1);
/// Locks for ups and downs: peers share one by chance, which costs a little waiting.
const LOCKS: usize = 64;

pub(crate) struct Liveness {
    store: Store,
    /// Hears of each up and down after its commit.
    memory: Arc<Memory>,
    leases: Mutex<Leases>,
    turns: [tokio::sync::Mutex<()>; LOCKS],
    /// Not all of their files count them as what they are: the database would not.
    uncounted: Mutex<BTreeSet<PeerId>>,
    /// Whether the database was, when leases last ended.
    away: AtomicBool,
}

impl Liveness {
    pub(crate) fn new(store: Store, memory: Arc<Memory>, lease: Duration) -> Self {
        let turns = std::array::from_fn(|_| tokio::sync::Mutex::new(()));
        let (leases, uncounted) = (Mutex::new(Leases::new(lease)), Mutex::default());
        Self { store, memory, leases, turns, uncounted, away: AtomicBool::new(false) }
    }

    /// After a start: whoever was up stays up for one full lease. Nobody is declared down for our own absence.
    pub(crate) async fn resume(&self) -> Result<usize, StoreError> {
        let up = self.store.peers_up().await?;
        let start = Instant::now();
        for peer in &up {
            // A peer that is up always has an instance; were one missing, its lease would end for want of heartbeats.
            let instance = peer.instance.unwrap_or(InstanceId::from_bytes([0; 16]));
            let holder = LeaseHolder { user: peer.user.clone(), instance };
            self.leases().grant(peer.peer_id, holder, start, peer.last_seen);
        }
        let uncounted = self.store.uncounted_presences().await?;
        self.uncounted().extend(uncounted);
        Ok(up.len())
    }

    pub(crate) async fn register(&self, peer: Registration) -> Result<Registered, ApiError> {
        let _turn = self.turn(&peer.peer_id).await;
        let (id, seen) = (peer.peer_id, now());
        let holder = LeaseHolder { user: peer.user.clone(), instance: peer.instance };
        let card = Holder {
            peer_id: id,
            name: peer.name.clone(),
            user: peer.user.clone(),
            address: peer.address.clone(),
            state: PeerState::Up,
            holding: HoldingState::Complete,
        };
        let registered = self.store.register_peer(peer, seen).await?;
        if registered != Registered::Taken {
            self.memory.peer_changed(&id, |known| known.is(&card));
            self.leases().grant(id, holder, Instant::now(), seen);
        }
        if registered == (Registered::Known { was_up: false }) {
            self.count(&id).await;
        }
        Ok(registered)
    }

    /// A sign of life. Whether a lease was renewed; where there is none, the peer has to [`Self::come_back`].
    pub(crate) fn beat(&self, peer: &PeerId, by: &LeaseHolder) -> Result<bool, ApiError> {
        let met = self.leases().beat(peer, by, Instant::now(), now());
        match met {
            Beat::Renewed => Ok(true),
            Beat::Foreign => Err(foreign()),
            Beat::Superseded => Err(ApiError::superseded()),
            Beat::NoLease => Ok(false),
        }
    }

    /// Brings a peer up again whose lease has ended.
    pub(crate) async fn come_back(&self, peer: PeerId, by: LeaseHolder) -> Result<(), ApiError> {
        let _turn = self.turn(&peer).await;
        let known = self.store.known_peer(peer).await?;
        if speaker(known, &by.user)? != by.instance {
            return Err(ApiError::superseded());
        }
        let seen = now();
        let was_down = self.store.peer_up(peer, seen).await?;
        self.memory.peer_changed(&peer, |known| known.up(true));
        self.leases().grant(peer, by, Instant::now(), seen);
        if was_down {
            tracing::info!(%peer, "a peer came back");
            self.count(&peer).await;
        }
        Ok(())
    }

    /// Down at once, and not back without registering.
    pub(crate) async fn log_out(&self, peer: PeerId) -> Result<(), ApiError> {
        let _turn = self.turn(&peer).await;
        self.store.log_out_peer(peer, now()).await?;
        self.memory.peer_changed(&peer, |known| known.up(false));
        self.leases().release(&peer);
        self.count(&peer).await;
        Ok(())
    }

    /// Whether `user` may speak for `peer`, and whether that start of it, where one is named, still does.
    pub(crate) async fn may_speak(
        &self,
        peer: PeerId,
        user: &UserName,
        instance: Option<InstanceId>,
    ) -> Result<(), ApiError> {
        let current = self.instance(peer, user).await?;
        if instance.is_some_and(|instance| instance != current) { Err(ApiError::superseded()) } else { Ok(()) }
    }

    /// The instance that speaks for `peer`, where `user` may speak for it at all.
    async fn instance(&self, peer: PeerId, user: &UserName) -> Result<InstanceId, ApiError> {
        if let Some(holder) = self.leases().holder(&peer) {
            return if holder.user == *user { Ok(holder.instance) } else { Err(foreign()) };
        }
        speaker(self.store.known_peer(peer).await?, user)
    }

    /// The peer is no longer there.
    pub(crate) fn forget(&self, peer: &PeerId) {
        self.leases().release(peer);
    }

    /// The last sign of life, where memory has a fresher one than the database.
    pub(crate) fn freshen(&self, peers: &mut [Peer]) {
        let leases = self.leases();
        for peer in peers {
            peer.last_seen = leases.last_seen(&peer.peer_id).map_or(peer.last_seen, |seen| seen.max(peer.last_seen));
        }
    }

    /// Ends leases and saves signs of life until `stop`, then saves once more.
    pub(crate) async fn run(&self, stop: CancellationToken) {
        let (mut last_save, mut last_count) = (Instant::now(), Instant::now());
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP)).await.is_some() {
            self.end_leases().await;
            if last_count.elapsed() >= RETRY {
                last_count = Instant::now();
                self.count_rest().await;
            }
            if last_save.elapsed() >= SAVE {
                last_save = Instant::now();
                self.save().await;
            }
        }
        self.save().await;
    }

    /// All at once, so that they share a commit.
    async fn end_leases(&self) {
        let ended = self.leases().due(Instant::now());
        if ended.is_empty() {
            return;
        }
        // While the database is away heartbeats are refused, everybody's: nobody goes down for that, and whoever is there has
        // a whole lease to say so once it is back.
        let away = matches!(self.store.ping().await, Err(StoreError::Away(_)));
        if self.away.swap(away, Ordering::Relaxed) || away {
            return self.leases().grace(Instant::now());
        }
        futures_util::future::join_all(ended.into_iter().map(|peer| self.end_lease(peer))).await;
    }

    async fn end_lease(&self, peer: PeerId) {
        let _turn = self.turn(&peer).await;
        let Some(last_seen) = self.leases().ending(&peer) else { return };
        match self.store.peer_down(peer, last_seen, now()).await {
            Ok(was_up) => {
                self.memory.peer_changed(&peer, |known| known.up(false));
                self.leases().release(&peer);
                if was_up {
                    tracing::info!(%peer, "a peer went down: its lease ended");
                    self.count(&peer).await;
                }
            }
            Err(error) => {
                tracing::warn!(%peer, %error, "cannot note that a peer went down; trying again");
                self.leases().look_again(peer, Instant::now() + RETRY);
            }
        }
    }

    /// Has all files of a peer that went up or down count it as that, while it is its turn.
    async fn count(&self, peer: &PeerId) {
        if let Err(error) = self.store.count_presence(*peer).await {
            tracing::warn!(%peer, %error, "cannot count its files' holders anew; trying again");
            self.uncounted().insert(*peer);
        }
        self.memory.holders_counted(peer);
    }

    async fn count_rest(&self) {
        let uncounted = std::mem::take(&mut *self.uncounted());
        for peer in uncounted {
            let _turn = self.turn(&peer).await;
            self.count(&peer).await;
        }
    }

    async fn save(&self) {
        let unsaved = self.leases().take_unsaved();
        for part in unsaved.chunks(SAVE_AT_ONCE) {
            match self.store.touch_peers(part.to_vec()).await {
                Ok(gone) => gone.iter().for_each(|peer| self.forget(peer)),
                // The next batch brings fresher ones.
                Err(error) => tracing::warn!(%error, "cannot save when peers were last seen"),
            }
        }
    }

    async fn turn(&self, peer: &PeerId) -> tokio::sync::MutexGuard<'_, ()> {
        self.turns[usize::from(peer.as_bytes()[0]) % LOCKS].lock().await
    }

    fn uncounted(&self) -> MutexGuard<'_, BTreeSet<PeerId>> {
        self.uncounted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leases(&self) -> MutexGuard<'_, Leases> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The instance that speaks for a peer as the database has it.
fn speaker(known: Option<KnownPeer>, user: &UserName) -> Result<InstanceId, ApiError> {
    let known = known.ok_or_else(ApiError::not_registered)?;
    if known.user != *user {
        return Err(foreign());
    }
    known.instance.ok_or_else(ApiError::not_registered)
}

fn foreign() -> ApiError {
    ApiError::new(ProblemCode::Forbidden, "this peer belongs to another user")
}
