//! Replays the committed seeds of the fuzz target: what once went wrong, or nearly, stays looked at.

#[path = "../../fuzz/borders.rs"]
mod borders;

use proto::directory::Role;
use proto::ids::{FileId, PeerId};
use reqwest::Method;

use crate::support::Directory;

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/rest_bodies");
    let seeds: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    assert!(seeds.len() > 10, "{} has only {} seeds", folder.display(), seeds.len());
    seeds
}

#[test]
fn bodies_are_read_or_refused() {
    for (name, seed) in seeds() {
        println!("{name}");
        borders::rest_bodies(&seed);
    }
}

#[tokio::test]
async fn a_directory_stays_well_whatever_it_is_sent() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    directory.add("ana", Role::User).await;
    let peer = admin.peer("laptop");
    peer.register().await;
    let (id, stranger) = (peer.id(), PeerId::from_bytes([7; 20]));
    for (name, seed) in seeds() {
        for (method, path) in [
            (Method::POST, "/sessions".to_owned()),
            (Method::POST, "/users".to_owned()),
            (Method::PATCH, "/users/ana".to_owned()),
            (Method::PUT, "/users/ana/password".to_owned()),
            (Method::PUT, "/users/root/password".to_owned()),
            (Method::PUT, format!("/peers/{id}")),
            (Method::PUT, format!("/peers/{stranger}")),
            (Method::POST, format!("/peers/{id}/heartbeat")),
            (Method::PATCH, format!("/peers/{id}/files")),
        ] {
            // A panic would close the connection without an answer.
            let answer = admin.request(method.clone(), &path).body(seed.clone()).send().await;
            let status = answer.unwrap_or_else(|error| panic!("{name} to {method} {path}: {error}")).status();
            assert!(!status.is_server_error(), "{name} to {method} {path}: {status}");
        }
    }
    let fine = admin.request(Method::GET, &format!("/files/{}", FileId::of(b"x"))).send().await.unwrap();
    assert_eq!(fine.status(), 404);
}
