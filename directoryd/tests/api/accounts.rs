//! Logging in and out, and managing accounts.

use std::time::{Duration, Instant};

use proto::directory::{CurrentSession, ListedSession, Page, ProblemCode, Role, SessionId, User as Account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Directory, PASSWORD, User, code, eventually, problem, take};

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
        (Method::PUT, "/users/bob/password"),
        (Method::GET, "/sessions?user=bob"),
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

#[tokio::test]
async fn everybody_changes_their_own_password_knowing_the_old_one() {
    let directory = Directory::start().await;
    let (ana, other) = (directory.user("ana").await, directory.api.session("ana").await);
    let change = async |body: Value| ana.send(Method::PUT, "/users/ana/password", &body).await;
    assert_eq!(code(change(json!({"password": "new"})).await).await, ProblemCode::Malformed);
    let wrong = change(json!({"password": "new", "current": "wrong"})).await;
    assert_eq!(code(wrong).await, ProblemCode::Forbidden);
    let changed = change(json!({"password": "new", "current": PASSWORD})).await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    let _: CurrentSession = ana.get("/sessions/current").await;
    let ended = other.request(Method::GET, "/sessions/current").send().await.unwrap();
    assert_eq!(code(ended).await, ProblemCode::Unauthenticated, "every session but the one that asked ends");
    assert_eq!(code(directory.api.log_in("ana", PASSWORD).await).await, ProblemCode::BadCredentials);
    assert_eq!(directory.api.log_in("ana", "new").await.status(), StatusCode::CREATED);
    // An admin is nobody special when it comes to the own one.
    let admin = directory.admin().await;
    let own = admin.send(Method::PUT, "/users/root/password", &json!({"password": "new"})).await;
    assert_eq!(code(own).await, ProblemCode::Malformed);
}

#[tokio::test]
async fn sessions_are_listed_and_revoked() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let (first, bob) = (directory.user("ana").await, directory.user("bob").await);
    let second = directory.api.from([127, 0, 0, 2]).session("ana").await;
    let mine: Page<ListedSession> = second.get("/sessions").await;
    let [new, old] = &mine.items[..] else { panic!("{mine:?}") };
    assert_eq!((new.current, old.current, new.user.as_str()), (true, false, "ana"));
    assert_eq!(new.address, Some([127, 0, 0, 2].into()));
    assert!(new.created_at >= old.created_at && new.expires_at > new.created_at);
    for user in [&first, &second] {
        assert!(!serde_json::to_string(&mine).unwrap().contains(&user.token));
    }
    let page: Page<ListedSession> = second.get("/sessions?limit=1").await;
    let rest: Page<ListedSession> = second.get(&format!("/sessions?limit=1&cursor={}", page.next.unwrap())).await;
    assert_eq!((&page.items[0], &rest.items[..], rest.next), (new, &mine.items[1..], None));

    let revoke = async |user: &User, id: SessionId| {
        user.request(Method::DELETE, &format!("/sessions/{id}")).send().await.unwrap()
    };
    assert_eq!(code(revoke(&bob, old.id).await).await, ProblemCode::NotFound, "others' look like none");
    assert_eq!(revoke(&second, old.id).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(code(revoke(&second, old.id).await).await, ProblemCode::NotFound);
    let ended = first.request(Method::GET, "/sessions/current").send().await.unwrap();
    assert_eq!(code(ended).await, ProblemCode::Unauthenticated);

    let seen: Page<ListedSession> = admin.get("/sessions?user=ana").await;
    assert_eq!(seen.items.iter().map(|session| (session.id, session.current)).collect::<Vec<_>>(), [(new.id, false)]);
    assert_eq!(revoke(&admin, new.id).await.status(), StatusCode::NO_CONTENT);
    let ended = second.request(Method::GET, "/sessions/current").send().await.unwrap();
    assert_eq!(code(ended).await, ProblemCode::Unauthenticated);
}
