//! Names come from others: what could be a path or steer a terminal is refused by name.

use proto::directory::{Announce, ProblemCode};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Directory, PASSWORD, file, problem};

/// What a name must not be, and how the refusal shows it.
fn hostile() -> Vec<(String, String)> {
    let long = "x".repeat(256);
    let shown = [
        ("../../etc/x", "../../etc/x"),
        ("/etc/passwd", "/etc/passwd"),
        ("a/b", "a/b"),
        ("..", ".."),
        ("nul\0byte", r"nul\0byte"),
        ("\u{1b}[2J\u{1b}]0;title\u{7}", r"\u{1b}[2J\u{1b}]0;title\u{7}"),
        ("two\nlines", r"two\nlines"),
        ("", "``"),
        (&long, &long),
    ];
    shown.map(|(name, shown)| (name.to_owned(), shown.to_owned())).into()
}

#[tokio::test]
async fn hostile_names_are_refused_by_name() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let peer = admin.peer("laptop");
    peer.register().await;
    let files = format!("/peers/{}/files", peer.id());
    let good = serde_json::to_value(peer.proof().await).unwrap();
    let with = |mut body: Value, key: &str, name: &str| {
        body[key] = name.into();
        body
    };
    for (name, shown) in hostile() {
        let entry = with(serde_json::to_value(file("f")).unwrap(), "name", &name);
        let remove = json!({"file_id": file("f").file_id, "name": name});
        for (method, path, body) in [
            (Method::PATCH, files.as_str(), json!({"add": [entry]})),
            (Method::PATCH, &files, json!({"remove": [remove]})),
            (Method::PUT, &format!("/peers/{}", peer.id()), with(good.clone(), "name", &name)),
            (Method::PUT, &format!("/peers/{}", peer.id()), with(good.clone(), "address", &name)),
            (Method::POST, "/users", json!({"name": name, "password": PASSWORD})),
            (Method::POST, "/sessions", json!({"username": name, "password": PASSWORD})),
        ] {
            let refused = problem(admin.send(method.clone(), path, &body).await).await;
            assert_eq!(refused.code, ProblemCode::Malformed, "{method} {path} {name:?}");
            assert!(refused.detail.contains(&shown), "{method} {path}: {refused:?}");
            assert!(!refused.detail.chars().any(char::is_control), "{method} {path}: {refused:?}");
        }
    }
    assert!(admin.names("/files").await.is_empty());
    assert_eq!(peer.beat().await.status(), 200, "nothing of it has hurt");
}

#[tokio::test]
async fn odd_but_harmless_names_come_back_as_they_went() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    peer.register().await;
    let longest = "é".repeat(127);
    let mut names =
        vec!["-rf", "...", "a\\b", "two words", "café ☕", "%2e%2e%2f", "CON", "'; DROP TABLE files; --", &longest];
    peer.announce(&names).await;
    names.sort_unstable();
    assert_eq!(peer.user.names("/files").await, names);
}

#[tokio::test]
async fn addresses_and_urls_are_well_formed_or_refused() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    peer.register().await;
    let good = serde_json::to_value(peer.proof().await).unwrap();
    for address in ["host", "host:0", "host:99999", "http://host:1", "a b:1", "[::1:5001", "user@host:1", "host:1/x"] {
        let mut body = good.clone();
        body["address"] = address.into();
        let path = format!("/peers/{}", peer.id());
        let refused = problem(peer.user.send(Method::PUT, &path, &body).await).await;
        assert!(refused.code == ProblemCode::Malformed && refused.detail.contains(address), "{refused:?}");
    }
    let mut body = good.clone();
    body["version"] = "1\u{1b}[2J".into();
    let refused = problem(peer.user.send(Method::PUT, &format!("/peers/{}", peer.id()), &body).await).await;
    assert!(refused.detail.contains("`version`"), "{refused:?}");
    for url in ["https://example.org/\u{1b}[2J", "two\nlines", "", &format!("https://{}", "x".repeat(2048))] {
        let url = Announce { simulated: true, url: Some(url.to_owned()), ..file("f") };
        let patched = peer.patch(vec![url], vec![]).await;
        assert!(patched.added[0].refused.as_ref().is_some_and(|why| !why.contains('\u{1b}')), "{patched:?}");
    }
}

#[tokio::test]
async fn what_no_name_can_have_in_it_is_not_searched_for() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    for path in ["/files?q=a%00b", "/files?name=a%00b", "/files?user=%00&name=x", "/peers?name=%00"] {
        let refused = problem(ana.request(Method::GET, path).send().await.unwrap()).await;
        assert_eq!(refused.code, ProblemCode::Malformed, "{path}");
    }
}
