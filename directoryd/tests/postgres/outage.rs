//! The server goes away, and comes back.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::directory::{ProblemCode, Stats};
use reqwest::{Method, StatusCode};

use crate::support::{Directory, TestPeer, code, eventually, file};

/// How long a directory may take to find a server that is back.
const BACK: Duration = Duration::from_secs(5);

/// What one lane of load saw.
#[derive(Default)]
struct Seen {
    acknowledged: Vec<String>,
    refused: usize,
    /// When the first announcement after a refusal was answered well.
    recovered: Option<Instant>,
}

/// How many announce at once.
const LANES: usize = 6;

/// What those who announce share.
#[derive(Default)]
struct Load {
    ends: AtomicBool,
    /// How many were refused something.
    in_the_gap: AtomicUsize,
}

/// Announces one file after the other, each until it is acknowledged, as a peer does.
async fn announce_all(peer: &TestPeer, lane: usize, load: &Load) -> Seen {
    let mut seen = Seen::default();
    for number in 0.. {
        if load.ends.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{lane}-{number}");
        loop {
            let answer = peer.try_patch(vec![file(&name)], vec![]).await;
            if answer.status() == StatusCode::OK {
                break;
            }
            assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
            assert_eq!(code(answer).await, ProblemCode::Unavailable);
            if seen.refused == 0 {
                load.in_the_gap.fetch_add(1, Ordering::Relaxed);
            }
            seen.refused += 1;
            seen.recovered = None;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if seen.refused > 0 {
            seen.recovered.get_or_insert_with(Instant::now);
        }
        seen.acknowledged.push(name);
    }
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_under_load_loses_and_doubles_nothing() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let load = Arc::new(Load::default());
    let mut lanes = Vec::new();
    for lane in 0..LANES {
        let peer = ana.peer(&format!("p{lane}"));
        peer.register().await;
        let load = Arc::clone(&load);
        lanes.push(tokio::spawn(async move { announce_all(&peer, lane, &load).await }));
    }
    let announced = async || {
        let answer = ana.request(Method::GET, "/stats").send().await.unwrap();
        if answer.status() == StatusCode::OK { Some(answer.json::<Stats>().await.unwrap().files) } else { None }
    };
    let before = eventually("the load begins", async || announced().await.filter(|files| *files > 30)).await;
    directory.backend.stop().await;
    let ready = async || ana.request(Method::GET, "//readyz").send().await.unwrap();
    let refused = eventually("it is noticed", async || Some(ready().await).filter(|is| is.status() != 200)).await;
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    assert_eq!(code(refused).await, ProblemCode::Unavailable);
    let all_refused = async || (load.in_the_gap.load(Ordering::Relaxed) == LANES).then_some(());
    eventually("everybody met the gap", all_refused).await;
    directory.backend.run().await;
    let back = Instant::now();
    eventually("it is ready again", async || (ready().await.status() == 200).then_some(())).await;
    assert!(back.elapsed() < BACK, "ready after {:?}", back.elapsed());
    let goes_on = async || announced().await.filter(|files| *files > before + 60);
    eventually("the load goes on", goes_on).await;
    load.ends.store(true, Ordering::Relaxed);
    let mut acknowledged = HashSet::new();
    for lane in lanes {
        let seen = lane.await.unwrap();
        assert!(seen.refused > 0, "it met the gap");
        let recovered = seen.recovered.expect("it came out of the gap");
        assert!(recovered < back + BACK, "{:?}", recovered - back);
        acknowledged.extend(seen.acknowledged);
    }
    let found: Vec<String> = ana.all_files().await.iter().map(|entry| entry.name.to_string()).collect();
    assert_eq!(found.len(), acknowledged.len(), "nothing is there twice, and nothing that nobody was told of");
    assert!(found.iter().all(|name| acknowledged.contains(name)), "everything acknowledged is there");
    let count = async |query: &str| directory.backend.count(&format!("SELECT COUNT(*) AS n FROM {query}")).await;
    let events = count("events WHERE kind = 'file.announced'").await;
    assert_eq!(usize::try_from(events).unwrap(), acknowledged.len());
    assert_eq!(count("files WHERE holders != 1 OR holders_up != 1").await, 0);
    assert_eq!(count("events WHERE kind = 'peer.down'").await, 0, "an outage of the database is nobody's going down");
}

#[tokio::test]
async fn what_others_hold_is_waited_for_and_then_refused() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    // As `directoryd user …` does while it writes; and then a session that hangs in the middle of it.
    let hung = directory.backend.execute("SELECT pg_advisory_lock(1701735009, 1), pg_sleep(4)");
    let refused = async {
        eventually("the lock is taken", async || {
            let locks = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND granted";
            (directory.backend.count(locks).await == 1).then_some(())
        })
        .await;
        peer.try_patch(vec![file("f")], vec![]).await
    };
    let ((), refused) = tokio::join!(hung, refused);
    assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
    assert_eq!(code(refused).await, ProblemCode::Unavailable);
    assert!(peer.user.names("/files").await.is_empty());
    peer.announce(&["f"]).await;
}

#[tokio::test]
async fn an_outage_longer_than_a_lease_is_nobodys_going_down() {
    let lease = Duration::from_secs(1);
    let directory = Directory::with_lease(lease).await;
    let ana = directory.user("ana").await;
    let (living, dead) = (ana.peer("living"), ana.peer("dead"));
    living.register().await;
    dead.register().await;
    directory.backend.stop().await;
    let away = Instant::now();
    while away.elapsed() < lease * 4 {
        let _ = living.beat().await;
        tokio::time::sleep(lease / 5).await;
    }
    directory.backend.run().await;
    eventually("the dead one goes down", async || {
        let beat = living.beat().await.status();
        let down = directory.backend.count("SELECT COUNT(*) AS n FROM peers WHERE NOT up").await;
        (beat == StatusCode::OK && down == 1).then_some(())
    })
    .await;
    assert_eq!(directory.backend.count("SELECT COUNT(*) AS n FROM events WHERE kind = 'peer.down'").await, 1);
    assert_eq!(ana.state(living.id()).await, proto::directory::PeerState::Up);
}
