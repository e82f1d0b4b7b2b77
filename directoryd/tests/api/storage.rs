//! What the database looks like from beside.

use std::time::Duration;

use reqwest::Method;

use crate::support::{Directory, file};

#[tokio::test]
async fn kept_counts_are_what_counting_gives() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peers = [ana.peer("a"), ana.peer("b"), ana.peer("c")];
    for round in 0..30_u32 {
        let peer = &peers[(round % 3) as usize];
        match round % 5 {
            0 | 3 => {
                peer.register().await;
            }
            4 => {
                let _ = ana.request(Method::DELETE, &format!("/peers/{}", peer.id())).send().await.unwrap();
            }
            _ => {
                let add = (0..4).map(|i| file(&format!("f{}", (round + i) % 7))).collect();
                let gone = file(&format!("f{}", round % 5)).file_id;
                let remove = vec![proto::directory::Withdraw { file_id: gone, name: None }];
                let _ = peer.try_patch(add, remove).await;
            }
        }
    }
    let wrong = async |query: &str| directory.backend.count(&format!("SELECT COUNT(*) AS n FROM {query}")).await;
    let holdings =
        "SELECT COUNT(*) FROM holdings h JOIN peers p USING (peer_id) WHERE h.file_id = f.file_id AND complete";
    assert!(wrong("files").await > 0, "something happened");
    assert_eq!(wrong(&format!("files f WHERE holders != ({holdings})")).await, 0);
    assert_eq!(wrong(&format!("files f WHERE holders_up != ({holdings} AND up)")).await, 0);
    let of_peer = "SELECT COUNT(*) FROM holdings h WHERE h.peer_id = p.peer_id AND complete";
    assert_eq!(wrong(&format!("peers p WHERE files != ({of_peer})")).await, 0);
    let shares = "SELECT * FROM shares s WHERE s.file_id = n.file_id AND s.name = n.name";
    assert_eq!(wrong(&format!("names n WHERE NOT EXISTS ({shares})")).await, 0);
    let names = "SELECT * FROM names n WHERE s.file_id = n.file_id AND s.name = n.name";
    assert_eq!(wrong(&format!("shares s WHERE NOT EXISTS ({names})")).await, 0);
}

#[tokio::test]
async fn concurrent_writes_are_all_kept() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let writes = (0..32).map(async |number| {
        let peer = ana.peer(&format!("p{number}"));
        peer.register().await;
        for file in 0..5 {
            peer.announce(&[&format!("{number}-{file}")]).await;
        }
    });
    tokio::time::timeout(Duration::from_mins(1), futures_util::future::join_all(writes)).await.unwrap();
    assert_eq!(ana.get::<proto::directory::Stats>("/stats").await.files, 160);
}
