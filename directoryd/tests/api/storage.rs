//! What the database looks like from beside, and what happens when it cannot.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use proto::directory::ProblemCode;
use reqwest::{Method, StatusCode};

use crate::support::{Directory, code, file};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

/// The one number `n` that a query gives.
pub(crate) fn count(database: &Path, query: &str) -> i64 {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    diesel::sql_query(query).get_result::<Number>(&mut connection).unwrap().n
}

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
    let wrong = |query: &str| count(&directory.database(), &format!("SELECT COUNT(*) AS n FROM {query}"));
    let holdings =
        "SELECT COUNT(*) FROM holdings h JOIN peers p USING (peer_id) WHERE h.file_id = f.file_id AND complete";
    assert!(wrong("files") > 0, "something happened");
    assert_eq!(wrong(&format!("files f WHERE holders != ({holdings})")), 0);
    assert_eq!(wrong(&format!("files f WHERE holders_up != ({holdings} AND up)")), 0);
    let of_peer = "SELECT COUNT(*) FROM holdings h WHERE h.peer_id = p.peer_id AND complete";
    assert_eq!(wrong(&format!("peers p WHERE files != ({of_peer})")), 0);
    let shares = "SELECT * FROM shares s WHERE s.file_id = n.file_id AND s.name = n.name";
    assert_eq!(wrong(&format!("names n WHERE NOT EXISTS ({shares})")), 0);
    let names = "SELECT * FROM names n WHERE s.file_id = n.file_id AND s.name = n.name";
    assert_eq!(wrong(&format!("shares s WHERE NOT EXISTS ({names})")), 0);
}

#[tokio::test]
async fn while_another_process_writes_reads_go_on() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    let mut other = SqliteConnection::establish(directory.database().to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let refused = peer.try_patch(vec![file("f")], vec![]).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(code(refused).await, ProblemCode::Unavailable);
    assert!(peer.user.names("/files").await.is_empty());
    assert_eq!(peer.beat().await.status(), StatusCode::OK, "a heartbeat writes nothing");
    other.batch_execute("ROLLBACK").unwrap();
    peer.announce(&["f"]).await;
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
