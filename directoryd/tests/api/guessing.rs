//! Guessing at passwords is slow for whoever does it, and for nobody else.

use std::time::{Duration, Instant};

use directoryd::MaxRequests;
use futures_util::StreamExt;
use futures_util::stream;
use proto::directory::{FileEntry, Page, ProblemCode, Role};
use reqwest::header::RETRY_AFTER;
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::support::{Api, Directory, PASSWORD, User, code, problem, take};

const ELSEWHERE: [u8; 4] = [127, 0, 0, 2];

/// Seconds that somebody who is slowed has to wait.
async fn slowed(answer: Response) -> u64 {
    let wait = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert_eq!(problem(answer).await.code, ProblemCode::TooMany);
    wait
}

/// Many wrong logins, a number of them at a time; how often the password was looked at.
async fn guess(api: &Api, users: impl Iterator<Item = String>) -> usize {
    let looked_at = stream::iter(users)
        .map(|user| async move {
            let answer = api.log_in(&user, "wrong").await;
            let status = answer.status();
            assert!(status == 401 || status == 429 || status == 503, "{answer:?}");
            assert!(status == 401 || answer.headers().contains_key(RETRY_AFTER));
            usize::from(status == 401)
        })
        .buffer_unordered(40);
    looked_at.fold(0, async |sum, one| sum + one).await
}

/// How long each of somebody's calls takes while something else goes on.
async fn calls_during<T>(user: &User, something: impl Future<Output = T>) -> (T, Vec<Duration>) {
    let mut took = Vec::new();
    let calling = async {
        loop {
            let start = Instant::now();
            user.get::<Page<FileEntry>>("/files").await;
            took.push(start.elapsed());
        }
    };
    let done = tokio::select! {
        done = something => done,
        () = calling => unreachable!("it goes on for ever"),
    };
    took.sort();
    (done, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_wrong_logins_slow_whoever_sends_them() {
    // One session calls as fast as it can: what it may do is not what is looked at here.
    let directory = Directory::configured(|config| config.max_requests = MaxRequests::Off).await;
    directory.add("ana", Role::User).await;
    directory.add("bob", Role::User).await;
    let elsewhere = directory.api.from(ELSEWHERE);
    let bob = elsewhere.session("bob").await;

    let wrong = (0..100).map(|_| "ana".to_owned()).chain((0..100).map(|number| format!("user{number}")));
    let (looked_at, took) = calls_during(&bob, guess(&directory.api, wrong)).await;
    assert!((5..=25).contains(&looked_at), "{looked_at} passwords were looked at");
    let p99 = took[took.len() * 99 / 100];
    assert!(p99 < Duration::from_millis(250), "{p99:?} over {} calls", took.len());

    assert!(slowed(directory.api.log_in("ana", PASSWORD).await).await >= 1, "a right one is not looked at either");
    assert!(slowed(directory.api.log_in("bob", PASSWORD).await).await >= 1, "nor for others from that address");
    for user in ["ana", "bob"] {
        assert_eq!(elsewhere.log_in(user, PASSWORD).await.status(), StatusCode::CREATED, "{user} from elsewhere");
    }
    assert!(slowed(directory.api.log_in("ana", PASSWORD).await).await >= 1, "her success is none of the guesser's");
}

#[tokio::test]
async fn unknown_accounts_are_slowed_like_known_ones() {
    let directory = Directory::start().await;
    directory.add("ana", Role::User).await;
    for (user, address) in [("ana", [127, 0, 0, 3]), ("nobody", [127, 0, 0, 4])] {
        let api = directory.api.from(address);
        for _ in 0..5 {
            assert_eq!(code(api.log_in(user, "wrong").await).await, ProblemCode::BadCredentials);
        }
        assert_eq!(slowed(api.log_in(user, "wrong").await).await, 1, "{user}");
    }
}

#[tokio::test]
async fn who_is_right_is_not_slowed_however_many_come() {
    let directory = Directory::start().await;
    directory.add("ana", Role::User).await;
    let logins = (0..40).map(|_| directory.api.log_in("ana", PASSWORD));
    for answer in futures_util::future::join_all(logins).await {
        assert_eq!(answer.status(), StatusCode::CREATED);
    }
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(code(directory.api.log_in("ana", "wrong").await).await, ProblemCode::BadCredentials);
        }
        let _: serde_json::Value = take(directory.api.log_in("ana", PASSWORD).await, StatusCode::CREATED).await;
    }
}

#[tokio::test]
async fn a_stolen_session_is_no_way_to_guess() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let change = async |current: &str| {
        let body = json!({"password": "new", "current": current});
        ana.send(Method::PUT, "/users/ana/password", &body).await
    };
    for _ in 0..5 {
        assert_eq!(code(change("wrong").await).await, ProblemCode::Forbidden);
    }
    slowed(change(PASSWORD).await).await;
}
