//! Every refusal is a problem with its code, and who may is decided before anything else.

use proto::directory::ProblemCode;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Body, Method, StatusCode};
use serde_json::json;

use crate::support::{Directory, code, file, problem};

#[tokio::test]
async fn strangers_are_refused_everywhere() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    let (peer, id) = (peer.id(), file("f").file_id);
    for (method, path) in [
        (Method::GET, "/sessions/current".to_owned()),
        (Method::DELETE, "/sessions/current".to_owned()),
        (Method::GET, "/sessions".to_owned()),
        (Method::DELETE, format!("/sessions/{}", "0".repeat(32))),
        (Method::GET, "/users".to_owned()),
        (Method::POST, "/users".to_owned()),
        (Method::GET, "/users/ana".to_owned()),
        (Method::PATCH, "/users/ana".to_owned()),
        (Method::DELETE, "/users/ana".to_owned()),
        (Method::PUT, "/users/ana/password".to_owned()),
        (Method::POST, "/peers/challenge".to_owned()),
        (Method::GET, "/peers".to_owned()),
        (Method::GET, format!("/peers/{peer}")),
        (Method::PUT, format!("/peers/{peer}")),
        (Method::DELETE, format!("/peers/{peer}")),
        (Method::POST, format!("/peers/{peer}/heartbeat")),
        (Method::GET, format!("/peers/{peer}/files")),
        (Method::PATCH, format!("/peers/{peer}/files")),
        (Method::GET, "/files".to_owned()),
        (Method::GET, format!("/files/{id}")),
        (Method::GET, format!("/files/{id}/holders")),
        (Method::GET, "/stats".to_owned()),
    ] {
        for token in [None, Some("0".repeat(64)), Some("\u{7f}".to_owned())] {
            let mut request = directory.api.request(method.clone(), &path).body("{ no json");
            if let Some(token) = &token {
                request = request.header("authorization", format!("Bearer {token}").as_bytes());
            }
            let Ok(refused) = request.send().await else { continue };
            assert_eq!(refused.headers()["www-authenticate"], "Bearer");
            assert_eq!(code(refused).await, ProblemCode::Unauthenticated, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn who_may_is_decided_before_the_body_is_read() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await, directory.user("bob").await);
    let (peer, unknown) = (ana.peer("a"), ana.peer("unknown"));
    peer.register().await;
    // Bodies that would be refused if anybody looked at them.
    for body in ["{ no json".to_owned(), "x".repeat(1 << 20)] {
        for (user, id, expected) in
            [(&bob, peer.id(), ProblemCode::Forbidden), (&ana, unknown.id(), ProblemCode::NotRegistered)]
        {
            let request = user.request(Method::PATCH, &format!("/peers/{id}/files")).body(body.clone());
            assert_eq!(code(request.send().await.unwrap()).await, expected);
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_is_said_so() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    let beat = format!("/peers/{}/heartbeat", peer.id());
    let files = format!("/peers/{}/files", peer.id());
    let post = |body: &str| ana.request(Method::POST, &beat).body(body.to_owned());
    assert_eq!(code(post("{").send().await.unwrap()).await, ProblemCode::Malformed);
    assert_eq!(code(post("{}").send().await.unwrap()).await, ProblemCode::Malformed);
    let unknown_key = json!({"instance": peer.instance, "more": 1}).to_string();
    assert_eq!(code(post(&unknown_key).send().await.unwrap()).await, ProblemCode::Malformed);
    let form = post("instance=1").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    assert_eq!(code(form.send().await.unwrap()).await, ProblemCode::UnsupportedMediaType);
    let large = post(&" ".repeat((16 << 10) + 1));
    assert_eq!(code(large.send().await.unwrap()).await, ProblemCode::TooLarge);
    let larger = ana.request(Method::PATCH, &files).body(" ".repeat((1 << 20) + 1));
    assert_eq!(code(larger.send().await.unwrap()).await, ProblemCode::TooLarge);
    let chunked = Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b'['; 2 << 20])]));
    let unsized_ = ana.request(Method::PATCH, &files).body(chunked).send().await.unwrap();
    assert_eq!(code(unsized_).await, ProblemCode::TooLarge);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=!!", "prefix=abc", "name=a%2Fb", "nme=x", "q=a&q=b"] {
        let refused = ana.request(Method::GET, &format!("/files?{query}")).send().await.unwrap();
        assert_eq!(code(refused).await, ProblemCode::Malformed, "{query}");
    }
    let hostile = json!({"add": [{"file_id": file("f").file_id, "name": "../x", "size": 1, "state": "complete"}]});
    assert_eq!(code(ana.send(Method::PATCH, &files, &hostile).await).await, ProblemCode::Malformed);
}

#[tokio::test]
async fn paths_and_methods_have_their_own_refusals() {
    let directory = Directory::start().await;
    for path in ["//nothing", "//api/v2/files", "/nothing", "/files/xyz", "/peers/xyz/heartbeat", "/users/a%20b"] {
        let refused = directory.api.request(Method::GET, path).send().await.unwrap();
        assert_eq!(code(refused).await, ProblemCode::NotFound, "{path}");
    }
    for (method, path, allow) in [
        (Method::DELETE, "/files", "GET"),
        (Method::PUT, "/sessions", "GET, POST"),
        (Method::POST, "//healthz", "GET"),
        (Method::POST, "/users/ana", "GET, PATCH, DELETE"),
    ] {
        let refused = directory.api.request(method, path).send().await.unwrap();
        assert_eq!(refused.headers()["allow"], allow);
        assert_eq!(code(refused).await, ProblemCode::MethodNotAllowed);
    }
}

#[tokio::test]
async fn health_needs_no_login() {
    let directory = Directory::start().await;
    for path in ["//healthz", "//readyz", "//version", "//"] {
        let answer = directory.api.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(answer.headers()["x-request-id"].len(), 16);
        let head = directory.api.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(head.status(), StatusCode::OK, "{path}");
    }
    let one = problem(directory.api.request(Method::GET, "/files").send().await.unwrap()).await;
    let two = problem(directory.api.request(Method::GET, "/files").send().await.unwrap()).await;
    assert_ne!(one.request_id, two.request_id);
}
