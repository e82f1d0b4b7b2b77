//! Up and down, on real clocks.

use std::time::{Duration, Instant};

use proto::directory::PeerState;
use reqwest::StatusCode;

use crate::support::{Directory, TestPeer, eventually, file};

#[tokio::test]
async fn a_silent_peer_is_down_within_a_second_of_its_lease() {
    let lease = Duration::from_millis(800);
    let directory = Directory::with_lease(lease).await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    peer.announce(&["f"]).await;
    assert_eq!(peer.beat().await.status(), StatusCode::OK);
    let last_beat = Instant::now();
    eventually("the peer goes down", async || (peer.user.state(peer.id()).await == PeerState::Down).then_some(()))
        .await;
    let took = last_beat.elapsed();
    assert!(took + Duration::from_millis(50) >= lease, "too early: {took:?}");
    assert!(took <= lease + Duration::from_secs(1), "too late: {took:?}");
    let shown = peer.user.file(file("f").file_id).await;
    assert_eq!((shown["holders"].as_u64(), shown["holders_up"].as_u64()), (Some(1), Some(0)));
    // It comes back as the same peer, with all it had.
    assert_eq!(peer.beat().await.status(), StatusCode::OK);
    assert_eq!(peer.user.state(peer.id()).await, PeerState::Up);
    assert_eq!(peer.user.file(file("f").file_id).await["holders_up"], 1);
}

#[tokio::test]
async fn a_restart_grants_one_lease_of_grace() {
    let lease = Duration::from_secs(2);
    let directory = Directory::with_lease(lease).await;
    let ana = directory.user("ana").await;
    let mut peers = Vec::new();
    for name in ["living", "dead", "left"] {
        let peer = ana.peer(name);
        peer.register().await;
        peers.push(peer);
    }
    peers[2].log_out().await;
    let before = events(&directory).await;
    let directory = directory.restart().await;
    let restarted = Instant::now();
    let ana = directory.api.session("ana").await;
    let states =
        async || [ana.state(peers[0].id()).await, ana.state(peers[1].id()).await, ana.state(peers[2].id()).await];
    assert_eq!(states().await, [PeerState::Up, PeerState::Up, PeerState::Down]);
    assert_eq!(events(&directory).await, before, "a restart is no event");
    let living = TestPeer {
        user: ana.clone(),
        identity: peers[0].identity.clone(),
        instance: peers[0].instance,
        name: "living".into(),
    };
    eventually("the dead one goes down", async || {
        assert_eq!(living.beat().await.status(), StatusCode::OK, "the living one needs no registration");
        (ana.state(peers[1].id()).await == PeerState::Down).then_some(())
    })
    .await;
    assert!(restarted.elapsed() + Duration::from_millis(100) >= lease, "the grace is a whole lease");
    assert_eq!(ana.state(living.id()).await, PeerState::Up);
    assert_eq!(events(&directory).await, before + 1, "one goes down, and nothing else happens");
}

/// Rows in the log of changes.
async fn events(directory: &Directory) -> i64 {
    directory.backend.count("SELECT COUNT(*) AS n FROM events").await
}
