//! Killed at any moment, the directory has what it said that it has.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use directoryd::{Database, NewAccount, Purpose};
use proto::Timestamp;
use proto::directory::Role;

use crate::backend::count;
use crate::program::Process;
use crate::support::{PASSWORD, TestPeer, file, secret};

#[tokio::test]
async fn acknowledged_announcements_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("directory.db");
    let mut acknowledged: Vec<String> = Vec::new();
    let mut process = Process::start(folder.path(), &[]).await;
    add_ana(folder.path()).await;
    let mut peer = TestPeer::new(process.api.session("ana").await, "a");
    peer.register().await;
    // The usual few; many where somebody has the time: CRASH_ROUNDS=200.
    let rounds = std::env::var("CRASH_ROUNDS").map_or(5, |rounds| rounds.parse().unwrap());
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        let killer = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(150 + 70 * (round % 5))).await;
            process.kill().await;
        });
        acknowledged.extend(announce_until_dead(&peer, round).await);
        killer.await.unwrap();
        let start = Instant::now();
        process = Process::start(folder.path(), &[]).await;
        slowest = slowest.max(start.elapsed());
        peer.user.api = process.api.clone();
        let listed = peer.user.all_files().await;
        let found: HashSet<&str> = listed.iter().map(|entry| entry.name.as_str()).collect();
        let lost: Vec<_> = acknowledged.iter().filter(|name| !found.contains(name.as_str())).collect();
        assert!(lost.is_empty(), "round {round}: {} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    }
    println!(
        "{} announcements acknowledged in {rounds} rounds; the slowest start took {slowest:?}",
        acknowledged.len()
    );
    assert!(acknowledged.len() > 20, "the kills came too early to tell: {}", acknowledged.len());
    assert_eq!(process.terminate().await, Some(0));
    let sound = "SELECT COUNT(*) AS n FROM pragma_integrity_check WHERE integrity_check = 'ok'";
    assert_eq!(count(&database, sound), 1);
    assert_eq!(count(&database, "SELECT COUNT(*) AS n FROM pragma_foreign_key_check"), 0);
}

/// Names whose announcement was answered with success before the directory died.
async fn announce_until_dead(peer: &TestPeer, round: u64) -> Vec<String> {
    let lanes = (0..8).map(async |lane| {
        let mut acknowledged = Vec::new();
        for number in 0.. {
            let name = format!("{round}-{lane}-{number}");
            let path = format!("/peers/{}/files", peer.id());
            let body = serde_json::json!({"add": [file(&name)]});
            match peer.user.request(reqwest::Method::PATCH, &path).json(&body).send().await {
                Ok(answer) if answer.status().is_success() => acknowledged.push(name),
                _ => break,
            }
        }
        acknowledged
    });
    futures_util::future::join_all(lanes).await.concat()
}

pub(crate) async fn add_ana(state: &Path) {
    let store = directoryd::Store::open(&Database::Sqlite(state.join("directory.db")), Purpose::Visit).await.unwrap();
    let password_hash = directoryd::hash_password(&secret(PASSWORD)).unwrap();
    let account = NewAccount { name: "ana".parse().unwrap(), password_hash, role: Role::User };
    store.add_user(account, Timestamp::now()).await.unwrap().unwrap();
}
