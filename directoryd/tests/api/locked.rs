//! What happens when the file of the database cannot be written.

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use proto::directory::ProblemCode;
use reqwest::StatusCode;

use crate::support::{Directory, code, file};

#[tokio::test]
async fn while_another_process_writes_reads_go_on() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    let mut other = SqliteConnection::establish(directory.backend.path().to_str().unwrap()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let refused = peer.try_patch(vec![file("f")], vec![]).await;
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(code(refused).await, ProblemCode::Unavailable);
    assert!(peer.user.names("/files").await.is_empty());
    assert_eq!(peer.beat().await.status(), StatusCode::OK, "a heartbeat writes nothing");
    other.batch_execute("ROLLBACK").unwrap();
    peer.announce(&["f"]).await;
}
