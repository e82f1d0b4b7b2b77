//! A peer that asks what a test tells it to, and shows what a test tells it to: registered at the directory like any other,
//! speaking gRPC over pinned TLS like any other.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use peerd::directory::{Client, ClientError};
use proto::directory::{LoginRequest, RegisterPeer, registration_message};
use proto::ids::InstanceId;
use proto::peer::transfer_client::TransferClient;
use proto::peer::{FetchPiecesRequest, GetManifestRequest, PiecePart, Refusal, WatchPiecesRequest};
use proto::secret::Secret;
use tokio::sync::mpsc;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use transport::Identity;

use crate::world::{Peer, World};

/// Requests that may wait to be sent.
const SAID: usize = 64;

/// A registered peer of user 3.
pub(crate) struct Requester {
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) identity: Identity,
    pub(crate) ticket: String,
}

impl Requester {
    pub(crate) fn register(world: &World, key: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let identity = Identity::load_or_create(&world.path(key)).unwrap();
        let ticket = runtime.block_on(register(&world.directory_url(), &identity)).unwrap();
        Self { runtime, identity, ticket }
    }

    async fn dial(&self, peer: &Peer) -> TransferClient<Channel> {
        TransferClient::new(peer.dial(&self.identity).await)
    }

    /// Asks a peer for a manifest; `Ok` with its size, or the reason code of the refusal.
    pub(crate) fn ask(&self, peer: &Peer, id: &str, ticket: Option<&str>) -> Result<u64, String> {
        self.runtime.block_on(async {
            let mut request = Request::new(GetManifestRequest { file_id: file_id(id) });
            if let Some(ticket) = ticket {
                show(&mut request, ticket);
            }
            match self.dial(peer).await.get_manifest(request).await {
                Ok(answer) => Ok(answer.into_inner().message().await.unwrap().unwrap().size),
                Err(status) => Err(reason(&status)),
            }
        })
    }

    /// Watches a file at a peer and begins a call for pieces of it.
    pub(crate) fn converse(&self, peer: &Peer, id: &str) -> Conversation<'_> {
        let (say, said) = mpsc::channel(SAID);
        let (watched, answers) = self.runtime.block_on(async {
            let mut client = self.dial(peer).await;
            let hello = WatchPiecesRequest { file_id: file_id(id), ..WatchPiecesRequest::default() };
            let mut watch = Request::new(futures_util::stream::iter([hello]).chain(futures_util::stream::pending()));
            show(&mut watch, &self.ticket);
            let mut watched = client.watch_pieces(watch).await.unwrap().into_inner();
            watched.message().await.unwrap().unwrap();
            (watched, self.fetch(client, id, messages(said)).await)
        });
        Conversation { requester: self, say: Some(say), answers, _watched: Some(watched) }
    }

    /// Begins a call for pieces of a file that it does not watch.
    pub(crate) fn call(&self, peer: &Peer, id: &str) -> Conversation<'_> {
        let (say, said) = mpsc::channel(SAID);
        let answers = self.runtime.block_on(async { self.fetch(self.dial(peer).await, id, messages(said)).await });
        Conversation { requester: self, say: Some(say), answers, _watched: None }
    }

    async fn fetch(
        &self,
        mut client: TransferClient<Channel>,
        id: &str,
        said: impl Stream<Item = FetchPiecesRequest> + Send + 'static,
    ) -> Streaming<PiecePart> {
        let first = FetchPiecesRequest { file_id: file_id(id), ..FetchPiecesRequest::default() };
        let mut fetch = Request::new(futures_util::stream::iter([first]).chain(said));
        show(&mut fetch, &self.ticket);
        client.fetch_pieces(fetch).await.unwrap().into_inner()
    }
}

/// Of which piece, and its bytes or why it does not come.
pub(crate) type Part = (u32, Result<Bytes, Refusal>);

/// A call for pieces.
pub(crate) struct Conversation<'a> {
    requester: &'a Requester,
    say: Option<mpsc::Sender<FetchPiecesRequest>>,
    answers: Streaming<PiecePart>,
    _watched: Option<Streaming<proto::peer::PiecesUpdate>>,
}

impl Conversation<'_> {
    pub(crate) fn say(&self, pieces: &[u32], withdrawn: &[u32]) {
        let (pieces, withdrawn) = (pieces.to_vec(), withdrawn.to_vec());
        let request = FetchPiecesRequest { file_id: Bytes::new(), pieces, withdrawn };
        self.say.as_ref().unwrap().try_send(request).unwrap();
    }

    /// Nothing more is asked for.
    pub(crate) fn all_is_said(&mut self) {
        self.say = None;
    }

    /// The next part; `None` at the end.
    pub(crate) fn hear(&mut self) -> Result<Option<Part>, Status> {
        let part = self.requester.runtime.block_on(self.answers.message())?;
        Ok(part.map(|part| match part.refusal() {
            Refusal::Unspecified => (part.piece, Ok(part.data)),
            refusal => (part.piece, Err(refusal)),
        }))
    }
}

pub(crate) async fn register(directory: &str, identity: &Identity) -> Result<String, ClientError> {
    let client = Client::new(directory, None).unwrap();
    let request = LoginRequest { username: "3".parse().unwrap(), password: Secret::new("3".into()) };
    let token = client.log_in(&request).await?.token;
    let nonce = client.challenge(&token).await?.nonce;
    let (instance, id) = (InstanceId::from_bytes([9; 16]), identity.peer_id());
    let (name, address) = ("requester".parse().unwrap(), "127.0.0.1:1".parse().unwrap());
    let signature = identity.sign(&registration_message(&nonce, &id, &instance, &name, &address));
    let key = identity.public_key();
    let body =
        RegisterPeer { name, address, key, nonce, signature, instance, version: "0".into(), shares_digest: None };
    Ok(client.register(&token, id, &body).await?.ticket.unwrap().token.expose().to_owned())
}

/// The code of a refusal for want of a good ticket.
pub(crate) fn reason(status: &Status) -> String {
    assert_eq!(status.code(), tonic::Code::PermissionDenied, "{status}");
    status.metadata().get("enjambre-reason").unwrap().to_str().unwrap().to_owned()
}

fn file_id(id: &str) -> Bytes {
    Bytes::copy_from_slice(id.parse::<proto::ids::FileId>().unwrap().as_bytes())
}

fn show<T>(request: &mut Request<T>, ticket: &str) {
    request.metadata_mut().insert("authorization", format!("Bearer {ticket}").parse().unwrap());
}

fn messages(mut said: mpsc::Receiver<FetchPiecesRequest>) -> impl Stream<Item = FetchPiecesRequest> + Send {
    futures_util::stream::poll_fn(move |cx| said.poll_recv(cx))
}
