//! What the database looks like from beside.

use std::time::Duration;

use proto::directory::Withdraw;
use rand::RngExt as _;
use reqwest::Method;

use crate::support::{Directory, TestPeer, User, eventually, file};

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
                let remove = vec![Withdraw { file_id: gone, name: None }];
                let _ = peer.try_patch(add, remove).await;
            }
        }
    }
    let wrong = async |query: &str| count(&directory, query).await;
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

/// More than one transaction counts.
const MANY: usize = 2500;

async fn count(directory: &Directory, query: &str) -> i64 {
    directory.backend.count(&format!("SELECT COUNT(*) AS n FROM {query}")).await
}

/// A peer with [`MANY`] files.
async fn large(user: &User) -> TestPeer {
    let peer = user.peer("large");
    peer.register().await;
    let names: Vec<String> = (0..MANY).map(|number| format!("f{number}")).collect();
    for some in names.chunks(1000) {
        peer.announce(&some.iter().map(String::as_str).collect::<Vec<_>>()).await;
    }
    peer
}

/// Files whose holders that are up are not those that have gone so far as to be counted there.
async fn miscounted(directory: &Directory) -> i64 {
    let counted = "CASE WHEN counted_to IS NULL OR h.file_id <= counted_to THEN up ELSE NOT up END";
    let holdings = "SELECT COUNT(*) FROM holdings h JOIN peers p USING (peer_id) WHERE h.file_id = f.file_id";
    count(directory, &format!("files f WHERE holders_up != ({holdings} AND complete AND {counted})")).await
}

/// How many holders that are up each file has, as it is listed.
async fn up(user: &User) -> Vec<u64> {
    user.all_files().await.iter().map(|entry| entry.holders_up).collect()
}

/// Has the one peer go down as far as some of the transactions bring it.
async fn halfway_down(directory: &Directory) {
    let some = "(SELECT file_id FROM files ORDER BY file_id LIMIT 1 OFFSET 700)";
    directory.backend.execute(&format!("UPDATE peers SET up = false, counted_to = {some}")).await;
    directory.backend.execute(&format!("UPDATE files SET holders_up = 0 WHERE file_id <= {some}")).await;
    assert_eq!(miscounted(directory).await, 0);
}

#[tokio::test]
async fn whoever_has_many_files_is_answered_when_all_of_them_are_counted() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (large, other) = (large(&ana).await, ana.peer("other"));
    other.register().await;
    let comings = async {
        for _ in 0..4 {
            large.log_out().await;
            assert_eq!(up(&ana).await.iter().filter(|up| **up > 1).count(), 0, "one of two is up");
            large.register().await;
            assert_eq!(up(&ana).await.iter().filter(|up| **up < 1).count(), 0, "the one that has them all is up");
        }
    };
    let writes = async {
        loop {
            let [some, others] = [(); 2].map(|()| file(&format!("f{}", rand::rng().random_range(0..MANY))));
            let gone = Withdraw { file_id: others.file_id, name: None };
            other.patch(vec![some], vec![gone]).await;
            assert_eq!(miscounted(&directory).await, 0);
        }
    };
    tokio::select! {
        () = comings => {}
        () = writes => {}
    }
    assert_eq!(miscounted(&directory).await, 0);
    assert_eq!(count(&directory, "peers WHERE counted_to IS NOT NULL").await, 0);
}

#[tokio::test]
async fn what_is_written_meanwhile_counts_a_peer_as_its_file_does() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = large(&ana).await;
    halfway_down(&directory).await;
    // Each of them on both sides of how far it has come.
    let new = (0..50).map(|number| file(&format!("new{number}"))).collect();
    let gone = (0..50).map(|number| Withdraw { file_id: file(&format!("f{number}")).file_id, name: None }).collect();
    peer.patch(new, gone).await;
    assert_eq!(miscounted(&directory).await, 0);
    // Up again before it was counted as down everywhere.
    peer.register().await;
    assert_eq!(miscounted(&directory).await, 0);
    assert_eq!(count(&directory, "files WHERE holders_up = 1").await, 2500);
}

#[tokio::test]
async fn what_a_crash_left_uncounted_is_counted_by_the_next_start() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    large(&ana).await;
    halfway_down(&directory).await;
    let directory = directory.restart().await;
    let counted = async || (count(&directory, "peers WHERE counted_to IS NOT NULL").await == 0).then_some(());
    eventually("all is counted", counted).await;
    assert_eq!(miscounted(&directory).await, 0);
    assert_eq!(count(&directory, "files WHERE holders_up = 0").await, 2500);
}
