//! `list-peers`: who is there.

use clap::Args;
use proto::Timestamp;
use proto::control;
use proto::directory::{Peer, PeerState};
use proto::ids::{PeerAddress, PeerId, PeerName, UserName};
use serde::Serialize;

use super::paging;
use crate::error::Outcome;
use crate::render::{Column, Paint, Record, Row, TableCell, ago};
use crate::runner::Context;

/// List the peers that are up
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl list-peers
  peerctl list-peers --all --json\n")]
pub(crate) struct ListPeers {
    /// Those that are down as well
    #[arg(long)]
    all: bool,
}

impl ListPeers {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let question = |cursor, limit| control::ListPeers { all: self.all, cursor, limit: Some(limit) };
        let now = Timestamp::now();
        let nothing =
            if self.all { "no peer has registered yet" } else { "no peer is up; `list-peers --all` shows all" };
        paging::list(cx, None, question, |peer| PeerRow { peer, now }, nothing).await
    }
}

/// How the state of a peer looks.
pub(super) fn state_cell(state: PeerState) -> TableCell {
    TableCell::painted(state_name(state), state_paint(state))
}

pub(super) fn state_paint(state: PeerState) -> Paint {
    if state == PeerState::Up { Paint::Green } else { Paint::Dim }
}

pub(super) fn state_name(state: PeerState) -> &'static str {
    match state {
        PeerState::Up => "up",
        PeerState::Down => "down",
    }
}

struct PeerRow {
    peer: Peer,
    now: Timestamp,
}

/// The keys of a listed peer.
#[derive(Serialize)]
struct Json<'a> {
    peer_id: PeerId,
    name: &'a PeerName,
    user: &'a UserName,
    address: &'a PeerAddress,
    state: PeerState,
    files: u64,
    last_seen: Timestamp,
}

impl Record for PeerRow {
    fn json(&self) -> impl Serialize {
        let Peer { peer_id, name, user, address, state, files, last_seen, .. } = &self.peer;
        Json { peer_id: *peer_id, name, user, address, state: *state, files: *files, last_seen: *last_seen }
    }

    fn plain(&self) -> Vec<String> {
        let peer = &self.peer;
        vec![
            peer.peer_id.to_string(),
            peer.name.to_string(),
            peer.user.to_string(),
            peer.address.to_string(),
            state_name(peer.state).to_owned(),
            peer.files.to_string(),
            peer.last_seen.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.peer.peer_id.to_string()
    }
}

impl Row for PeerRow {
    const COLUMNS: &'static [Column] = &[
        Column::flexible("NAME"),
        Column::text("USER"),
        Column::text("STATE"),
        Column::number("FILES"),
        Column::text("ADDRESS").or_nothing(3),
        Column::text("SEEN").or_nothing(2),
        Column::text("ID").or_nothing(1),
    ];

    fn cells(&self) -> Vec<TableCell> {
        let peer = &self.peer;
        vec![
            TableCell::new(peer.name.as_str()),
            TableCell::new(peer.user.as_str()),
            state_cell(peer.state),
            TableCell::new(peer.files.to_string()),
            TableCell::new(peer.address.as_str()),
            TableCell::new(ago(peer.last_seen, self.now)),
            TableCell::new(&peer.peer_id.to_string()[..8]),
        ]
    }
}
