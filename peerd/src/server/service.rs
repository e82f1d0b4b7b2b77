//! The gRPC calls. Each is a few lines: find the share in the snapshot, read, hash, send.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use proto::ids::{FileId, PeerName};
use proto::manifest::{Geometry, Manifest};
use proto::peer::peer_server::Peer;
use proto::peer::pieces_update::Update;
use proto::peer::transfer_server::Transfer;
use proto::peer::{
    FetchPiecesRequest, GetManifestRequest, HelloReply, HelloRequest, ManifestPart, PiecePart, PiecesUpdate,
    WatchPiecesRequest,
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::limits::{MANIFEST_PART, MOST_PIECES, PART, PARTS_AHEAD, READS};
use crate::mailbox::Mailbox;
use crate::shares::{self, Catalog, Share};
use crate::store::manifests::Manifests;
use crate::store::source::{self, Unreadable};

type Streaming<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Answers other peers. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    name: PeerName,
    catalog: watch::Receiver<Arc<Catalog>>,
    manifests: Arc<Manifests>,
    shares: Mailbox<shares::Msg>,
    reads: Arc<Semaphore>,
    /// Ends every stream when the server does.
    closing: CancellationToken,
}

impl Service {
    /// For a peer of that name; `shares` is told of content that no longer hashes.
    pub fn new(
        name: PeerName,
        catalog: watch::Receiver<Arc<Catalog>>,
        manifests: Arc<Manifests>,
        shares: Mailbox<shares::Msg>,
    ) -> Self {
        let reads = Arc::new(Semaphore::new(READS));
        Self { name, catalog, manifests, shares, reads, closing: CancellationToken::new() }
    }

    /// The same, with streams that end when this is cancelled.
    #[must_use]
    pub fn until(self, closing: CancellationToken) -> Self {
        Self { closing, ..self }
    }

    fn find(&self, file_id: &[u8]) -> Result<Arc<Share>, Status> {
        let bytes = file_id.try_into().map_err(|_| Status::invalid_argument("a file id is 32 bytes"))?;
        let found = self.catalog.borrow().get(FileId::from_bytes(bytes)).cloned();
        found.ok_or_else(|| Status::not_found("this peer does not hold that file"))
    }

    /// A share and its piece hashes.
    async fn open(&self, file_id: &[u8]) -> Result<(Arc<Share>, Arc<Manifest>), Status> {
        let share = self.find(file_id)?;
        let (manifests, id, size) = (Arc::clone(&self.manifests), share.file_id, share.size());
        let manifest = blocking(move || manifests.load(id, size)).await?;
        let Some(manifest) = manifest else {
            self.suspect(id);
            return Err(Status::unavailable("the piece hashes are being computed again; try later"));
        };
        Ok((share, manifest))
    }

    fn suspect(&self, file_id: FileId) {
        // A shares actor that is being restarted looks at every file anyway.
        let _ = self.shares.cast(shares::Msg::Suspect { file_id });
    }

    /// Reads, hashes and sends pieces until they are through or nobody listens.
    async fn send_pieces(self, share: Arc<Share>, manifest: Arc<Manifest>, pieces: std::ops::Range<u32>, out: Parts) {
        for piece in pieces {
            let mut bytes = match self.read_piece(&share, &manifest, piece).await {
                Ok(Ok(bytes)) => bytes,
                Ok(Err(error)) => {
                    tracing::debug!(file_id = %share.file_id, piece, %error, "a piece cannot be handed out");
                    self.suspect(share.file_id);
                    let gone = Status::failed_precondition("this peer no longer has that piece");
                    let _ = out.send(Err(gone)).await;
                    return;
                }
                Err(status) => return drop(out.send(Err(status)).await),
            };
            while !bytes.is_empty() {
                let data = bytes.split_to(bytes.len().min(PART));
                if out.send(Ok(PiecePart { data })).await.is_err() {
                    return;
                }
            }
        }
    }

    /// The permit is for disk and processor alone: a reader that takes its time must not keep it from others.
    async fn read_piece(
        &self,
        share: &Share,
        manifest: &Arc<Manifest>,
        piece: u32,
    ) -> Result<Result<Bytes, Unreadable>, Status> {
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        let permit = permit.map_err(|_| Status::unavailable("this peer is stopping"))?;
        let (path, manifest) = (share.path.clone(), Arc::clone(manifest));
        blocking(move || {
            let _permit = permit;
            source::read_piece(&source::open_regular(&path)?, &manifest, piece)
        })
        .await
    }

    /// Cuts a stream off when the server stops: the peer is to ask elsewhere at once, not after a deadline.
    fn streaming<T: Send + 'static>(
        &self,
        stream: impl Stream<Item = Result<T, Status>> + Send + 'static,
    ) -> Response<Streaming<T>> {
        let stopped = futures_util::stream::once({
            let closing = self.closing.clone();
            async move {
                closing.cancelled().await;
                Err(Status::unavailable("this peer is stopping"))
            }
        });
        // The notice must end the stream, or it would wait for the other one.
        let whole = futures_util::stream::select(stream.map(Some).chain(end()), stopped.map(Some).chain(end()));
        Response::new(Box::pin(until_end(whole)))
    }
}

type Parts = mpsc::Sender<Result<PiecePart, Status>>;

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
impl Peer for Service {
    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply {
            name: self.name.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            features: Vec::new(),
        }))
    }
}

#[tonic::async_trait]
impl Transfer for Service {
    type GetManifestStream = Streaming<ManifestPart>;
    type WatchPiecesStream = Streaming<PiecesUpdate>;
    type FetchPiecesStream = Streaming<PiecePart>;

    async fn get_manifest(
        &self,
        request: Request<GetManifestRequest>,
    ) -> Result<Response<Self::GetManifestStream>, Status> {
        let (share, manifest) = self.open(&request.into_inner().file_id).await?;
        let size = share.size().as_u64();
        let hashes = Bytes::copy_from_slice(manifest.hashes());
        let starts = (0..hashes.len().max(1)).step_by(MANIFEST_PART);
        let parts = starts.map(move |start| {
            let part = hashes.slice(start..hashes.len().min(start + MANIFEST_PART));
            Ok(ManifestPart { size: if start == 0 { size } else { 0 }, hashes: part })
        });
        Ok(self.streaming(futures_util::stream::iter(parts)))
    }

    async fn watch_pieces(
        &self,
        request: Request<WatchPiecesRequest>,
    ) -> Result<Response<Self::WatchPiecesStream>, Status> {
        let id = self.find(&request.into_inner().file_id)?.file_id;
        let mut catalog = self.catalog.clone();
        let all = PiecesUpdate { update: Some(Update::All(true)) };
        let gone = async move {
            let _ = catalog.wait_for(|catalog| catalog.get(id).is_none()).await;
            Err(Status::not_found("this peer no longer holds that file"))
        };
        let updates = futures_util::stream::iter([Ok(all)]).chain(futures_util::stream::once(gone));
        Ok(self.streaming(updates))
    }

    async fn fetch_pieces(
        &self,
        request: Request<FetchPiecesRequest>,
    ) -> Result<Response<Self::FetchPiecesStream>, Status> {
        let FetchPiecesRequest { file_id, first, count } = request.into_inner();
        let (share, manifest) = self.open(&file_id).await?;
        let pieces = pieces(&manifest.geometry(), first, count)?;
        let (out, parts) = mpsc::channel(PARTS_AHEAD);
        tokio::spawn(self.clone().send_pieces(share, manifest, pieces, out));
        Ok(self.streaming(ReceiverStream::new(parts)))
    }
}

/// The range that was asked for, if the file has it.
fn pieces(geometry: &Geometry, first: u32, count: u32) -> Result<std::ops::Range<u32>, Status> {
    match first.checked_add(count) {
        Some(end) if (1..=MOST_PIECES).contains(&count) && end <= geometry.count() => Ok(first..end),
        _ => Err(Status::out_of_range(format!(
            "pieces {first} and on, {count} of them: the file has {}, and a request takes 1 to {MOST_PIECES}",
            geometry.count()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use proto::ids::ByteCount;

    use super::*;

    #[test]
    fn only_pieces_that_exist() {
        let geometry = Geometry::of(ByteCount::new(100 << 10)).unwrap();
        assert_eq!(pieces(&geometry, 5, 2).unwrap(), 5..7);
        for (first, count) in [(0, 0), (7, 1), (6, 2), (0, 65), (u32::MAX, 1), (1, u32::MAX)] {
            assert!(pieces(&geometry, first, count).is_err(), "{first} {count}");
        }
    }

    #[tokio::test]
    async fn a_stream_ends_with_either_side() {
        let left = futures_util::stream::iter([1, 2]).map(Some).chain(end());
        let never = futures_util::stream::pending().map(Some).chain(end());
        assert_eq!(until_end(futures_util::stream::select(left, never)).collect::<Vec<i32>>().await, [1, 2]);
    }
}
