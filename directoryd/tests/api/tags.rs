//! What has not changed is not sent again.

use reqwest::header::{ETAG, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode};

use crate::crash::add_ana;
use crate::program::{Process, directoryd};
use crate::support::{Directory, User, code, eventually, file};

async fn ask(user: &User, path: &str, tag: Option<&str>) -> Response {
    let mut request = user.request(Method::GET, path);
    if let Some(tag) = tag {
        request = request.header(IF_NONE_MATCH, tag);
    }
    request.send().await.unwrap()
}

fn tag(answer: &Response) -> String {
    assert_eq!(answer.headers()["cache-control"], "private, no-cache");
    answer.headers()[ETAG].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_is_good_until_something_is_stored() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    peer.announce(&["one"]).await;
    let (id, peer_id) = (file("one").file_id, peer.id());
    for path in ["/files".to_owned(), format!("/files/{id}"), format!("/peers/{peer_id}/files"), "/stats".to_owned()] {
        // Within a second of a change of an account an answer may be asked for once too often.
        let (known, before) = eventually("it is good for a while", async || {
            let first = ask(&ana, &path, None).await;
            assert_eq!(first.status(), StatusCode::OK, "{path}");
            let (known, before) = (tag(&first), first.text().await.unwrap());
            let again = ask(&ana, &path, Some(&format!("\"other\", {known}"))).await;
            // Signs of life are no change.
            assert_eq!(peer.beat().await.status(), StatusCode::OK);
            let later = ask(&ana, &path, Some(&known)).await;
            if [again.status(), later.status()] != [StatusCode::NOT_MODIFIED; 2] {
                return None;
            }
            assert_eq!(tag(&again), known, "{path}");
            assert_eq!(again.text().await.unwrap(), "");
            Some((known, before))
        })
        .await;
        // Whoever has changed something sees it.
        peer.announce(&[&format!("another of {path}").replace('/', " ")]).await;
        let changed = ask(&ana, &path, Some(&known)).await;
        assert_eq!(changed.status(), StatusCode::OK, "{path}");
        assert_ne!(tag(&changed), known);
        if path == "/files" {
            assert_ne!(changed.text().await.unwrap(), before);
        }
        // What is stored is for those who may read it.
        let known = tag(&ask(&ana, &path, None).await);
        let stranger = User { token: "0".repeat(64), ..ana.clone() };
        assert_eq!(ask(&stranger, &path, Some(&known)).await.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let known = tag(&ask(&ana, "/files", None).await);
    peer.log_out().await;
    assert_eq!(ask(&ana, "/files", Some(&known)).await.status(), StatusCode::OK, "fewer are up");
    let missing = ask(&ana, &format!("/files/{}", file("none").file_id), None).await;
    assert!(!missing.headers().contains_key(ETAG));
    code(missing).await;
}

#[tokio::test]
async fn changes_from_outside_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &[]).await;
    add_ana(folder.path()).await;
    assert!(directoryd(folder.path(), &["user", "add", "bob", "--password-file", "-"], "bob's").status.success());
    let ana = process.api.session("ana").await;
    let bob: proto::directory::Session = process.api.log_in("bob", "bob's").await.json().await.unwrap();
    let bob = User { api: process.api.clone(), token: bob.token.expose().to_owned() }.peer("b");
    bob.register().await;
    bob.announce(&["of-bob"]).await;
    let known = tag(&ask(&ana, "/files", None).await);
    assert!(directoryd(folder.path(), &["user", "remove", "bob"], "").status.success());
    eventually("it is noticed", async || {
        let answer = ask(&ana, "/files", Some(&known)).await;
        let changed = answer.status() == StatusCode::OK && !answer.text().await.unwrap().contains("of-bob");
        changed.then_some(())
    })
    .await;
    // Another start may have forgotten what was named.
    let known = tag(&ask(&ana, "/files", None).await);
    assert_eq!(process.terminate().await, Some(0));
    let process = Process::start(folder.path(), &[]).await;
    let ana = process.api.session("ana").await;
    assert_eq!(ask(&ana, "/files", Some(&known)).await.status(), StatusCode::OK);
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
async fn the_document_is_read_once() {
    let directory = Directory::start().await;
    for path in ["//openapi.json", "//docs"] {
        let first = directory.api.request(Method::GET, path).send().await.unwrap();
        let known = tag(&first);
        let request = directory.api.request(Method::GET, path).header(IF_NONE_MATCH, format!("W/{known}"));
        let again = request.send().await.unwrap();
        assert_eq!((again.status(), tag(&again)), (StatusCode::NOT_MODIFIED, known), "{path}");
        let request = directory.api.request(Method::GET, path).header(IF_NONE_MATCH, "\"something else\"");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
    }
}
