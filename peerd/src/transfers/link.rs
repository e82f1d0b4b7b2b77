//! The conversation with one peer about one file. A task of its own per link: it connects, hears what the peer has, takes
//! requests from a bounded queue, and fetches each piece on a stream of its own: hashed, then written, then reported.
//!
//! It decides nothing: which piece, how many at once and how long to wait is the core's business. Dropping a [`Link`] ends
//! the conversation; a write that has begun still ends well.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use proto::directory::Holder;
use proto::ids::PeerId;
use proto::manifest::{Manifest, PieceCheck};
use proto::peer::pieces_update::Update;
use proto::peer::{FetchPiecesRequest, PiecesUpdate, WatchPiecesRequest};
use swarm::{Bitfield, Failure, Have, PeerKey, Piece};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};
use traces::Instrument;
use transport::{DialOptions, Identity};

use self::census::{Census, Fetch, Wait};
use self::pieces::Pieces;
use super::bearer::{Bearer, Calls, Peer};
use crate::figures::Figures;
use crate::store::writer::Writer;
use crate::throttle::{Lane, PerPeer, Throttle, Turn};

pub mod census;
mod pieces;

/// Requests that may wait in the queue of a link. More than the core's largest window, so that it never fills.
const QUEUE: usize = 512;
/// Words about our own gains that may wait for a slow peer.
const NEWS: usize = 16;
/// Longest silence in the middle of a piece. The core gives up on a slow answer long before; this ends a dead stream.
const SILENCE: Duration = Duration::from_secs(30);

/// What a link is asked to do.
#[derive(Debug, Clone)]
enum Ask {
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
    /// The peer has gained pieces.
    Gained(Vec<Piece>),
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
    asks: mpsc::Sender<Ask>,
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
        let (asks, queue) = mpsc::channel(QUEUE);
        let report: Report = Arc::new(move |fact| report(key, fact));
        let task = async move {
            let why = match converse(&holder, shared, &hello, queue, &report).await {
                Ok(()) => "it no longer offers the file".to_owned(),
                Err(why) => why,
            };
            report(Fact::Left(why));
        };
        let task = tokio::spawn(task.in_current_span());
        Self { asks, _task: AbortOnDropHandle::new(task) }
    }

    /// Asks for a piece; `false` if the link is gone.
    pub fn fetch(&self, piece: Piece) -> bool {
        self.asks.try_send(Ask::Fetch(piece)).is_ok()
    }

    /// Says that we have these pieces.
    pub fn tell(&self, pieces: Arc<[u32]>) {
        // A word that finds no room is one that the peer can do without.
        let _ = self.asks.try_send(Ask::Have(pieces));
    }

    /// Takes a request back; nothing is reported of it any more, unless it was done already.
    pub fn withdraw(&self, piece: Piece) {
        // A link that is gone, or so far behind, has nothing left to take back.
        let _ = self.asks.try_send(Ask::Withdraw(piece));
    }
}

async fn converse(
    holder: &Holder,
    shared: Shared,
    hello: &Hello,
    mut asks: mpsc::Receiver<Ask>,
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

    let pace = shared.limits.from(holder.peer_id);
    let shared = Arc::new(shared);
    let mut fetches = JoinSet::new();
    let mut running: HashMap<Piece, AbortHandle> = HashMap::new();
    loop {
        tokio::select! {
            ask = asks.recv() => match ask {
                Some(Ask::Fetch(piece)) => {
                    let errand = Errand {
                        shared: Arc::clone(&shared),
                        pace: pace.clone(),
                        piece,
                        turn: Turn::next(),
                        report: Arc::clone(report),
                    };
                    let fetch = errand.run(calls.clone(), file_id.clone());
                    running.insert(piece, fetches.spawn(fetch));
                }
                Some(Ask::Withdraw(piece)) => {
                    if let Some(fetch) = running.remove(&piece) {
                        fetch.abort();
                    }
                }
                Some(Ask::Have(pieces)) => {
                    // As with the queue: what finds no room can be done without.
                    let _ = news.try_send(WatchPiecesRequest { gained: pieces.to_vec(), ..WatchPiecesRequest::default() });
                }
                None => return Ok(()),
            },
            Some(done) = fetches.join_next() => {
                if let Ok((piece, fact)) = done {
                    running.remove(&piece);
                    report(fact);
                }
            }
            update = updates.message() => match update.map_err(|status| said(&status))? {
                Some(PiecesUpdate { update: Some(Update::Gained(gained)) }) => {
                    report(Fact::Gained(gained.pieces.into_iter().map(Piece).collect()));
                }
                // It had some, and has all by now.
                Some(PiecesUpdate { update: Some(Update::All(true)) }) => {
                    report(Fact::Gained((0..shared.manifest.geometry().count()).map(Piece).collect()));
                }
                Some(_) => {}
                None => return Ok(()),
            },
        }
    }
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

/// One piece to fetch.
struct Errand {
    shared: Arc<Shared>,
    pace: Pace,
    piece: Piece,
    turn: Turn,
    report: Report,
}

impl Errand {
    async fn run(self, mut calls: Calls, file_id: Bytes) -> (Piece, Fact) {
        let piece = self.piece;
        let request = FetchPiecesRequest { file_id, first: piece.0, count: 1 };
        let mut fetch = self.shared.census.fetch();
        let fact = match self.receive(Pieces::ask(&mut calls, &request), &mut fetch).await {
            Ok(chunks) => {
                fetch.goes_to(Wait::Disk);
                self.store(chunks.into()).await
            }
            Err(Refusal::Wrong) => Fact::Rejected(piece),
            Err(Refusal::Lacks) => Fact::Failed(piece, Failure::Refused),
            Err(Refusal::Busy) => Fact::Failed(piece, Failure::Busy),
            Err(Refusal::Elsewhere) => Fact::Failed(piece, Failure::Elsewhere),
            Err(Refusal::Lost) => Fact::Failed(piece, Failure::Lost),
        };
        match fact {
            Fact::Stored(..) => self.shared.figures.verified(),
            Fact::Rejected(_) => self.shared.figures.rejected(),
            _ => {}
        }
        (piece, fact)
    }

    /// Takes the piece in, and hashes each part where it was decrypted: no other thread has to be woken for it. Never more
    /// than the length of the piece is held.
    async fn receive(
        &self,
        call: impl Future<Output = Result<Pieces, Status>>,
        fetch: &mut Fetch,
    ) -> Result<Vec<Bytes>, Refusal> {
        let mut pieces = within(call).await??;
        let manifest = &self.shared.manifest;
        let mut left = manifest.geometry().len(self.piece.0) as usize;
        let mut check = PieceCheck::new(&manifest.geometry(), self.piece.0);
        let mut chunks = Vec::new();
        while let Some(bytes) = within(pieces.next()).await?? {
            self.shared.figures.received(bytes.len());
            left = left.checked_sub(bytes.len()).ok_or(Refusal::Wrong)?;
            check.update(&bytes);
            if chunks.is_empty() {
                (self.report)(Fact::Begun(self.piece));
            }
            self.pace.pass(self.turn, bytes.len(), fetch).await;
            chunks.push(bytes);
        }
        if manifest.accepts(self.piece.0, &check) { Ok(chunks) } else { Err(Refusal::Wrong) }
    }

    async fn store(&self, chunks: Arc<[Bytes]>) -> Fact {
        let offset = self.shared.manifest.geometry().offset(self.piece.0);
        match self.shared.writer.write(offset, Arc::clone(&chunks)).await {
            Some(Ok(())) => Fact::Stored(self.piece, chunks),
            Some(Err(error)) => Fact::NotWritten(self.piece, error),
            // Only on the way to the daemon's end.
            None => Fact::Failed(self.piece, Failure::Lost),
        }
    }
}

/// Why no bytes came that are worth hashing.
#[derive(Debug, PartialEq, Eq)]
enum Refusal {
    /// The peer says that it does not have the piece.
    Lacks,
    /// The peer has it, and no room for the request now.
    Busy,
    /// The peer has it, and sends us to others who do.
    Elsewhere,
    /// The connection broke, or went silent.
    Lost,
    /// What came is not that piece.
    Wrong,
}

impl From<Status> for Refusal {
    fn from(status: Status) -> Self {
        match status.code() {
            Code::FailedPrecondition | Code::NotFound | Code::OutOfRange => Self::Lacks,
            Code::ResourceExhausted => Self::Busy,
            Code::Aborted => Self::Elsewhere,
            _ => Self::Lost,
        }
    }
}

async fn within<T>(wait: impl Future<Output = T>) -> Result<T, Refusal> {
    tokio::time::timeout(SILENCE, wait).await.map_err(|_| Refusal::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_why_a_piece_did_not_come() {
        let said = [Code::FailedPrecondition, Code::ResourceExhausted, Code::Aborted, Code::Unavailable];
        let refusals = said.map(|code| Refusal::from(Status::new(code, "")));
        assert_eq!(refusals, [Refusal::Lacks, Refusal::Busy, Refusal::Elsewhere, Refusal::Lost]);
    }
}
