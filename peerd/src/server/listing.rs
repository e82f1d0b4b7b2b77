//! The calls that a peer answers about itself and about the network as it sees it: who it is, what it shares, what its
//! directory knows, and whether it can reach whoever asks.
//!
//! What is its own comes from the catalog's snapshot. The rest is asked of the directory with this peer's own session, so
//! that nobody learns more through a peer than a user of the directory may know.

use std::sync::Arc;

use bytes::Bytes;
use proto::directory::{Announce, FileEntry, Holder, HoldingState, PeerState, USUAL_ENTRIES};
use proto::ids::{FileId, FileName, PeerId, PeerName};
use proto::peer::peer_client::PeerClient;
use proto::peer::peer_server::Peer;
use proto::peer::{
    DialBackReply, DialBackRequest, DiscoverFileReply, DiscoverFileRequest, FileHolder, FileInfo, HelloReply,
    HelloRequest, ListFilesReply, ListFilesRequest,
};
use proto::secret::Secret;
use tokio::sync::watch;
use tonic::{Request, Response, Status};
use transport::{DialOptions, Identity, PeerIdentity};

use crate::directory::client::FileQuery;
use crate::directory::resolve::{self, Unresolved};
use crate::directory::{Client, ClientError, View};
use crate::shares::{Catalog, Share};
use crate::transfers::bearer::Bearer;

/// Most entries of a page: with the longest names and addresses it stays under tonic's limit of 4 MiB.
const MOST_ENTRIES: usize = 1000;
/// Holders that are named.
const HOLDERS: u32 = 100;

/// Answers other peers. Cheap to clone.
#[derive(Clone)]
pub struct Listing {
    /// What people call this peer.
    pub name: PeerName,
    /// Proves who this peer is.
    pub identity: Identity,
    /// What is shared.
    pub catalog: watch::Receiver<Arc<Catalog>>,
    /// The REST calls.
    pub client: Client,
    /// How it is with the directory.
    pub view: watch::Receiver<View>,
}

impl Listing {
    fn token(&self) -> Result<Secret, Status> {
        self.view.borrow().token().cloned().ok_or_else(|| Status::unavailable("that peer is not logged in itself"))
    }

    /// A page of what this peer shares, in the order of the ids.
    fn own(&self, asked: &ListFilesRequest, most: usize) -> ListFilesReply {
        let catalog = self.catalog.borrow().clone();
        let pattern = asked.pattern.to_lowercase();
        let is_next = |place: &String| place.as_str() > asked.cursor.as_str();
        let matches = |name: &FileName| name.as_str().to_lowercase().contains(&pattern);
        let real = catalog.iter().filter(|share| matches(&share.name)).map(|share| (place(share), own_info(share)));
        let simulated = catalog.all_simulated().filter(|file| matches(&file.name));
        let simulated = simulated.map(|file| (file.file_id.to_string(), pretended(file)));
        // Each is in the order of the ids by itself.
        let real = real.filter(|(place, _)| is_next(place)).take(most + 1);
        let simulated = simulated.filter(|(place, _)| is_next(place)).take(most + 1);
        let mut page: Vec<_> = real.chain(simulated).collect();
        page.sort_by(|(one, _), (other, _)| one.cmp(other));
        let more = page.len() > most;
        page.truncate(most);
        let next = page.last().filter(|_| more).map(|(place, _)| place.clone());
        ListFilesReply { files: page.into_iter().map(|(_, file)| file).collect(), next: next.unwrap_or_default() }
    }

    /// A page of what the directory knows.
    async fn network(&self, asked: ListFilesRequest, most: usize) -> Result<ListFilesReply, Status> {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let (q, cursor) = (given(asked.pattern), given(asked.cursor));
        let query = FileQuery { q, cursor, limit: u32::try_from(most).ok(), ..FileQuery::default() };
        let page = self.client.files(&self.token()?, &query).await.map_err(|error| unavailable(&error))?;
        Ok(ListFilesReply { files: page.items.iter().map(info).collect(), next: page.next.unwrap_or_default() })
    }

    /// Why this peer cannot reach another one at the address that the directory publishes for it; empty where it can.
    async fn problem_of(&self, caller: PeerId) -> Result<String, Status> {
        let peer = self.client.peer(&self.token()?, caller).await.map_err(|error| unavailable(&error))?;
        let dialled = transport::dial(&peer.address, &self.identity, caller, DialOptions::default()).await;
        let channel = match dialled {
            Ok(channel) => channel,
            Err(error) => return Ok(error.to_string()),
        };
        let mut client = PeerClient::with_interceptor(channel, Bearer::new(self.view.clone()));
        let hello = HelloRequest { name: self.name.to_string(), version: env!("CARGO_PKG_VERSION").into() };
        Ok(client.hello(hello).await.err().map(|status| status.message().to_owned()).unwrap_or_default())
    }
}

#[tonic::async_trait]
impl Peer for Listing {
    async fn hello(&self, _: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        Ok(Response::new(HelloReply {
            name: self.name.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            features: Vec::new(),
        }))
    }

    async fn list_files(&self, request: Request<ListFilesRequest>) -> Result<Response<ListFilesReply>, Status> {
        let asked = request.into_inner();
        let most = match usize::try_from(asked.limit) {
            Ok(0) | Err(_) => USUAL_ENTRIES,
            Ok(limit) => limit.min(MOST_ENTRIES),
        };
        let reply = if asked.own { self.own(&asked, most) } else { self.network(asked, most).await? };
        Ok(Response::new(reply))
    }

    async fn discover_file(
        &self,
        request: Request<DiscoverFileRequest>,
    ) -> Result<Response<DiscoverFileReply>, Status> {
        let token = self.token()?;
        let entry = match resolve::file(&self.client, &token, &request.into_inner().file).await {
            Ok(entry) => entry,
            Err(Unresolved::Nothing) => return Err(Status::not_found("that peer knows no such file")),
            Err(Unresolved::Ambiguous(candidates)) => {
                return Ok(Response::new(DiscoverFileReply { candidates, ..DiscoverFileReply::default() }));
            }
            Err(Unresolved::Client(error)) => return Err(unavailable(&error)),
        };
        let holders = self.client.holders(&token, entry.file_id, true, HOLDERS).await;
        let holders = holders.map_err(|error| unavailable(&error))?.items.iter().map(file_holder).collect();
        Ok(Response::new(DiscoverFileReply { file: Some(info(&entry)), holders, candidates: Vec::new() }))
    }

    /// Dials nothing but what the directory publishes for the very peer that asks: nobody can point it elsewhere.
    async fn dial_back(&self, request: Request<DialBackRequest>) -> Result<Response<DialBackReply>, Status> {
        let caller = request.extensions().get::<PeerIdentity>().copied();
        let caller = caller.ok_or_else(|| Status::internal("the caller's key is not known"))?;
        Ok(Response::new(DialBackReply { problem: self.problem_of(caller.peer_id).await? }))
    }
}

fn unavailable(error: &ClientError) -> Status {
    Status::unavailable(format!("that peer gets no answer from its directory: {error}"))
}

/// Where a share stands in the order of the pages.
fn place(share: &Share) -> String {
    format!("{}/{}", share.file_id, share.name)
}

/// What this peer can say of a file that it holds, simulated or not.
pub(super) fn held(catalog: &Catalog, id: FileId) -> Option<FileInfo> {
    let real = catalog.get(id).map(|share| own_info(share));
    real.or_else(|| catalog.simulated(id).map(|file| pretended(file)))
}

fn pretended(file: &Announce) -> FileInfo {
    FileInfo {
        file_id: id(file.file_id),
        name: file.name.to_string(),
        size: file.size.as_u64(),
        holders: 1,
        holders_up: 1,
        simulated: true,
        url: file.url.clone(),
    }
}

fn own_info(share: &Share) -> FileInfo {
    FileInfo {
        file_id: id(share.file_id),
        name: share.name.to_string(),
        size: share.size().as_u64(),
        holders: 1,
        holders_up: 1,
        simulated: false,
        url: None,
    }
}

fn info(entry: &FileEntry) -> FileInfo {
    FileInfo {
        file_id: id(entry.file_id),
        name: entry.name.to_string(),
        size: entry.size.as_u64(),
        holders: entry.holders,
        holders_up: entry.holders_up,
        simulated: entry.simulated,
        url: entry.url.clone(),
    }
}

fn file_holder(holder: &Holder) -> FileHolder {
    FileHolder {
        peer_id: holder.peer_id.to_string(),
        name: holder.name.to_string(),
        address: holder.address.to_string(),
        up: holder.state == PeerState::Up,
        complete: holder.holding == HoldingState::Complete,
    }
}

fn id(id: FileId) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
