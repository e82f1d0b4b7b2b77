//! Before the first piece: who holds the file, and a manifest that is proven.
//!
//! A manifest proves itself, size included ([`proto::manifest`]), so that a lie is caught before anybody else is blamed for
//! it.

use std::time::Duration;

use bytes::Bytes;
use proto::directory::{Holder, HoldingState, PeerState};
use proto::ids::{ByteCount, FileId, PeerId};
use proto::manifest::{Geometry, Manifest, Mismatch};
use proto::peer::GetManifestRequest;
use tokio::sync::watch;
use transport::{DialOptions, Identity};

use super::bearer::Bearer;
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

/// What asking holders for a manifest came to.
#[derive(Debug, Default)]
pub struct Search {
    /// The first that was good.
    pub found: Option<Manifest>,
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
        let mut holders = match self.client.holders(&token, id, true, limit).await {
            Ok(holders) => holders.items,
            // A file that everybody has withdrawn is one without holders.
            Err(ClientError::Refused(problem)) if problem.status == 404 => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let me = self.identity.peer_id();
        holders.retain(|holder| holder.peer_id != me && (from.is_empty() || from.contains(&holder.peer_id)));
        Ok(holders)
    }

    /// A peer that is known to fetch a file, as a holder of some of it.
    pub async fn partial_holder(&self, peer: PeerId) -> Result<Holder, Unlocated> {
        let token = self.view.borrow().token().cloned().ok_or(Unlocated::LoggedOut)?;
        let peer = self.client.peer(&token, peer).await?;
        Ok(Holder {
            peer_id: peer.peer_id,
            name: peer.name,
            user: peer.user,
            address: peer.address,
            state: peer.state,
            holding: HoldingState::Partial,
        })
    }

    /// Shows our tickets.
    pub fn bearer(&self) -> Bearer {
        Bearer::new(self.view.clone())
    }

    /// Asks one holder after the other for a manifest, until one is proven.
    pub async fn search(&self, id: FileId, holders: Vec<Holder>) -> Search {
        let mut search = Search::default();
        for holder in holders {
            match tokio::time::timeout(MANIFEST, self.manifest(id, &holder)).await {
                Ok(Ok(manifest)) => {
                    search.found = Some(manifest);
                    break;
                }
                Ok(Err(Bad::Lie(why))) => search.liars.push((holder.peer_id, why)),
                Ok(Err(Bad::NoAnswer(why))) => search.silent.push((holder.peer_id, why)),
                Err(_) => search.silent.push((holder.peer_id, "no answer in time".into())),
            }
        }
        search
    }

    async fn manifest(&self, id: FileId, holder: &Holder) -> Result<Manifest, Bad> {
        let no_answer = |status: tonic::Status| Bad::NoAnswer(status.message().to_owned());
        let lie = |error: Mismatch| Bad::Lie(error.to_string());
        let channel = transport::dial(&holder.address, &self.identity, holder.peer_id, DialOptions::default()).await;
        let mut client = self.bearer().over(channel.map_err(|error| Bad::NoAnswer(error.to_string()))?);
        let request = GetManifestRequest { file_id: Bytes::copy_from_slice(id.as_bytes()) };
        let mut parts = client.get_manifest(request).await.map_err(no_answer)?.into_inner();
        let first = parts.message().await.map_err(no_answer)?.ok_or_else(|| Bad::Lie("an empty manifest".into()))?;
        let size = ByteCount::new(first.size);
        // Never more is taken in than the announced size calls for, and a little to know that there was more.
        let room = Manifest::encoded_len(&Geometry::of(size).map_err(lie)?);
        let mut encoded = first.data.to_vec();
        while encoded.len() <= room {
            match parts.message().await.map_err(no_answer)? {
                Some(part) => encoded.extend_from_slice(&part.data),
                None => break,
            }
        }
        Manifest::decode(id, size, &encoded).map_err(lie)
    }
}

/// Why a holder's manifest is of no use.
enum Bad {
    NoAnswer(String),
    Lie(String),
}

/// Whether a holder is worth dialling.
pub fn is_usable(holder: &Holder) -> bool {
    holder.state == PeerState::Up
}
