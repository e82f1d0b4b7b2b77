//! The list of files, which the directory keeps in memory while nothing changes: nobody can tell, but by its tag.

use std::collections::BTreeMap;

use proto::directory::{FileEntry, Page, Withdraw};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::header::ETAG;
use reqwest::{Method, StatusCode};

use crate::support::{Directory, TestPeer, User, eventually, file, take};

const PEERS: usize = 3;

/// A name, and the peers that have a file of that name.
type Expected = BTreeMap<String, [bool; PEERS]>;

fn page(expected: &Expected, up: [bool; PEERS]) -> Vec<(String, u64, u64)> {
    let count = |holders: &[bool; PEERS], among: [bool; PEERS]| {
        holders.iter().zip(among).filter(|(holds, counts)| **holds && *counts).count() as u64
    };
    let held = expected.iter().filter(|(_, holders)| holders.contains(&true));
    held.map(|(name, holders)| (name.clone(), count(holders, [true; PEERS]), count(holders, up))).collect()
}

/// The list, and whether it came from memory.
async fn listed(user: &User) -> (Vec<(String, u64, u64)>, bool) {
    let answer = user.request(Method::GET, "/files?limit=1000").send().await.unwrap();
    let kept = answer.headers()[ETAG].to_str().unwrap().contains("files");
    let page: Page<FileEntry> = take(answer, StatusCode::OK).await;
    let told = |entry: FileEntry| (entry.name.to_string(), entry.holders, entry.holders_up);
    (page.items.into_iter().map(told).collect(), kept)
}

async fn change(peer: &TestPeer, number: usize, luck: &mut StdRng, expected: &mut Expected, up: &mut [bool; PEERS]) {
    if luck.random_range(0..6) == 0 && up[number] {
        peer.log_out().await;
        up[number] = false;
        return;
    }
    if !up[number] {
        peer.register().await;
        up[number] = true;
    }
    let name = format!("f{}", luck.random_range(0..8));
    let holds = luck.random_range(0..2) == 0;
    if holds {
        peer.announce(&[&name]).await;
    } else {
        let gone = Withdraw { file_id: file(&name).file_id, name: None };
        peer.patch(vec![], vec![gone]).await;
    }
    expected.entry(name).or_default()[number] = holds;
}

#[tokio::test]
async fn whoever_has_changed_something_sees_it() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut luck = StdRng::seed_from_u64(seed);
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peers: [TestPeer; PEERS] = std::array::from_fn(|number| ana.peer(&format!("p{number}")));
    let (mut expected, mut up) = (Expected::new(), [true; PEERS]);
    for peer in &peers {
        peer.register().await;
    }
    for _ in 0..60 {
        // Now from a list that is kept, now from one that is just being read.
        if luck.random_range(0..2) == 0 {
            let kept = async || {
                let (list, kept) = listed(&ana).await;
                assert_eq!(list, page(&expected, up));
                kept.then_some(())
            };
            eventually("the list is in memory", kept).await;
        }
        let number = luck.random_range(0..PEERS);
        change(&peers[number], number, &mut luck, &mut expected, &mut up).await;
        for _ in 0..luck.random_range(1..4) {
            assert_eq!(listed(&ana).await.0, page(&expected, up));
        }
    }
}
