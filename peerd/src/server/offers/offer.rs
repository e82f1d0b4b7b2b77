//! One file as it is offered to its neighbours: drives the serving half of the core and carries out what it says.
//!
//! Invariant: every ask that was granted is reported as ended, however its call ends ([`Call`](super::Call) sees to it on
//! drop), or the core would think the uplink busy for ever.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use proto::ids::PeerId;
use proto::manifest::Manifest;
use proto::peer::pieces_update::Update;
use proto::peer::{Gained, PiecesUpdate};
use swarm::serve::{Config, Input, Output, Refusal, Role, Server, Shown};
use swarm::{Bitfield, Geometry, Have, Moment, PeerKey, Piece};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::Source;
use super::call::{Ask, Asker, Verdict};
use super::recent::Recent;
use crate::server::limits::{LARGEST_PART, PART_TIME, SMALLEST_PART, UNHELD_PART};

/// Updates that may wait for a neighbour; one that reads none of them is taken for gone.
const UPDATES: usize = 256;

/// Calls for pieces of one peer that may be under way: one, and more for a while where a ticket is renewed or a connection died
/// unheard.
const CALLS: u32 = 8;

/// Bytes of a part while the rate of the uplink is unknown.
const UNKNOWN_PART: usize = 32 << 10;

/// A file as it is offered.
pub struct Offer {
    manifest: Arc<Manifest>,
    epoch: Instant,
    inner: Mutex<Inner>,
    this: std::sync::Weak<Self>,
}

struct Inner {
    server: Server,
    /// Nothing once it is closed: whoever holds on to the offer must not hold on to a part file.
    source: Option<Source>,
    recent: Recent,
    next_key: u32,
    neighbours: HashMap<PeerKey, mpsc::Sender<PiecesUpdate>>,
    keys: HashMap<PeerId, PeerKey>,
    /// How many calls for pieces a peer has under way.
    calls: HashMap<PeerId, u32>,
    /// What was asked for and is neither sent nor refused yet.
    asks: HashMap<(PeerKey, Piece), Pending>,
    next_number: u64,
    timer: Option<(Moment, AbortOnDropHandle<()>)>,
}

/// An ask, until it is sent or refused.
struct Pending {
    /// One that was asked again is not ended with its former self.
    number: u64,
    asker: Asker,
}

/// Why an ask came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The piece is not here.
    Lacking,
    /// Too many asks are waiting, or the asker is no neighbour.
    Busy,
    /// Another neighbour has the piece.
    Elsewhere,
}

/// A place among the neighbours; leaving is dropping it.
pub struct Neighbour {
    offer: Arc<Offer>,
    key: PeerKey,
    peer: PeerId,
    /// What there is, then what comes.
    pub updates: mpsc::Receiver<PiecesUpdate>,
}

/// Where a neighbour's word of what it has goes.
pub struct Gains {
    offer: Arc<Offer>,
    key: PeerKey,
}

impl Offer {
    pub(super) fn new(manifest: Arc<Manifest>, source: Source, have: Bitfield, role: Role) -> Arc<Self> {
        let cut = manifest.geometry();
        let geometry = Geometry::new(cut.size().as_u64(), cut.piece_size()).expect("both cut alike");
        let server = Server::new(geometry, have, role, Config::default(), rand::random(), Moment::EPOCH);
        let inner = Inner {
            server,
            source: Some(source),
            recent: Recent::default(),
            next_key: 0,
            neighbours: HashMap::new(),
            keys: HashMap::new(),
            calls: HashMap::new(),
            asks: HashMap::new(),
            next_number: 0,
            timer: None,
        };
        Arc::new_cyclic(|this| Self { manifest, epoch: Instant::now(), inner: Mutex::new(inner), this: this.clone() })
    }

    /// What the pieces hash to.
    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// Where the bytes are now, if it is open still.
    pub fn source(&self) -> Option<Source> {
        self.lock().source.clone()
    }

    /// Bytes to send in the next part of what was granted, little on a slow uplink; nothing if it is not wanted any more.
    pub(super) fn part_size_of(&self, ask: Ask) -> Option<usize> {
        let inner = self.lock();
        inner.has(ask).then(|| inner.part_size())
    }

    /// Bytes that may wait on a connection; nothing where the uplink is fast enough for all that there is room for.
    pub fn backlog(&self) -> Option<u32> {
        let part = self.lock().part_size();
        (part < UNHELD_PART).then(|| u32::try_from(part).unwrap_or(u32::MAX))
    }

    /// Takes a neighbour in that has these pieces; nothing if there are enough, or it is closed. One that comes again
    /// takes the place of its former self.
    pub fn join(self: &Arc<Self>, peer: PeerId, has: Bitfield) -> Option<Neighbour> {
        let (tell, updates) = mpsc::channel(UPDATES);
        let mut inner = self.lock();
        inner.source.as_ref()?;
        let key = PeerKey(inner.next_key);
        inner.next_key += 1;
        if let Some(old) = inner.keys.insert(peer, key) {
            inner.neighbours.remove(&old);
            inner.forget(old);
            self.take(&mut inner, Input::NeighbourLeft { peer: old });
        }
        inner.neighbours.insert(key, tell);
        self.take(&mut inner, Input::NeighbourJoined { peer: key, has: Have::Some(has) });
        let taken = inner.neighbours.contains_key(&key);
        drop(inner);
        let neighbour = Neighbour { offer: Arc::clone(self), key, peer, updates };
        taken.then_some(neighbour)
    }

    pub(super) fn has_neighbour(&self, peer: PeerId) -> bool {
        self.lock().keys.contains_key(&peer)
    }

    pub(super) fn neighbour_has(&self, peer: PeerId, pieces: &[Piece]) {
        let mut inner = self.lock();
        if let Some(&key) = inner.keys.get(&peer) {
            self.take(&mut inner, Input::NeighbourHas { peer: key, pieces: pieces.to_vec() });
        }
    }

    /// A neighbour asks for a piece. Who is none is refused.
    pub(super) fn ask(&self, peer: PeerId, piece: Piece, asker: Asker) {
        let mut inner = self.lock();
        // The call may have ended a moment ago; nobody would take this back.
        if asker.has_gone() {
            return;
        }
        let Some(&key) = inner.keys.get(&peer) else {
            return asker.last_word(Verdict::Refused(piece, Refused::Busy));
        };
        let number = inner.next_number;
        inner.next_number += 1;
        if let Some(former) = inner.asks.remove(&(key, piece)) {
            self.take(&mut inner, Input::NeighbourWithdraws { peer: key, piece });
            former.asker.last_word(Verdict::Refused(piece, Refused::Busy));
        }
        inner.asks.insert((key, piece), Pending { number, asker });
        self.take(&mut inner, Input::NeighbourAsks { peer: key, piece });
    }

    /// A neighbour takes back what it asked for in the same call.
    pub(super) fn withdraw(&self, peer: PeerId, piece: Piece, asker: Asker) {
        let mut inner = self.lock();
        if let Some(&key) = inner.keys.get(&peer)
            && inner.asks.get(&(key, piece)).is_some_and(|pending| pending.asker.call() == asker.call())
        {
            inner.asks.remove(&(key, piece));
            self.take(&mut inner, Input::NeighbourWithdraws { peer: key, piece });
        }
        asker.last_word(Verdict::Withdrawn(piece));
    }

    /// What was granted is on its way, all of it, or will not be.
    pub(super) fn ended(&self, ask: Ask, sent: bool) {
        let mut inner = self.lock();
        if inner.has(ask) {
            inner.asks.remove(&(ask.key, ask.piece));
            self.take(&mut inner, Input::Ended { peer: ask.key, piece: ask.piece, sent });
        }
    }

    /// Makes room for a call of that peer; `false` if it has enough of them.
    pub(super) fn take_call(&self, peer: PeerId) -> bool {
        let mut inner = self.lock();
        let calls = inner.calls.entry(peer).or_default();
        let is_free = *calls < CALLS;
        *calls += u32::from(is_free);
        is_free
    }

    /// A call has ended, and with it all that was asked for in it. Nobody hears of that any more.
    pub(super) fn hang_up(&self, peer: PeerId, call: u64) {
        let mut inner = self.lock();
        if let Entry::Occupied(mut calls) = inner.calls.entry(peer) {
            *calls.get_mut() -= 1;
            if *calls.get() == 0 {
                calls.remove();
            }
        }
        let of_call = inner.asks.extract_if(|_, pending| pending.asker.call() == call);
        for (peer, piece) in of_call.map(|(ask, _)| ask).collect::<Vec<_>>() {
            self.take(&mut inner, Input::NeighbourWithdraws { peer, piece });
        }
    }

    /// Others have the whole file too.
    pub fn one_of_many(&self) {
        self.take(&mut self.lock(), Input::Role { role: Role::OneOfMany });
    }

    pub(super) fn gained(&self, piece: Piece, chunks: Arc<[Bytes]>) {
        let mut inner = self.lock();
        inner.recent.put(piece, chunks);
        self.take(&mut inner, Input::Gained { pieces: vec![piece] });
    }

    /// The bytes of a piece that came a moment ago.
    pub fn recent(&self, piece: Piece) -> Option<Arc<[Bytes]>> {
        self.lock().recent.get(piece)
    }

    pub(super) fn moved(&self, source: Source) {
        self.lock().source = Some(source);
    }

    /// Nothing is served any more: neighbours are told by the end of their updates.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.source = None;
        inner.recent = Recent::default();
        inner.neighbours.clear();
        for ((_, piece), pending) in inner.asks.drain() {
            pending.asker.last_word(Verdict::Refused(piece, Refused::Busy));
        }
        inner.keys.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Moment {
        Moment::from_duration(self.epoch.elapsed())
    }

    fn take(&self, inner: &mut Inner, input: Input) {
        inner.server.handle(input, self.now());
        self.drain(inner);
    }

    fn drain(&self, inner: &mut Inner) {
        while let Some(output) = inner.server.poll_output() {
            match output {
                Output::Show { peers, shown } => inner.show(&peers, &shown),
                Output::Grant { peer, piece } => {
                    if let Some(pending) = inner.asks.get(&(peer, piece)) {
                        pending.asker.granted(Ask { key: peer, piece, number: pending.number });
                    } else {
                        // Nobody waits for it any more.
                        let ended = Input::Ended { peer, piece, sent: false };
                        inner.server.handle(ended, self.now());
                    }
                }
                Output::Refuse { peer, piece, refusal } => {
                    if let Some(pending) = inner.asks.remove(&(peer, piece)) {
                        pending.asker.last_word(Verdict::Refused(piece, refusal.into()));
                    }
                }
                Output::TurnAway { peer } => drop(inner.neighbours.remove(&peer)),
            }
        }
        self.arm(inner);
    }

    fn arm(&self, inner: &mut Inner) {
        let wanted = inner.server.poll_timeout();
        if inner.timer.as_ref().map(|(at, _)| *at) == wanted {
            return;
        }
        inner.timer = wanted.map(|at| {
            let (this, pause) = (self.this.clone(), at.saturating_since(self.now()));
            let task = tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                if let Some(offer) = this.upgrade() {
                    offer.due();
                }
            });
            (at, AbortOnDropHandle::new(task))
        });
    }

    fn due(&self) {
        let mut inner = self.lock();
        // This task itself: dropping its handle must not end it before it is through.
        if let Some((_, task)) = inner.timer.take() {
            drop(task.detach());
        }
        inner.server.handle_timeout(self.now());
        self.drain(&mut inner);
    }
}

impl Inner {
    fn has(&self, ask: Ask) -> bool {
        self.asks.get(&(ask.key, ask.piece)).is_some_and(|pending| pending.number == ask.number)
    }

    /// Nothing that this neighbour asked for is sent any more.
    fn forget(&mut self, neighbour: PeerKey) {
        for ((_, piece), pending) in self.asks.extract_if(|(key, _), _| *key == neighbour) {
            pending.asker.last_word(Verdict::Refused(piece, Refused::Busy));
        }
    }

    fn part_size(&self) -> usize {
        let flows = self.server.load().0.max(1) as u128;
        let per_part = |rate: u64| usize::try_from(u128::from(rate) * PART_TIME.as_nanos() / flows / 1_000_000_000);
        match self.server.uplink_rate() {
            0 => UNKNOWN_PART,
            rate => per_part(rate).unwrap_or(LARGEST_PART).next_power_of_two().clamp(SMALLEST_PART, LARGEST_PART),
        }
    }

    fn show(&mut self, peers: &[PeerKey], shown: &Shown) {
        let update = match shown {
            Shown::All => Update::All(true),
            Shown::First(bits) => Update::Bitfield(Bytes::from(bits.to_bytes())),
            Shown::More(pieces) => Update::Gained(Gained { pieces: pieces.iter().map(|piece| piece.0).collect() }),
        };
        for peer in peers {
            let told = |tell: &mpsc::Sender<PiecesUpdate>| tell.try_send(PiecesUpdate { update: Some(update.clone()) });
            if self.neighbours.get(peer).is_some_and(|tell| told(tell).is_err()) {
                // It reads nothing; the end of its updates makes it come again.
                self.neighbours.remove(peer);
            }
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Lacking => Self::Lacking,
            Refusal::Busy => Self::Busy,
            Refusal::Elsewhere => Self::Elsewhere,
        }
    }
}

impl Neighbour {
    /// Where its word of what it has goes.
    pub fn gains(&self) -> Gains {
        Gains { offer: Arc::clone(&self.offer), key: self.key }
    }
}

impl Gains {
    /// It has these pieces.
    pub fn tell(&self, pieces: Vec<Piece>) {
        self.offer.take(&mut self.offer.lock(), Input::NeighbourHas { peer: self.key, pieces });
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let mut inner = self.offer.lock();
        inner.neighbours.remove(&self.key);
        inner.forget(self.key);
        if inner.keys.get(&self.peer) == Some(&self.key) {
            inner.keys.remove(&self.peer);
        }
        self.offer.take(&mut inner, Input::NeighbourLeft { peer: self.key });
    }
}

#[cfg(test)]
mod tests {
    use proto::ids::ByteCount;
    use proto::manifest::Builder;

    use super::*;

    #[tokio::test]
    async fn who_says_elsewhere_what_it_has_is_not_told_of_it() {
        let mut manifest = Builder::new(ByteCount::new(40_000)).unwrap();
        manifest.update(&vec![7; 40_000]);
        let manifest = Arc::new(manifest.finish().unwrap());
        let have = Bitfield::new(manifest.geometry().count());
        let offer = Offer::new(manifest, Source::Share("/nowhere".into()), have, Role::OneOfMany);
        let empty = || Bitfield::new(offer.manifest.geometry().count());
        let peers = [PeerId::from_bytes([1; PeerId::LEN]), PeerId::from_bytes([2; PeerId::LEN])];
        let mut neighbours = peers.map(|peer| offer.join(peer, empty()).unwrap());
        for neighbour in &mut neighbours {
            assert!(matches!(neighbour.updates.try_recv().unwrap().update, Some(Update::Bitfield(_))));
        }
        offer.neighbour_has(peers[0], &[Piece(1)]);
        offer.gained(Piece(1), Arc::from([]));
        let [one, two] = neighbours.each_mut().map(|neighbour| neighbour.updates.try_recv().ok());
        assert_eq!(one, None);
        assert_eq!(two.and_then(|update| update.update), Some(Update::Gained(Gained { pieces: vec![1] })));
    }
}
