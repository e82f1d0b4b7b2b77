//! News for whoever sits at a prompt: transfers that end, the directory that goes and comes, peers likewise.
//!
//! The first two are facts that this daemon has in watch channels. Peers are looked up every few seconds, in small fleets
//! only: nobody wants to read of each of five thousand machines.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proto::control::{DirectoryState, Done, Failure, News, Transfer, WATCHED_PEERS};
use proto::ids::{PeerId, PeerName, TransferId};

use super::connection::Watcher;
use super::dispatch::Desk;
use crate::directory::client::PeerQuery;

/// How often peers are looked up: well within a lease, so that nobody hears of one much later than the directory.
const LOOK: Duration = Duration::from_secs(5);

/// Tells until the daemon stops or nobody listens.
pub(super) async fn subscribe(desk: &Desk, watcher: &Watcher) -> Result<Done, Failure> {
    let over = Over::as_of(&desk.transfers().await?);
    watcher.news(News::Listening {}).await;
    tokio::select! {
        () = transfers(desk, watcher, over) => {}
        () = directory(desk, watcher) => {}
        () = peers(desk, watcher) => {}
    }
    Ok(Done {})
}

/// The transfers of which nothing more is to be told.
struct Over(BTreeSet<TransferId>);

impl Over {
    fn as_of(items: &[Transfer]) -> Self {
        Self(items.iter().filter(|item| item.state.is_final()).map(|item| item.transfer_id).collect())
    }

    /// Those that have ended since.
    fn since(&mut self, items: Vec<Transfer>) -> Vec<Transfer> {
        let now = Self::as_of(&items);
        let before = std::mem::replace(self, now);
        items.into_iter().filter(|item| item.state.is_final() && !before.0.contains(&item.transfer_id)).collect()
    }
}

async fn transfers(desk: &Desk, watcher: &Watcher, mut over: Over) {
    // Its value is set anew whenever one starts or ends; one that ended meanwhile is seen at once.
    let mut running = desk.running.clone();
    running.mark_changed();
    while running.changed().await.is_ok() {
        running.mark_unchanged();
        // An actor that is being restarted has the same to tell afterwards.
        let Ok(now) = desk.transfers().await else { continue };
        for ended in over.since(now) {
            watcher.news(News::Ended(ended)).await;
        }
    }
}

async fn directory(desk: &Desk, watcher: &Watcher) {
    let mut view = desk.view.clone();
    let mut told = view.borrow_and_update().status.state;
    while view.changed().await.is_ok() {
        let status = view.borrow_and_update().status.clone();
        // On the way there is not a state to be told of: how it ends is.
        if status.state != told && status.state != DirectoryState::Connecting {
            told = status.state;
            watcher.news(News::Directory(status)).await;
        }
    }
}

async fn peers(desk: &Desk, watcher: &Watcher) {
    let mut before: Option<BTreeMap<PeerId, PeerName>> = None;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(now) = up(desk).await else { continue };
        if let Some(before) = &before {
            for (peer_id, peer) in before.iter().filter(|(id, _)| !now.contains_key(id)) {
                watcher.news(News::PeerDown { peer_id: *peer_id, peer: peer.clone() }).await;
            }
            for (peer_id, peer) in now.iter().filter(|(id, _)| !before.contains_key(id)) {
                watcher.news(News::PeerUp { peer_id: *peer_id, peer: peer.clone() }).await;
            }
        }
        before = Some(now);
    }
}

/// The other peers that are up; nothing where that cannot be known, or they are too many.
async fn up(desk: &Desk) -> Option<BTreeMap<PeerId, PeerName>> {
    let token = desk.view.borrow().token().cloned()?;
    let limit = u32::try_from(WATCHED_PEERS).ok();
    let query = PeerQuery { state: Some("up"), limit, ..PeerQuery::default() };
    let page = desk.client.peers(&token, &query).await.ok().filter(|page| page.next.is_none())?;
    let others = page.items.into_iter().filter(|peer| peer.peer_id != desk.peer_id);
    Some(others.map(|peer| (peer.peer_id, peer.name)).collect())
}

#[cfg(test)]
mod tests {
    use proto::control::TransferState;
    use proto::ids::{ByteCount, FileId};

    use super::*;

    fn transfer(number: u64, state: TransferState) -> Transfer {
        let json = serde_json::json!({
            "transfer_id": TransferId(number), "file_id": FileId::of(b"x"), "name": "x", "size": ByteCount::new(1),
            "path": "/x", "state": state, "bytes": 0, "rate": 0.0, "seconds": 0.0, "verified": false,
            "simulated": false, "sources": [],
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn each_end_is_told_once() {
        use TransferState::{Done, Failed, Running};
        let mut over = Over::as_of(&[transfer(1, Done), transfer(2, Running)]);
        let told = |over: &mut Over, items: Vec<Transfer>| {
            over.since(items).iter().map(|item| item.transfer_id.0).collect::<Vec<_>>()
        };
        assert_eq!(told(&mut over, vec![transfer(1, Done), transfer(2, Running)]), [0; 0]);
        // The third began and ended between two looks.
        assert_eq!(told(&mut over, vec![transfer(1, Done), transfer(2, Failed), transfer(3, Done)]), [2, 3]);
        assert_eq!(told(&mut over, vec![transfer(2, Failed), transfer(3, Done)]), [0; 0]);
    }
}
