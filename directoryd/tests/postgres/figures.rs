//! The page of figures over a server: its commits are counted like those to a file.

use directoryd::Admin;
use proto::directory::Role;

use crate::support::{Directory, samples};

#[tokio::test]
async fn commits_to_a_server_are_counted_too() {
    let directory = Directory::configured(|config| config.admin = Admin::At("127.0.0.1:0".parse().unwrap())).await;
    directory.add("ana", Role::User).await;
    let page = samples(&directory.page().await);
    assert!(page["directoryd_commit_writes_count"] >= 2.0, "the first key and the account: {page:?}");
    assert_eq!((page["directoryd_users"], page["directoryd_database_up"]), (1.0, 1.0));
}
