//! The core and the links it speaks through: hands facts in, carries outputs out, keeps the timer. What concerns the
//! download as a whole comes back as [`Event`]s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use proto::directory::Holder;
use proto::ids::{ByteCount, PeerId};
use ractor::ActorRef;
use swarm::{BanReason, Bitfield, Config, Core, Geometry, Input, Moment, Output, PeerKey, PeerView, Piece, Progress};
use tokio_util::task::AbortOnDropHandle;

use super::Msg;
use crate::transfers::link::{Fact, Hello, Link, Shared};

/// What concerns the download as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A peer gave a piece.
    Gained(PeerId, ByteCount),
    /// A peer is not asked any more.
    Banned(PeerId, String),
    /// A conversation is over.
    Left(PeerId, String),
    /// Nobody has what is missing.
    Stalled,
    /// Somebody has, again.
    Unstalled,
    /// Everything is stored.
    Done,
}

/// The running part of a download.
pub(super) struct Swarming {
    core: Core,
    links: BTreeMap<PeerKey, (PeerId, Link)>,
    shared: Shared,
    next_key: u32,
    epoch: Instant,
    timer: Option<(Moment, AbortOnDropHandle<()>)>,
    me: ActorRef<Msg>,
    /// Requests that failed in conversations that are over.
    failures: BTreeMap<PeerId, u32>,
    /// Pieces that are stored and that those who give us some have not been told of.
    gained: Vec<u32>,
}

impl Swarming {
    /// Begins with what is stored already.
    pub(super) fn new(shared: Shared, policy: Config, stored: Bitfield, me: ActorRef<Msg>) -> Self {
        let cut = shared.manifest.geometry();
        let geometry = Geometry::new(cut.size().as_u64(), cut.piece_size()).expect("both cut alike");
        let core = Core::new(geometry, stored, policy, rand::random(), Moment::default());
        Self {
            core,
            links: BTreeMap::new(),
            shared,
            next_key: 0,
            epoch: Instant::now(),
            timer: None,
            me,
            failures: BTreeMap::new(),
            gained: Vec::new(),
        }
    }

    /// What every link works with.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// How far it is.
    pub(super) fn progress(&self) -> Progress {
        self.core.progress()
    }

    /// Whether there is a conversation with a peer.
    pub(super) fn is_linked(&self, peer: PeerId) -> bool {
        self.links.values().any(|(id, _)| *id == peer)
    }

    /// With whom the conversation of that key is.
    pub(super) fn peer(&self, key: PeerKey) -> Option<PeerId> {
        self.links.get(&key).map(|(peer, _)| *peer)
    }

    /// Asks nobody, and ends every conversation.
    pub(super) fn pause(&mut self) -> Vec<Event> {
        let mut events = self.take(Input::Pause);
        while let Some((key, peer)) = self.links.first_key_value().map(|(key, (peer, _))| (*key, *peer)) {
            self.part_with(key, peer);
            events.extend(self.take(Input::PeerLeft { peer: key }));
        }
        events
    }

    /// The conversations, as the core sees them.
    pub(super) fn conversations(&self) -> impl Iterator<Item = (PeerId, PeerView)> {
        self.core.peers().filter_map(|view| Some((self.links.get(&view.key)?.0, view)))
    }

    /// Requests to a peer that failed in conversations that are over.
    pub(super) fn past_failures(&self, peer: PeerId) -> u32 {
        self.failures.get(&peer).copied().unwrap_or(0)
    }

    fn part_with(&mut self, key: PeerKey, peer: PeerId) {
        let failed = self.core.peers().find(|view| view.key == key).map_or(0, |view| view.failures);
        *self.failures.entry(peer).or_default() += failed;
        self.links.remove(&key);
    }

    /// Number of conversations.
    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    /// Begins a conversation with a holder, who is told whether it is one of many that have the whole file.
    pub(super) fn open(&mut self, holder: Holder, of_many: bool) {
        let key = PeerKey(self.next_key);
        self.next_key += 1;
        let (peer, me) = (holder.peer_id, self.me.clone());
        let report = move |key, fact| {
            let _ = me.cast(Msg::Link(key, fact));
        };
        let hello = Hello { have: self.core.stored().clone(), of_many };
        self.links.insert(key, (peer, Link::open(key, holder, self.shared.clone(), hello, report)));
    }

    /// A link reported something. Links that are gone may still have something to say; it is no longer of interest,
    /// except that a piece was written.
    pub(super) fn fact(&mut self, key: PeerKey, fact: Fact) -> Vec<Event> {
        let Some(peer) = self.peer(key) else {
            return match fact {
                Fact::Stored(piece, _) => self.take(Input::PieceStored { peer: key, piece }),
                _ => Vec::new(),
            };
        };
        let mut events = Vec::new();
        let input = match fact {
            Fact::Joined(have) => Input::PeerJoined { peer: key, have },
            Fact::Gained(pieces, _) => Input::PeerGained { peer: key, pieces },
            Fact::Begun(piece) => Input::PieceBegun { peer: key, piece },
            Fact::Stored(piece, _) => {
                let length = self.shared.manifest.geometry().len(piece.0);
                if self.core.stored().get(piece) {
                    self.shared.figures.duplicate(length);
                } else {
                    self.gained.push(piece.0);
                    events.push(Event::Gained(peer, ByteCount::new(u64::from(length))));
                }
                Input::PieceStored { peer: key, piece }
            }
            Fact::Rejected(piece) => Input::PieceRejected { peer: key, piece },
            Fact::Failed(piece, failure) => Input::RequestFailed { peer: key, piece, failure },
            Fact::NotWritten(piece, _) => Input::RequestFailed { peer: key, piece, failure: swarm::Failure::Lost },
            Fact::Left(why) => {
                self.part_with(key, peer);
                events.push(Event::Left(peer, why));
                Input::PeerLeft { peer: key }
            }
        };
        events.extend(self.take(input));
        events
    }

    /// Tells those who give us pieces, and do not watch us themselves, what has come since this was called last: they need
    /// to know in time for what they would show us next. Told one by one, gains cost a swarm of sixteen on two cores more
    /// than the pieces do.
    pub(super) fn tell_gains(&mut self, watches: impl Fn(PeerId) -> bool) {
        if self.gained.is_empty() {
            return;
        }
        let gained: Arc<[u32]> = std::mem::take(&mut self.gained).into();
        let deaf = self.links.values().filter(|(peer, _)| !watches(*peer));
        deaf.for_each(|(_, link)| link.tell(Arc::clone(&gained)));
    }

    /// The core's timer has run out.
    pub(super) fn due(&mut self) -> Vec<Event> {
        self.timer = None;
        let now = self.now();
        self.core.handle_timeout(now);
        self.drain()
    }

    /// Hands the core an input and carries out what follows.
    pub(super) fn take(&mut self, input: Input) -> Vec<Event> {
        let now = self.now();
        self.core.handle(input, now);
        self.drain()
    }

    /// Carries out what the core wants, also right after the beginning.
    pub(super) fn drain(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Request { peer, piece } => self.request(peer, piece),
                Output::Withdraw { peer, piece } => {
                    if let Some((_, link)) = self.links.get(&peer) {
                        link.withdraw(piece);
                    }
                }
                Output::Ban { peer, reason } => events.extend(self.ban(peer, reason)),
                Output::Stalled => events.push(Event::Stalled),
                Output::Unstalled => events.push(Event::Unstalled),
                Output::Done => events.push(Event::Done),
            }
        }
        self.arm();
        events
    }

    fn request(&mut self, peer: PeerKey, piece: Piece) {
        if !self.links.get(&peer).is_some_and(|(_, link)| link.fetch(piece)) {
            let now = self.now();
            self.core.handle(Input::RequestFailed { peer, piece, failure: swarm::Failure::Lost }, now);
        }
    }

    fn ban(&mut self, key: PeerKey, reason: BanReason) -> Option<Event> {
        let peer = self.links.get(&key)?.0;
        self.part_with(key, peer);
        let now = self.now();
        self.core.handle(Input::PeerLeft { peer: key }, now);
        let BanReason::WrongBytes = reason;
        Some(Event::Banned(peer, "it sent bytes that are not the piece they claimed to be".into()))
    }

    fn now(&self) -> Moment {
        Moment::from_duration(self.epoch.elapsed())
    }

    fn arm(&mut self) {
        let wanted = self.core.poll_timeout();
        if self.timer.as_ref().map(|(at, _)| *at) == wanted {
            return;
        }
        self.timer = wanted.map(|at| {
            let (me, pause) = (self.me.clone(), at.saturating_since(self.now()));
            let task = tokio::spawn(async move {
                tokio::time::sleep(pause).await;
                let _ = me.cast(Msg::Due);
            });
            (at, AbortOnDropHandle::new(task))
        });
    }
}
