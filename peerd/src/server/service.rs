//! The gRPC calls. Each is a few lines: find the share in the snapshot, and answer from it.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use proto::ids::{FileId, PeerId};
use proto::peer::transfer_server::Transfer;
use proto::peer::{
    FetchPiecesRequest, GetManifestRequest, ManifestPart, PiecePart, PiecesUpdate, SimulateTransferRequest,
    SimulatedProgress, WatchPiecesRequest,
};
use swarm::{Bitfield, Piece};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, Streaming};
use transport::{Backlog, PeerIdentity};

use super::guard::Pass;
use super::limits::{LARGEST_READ_AT_ONCE, MANIFEST_PART, READS};
use super::listing;
use super::offers::{Gains, Offer, Offers, Source, call};
use super::pretence::Pretence;
use super::sending::{self, Sending};
use super::uplink::Uplink;
use crate::figures::Figures;
use crate::mailbox::Mailbox;
use crate::shares::{self, Catalog};
use crate::store::buffers::Buffers;
use crate::store::source::{self, Unreadable, Wait};

/// A piece that is being read.
pub(super) type Reading = AbortOnDropHandle<Result<Option<VecDeque<Bytes>>, Status>>;

type Answer<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers other peers. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    catalog: watch::Receiver<Arc<Catalog>>,
    offers: Offers,
    shares: Mailbox<shares::Msg>,
    uplink: Uplink,
    pretence: Pretence,
    figures: Figures,
    reads: Arc<Semaphore>,
    buffers: Buffers,
    /// Ends every stream when the server does.
    closing: CancellationToken,
}

impl Service {
    /// `shares` is told of content that no longer hashes, `uplink` holds what is sent, `pretence` that of simulated transfers;
    /// `figures` count what is sent.
    pub fn new(
        catalog: watch::Receiver<Arc<Catalog>>,
        offers: Offers,
        shares: Mailbox<shares::Msg>,
        uplink: Uplink,
        pretence: Pretence,
        figures: Figures,
    ) -> Self {
        let reads = Arc::new(Semaphore::new(READS));
        let (buffers, closing) = (Buffers::default(), CancellationToken::new());
        Self { catalog, offers, shares, uplink, pretence, figures, reads, buffers, closing }
    }

    /// The same, with streams that end when this is cancelled.
    #[must_use]
    pub fn until(self, closing: CancellationToken) -> Self {
        Self { closing, ..self }
    }

    /// The offer of a file.
    async fn open(&self, file_id: &[u8]) -> Result<Arc<Offer>, Status> {
        let id = self.find(file_id)?;
        if let Some(offer) = self.offers.opened(id) {
            return Ok(offer);
        }
        let offers = self.offers.clone();
        blocking(move || offers.open(id)).await?.ok_or_else(|| self.without_manifest(id))
    }

    fn find(&self, file_id: &[u8]) -> Result<FileId, Status> {
        let id = parsed(file_id)?;
        if self.offers.has(id) { Ok(id) } else { Err(Status::not_found("this peer does not hold that file")) }
    }

    /// Its manifest is gone or damaged: the file is hashed again.
    fn without_manifest(&self, id: FileId) -> Status {
        self.suspect(id);
        Status::unavailable("the piece hashes are being computed again; try later")
    }

    fn suspect(&self, file_id: FileId) {
        // A shares actor that is being restarted looks at every file anyway.
        let _ = self.shares.cast(shares::Msg::Suspect { file_id });
    }

    /// What is sent is held to this.
    pub(super) const fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// Where it is counted.
    pub(super) const fn figures(&self) -> &Figures {
        &self.figures
    }

    /// Waits for something, unless the server stops meanwhile: the peer is to ask elsewhere at once.
    pub(super) async fn unless_stopped<T>(&self, wait: impl Future<Output = T>) -> Result<T, Status> {
        self.closing.run_until_cancelled(wait).await.ok_or_else(stopping)
    }

    /// The bytes of a piece that are in memory: as they came a moment ago, or read and hashed right here, so that they are still
    /// in the processor's cache when they are encrypted and no other thread has to be woken. Nothing where it would have to
    /// wait for a disk, or anything is wrong.
    pub(super) fn read_now(&self, offer: &Offer, piece: Piece) -> Option<VecDeque<Bytes>> {
        if let Some(chunks) = offer.recent(piece) {
            return Some(chunks.iter().cloned().collect());
        }
        let is_short = offer.manifest().geometry().len(piece.0) <= LARGEST_READ_AT_ONCE;
        let bytes = is_short.then(|| read_from(offer, piece, &self.buffers, Wait::Never).ok());
        Some(VecDeque::from([bytes.flatten()?]))
    }

    /// Begins to read and hash a piece on a thread that may wait for a disk. Nothing comes of one that is not there any more.
    pub(super) fn begin_reading(&self, offer: &Arc<Offer>, piece: Piece) -> Reading {
        let (service, offer) = (self.clone(), Arc::clone(offer));
        AbortOnDropHandle::new(tokio::spawn(async move {
            // The permit is for disk and processor alone: a reader that takes its time must not keep it from others.
            let permit = Arc::clone(&service.reads).acquire_owned().await.map_err(|_| stopping())?;
            let (reading, buffers) = (Arc::clone(&offer), service.buffers.clone());
            let read = blocking(move || {
                let _permit = permit;
                read_from(&reading, piece, &buffers, Wait::ForDisk)
            });
            let bytes = read.await?.inspect_err(|error| {
                let id = offer.manifest().id();
                tracing::debug!(file_id = %id, piece = piece.0, %error, "a piece cannot be handed out");
                service.suspect(id);
            });
            Ok(bytes.ok().map(|bytes| VecDeque::from([bytes])))
        }))
    }

    /// Cuts a stream off when the server stops: the peer is to ask elsewhere at once, not after a deadline.
    fn streaming<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Response<Answer<T>> {
        let stopped = futures_util::stream::once({
            let closing = self.closing.clone();
            async move {
                closing.cancelled().await;
                Err(stopping())
            }
        });
        // The notice must end the stream, or it would wait for the other one.
        let whole = futures_util::stream::select(stream.map(Some).chain(end()), stopped.map(Some).chain(end()));
        Response::new(Box::pin(until_end(whole)))
    }
}

/// Reads a piece where its bytes are now, and hashes it.
fn read_from(offer: &Offer, Piece(piece): Piece, buffers: &Buffers, wait: Wait) -> Result<Bytes, Unreadable> {
    match offer.source() {
        Some(Source::Share(path)) => {
            source::read_piece(&source::open_waiting(&path, wait)?, offer.manifest(), piece, buffers, wait)
        }
        Some(Source::Part(part)) => source::read_piece(part.file(), offer.manifest(), piece, buffers, wait),
        None => Err(io::Error::from(io::ErrorKind::NotFound).into()),
    }
}

fn parsed(file_id: &[u8]) -> Result<FileId, Status> {
    let bytes = file_id.try_into().map_err(|_| Status::invalid_argument("a file id is 32 bytes"))?;
    Ok(FileId::from_bytes(bytes))
}

fn stopping() -> Status {
    Status::unavailable("this peer is stopping")
}

/// Marks where one of two merged streams has ended.
fn end<T>() -> impl Stream<Item = Option<T>> {
    futures_util::stream::iter([None])
}

/// Up to the end of whichever stream ends first.
fn until_end<T>(stream: impl Stream<Item = Option<T>>) -> impl Stream<Item = T> {
    stream.take_while(|item| std::future::ready(item.is_some())).filter_map(std::future::ready)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Status::internal("reading failed"))
}

#[tonic::async_trait]
impl Transfer for Service {
    type GetManifestStream = Answer<ManifestPart>;
    type WatchPiecesStream = Answer<PiecesUpdate>;
    type FetchPiecesStream = Answer<PiecePart>;
    type SimulateTransferStream = Answer<SimulatedProgress>;

    async fn get_manifest(
        &self,
        request: Request<GetManifestRequest>,
    ) -> Result<Response<Self::GetManifestStream>, Status> {
        let id = self.find(&request.into_inner().file_id)?;
        let offers = self.offers.clone();
        let manifest = blocking(move || offers.manifest(id)).await?.ok_or_else(|| self.without_manifest(id))?;
        let size = manifest.geometry().size().as_u64();
        let encoded = Bytes::from(manifest.encode());
        let starts = (0..encoded.len().max(1)).step_by(MANIFEST_PART);
        let parts = starts.map(move |start| {
            let data = encoded.slice(start..encoded.len().min(start + MANIFEST_PART));
            Ok(ManifestPart { size: if start == 0 { size } else { 0 }, data })
        });
        Ok(self.streaming(futures_util::stream::iter(parts)))
    }

    async fn watch_pieces(
        &self,
        request: Request<Streaming<WatchPiecesRequest>>,
    ) -> Result<Response<Self::WatchPiecesStream>, Status> {
        let who = caller(&request)?;
        let mut news = request.into_inner();
        let first = news.message().await?.ok_or_else(|| Status::invalid_argument("no file was named"))?;
        let offer = self.open(&first.file_id).await?;
        let count = offer.manifest().geometry().count();
        let has = Bitfield::from_bytes(count, &first.have).unwrap_or_else(|| Bitfield::new(count));
        if first.of_many {
            offer.one_of_many();
        }
        let neighbour = offer.join(who, has);
        let neighbour = neighbour.ok_or_else(|| Status::resource_exhausted("enough others are served already"))?;
        self.offers.watched_by(offer.manifest().id(), who);
        let hear = AbortOnDropHandle::new(tokio::spawn(hear_gains(news, neighbour.gains())));
        let updates = futures_util::stream::unfold((neighbour, hear), async |(mut neighbour, hear)| {
            let update = neighbour.updates.recv().await?;
            Some((Ok(update), (neighbour, hear)))
        });
        let (id, offers, mut catalog) = (offer.manifest().id(), self.offers.clone(), self.catalog.clone());
        let gone = async move {
            let _ = catalog.wait_for(|_| !offers.has(id)).await;
            Err(Status::not_found("this peer no longer holds that file"))
        };
        let until_gone = futures_util::stream::once(gone).map(Some).chain(end());
        Ok(self.streaming(until_end(futures_util::stream::select(updates.map(Some).chain(end()), until_gone))))
    }

    async fn fetch_pieces(
        &self,
        request: Request<Streaming<FetchPiecesRequest>>,
    ) -> Result<Response<Self::FetchPiecesStream>, Status> {
        let who = caller(&request)?;
        let pass = request.extensions().get::<Pass>().cloned();
        let pass = pass.ok_or_else(|| Status::internal("the caller's ticket was not looked at"))?;
        let backlog = request.extensions().get::<Backlog>().cloned();
        let mut requests = request.into_inner();
        let first = requests.message().await?.ok_or_else(|| Status::invalid_argument("no file was named"))?;
        let begun = call::begin(&self.open(&first.file_id).await?, who);
        let (caller, call) = begun.ok_or_else(|| Status::resource_exhausted("enough of your calls are under way"))?;
        let hearing = AbortOnDropHandle::new(tokio::spawn(sending::hear(caller, pass, first, requests)));
        Ok(Response::new(Box::pin(Sending::new(self.clone(), who, call, backlog, hearing).into_parts())))
    }

    async fn simulate_transfer(
        &self,
        request: Request<SimulateTransferRequest>,
    ) -> Result<Response<Self::SimulateTransferStream>, Status> {
        let id = parsed(&request.into_inner().file_id)?;
        let file = listing::held(&self.catalog.borrow(), id);
        let file = file.ok_or_else(|| Status::not_found("this peer does not hold that file"))?;
        let (figures, mut told) = (self.figures.clone(), 0);
        let steps = self.pretence.of(file).inspect(move |step| {
            if let Ok(step) = step {
                figures.pretended_sent(step.bytes.saturating_sub(told));
                told = step.bytes;
            }
        });
        Ok(self.streaming(steps))
    }
}

/// Takes in what a neighbour has gained elsewhere, until it says no more.
async fn hear_gains(mut news: Streaming<WatchPiecesRequest>, gains: Gains) {
    while let Ok(Some(message)) = news.message().await {
        gains.tell(message.gained.into_iter().map(Piece).collect());
    }
}

/// The peer at the other end; the guard has seen that there is one.
fn caller<T>(request: &Request<T>) -> Result<PeerId, Status> {
    let who = request.extensions().get::<PeerIdentity>().map(|who| who.peer_id);
    who.ok_or_else(|| Status::internal("the caller's key is not known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_ends_with_either_side() {
        let left = futures_util::stream::iter([1, 2]).map(Some).chain(end());
        let never = futures_util::stream::pending().map(Some).chain(end());
        assert_eq!(until_end(futures_util::stream::select(left, never)).collect::<Vec<i32>>().await, [1, 2]);
    }
}
