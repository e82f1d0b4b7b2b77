//! Logging in and out, and managing accounts.

use std::time::{Duration, Instant};

use proto::directory::{CurrentSession, Page, ProblemCode, Role, User as Account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Directory, PASSWORD, code, eventually, problem, take};

#[tokio::test]
async fn a_session_lasts_until_its_logout() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let current: CurrentSession = ana.get("/sessions/current").await;
    assert_eq!((current.user.as_str(), current.role), ("ana", Role::User));
    let gone = ana.request(Method::DELETE, "/sessions/current").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let after = ana.request(Method::GET, "/sessions/current").send().await.unwrap();
    assert_eq!(code(after).await, ProblemCode::Unauthenticated);
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let directory = directory.restart().await;
    let again = directory.api.request(Method::GET, "/sessions/current").bearer_auth(&ana.token);
    assert_eq!(again.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_not_told() {
    let directory = Directory::start().await;
    directory.add("ana", Role::User).await;
    directory.add("bob", Role::User).await;
    disable(&directory, "bob").await;
    let mut answers = Vec::new();
    for (user, password) in [("ana", "wrong"), ("nobody", PASSWORD), ("bob", PASSWORD)] {
        let refused = problem(directory.api.log_in(user, password).await).await;
        assert_eq!(refused.code, ProblemCode::BadCredentials);
        answers.push(refused.detail);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn an_unknown_user_takes_as_long_as_a_wrong_password() {
    let directory = Directory::start().await;
    directory.add("ana", Role::User).await;
    let fastest = async |user: &str| {
        let mut fastest = Duration::MAX;
        for _ in 0..5 {
            let start = Instant::now();
            directory.api.log_in(user, "wrong").await;
            fastest = fastest.min(start.elapsed());
        }
        fastest
    };
    let (known, unknown) = (fastest("ana").await, fastest("nobody").await);
    // Without the detour an unknown user would be told in a hundredth of the time.
    assert!(unknown * 3 > known, "{unknown:?} against {known:?}");
}

#[tokio::test]
async fn admins_manage_accounts() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let new = json!({"name": "ana", "password": PASSWORD});
    let made: Account = take(admin.send(Method::POST, "/users", &new).await, StatusCode::CREATED).await;
    assert_eq!((made.name.as_str(), made.role, made.disabled), ("ana", Role::User, false));
    assert_eq!(code(admin.send(Method::POST, "/users", &new).await).await, ProblemCode::Conflict);
    let all: Page<Account> = admin.get("/users?limit=1").await;
    let next: Page<Account> = admin.get(&format!("/users?limit=1&cursor={}", all.next.unwrap())).await;
    assert_eq!((all.items[0].name.as_str(), next.items[0].name.as_str(), next.next), ("ana", "root", None));
    let promoted = admin.send(Method::PATCH, "/users/ana", &json!({"role": "admin"})).await;
    assert_eq!(take::<Account>(promoted, StatusCode::OK).await.role, Role::Admin);
    let changed = admin.send(Method::PUT, "/users/ana/password", &json!({"password": "new"})).await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(directory.api.log_in("ana", PASSWORD).await).await, ProblemCode::BadCredentials);
    assert_eq!(directory.api.log_in("ana", "new").await.status(), StatusCode::CREATED);
    let gone = admin.request(Method::DELETE, "/users/ana").send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let missing = admin.request(Method::GET, "/users/ana").send().await.unwrap();
    assert_eq!(code(missing).await, ProblemCode::NotFound);
}

#[tokio::test]
async fn others_do_not() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    directory.add("bob", Role::User).await;
    for (method, path) in [
        (Method::GET, "/users"),
        (Method::POST, "/users"),
        (Method::GET, "/users/bob"),
        (Method::GET, "/users/nobody"),
        (Method::PATCH, "/users/ana"),
        (Method::DELETE, "/users/bob"),
        (Method::PUT, "/users/ana/password"),
    ] {
        let refused = ana.send(method.clone(), path, &json!({"role": "admin"})).await;
        assert_eq!(code(refused).await, ProblemCode::Forbidden, "{method} {path}");
    }
    assert_eq!(ana.get::<Account>("/users/ana").await.role, Role::User, "oneself may be looked at");
}

#[tokio::test]
async fn sessions_end_with_password_permission_and_account() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    for (user, method, path, body) in [
        ("ana", Method::PATCH, "/users/ana", json!({"disabled": true})),
        ("bob", Method::PUT, "/users/bob/password", json!({"password": PASSWORD})),
        ("eva", Method::DELETE, "/users/eva", Value::Null),
    ] {
        let session = directory.user(user).await;
        let _: CurrentSession = session.get("/sessions/current").await;
        assert!(admin.send(method, path, &body).await.status().is_success());
        let after = session.request(Method::GET, "/sessions/current").send().await.unwrap();
        assert_eq!(code(after).await, ProblemCode::Unauthenticated, "{path}");
    }
}

#[tokio::test]
async fn a_change_from_outside_is_noticed() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let _: CurrentSession = ana.get("/sessions/current").await;
    disable(&directory, "ana").await;
    eventually("the session of a disabled user ends", async || {
        let answer = ana.request(Method::GET, "/sessions/current").send().await.unwrap();
        (answer.status() == StatusCode::UNAUTHORIZED).then_some(())
    })
    .await;
}

/// As `directoryd user disable` does it: in the database, behind the server's back.
async fn disable(directory: &Directory, name: &str) {
    let patch = proto::directory::PatchUser { disabled: Some(true), role: None };
    directory.store.patch_user(name.parse().unwrap(), patch, proto::Timestamp::now()).await.unwrap().unwrap();
}
