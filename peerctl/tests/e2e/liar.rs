//! A peer that lies: registered at the directory with a key of its own like any other, speaking gRPC over pinned TLS like
//! any other, and serving what the test tells it to.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use peerd::directory::Client;
use proto::directory::{Announce, HoldingState, LoginRequest, PatchFiles, RegisterPeer, registration_message};
use proto::ids::{ByteCount, FileId, InstanceId};
use proto::manifest::{Builder, Geometry};
use proto::peer::pieces_update::Update;
use proto::peer::transfer_server::{Transfer, TransferServer};
use proto::peer::{
    FetchPiecesRequest, GetManifestRequest, ManifestPart, PiecePart, PiecesUpdate, SimulateTransferRequest,
    SimulatedProgress, WatchPiecesRequest,
};
use proto::secret::Secret;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use transport::Identity;

use crate::world::piece_of;

/// How it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Piece hashes that do not fold up to the id.
    Manifest,
    /// A manifest that folds up, for a size that is not the file's.
    Size,
    /// The first piece has a wrong byte.
    Bytes,
    /// Pieces are too short.
    Short,
    /// Pieces are too long.
    Long,
    /// Sizes and counts beyond all measure.
    Huge,
    /// It says it has everything and answers nothing.
    Empty,
    /// It sends pieces that nobody asked for.
    Unasked,
}

pub(crate) struct Liar {
    _runtime: tokio::runtime::Runtime,
}

impl Liar {
    /// A liar of user 3 who says that it holds `content` under `name`.
    pub(crate) fn start(
        directory: &str,
        address: SocketAddr,
        key: &Path,
        name: &str,
        content: &[u8],
        lie: Lie,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let identity = Identity::load_or_create(key).unwrap();
        let service = Service { lie, content: Arc::new(content.to_vec()) };
        let listener = runtime.block_on(tokio::net::TcpListener::bind(address)).unwrap();
        let tls = Arc::new(transport::server_config(&identity));
        let routes = tonic::service::Routes::new(TransferServer::new(service)).prepare();
        runtime.spawn(transport::serve(
            transport::Lanes::none(),
            listener,
            Some(tls),
            routes,
            transport::Limits::http2_only(),
            CancellationToken::default(),
        ));
        runtime.block_on(announce(directory, address, &identity, name, content));
        Self { _runtime: runtime }
    }
}

async fn announce(directory: &str, address: SocketAddr, identity: &Identity, name: &str, content: &[u8]) {
    let client = Client::new(directory, None).unwrap();
    let request = LoginRequest { username: "3".parse().unwrap(), password: Secret::new("3".into()) };
    let token = client.log_in(&request).await.unwrap().token;
    let nonce = client.challenge(&token).await.unwrap().nonce;
    let (instance, id) = (InstanceId::from_bytes([9; 16]), identity.peer_id());
    let (peer_name, address) = ("liar".parse().unwrap(), address.to_string().parse().unwrap());
    let signature = identity.sign(&registration_message(&nonce, &id, &instance, &peer_name, &address));
    let key = identity.public_key();
    let body = RegisterPeer {
        name: peer_name,
        address,
        key,
        nonce,
        signature,
        instance,
        version: "0".into(),
        shares_digest: None,
    };
    client.register(&token, id, &body).await.unwrap();
    let add = Announce {
        file_id: FileId::of(content),
        name: name.parse().unwrap(),
        size: ByteCount::new(content.len() as u64),
        state: HoldingState::Complete,
        simulated: false,
        url: None,
    };
    client.patch_files(&token, id, instance, &PatchFiles { add: vec![add], remove: Vec::new() }).await.unwrap();
}

struct Service {
    lie: Lie,
    content: Arc<Vec<u8>>,
}

type Answer<T> = Result<Response<BoxStream<'static, Result<T, Status>>>, Status>;

fn once<T: Send + 'static>(item: T) -> Response<BoxStream<'static, Result<T, Status>>> {
    Response::new(stream::iter([Ok(item)]).boxed())
}

#[tonic::async_trait]
impl Transfer for Service {
    type GetManifestStream = BoxStream<'static, Result<ManifestPart, Status>>;
    type WatchPiecesStream = BoxStream<'static, Result<PiecesUpdate, Status>>;
    type FetchPiecesStream = BoxStream<'static, Result<PiecePart, Status>>;
    type SimulateTransferStream = BoxStream<'static, Result<SimulatedProgress, Status>>;

    async fn get_manifest(&self, _: Request<GetManifestRequest>) -> Answer<ManifestPart> {
        let mut builder = Builder::new(ByteCount::new(self.content.len() as u64)).unwrap();
        builder.update(&self.content);
        let manifest = builder.finish().unwrap();
        let mut size = self.content.len() as u64;
        let mut data = manifest.encode();
        match self.lie {
            Lie::Manifest => data[3] ^= 1,
            Lie::Size => size += 1,
            Lie::Huge => {
                let endless =
                    stream::repeat_with(|| Ok(ManifestPart { size: 1 << 42, data: Bytes::from(vec![0; 1 << 20]) }));
                return Ok(Response::new(endless.boxed()));
            }
            _ => {}
        }
        Ok(once(ManifestPart { size, data: data.into() }))
    }

    async fn watch_pieces(&self, _: Request<Streaming<WatchPiecesRequest>>) -> Answer<PiecesUpdate> {
        // Then what a later version may say.
        let updates = [PiecesUpdate { update: Some(Update::All(true)) }, PiecesUpdate { update: None }];
        let all = stream::iter(updates.map(Ok));
        Ok(Response::new(all.chain(stream::pending()).boxed()))
    }

    async fn fetch_pieces(&self, request: Request<Streaming<FetchPiecesRequest>>) -> Answer<PiecePart> {
        let (lie, content) = (self.lie, Arc::clone(&self.content));
        let count = count(&content);
        let asked =
            request.into_inner().flat_map(|request| stream::iter(request.map(|request| request.pieces).unwrap()));
        // The last piece is proven with the manifest; the lie begins behind that proof.
        let answers = move |piece: &u32| std::future::ready(lie != Lie::Empty || piece + 1 == count);
        let parts = asked.take_while(answers).map(move |piece| Ok(part(lie, &content, piece)));
        Ok(Response::new(parts.boxed()))
    }

    async fn simulate_transfer(&self, _: Request<SimulateTransferRequest>) -> Answer<SimulatedProgress> {
        Err(Status::unimplemented("it lies about content, and there is none"))
    }
}

fn count(content: &[u8]) -> u32 {
    Geometry::of(ByteCount::new(content.len() as u64)).unwrap().count()
}

fn part(lie: Lie, content: &[u8], piece: u32) -> PiecePart {
    let mut data = piece_of(content, piece).to_vec();
    let last = piece + 1 == count(content);
    match lie {
        Lie::Bytes if !last => data[0] ^= 1,
        Lie::Short if !last => drop(data.pop()),
        Lie::Long if !last => data.push(0),
        _ => {}
    }
    let piece = if lie == Lie::Unasked && !last { u32::MAX } else { piece };
    PiecePart { piece, data: data.into(), refusal: 0 }
}
