//! `show-peer`: one peer with all that is known of it.

use clap::Args;
use proto::Timestamp;
use proto::control;
use proto::directory::Peer;
use serde::Serialize;

use super::list_peers::{state_name, state_paint};
use crate::error::Outcome;
use crate::render::{Fields, Record, ago, plural};
use crate::runner::Context;

/// Show one peer
#[derive(Debug, Args)]
pub(crate) struct ShowPeer {
    /// Name, id or unique prefix of an id
    #[arg(value_name = "PEER")]
    peer: String,
}

impl ShowPeer {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let peer = cx.ask(control::ShowPeer { peer: self.peer }).await?;
        let human = Fields::default()
            .with("name", &peer.name)
            .with("id", peer.peer_id.grouped())
            .with("user", &peer.user)
            .with("address", &peer.address)
            .painted("state", state_name(peer.state), state_paint(peer.state))
            .with("shares", plural(peer.files, "file"))
            .with("seen", ago(peer.last_seen, Timestamp::now()))
            .with("version", &peer.version)
            .with("key", peer.key);
        let plain = Fields::default()
            .with("peer_id", peer.peer_id)
            .with("name", &peer.name)
            .with("user", &peer.user)
            .with("address", &peer.address)
            .with("state", state_name(peer.state))
            .with("files", peer.files)
            .with("last_seen", peer.last_seen)
            .with("key", peer.key)
            .with("version", &peer.version);
        Ok(cx.out.detail(&PeerShown(&peer), &human, &plain)?)
    }
}

struct PeerShown<'a>(&'a Peer);

impl Record for PeerShown<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    fn id(&self) -> String {
        self.0.peer_id.to_string()
    }
}
