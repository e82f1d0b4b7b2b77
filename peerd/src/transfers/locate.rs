//! Before the first piece: who holds the file, and a manifest that is proven.
//!
//! A manifest that folds up to the id proves its hashes; its size is proven by the last piece. Both come from one and the
//! same holder, so that a lie is caught before anybody else is blamed for it.

use std::time::Duration;

use bytes::Bytes;
use proto::directory::{Holder, HoldingState, PeerState};
use proto::ids::{ByteCount, FileId, PeerId};
use proto::manifest::{Geometry, Manifest};
use proto::peer::transfer_client::TransferClient;
use proto::peer::{FetchPiecesRequest, GetManifestRequest};
use tokio::sync::watch;
use tonic::transport::Channel;
use transport::{DialOptions, Identity};

use super::link::{Refusal, is_piece, receive};
use crate::directory::{Client, ClientError, View};

/// Holders asked for at a time.
const SAMPLE: u32 = 32;
/// Longest wait for a whole manifest: 8 MiB at the most.
const MANIFEST: Duration = Duration::from_mins(1);

/// Finds holders and manifests.
#[derive(Debug, Clone)]
pub struct Locator {
    /// The REST calls.
    pub client: Client,
    /// The token for them.
    pub view: watch::Receiver<View>,
    /// Proves who we are.
    pub identity: Identity,
}

/// Why no holders are known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unlocated {
    /// Nobody is logged in.
    #[error("not logged in at the directory")]
    LoggedOut,
    /// The directory could not be asked.
    #[error("the directory does not answer: {0}")]
    Client(#[from] ClientError),
}

/// A manifest with its proof.
#[derive(Debug)]
pub struct Proven {
    /// Folds up to the id, and has the right size.
    pub manifest: Manifest,
    /// The last piece; nothing for an empty file.
    pub last: Vec<Bytes>,
    /// Who gave both.
    pub holder: PeerId,
}

/// What asking holders for a manifest came to.
#[derive(Debug, Default)]
pub struct Search {
    /// The first that was good.
    pub found: Option<Proven>,
    /// Who lied, and how.
    pub liars: Vec<(PeerId, String)>,
    /// Who did not answer, or does not have it.
    pub silent: Vec<(PeerId, String)>,
}

impl Locator {
    /// A sample of the holders, all of them where `from` names some. Never this peer itself.
    pub async fn holders(&self, id: FileId, from: &[PeerId]) -> Result<Vec<Holder>, Unlocated> {
        let token = self.view.borrow().token().cloned().ok_or(Unlocated::LoggedOut)?;
        let limit = if from.is_empty() { SAMPLE } else { 1000 };
        let mut holders = match self.client.holders(&token, id, false, limit).await {
            Ok(holders) => holders.items,
            // A file that everybody has withdrawn is one without holders.
            Err(ClientError::Refused(problem)) if problem.status == 404 => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let me = self.identity.peer_id();
        holders.retain(|holder| holder.peer_id != me && (from.is_empty() || from.contains(&holder.peer_id)));
        Ok(holders)
    }

    /// Asks one holder after the other for a manifest, until one is proven.
    pub async fn search(&self, id: FileId, holders: Vec<Holder>) -> Search {
        let mut search = Search::default();
        for holder in holders {
            match tokio::time::timeout(MANIFEST, self.manifest(id, &holder)).await {
                Ok(Ok((manifest, last))) => {
                    search.found = Some(Proven { manifest, last, holder: holder.peer_id });
                    break;
                }
                Ok(Err(Bad::Lie(why))) => search.liars.push((holder.peer_id, why)),
                Ok(Err(Bad::NoAnswer(why))) => search.silent.push((holder.peer_id, why)),
                Err(_) => search.silent.push((holder.peer_id, "no answer in time".into())),
            }
        }
        search
    }

    async fn manifest(&self, id: FileId, holder: &Holder) -> Result<(Manifest, Vec<Bytes>), Bad> {
        let channel = transport::dial(&holder.address, &self.identity, holder.peer_id, DialOptions::default()).await;
        let mut client = TransferClient::new(channel.map_err(|error| Bad::NoAnswer(error.to_string()))?);
        let (size, hashes) = fetch_hashes(&mut client, id).await?;
        let manifest = Manifest::check(id, size, &hashes).map_err(|error| Bad::Lie(error.to_string()))?;
        let Some(last) = manifest.geometry().count().checked_sub(1) else { return Ok((manifest, Vec::new())) };
        let request = FetchPiecesRequest { file_id: Bytes::copy_from_slice(id.as_bytes()), first: last, count: 1 };
        match receive(client.fetch_pieces(request), &manifest, last, || {}).await {
            Ok(chunks) if is_piece(&manifest, last, &chunks) => Ok((manifest, chunks)),
            Ok(_) | Err(Refusal::TooLong) => Err(Bad::Lie("the last piece is not what the file id demands".into())),
            Err(Refusal::Lacks) => Err(Bad::NoAnswer("it no longer has the file".into())),
            Err(Refusal::Lost) => Err(Bad::NoAnswer("the connection broke".into())),
        }
    }
}

/// Why a holder's manifest is of no use.
enum Bad {
    NoAnswer(String),
    Lie(String),
}

/// Takes the hashes in; never more than the announced size calls for is held.
async fn fetch_hashes(client: &mut TransferClient<Channel>, id: FileId) -> Result<(ByteCount, Vec<u8>), Bad> {
    let no_answer = |status: tonic::Status| Bad::NoAnswer(status.message().to_owned());
    let request = GetManifestRequest { file_id: Bytes::copy_from_slice(id.as_bytes()) };
    let mut parts = client.get_manifest(request).await.map_err(no_answer)?.into_inner();
    let first = parts.message().await.map_err(no_answer)?.ok_or_else(|| Bad::Lie("an empty manifest".into()))?;
    let size = ByteCount::new(first.size);
    let geometry = Geometry::of(size).map_err(|error| Bad::Lie(error.to_string()))?;
    let room = geometry.hashes() * FileId::LEN;
    let mut hashes = first.hashes.to_vec();
    while hashes.len() <= room {
        match parts.message().await.map_err(no_answer)? {
            Some(part) => hashes.extend_from_slice(&part.hashes),
            None => return Ok((size, hashes)),
        }
    }
    Err(Bad::Lie("more piece hashes than a file of that size has".into()))
}

/// Whether a holder is worth dialling.
pub fn is_usable(holder: &Holder) -> bool {
    holder.state == PeerState::Up && holder.holding == HoldingState::Complete
}
