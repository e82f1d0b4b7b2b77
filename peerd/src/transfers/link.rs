//! The conversation with one peer about one file. A task of its own per link: it connects, hears what the peer has, takes
//! requests from a bounded queue, and asks for pieces in one call that lasts ([`line`]): hashed, then written, then reported.
//!
//! It decides nothing: which piece, how many at once and how long to wait is the core's business. Dropping a [`Link`] ends
//! the conversation; a write that has begun still ends well.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use proto::directory::Holder;
use proto::ids::PeerId;
use proto::manifest::Manifest;
use proto::peer::pieces_update::Update;
use proto::peer::{Gained, MOST_PIECES, PiecesUpdate, WatchPiecesRequest};
use swarm::{Bitfield, Failure, Have, PeerKey, Piece};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, Streaming};
use traces::Instrument;
use transport::{DialOptions, Identity};

use self::census::{Census, Fetch, Wait};
use self::line::Line;
use super::bearer::{Bearer, Calls, Peer};
use crate::figures::Figures;
use crate::store::writer::Writer;
use crate::throttle::{Lane, PerPeer, Throttle, Turn};

pub mod census;
mod line;
mod pieces;

/// Requests that may wait in the queue of a link. More than the core's largest window, so that it never fills.
const QUEUE: usize = 512;
/// Words about our own gains that may wait for a slow peer.
const NEWS: usize = 16;

/// Words of a peer about its gains that the download may have yet to hear: a peer that has more to say waits.
const UNHEARD: usize = 16;

/// What a link is asked to do.
#[derive(Debug, Clone)]
enum Order {
    Fetch(Piece),
    Withdraw(Piece),
    /// Tell the peer that we have these, from whomever.
    Have(Arc<[u32]>),
}

/// What a link reports.
#[derive(Debug)]
pub enum Fact {
    /// It is connected, and the peer has this.
    Joined(Have),
    /// The peer has gained pieces. The next words of it are taken in as these are dropped.
    Gained(Vec<Piece>, OwnedSemaphorePermit),
    /// The first bytes of a piece are here.
    Begun(Piece),
    /// A piece is hashed and written: these bytes.
    Stored(Piece, Arc<[Bytes]>),
    /// What came is not that piece.
    Rejected(Piece),
    /// It did not come.
    Failed(Piece, Failure),
    /// It came, and could not be written.
    NotWritten(Piece, io::Error),
    /// The conversation is over.
    Left(String),
}

type Report = Arc<dyn Fn(Fact) + Send + Sync>;

/// A running conversation.
#[derive(Debug)]
pub struct Link {
    orders: mpsc::Sender<Order>,
    _task: AbortOnDropHandle<()>,
}

/// What every link of a download works with.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Proves who we are.
    pub identity: Identity,
    /// Proves that we may.
    pub bearer: Bearer,
    /// Sets the pace.
    pub limits: Limits,
    /// Says what the fetches are at.
    pub census: Census,
    /// Counts what comes.
    pub figures: Figures,
    /// What the pieces must hash to.
    pub manifest: Arc<Manifest>,
    /// Where they go.
    pub writer: Writer,
}

/// The limits of everything that is fetched. Clones share them.
#[derive(Debug, Clone)]
pub struct Downlink {
    /// Of all downloads together.
    pub all: Throttle,
    /// Of what comes from one peer.
    pub each: PerPeer,
}

/// The limits of one download.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Its own.
    pub own: Lane,
    /// Its place among all.
    pub all: Lane,
    /// Of what comes from one peer.
    pub each: PerPeer,
}

/// The limits of one conversation, narrowest first.
#[derive(Debug, Clone)]
struct Pace([(Wait, Lane); 3]);

impl Limits {
    fn from(&self, peer: PeerId) -> Pace {
        let each = self.each.of(peer).lane();
        Pace([(Wait::PeerRate, each), (Wait::TransferRate, self.own.clone()), (Wait::AllRates, self.all.clone())])
    }
}

impl Pace {
    async fn pass(&self, turn: Turn, bytes: usize, fetch: &mut Fetch) {
        for (wait, lane) in self.0.iter().filter(|(_, lane)| lane.rate().is_some()) {
            fetch.goes_to(*wait);
            lane.pass(turn, bytes).await;
        }
        fetch.goes_to(Wait::Wire);
    }
}

/// What a conversation begins with.
#[derive(Debug)]
pub struct Hello {
    /// What we have.
    pub have: Bitfield,
    /// We know of several who have the whole file.
    pub of_many: bool,
}

impl Link {
    /// Begins a conversation; `report` hears all that comes of it.
    pub fn open(
        key: PeerKey,
        holder: Holder,
        shared: Shared,
        hello: Hello,
        report: impl Fn(PeerKey, Fact) + Send + Sync + 'static,
    ) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        let report: Report = Arc::new(move |fact| report(key, fact));
        let task = async move {
            let why = match converse(&holder, shared, &hello, queue, &report).await {
                Ok(()) => "it no longer offers the file".to_owned(),
                Err(why) => why,
            };
            report(Fact::Left(why));
        };
        let task = tokio::spawn(task.in_current_span());
        Self { orders, _task: AbortOnDropHandle::new(task) }
    }

    /// Asks for a piece; `false` if the link is gone.
    pub fn fetch(&self, piece: Piece) -> bool {
        self.orders.try_send(Order::Fetch(piece)).is_ok()
    }

    /// Says that we have these pieces.
    pub fn tell(&self, pieces: Arc<[u32]>) {
        // A word that finds no room is one that the peer can do without.
        let _ = self.orders.try_send(Order::Have(pieces));
    }

    /// Takes a request back; nothing is reported of it any more, unless it was done already.
    pub fn withdraw(&self, piece: Piece) {
        // A link that is gone, or so far behind, has nothing left to take back.
        let _ = self.orders.try_send(Order::Withdraw(piece));
    }
}

async fn converse(
    holder: &Holder,
    shared: Shared,
    hello: &Hello,
    mut orders: mpsc::Receiver<Order>,
    report: &Report,
) -> Result<(), String> {
    let channel = transport::dial(&holder.address, &shared.identity, holder.peer_id, DialOptions::default()).await;
    let calls = shared.bearer.shown_over(channel.map_err(|error| error.to_string())?);
    let mut client = Peer::new(calls.clone());
    let file_id = Bytes::copy_from_slice(shared.manifest.id().as_bytes());
    let (news, to_tell) = mpsc::channel(NEWS);
    let (have, of_many) = (hello.have.to_bytes().into(), hello.of_many);
    let hello = WatchPiecesRequest { file_id: file_id.clone(), have, gained: Vec::new(), of_many };
    let hello = futures_util::stream::iter([hello]).chain(ReceiverStream::new(to_tell));
    let mut updates = client.watch_pieces(hello).await.map_err(|status| said(&status))?.into_inner();
    let first = updates.message().await.map_err(|status| said(&status))?.ok_or("it did not say what it has")?;
    report(Fact::Joined(shown(first, shared.manifest.geometry().count())?));
    let _source = shared.figures.source();

    let mut lines = Lines::new(calls, Arc::new(shared), holder.peer_id, Arc::clone(report));
    let count = lines.shared.manifest.geometry().count();
    let unheard = Arc::new(Semaphore::new(UNHEARD));
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(order) = order else { return Ok(()) };
                let mut batch = Batch::default();
                batch.add(order);
                while !batch.is_full() && let Ok(order) = orders.try_recv() {
                    batch.add(order);
                }
                if !batch.gained.is_empty() {
                    // As with the queue: what finds no room can be done without.
                    let gained = std::mem::take(&mut batch.gained);
                    let _ = news.try_send(WatchPiecesRequest { gained, ..WatchPiecesRequest::default() });
                }
                lines.say(batch)?;
            }
            Some(ended) = lines.reading.join_next() => match ended {
                Ok(how) => how?,
                Err(failed) => return Err(failed.to_string()),
            },
            update = next_update(&mut updates, &unheard) => match update.map_err(|status| said(&status))? {
                Some((Some(Update::Gained(Gained { pieces })), _)) if pieces.len() > count as usize => {
                    return Err("it gains more pieces than there are".to_owned());
                }
                Some((Some(Update::Gained(Gained { pieces })), heard)) => {
                    report(Fact::Gained(pieces.into_iter().map(Piece).collect(), heard));
                }
                // It had some, and has all by now.
                Some((Some(Update::All(true)), heard)) => {
                    report(Fact::Gained((0..count).map(Piece).collect(), heard));
                }
                // What a later version may say is passed over.
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
}

/// What the peer says next, as soon as enough of what it said before was heard; nothing when it says no more.
async fn next_update(
    updates: &mut Streaming<PiecesUpdate>,
    unheard: &Arc<Semaphore>,
) -> Result<Option<(Option<Update>, OwnedSemaphorePermit)>, Status> {
    let heard = Arc::clone(unheard).acquire_owned().await.map_err(|closed| Status::internal(closed.to_string()))?;
    Ok(updates.message().await?.map(|message| (message.update, heard)))
}

/// The first word of a peer about what it has.
fn shown(update: PiecesUpdate, count: u32) -> Result<Have, String> {
    match update.update {
        Some(Update::All(true)) => Ok(Have::All),
        Some(Update::Bitfield(bits)) => {
            Bitfield::from_bytes(count, &bits).map(Have::Some).ok_or_else(|| "its bitfield has another length".into())
        }
        Some(Update::Gained(gained)) => {
            let mut bits = Bitfield::new(count);
            for piece in gained.pieces.into_iter().filter(|piece| *piece < count) {
                bits.set(Piece(piece));
            }
            Ok(Have::Some(bits))
        }
        _ => Err("it did not say what it has".into()),
    }
}

fn said(status: &Status) -> String {
    transport::DialError::cause(status).map_or_else(|| status.message().to_owned(), ToString::to_string)
}

/// What is said together.
#[derive(Debug, Default)]
struct Batch {
    pieces: Vec<Piece>,
    withdrawn: Vec<Piece>,
    gained: Vec<u32>,
}

impl Batch {
    fn add(&mut self, order: Order) {
        match order {
            Order::Fetch(piece) => self.pieces.push(piece),
            // Withdrawals are heard before what is asked for in the same message.
            Order::Withdraw(piece) => match self.pieces.iter().position(|asked| *asked == piece) {
                Some(at) => drop(self.pieces.remove(at)),
                None => self.withdrawn.push(piece),
            },
            Order::Have(pieces) => self.gained.extend(&*pieces),
        }
    }

    fn is_full(&self) -> bool {
        self.pieces.len().max(self.withdrawn.len()) >= MOST_PIECES
    }
}

/// The calls of a conversation in which pieces are asked for: one, and for a while those that were begun with earlier tickets.
struct Lines {
    calls: Calls,
    shared: Arc<Shared>,
    pace: Pace,
    report: Report,
    /// The newest last.
    begun: Vec<Line>,
    reading: JoinSet<Result<(), String>>,
}

impl Lines {
    fn new(calls: Calls, shared: Arc<Shared>, peer: PeerId, report: Report) -> Self {
        let pace = shared.limits.from(peer);
        Self { calls, shared, pace, report, begun: Vec::new(), reading: JoinSet::new() }
    }

    fn say(&mut self, Batch { pieces, withdrawn, .. }: Batch) -> Result<(), String> {
        if !pieces.is_empty() && self.begun.last().is_none_or(|newest| newest.is_outdated(&self.shared)) {
            self.begun.retain(|line| !line.is_idle());
            let (calls, shared) = (self.calls.clone(), Arc::clone(&self.shared));
            let (line, reading) = Line::open(calls, shared, self.pace.clone(), Arc::clone(&self.report));
            self.begun.push(line);
            self.reading.spawn(reading);
        }
        let newest = self.begun.len().saturating_sub(1);
        for (at, line) in self.begun.iter_mut().enumerate() {
            let pieces = if at == newest { &*pieces } else { &[] };
            if !line.say(&self.shared.census, pieces, &withdrawn) {
                return Err("it takes in nothing of what it is asked for".to_owned());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_at_once_is_never_asked_for() {
        let mut batch = Batch::default();
        let (fetch, withdraw) = (Order::Fetch, Order::Withdraw);
        for order in [withdraw(Piece(1)), fetch(Piece(1)), fetch(Piece(2)), withdraw(Piece(2))] {
            batch.add(order);
        }
        assert_eq!((batch.pieces, batch.withdrawn), (vec![Piece(1)], vec![Piece(1)]));
    }
}
