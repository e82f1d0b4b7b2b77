//! The page of figures over a server: its commits are counted like those to a file.

use directoryd::Admin;
use proto::directory::Role;

use crate::support::Directory;

#[tokio::test]
async fn commits_to_a_server_are_counted_too() {
    let directory = Directory::configured(|config| config.admin = Admin::At("127.0.0.1:0".parse().unwrap())).await;
    directory.add("ana", Role::User).await;
    let page = reqwest::get(format!("http://{}/metrics", directory.figures.unwrap())).await.unwrap();
    let page = page.text().await.unwrap();
    let figure = |name: &str| -> f64 {
        let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {page}"));
        line.trim().parse().unwrap()
    };
    assert!(figure("directoryd_commit_writes_count ") >= 2.0, "the first key and the account: {page}");
    assert_eq!((figure("directoryd_users "), figure("directoryd_database_up ")), (1.0, 1.0));
}
