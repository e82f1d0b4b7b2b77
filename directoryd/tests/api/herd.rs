//! Everybody at once, as after a cut of the network or a restart of the directory.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proto::directory::{IssuedChallenge, Stats};
use reqwest::{Method, Response, StatusCode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::crash::add_ana;
use crate::program::Process;
use crate::support::{Api, TestPeer, User};

const PEERS: usize = 1000;
/// Until all of them are there.
const DEADLINE: Duration = Duration::from_mins(2);

/// Asks until it is done, as a peer does; notes what else was answered.
async fn insist(mut ask: impl AsyncFnMut() -> Response, statuses: &mut BTreeSet<StatusCode>) -> Response {
    loop {
        let answer = ask().await;
        if answer.status().is_success() {
            return answer;
        }
        statuses.insert(answer.status());
        let wait = answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok()).unwrap_or(1);
        tokio::time::sleep(Duration::from_secs(wait).mul_f64(rand::random_range(0.5..1.0))).await;
    }
}

/// The whole way, on a connection of its own.
async fn arrive(peer: TestPeer) -> BTreeSet<StatusCode> {
    let mut statuses = BTreeSet::new();
    let challenge = async || peer.user.request(Method::POST, "/peers/challenge").send().await.unwrap();
    let issued: IssuedChallenge = insist(challenge, &mut statuses).await.json().await.unwrap();
    let proof = peer.sign(peer.id(), issued.nonce);
    insist(async || peer.try_register(&proof).await, &mut statuses).await;
    insist(async || peer.beat().await, &mut statuses).await;
    statuses
}

#[tokio::test]
async fn a_thousand_peers_that_come_at_once_are_all_let_in() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]).await;
    add_ana(folder.path()).await;
    let ana = process.api.session("ana").await;
    let peers: Vec<TestPeer> = (0..PEERS)
        .map(|number| {
            // A connection of its own each.
            let api = Api::with(process.api.base.clone(), |client| client);
            User { api, token: ana.token.clone() }.peer(&format!("p{number}"))
        })
        .collect();
    let began = Instant::now();
    let arriving = futures_util::future::join_all(peers.into_iter().map(arrive));
    let arrived = tokio::time::timeout(DEADLINE, arriving).await.expect("all are there in time");
    let refused: BTreeSet<StatusCode> = arrived.into_iter().flatten().collect();
    println!("{PEERS} peers in {:?}; refused meanwhile: {refused:?}", began.elapsed());
    let shed = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    assert!(refused.iter().all(|status| shed.contains(status)), "{refused:?}");
    assert_eq!(ana.get::<Stats>("/stats").await.peers_up, PEERS as u64);
    assert_eq!(process.terminate().await, Some(0));
}
