//! The log of changes, as those who listen have it.

use std::time::Duration;

use directoryd::Admin;
use proto::directory::{Announce, Event, Events, HoldingState, ProblemCode, Withdraw};
use proto::ids::FileId;
use reqwest::{Method, Response, StatusCode};

use crate::support::{Directory, PATIENCE, TestPeer, User, code, eventually, file, samples};

/// An open stream, read as it comes.
pub(crate) struct Listener {
    response: Response,
    read: String,
}

impl Listener {
    pub(crate) async fn open(user: &User, query: &str, last_event: Option<u64>) -> Self {
        let mut request = user.request(Method::GET, &format!("/events{query}"));
        if let Some(last_event) = last_event {
            request = request.header("last-event-id", last_event);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, read: String::new() }
    }

    /// The next event; `None` when the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.read = rest;
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let Some(data) = field("data:") else { continue };
                let event: Event = serde_json::from_str(&data).unwrap();
                assert_eq!(field("id:"), Some(event.seq.to_string()));
                assert_eq!(field("event:").as_deref(), Some(event.change.kind()));
                return Some(event);
            }
            let part = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something comes in time");
            self.read.push_str(std::str::from_utf8(&part.unwrap()?).unwrap());
        }
    }

    async fn take(&mut self, number: usize) -> Vec<Event> {
        let mut events = Vec::new();
        while events.len() < number {
            events.push(self.next().await.expect("the stream goes on"));
        }
        events
    }
}

fn kinds(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.change.kind()).collect()
}

fn files(events: &[Event]) -> Vec<FileId> {
    events.iter().filter_map(|event| event.change.file()).collect()
}

async fn poll(user: &User, query: &str) -> Events {
    user.get(&format!("/events?{query}")).await
}

/// A directory that tells how many listen.
async fn figured() -> Directory {
    Directory::configured(|config| config.admin = Admin::At("127.0.0.1:0".parse().unwrap())).await
}

/// Waits until so many do.
async fn listen(directory: &Directory, wanted: f64) {
    eventually("they listen", async || {
        (samples(&directory.page().await).get("directoryd_events_listeners") == Some(&wanted)).then_some(())
    })
    .await;
}

async fn peer(user: &User, name: &str) -> TestPeer {
    let peer = user.peer(name);
    peer.register().await;
    peer
}

#[tokio::test]
async fn every_change_is_told_and_no_heartbeat() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let mut listener = Listener::open(&admin, "", None).await;
    let ana = directory.user("ana").await;
    let laptop = peer(&ana, "laptop").await;
    let partial = Announce { state: HoldingState::Partial, ..file("f") };
    laptop.patch(vec![partial], vec![]).await;
    for _ in 0..3 {
        assert_eq!(laptop.beat().await.status(), StatusCode::OK);
    }
    laptop.announce(&["f"]).await;
    // What is so already is no change.
    laptop.announce(&["f"]).await;
    laptop.patch(vec![], vec![Withdraw { file_id: file("f").file_id, name: None }]).await;
    laptop.log_out().await;
    let told = listener.take(6).await;
    let all = ["user.changed", "peer.up", "file.partial", "file.announced", "file.withdrawn", "peer.down"];
    assert_eq!(kinds(&told), all);
    assert!(told.is_sorted_by_key(|event| event.seq));
    assert_eq!((told[3].change.peer(), told[3].change.file()), (Some(laptop.id()), Some(file("f").file_id)));
    assert_eq!(poll(&admin, &format!("since={}&wait=0", told[0].seq - 1)).await.items, told);
    // Who has an account is not for everybody to know; one's own is.
    let mine = poll(&ana, &format!("since={}&wait=0", told[0].seq - 1)).await.items;
    assert_eq!(mine, told);
    let bob = directory.user("bob").await;
    assert_eq!(poll(&bob, &format!("since={}&wait=0", told[0].seq - 1)).await.items[..5], told[1..]);
}

#[tokio::test]
async fn who_reconnects_sees_every_event_once_and_in_order() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let laptop = peer(&ana, "laptop").await;
    let wanted = 120;
    let announce = async {
        for number in 0..wanted {
            laptop.announce(&[&format!("f{number}")]).await;
        }
    };
    let listen = async {
        let (mut told, mut last) = (Vec::new(), 0);
        let mut length = 0;
        while told.len() < wanted {
            // Streams of different lengths; each is dropped with events on their way.
            let mut listener = Listener::open(&ana, "", Some(last)).await;
            length = (length * 5 + 3) % 17;
            for _ in 0..=length {
                let event = listener.next().await.unwrap();
                last = event.seq;
                told.extend(event.change.file());
                if told.len() == wanted {
                    break;
                }
            }
        }
        told
    };
    let ((), told) = tokio::join!(announce, listen);
    let expected: Vec<FileId> = (0..wanted).map(|number| file(&format!("f{number}")).file_id).collect();
    assert_eq!(told, expected);
    // A poll with the header has the same.
    let rest = ana.request(Method::GET, "/events?wait=0&limit=1000").header("last-event-id", "0").send().await.unwrap();
    assert_eq!(files(&rest.json::<Events>().await.unwrap().items), expected);
}

#[tokio::test]
async fn a_listener_of_one_file_hears_of_no_other() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let laptop = peer(&ana, "laptop").await;
    laptop.announce(&["old", "wanted"]).await;
    let (wanted, second) = (file("wanted").file_id, file("second").file_id);
    let query = format!("?file={wanted},{second}");
    let mut live = Listener::open(&ana, &query, None).await;
    let mut from_the_start = Listener::open(&ana, &query, Some(0)).await;
    laptop.announce(&["other"]).await;
    peer(&ana, "desk").await.announce(&["wanted", "other"]).await;
    laptop.announce(&["second"]).await;
    assert_eq!(files(&live.take(2).await), [wanted, second]);
    assert_eq!(files(&from_the_start.take(3).await), [wanted, wanted, second]);
    assert_eq!(files(&poll(&ana, &format!("since=0&wait=0&file={wanted}")).await.items), [wanted, wanted]);
}

#[tokio::test]
async fn a_poll_waits_for_what_comes_and_no_longer() {
    let directory = figured().await;
    let ana = directory.user("ana").await;
    let laptop = peer(&ana, "laptop").await;
    let latest = poll(&ana, "wait=0&limit=1").await;
    assert_eq!((kinds(&latest.items), latest.last), (vec!["peer.up"], latest.items[0].seq));
    let nothing = poll(&ana, &format!("since={}&wait=1", latest.last)).await;
    assert_eq!(nothing, Events { items: vec![], last: latest.last });
    let query = format!("since={}&wait=20", latest.last);
    let (come, ()) = tokio::join!(poll(&ana, &query), async {
        listen(&directory, 1.0).await;
        laptop.announce(&["f"]).await;
    });
    assert_eq!(files(&come.items), [file("f").file_id]);
    assert_eq!(come.last, come.items[0].seq);
    listen(&directory, 0.0).await;
}

#[tokio::test]
async fn what_the_log_forgot_is_said() {
    let directory = Directory::configured(|config| config.events_kept = 5).await;
    let ana = directory.user("ana").await;
    let laptop = peer(&ana, "laptop").await;
    for number in 0..20 {
        laptop.announce(&[&number.to_string()]).await;
    }
    let end = poll(&ana, "wait=0").await.last;
    // It tidies up when it starts.
    let directory = directory.restart().await;
    let ana = directory.api.session("ana").await;
    let get = async |query: &str| ana.request(Method::GET, &format!("/events?{query}")).send().await.unwrap();
    eventually("it forgets", async || (get("since=0&wait=0").await.status() == 410).then_some(())).await;
    assert_eq!(code(get("since=0&wait=0").await).await, ProblemCode::Gone);
    assert_eq!(code(get("since=0").await).await, ProblemCode::Gone, "a stream is refused at once");
    let kept = poll(&ana, &format!("wait=0&since={}", end - 5)).await;
    assert_eq!((kept.items.len(), kept.last), (5, end));
    assert_eq!(code(get(&format!("wait=0&since={}", end - 6)).await).await, ProblemCode::Gone);
    // A number from another log.
    assert_eq!(code(get(&format!("wait=0&since={}", end + 1)).await).await, ProblemCode::Gone);
    // What comes next has the next number.
    ana.peer("desk").register().await;
    assert_eq!(poll(&ana, &format!("wait=0&since={end}")).await.last, end + 1);
}

#[tokio::test]
async fn strangers_hear_nothing_and_those_shut_out_no_more() {
    let directory = Directory::start().await;
    let refused = directory.api.request(Method::GET, "/events").send().await.unwrap();
    assert_eq!(code(refused).await, ProblemCode::Unauthenticated);
    let ana = directory.user("ana").await;
    for bad in ["file=x", "since=-1", "wait=51", "limit=0&wait=0", "colour=red"] {
        let refused = ana.request(Method::GET, &format!("/events?{bad}")).send().await.unwrap();
        assert_eq!(code(refused).await, ProblemCode::Malformed, "{bad}");
    }
    let mut listener = Listener::open(&ana, "", None).await;
    assert_eq!(ana.request(Method::DELETE, "/sessions/current").send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(listener.next().await, None, "the stream of an ended session ends");
}

#[tokio::test]
async fn a_directory_that_stops_lets_its_listeners_go() {
    let directory = figured().await;
    let ana = directory.user("ana").await;
    let mut listener = Listener::open(&ana, "", None).await;
    let polling = tokio::spawn({
        let ana = ana.clone();
        async move { poll(&ana, "since=1&wait=50").await }
    });
    listen(&directory, 2.0).await;
    let began = std::time::Instant::now();
    let directory = directory.restart().await;
    assert_eq!(listener.next().await, None);
    assert!(polling.await.unwrap().items.is_empty());
    assert!(began.elapsed() < Duration::from_secs(10), "nobody was waited for: {:?}", began.elapsed());
    drop(directory);
}
