//! What one session may ask.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use directoryd::MaxRequests;
use proto::directory::{ProblemCode, Role};
use reqwest::{Method, StatusCode};

use crate::support::{Directory, PASSWORD, User, eventually, problem};

/// Requests per second.
const LIMIT: u32 = 4;
/// What may be asked at once.
const BURST: usize = 20;

async fn limited() -> Directory {
    let limit = MaxRequests::PerSecond(NonZeroU32::new(LIMIT).unwrap());
    Directory::configured(|config| config.max_requests = limit).await
}

/// How many in a row are answered; the first refusal has to say how long to wait.
async fn answered(user: &User) -> usize {
    for number in 0.. {
        let answer = user.request(Method::GET, "/stats").send().await.unwrap();
        if answer.status() != StatusCode::OK {
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert_eq!((problem(answer).await.code, wait), (ProblemCode::TooMany, 1));
            return number;
        }
        assert!(number < 10_000, "nothing holds it back");
    }
    unreachable!()
}

#[tokio::test]
async fn a_session_is_held_to_its_rate_and_no_other_pays_for_it() {
    let directory = limited().await;
    let greedy = directory.user("greedy").await;
    let began = Instant::now();
    let first = answered(&greedy).await;
    let beyond = usize::try_from(began.elapsed().as_millis()).unwrap() * LIMIT as usize / 1000 + 1;
    assert!((BURST..=BURST + beyond).contains(&first), "{first} of {BURST} and {beyond}");
    // Others, and other logins of the same user.
    directory.add("modest", Role::User).await;
    let modest = directory.api.session("modest").await;
    assert_eq!(modest.request(Method::GET, "/stats").send().await.unwrap().status(), StatusCode::OK);
    let again = directory.api.session("greedy").await;
    assert_eq!(again.request(Method::GET, "/stats").send().await.unwrap().status(), StatusCode::OK);
    // Time lets it in again, and no further than before.
    let waited = Instant::now();
    eventually("it is let in again", async || {
        let answer = greedy.request(Method::GET, "/stats").send().await.unwrap();
        (answer.status() == StatusCode::OK).then_some(())
    })
    .await;
    assert!(waited.elapsed() < Duration::from_secs(5), "{:?}", waited.elapsed());
    // A refusal costs no rate, and whoever is not logged in is told that first.
    let stranger = User { token: "0".repeat(64), ..greedy.clone() };
    for _ in 0..2 * BURST {
        let answer = stranger.request(Method::GET, "/stats").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(directory.api.log_in("greedy", PASSWORD).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn without_a_limit_nobody_is_held_back() {
    let directory = Directory::configured(|config| config.max_requests = MaxRequests::Off).await;
    let user = directory.user("ana").await;
    for _ in 0..5 * BURST {
        assert_eq!(user.request(Method::GET, "/stats").send().await.unwrap().status(), StatusCode::OK);
    }
}
