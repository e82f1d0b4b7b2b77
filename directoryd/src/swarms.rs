//! Who holds the files that are asked for, kept in memory: a lookup is a look into two tables, however many holders there are.
//!
//! Of each file that was asked for, the numbers of its holders are kept; of each of those peers, its part of an answer, written
//! out once, and whether it is up. So a peer that goes down is one bit, not a visit to all of its files. The database is
//! asked for what is not here, and for files with very many holders always.
//!
//! Invariant: what is here is what the database had after its last commit. Whoever changes what a file's holders are, or what a
//! peer is, says so here after the commit and before it answers ([`crate::app::App::to_its_end`] sees to that when the caller
//! has gone). What was read before such a change and comes after it is not kept. Other processes' changes end everything. A commit
//! of which nobody knows whether it came about is the one exception: hence [`LIFE`]. Everything is bounded, and may be lost.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use proto::directory::{Holder, HoldingState, PeerState};
use proto::ids::{FileId, PeerId};
use rand::RngExt as _;
use rand::seq::SliceRandom as _;

mod sample;

use sample::pick;

/// Locks over files; a power of two.
const SHARDS: usize = 64;
/// Files with more holders are not kept: to read them all for one that asks costs more than a sample.
pub(crate) const MOST_HOLDERS: usize = 512;
/// Most holders in all files of a shard: four bytes each, 16 MiB over all shards.
const MOST_IN_SHARD: usize = 1 << 16;
/// Most files of a shard: about 150 bytes each, 40 MiB over all shards.
const MOST_FILES: usize = 1 << 12;
/// How long a file is kept, whatever is heard of it.
const LIFE: Duration = Duration::from_mins(1);
/// Most peers: about 400 bytes each, 100 MiB.
const MOST_PEERS: usize = 1 << 18;

/// A file's holder: the peer's number, and in the last bit whether it has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held(u32);

impl Held {
    /// Numbers fit: there are at most [`MOST_PEERS`].
    fn new(peer: usize, holding: HoldingState) -> Self {
        let number = u32::try_from(peer).unwrap_or(u32::MAX >> 1);
        Self((number << 1) | u32::from(holding == HoldingState::Complete))
    }

    fn peer(self) -> usize {
        (self.0 >> 1) as usize
    }

    fn complete(self) -> bool {
        self.0 & 1 == 1
    }
}

/// How much a peer has of a file.
pub(crate) type Holding = (PeerId, HoldingState);

/// A peer in an answer.
struct Card {
    /// `{"peer_id":…,"name":…,"user":…,"address":…`
    json: Box<str>,
    up: bool,
}

#[derive(Default)]
struct Peers {
    numbers: HashMap<PeerId, usize>,
    cards: Vec<Card>,
    /// Counts what happened to peers.
    changes: u64,
}

#[derive(Default)]
struct Shard {
    files: HashMap<FileId, Kept>,
    held: usize,
    /// Counts what happened to files.
    changes: u64,
}

struct Kept {
    /// `None` where there are too many.
    holders: Option<Arc<[Held]>>,
    until: Instant,
}

/// What was found.
pub(crate) enum Found {
    /// The answer, as JSON.
    Sample(Vec<u8>),
    /// Too many to keep.
    Many,
    /// Not here: the database has to be asked, and [`Swarms::meet`] and [`Swarms::learn`] told.
    Unknown(Asked),
}

/// When a question was put.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    peers: u64,
    files: u64,
    at: Instant,
}

/// What a lookup wants.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish {
    /// Also those that are still fetching it.
    pub(crate) partial: bool,
    pub(crate) limit: usize,
}

/// Locks are taken in the order in which they stand here.
pub(crate) struct Swarms {
    peers: RwLock<Peers>,
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for Swarms {
    fn default() -> Self {
        Self { peers: RwLock::default(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Swarms {
    /// A random sample of a file's holders, those that are up first.
    pub(crate) fn sample(&self, file: &FileId, wish: Wish, now: Instant) -> Found {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        let holders = {
            let shard = self.shard(file);
            match shard.files.get(file).filter(|kept| now < kept.until) {
                Some(Kept { holders: Some(holders), .. }) => Arc::clone(holders),
                Some(Kept { holders: None, .. }) => return Found::Many,
                None => return Found::Unknown(Asked { peers: peers.changes, files: shard.changes, at: now }),
            }
        };
        Found::Sample(answer(&holders, &peers.cards, wish))
    }

    /// Those of some holders that the database has to be asked about, for [`Swarms::meet`] to be told.
    pub(crate) fn strangers(&self, holders: &[Holding]) -> Vec<PeerId> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        holders.iter().map(|holding| holding.0).filter(|peer| !peers.numbers.contains_key(peer)).collect()
    }

    /// What the database said of some peers; not kept if something has happened to any since the file was asked for.
    pub(crate) fn meet(&self, asked: Asked, strangers: &[Holder]) {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        if peers.changes != asked.peers {
            return;
        }
        if peers.cards.len() + strangers.len() > MOST_PEERS {
            self.forget(&mut peers);
            return;
        }
        for peer in strangers {
            peers.meet(peer);
        }
    }

    /// What the database said: all holders of a file. Keeps it unless something has happened to the file since it was asked
    /// for, and answers from it; `None` where not all of those peers are known here.
    pub(crate) fn learn(&self, file: &FileId, asked: Asked, holders: &[Holding], wish: Wish) -> Option<Vec<u8>> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        let numbered = |(peer, holding): &Holding| Some(Held::new(*peers.numbers.get(peer)?, *holding));
        let held: Arc<[Held]> = holders.iter().map(numbered).collect::<Option<_>>()?;
        self.shard(file).keep(*file, Some(Arc::clone(&held)), asked);
        Some(answer(&held, &peers.cards, wish))
    }

    /// The database said that there are more than [`MOST_HOLDERS`].
    pub(crate) fn learn_many(&self, file: &FileId, asked: Asked) {
        self.shard(file).keep(*file, None, asked);
    }

    /// Somebody holds more or less of these files than before.
    pub(crate) fn files_changed(&self, files: impl IntoIterator<Item = FileId>) {
        for file in files {
            self.shard(&file).drop_file(&file);
        }
    }

    /// A peer registered, or went up or down.
    pub(crate) fn peer_changed(&self, peer: &PeerId, change: impl FnOnce(&mut PeerChange<'_>)) {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        peers.changes += 1;
        if let Some(number) = peers.numbers.get(peer).copied()
            && let Some(card) = peers.cards.get_mut(number)
        {
            change(&mut PeerChange(card));
        }
    }

    /// Anything may have changed.
    pub(crate) fn forget_all(&self) {
        self.forget(&mut self.peers.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn forget(&self, peers: &mut Peers) {
        peers.changes += 1;
        peers.numbers.clear();
        peers.cards.clear();
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.changes += 1;
            shard.clear();
        }
    }

    /// File ids are hashes: any byte tells them apart evenly.
    fn shard(&self, file: &FileId) -> MutexGuard<'_, Shard> {
        self.shards[usize::from(file.as_bytes()[31]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What can be changed of a peer that is known.
pub(crate) struct PeerChange<'a>(&'a mut Card);

impl PeerChange<'_> {
    pub(crate) fn is(&mut self, holder: &Holder) {
        *self.0 = Card::new(holder);
    }

    pub(crate) fn up(&mut self, up: bool) {
        self.0.up = up;
    }
}

impl Peers {
    /// Gives a peer a number. One that has one stays as it is: it is fresher than what was read.
    fn meet(&mut self, peer: &Holder) {
        if let Entry::Vacant(place) = self.numbers.entry(peer.peer_id) {
            place.insert(self.cards.len());
            self.cards.push(Card::new(peer));
        }
    }
}

impl Shard {
    fn keep(&mut self, file: FileId, holders: Option<Arc<[Held]>>, asked: Asked) {
        if self.changes != asked.files {
            return;
        }
        let more = holders.as_ref().map_or(0, |holders| holders.len());
        if self.files.len() >= MOST_FILES || self.held + more > MOST_IN_SHARD {
            self.clear();
        }
        self.drop_kept(&file);
        self.held += more;
        self.files.insert(file, Kept { holders, until: asked.at + LIFE });
    }

    fn drop_file(&mut self, file: &FileId) {
        self.changes += 1;
        self.drop_kept(file);
    }

    fn drop_kept(&mut self, file: &FileId) {
        if let Some(Kept { holders: Some(holders), .. }) = self.files.remove(file) {
            self.held -= holders.len();
        }
    }

    fn clear(&mut self) {
        self.files.clear();
        self.held = 0;
    }
}

impl Card {
    fn new(holder: &Holder) -> Self {
        let mut json = serde_json::to_string(holder).unwrap_or_default();
        // What changes comes last: the struct says in which order fields are written.
        json.truncate(json.find(",\"state\":").unwrap_or_default());
        Self { json: json.into(), up: holder.state == PeerState::Up }
    }

    fn write(&self, complete: bool, text: &mut Vec<u8>) {
        text.extend_from_slice(self.json.as_bytes());
        text.extend_from_slice(match (self.up, complete) {
            (true, true) => br#","state":"up","holding":"complete"}"#,
            (true, false) => br#","state":"up","holding":"partial"}"#,
            (false, true) => br#","state":"down","holding":"complete"}"#,
            (false, false) => br#","state":"down","holding":"partial"}"#,
        });
    }
}

/// A sample that the database drew, as JSON.
pub(crate) fn said(sample: &[Holder]) -> Vec<u8> {
    let cards: Vec<Card> = sample.iter().map(Card::new).collect();
    let numbered = |(number, holder): (usize, &Holder)| Held::new(number, holder.holding);
    let held: Vec<Held> = sample.iter().enumerate().map(numbered).collect();
    let [mut up, mut down] =
        [true, false].map(|up| held.iter().copied().filter(|held| cards[held.peer()].up == up).collect::<Vec<_>>());
    write(&mut up, &mut down, &cards)
}

/// [`proto::directory::Holders`] as JSON.
fn answer(holders: &[Held], cards: &[Card], wish: Wish) -> Vec<u8> {
    let begin = if holders.is_empty() { 0 } else { rand::rng().random_range(0..holders.len()) };
    let [mut up, mut down] = pick(holders, |held| cards[held.peer()].up, wish, begin);
    write(&mut up, &mut down, cards)
}

/// In no order but that those that are up come first.
fn write(up: &mut [Held], down: &mut [Held], cards: &[Card]) -> Vec<u8> {
    let mut random = rand::rng();
    up.shuffle(&mut random);
    down.shuffle(&mut random);
    let mut text = Vec::with_capacity(32 + 320 * (up.len() + down.len()));
    text.extend_from_slice(b"{\"items\":[");
    for (number, held) in up.iter().chain(down.iter()).enumerate() {
        if number > 0 {
            text.push(b',');
        }
        cards[held.peer()].write(held.complete(), &mut text);
    }
    text.extend_from_slice(b"]}");
    text
}

#[cfg(test)]
mod tests;
