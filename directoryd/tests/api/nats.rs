//! The feed of changes and the doorbell over NATS: a real server, that dies and comes back.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Message, Subscriber};
use data_encoding::BASE64;
use directoryd::{Admin, Nats, NatsServers};
use futures_util::StreamExt;
use proto::directory::{Event, Events, Withdraw};
use rcgen::{CertificateParams, KeyPair};
use reqwest::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::program::directoryd;
use crate::support::{Directory, PATIENCE, TestPeer, User, eventually, file, samples};

/// A server on an address of its own, with settings of its own. It dies with the test.
struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    async fn start(settings: &str) -> Self {
        let mut server = Self::idle(settings);
        server.run().await;
        server
    }

    fn idle(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = settings.replace("FOLDER", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join("nats.conf"), format!("listen: \"127.0.0.1:{port}\"\n{settings}")).unwrap();
        Self { folder, port, process: None }
    }

    async fn run(&mut self) {
        let mut command = Command::new("nats-server");
        // Debian has it where only root's shells look.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin")).arg("-c").arg(self.folder.path().join("nats.conf"));
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn();
        let Ok(process) = spawned else { skip() };
        self.process = Some(process);
        eventually("NATS listens", async || tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok()).await;
    }

    /// As a crash would.
    async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    fn settings(&self) -> Nats {
        nats(&self.url(), None, None)
    }

    async fn client(&self) -> Client {
        self.client_with(ConnectOptions::new()).await
    }

    async fn client_with(&self, options: ConnectOptions) -> Client {
        tokio::time::timeout(PATIENCE, options.connect(self.url())).await.unwrap().unwrap()
    }
}

fn nats(url: &str, credentials: Option<&Path>, ca: Option<&Path>) -> Nats {
    let servers: NatsServers = url.parse().unwrap();
    Nats::new(Some(servers), credentials, ca.map(Path::to_owned), None).unwrap().unwrap()
}

/// The tests of this module need the server; the others of this program do not.
fn skip() -> ! {
    let why = "nats-server is missing (Debian: apt install nats-server)";
    assert!(std::env::var_os("CHECK_STRICT").is_none(), "{why}");
    eprintln!("skipped: {why}");
    // Nextest runs each test in a process of its own.
    std::process::exit(0);
}

async fn directory(nats: Nats) -> Directory {
    Directory::configured(|config| {
        config.nats = Some(nats);
        config.admin = Admin::At("127.0.0.1:0".parse().unwrap());
    })
    .await
}

/// Waits until the directory is, or is not, connected.
async fn connected(directory: &Directory, wanted: bool) {
    let value = f64::from(u8::from(wanted));
    eventually("the connection is as it should be", async || {
        (samples(&directory.page().await).get("directoryd_nats_connected") == Some(&value)).then_some(())
    })
    .await;
}

async fn next(subscriber: &mut Subscriber) -> Message {
    tokio::time::timeout(PATIENCE, subscriber.next()).await.expect("a message comes").unwrap()
}

/// Everything that the directory has to tell.
async fn log(user: &User) -> Vec<Event> {
    user.get::<Events>("/events?since=0&wait=0&limit=1000").await.items
}

fn header(message: &Message, name: &str) -> String {
    message.headers.as_ref().unwrap().get(name).unwrap().to_string()
}

#[tokio::test]
async fn every_change_is_told_under_its_kind_as_the_stream_tells_it() {
    let server = Server::start("").await;
    let directory = directory(server.settings()).await;
    connected(&directory, true).await;
    let mut feed = server.client().await.subscribe("enjambre.>").await.unwrap();
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    // The subscription may be a moment behind.
    eventually("the subscription is there", async || {
        peer.register().await;
        peer.log_out().await;
        tokio::time::timeout(Duration::from_millis(200), feed.next()).await.ok()
    })
    .await;
    peer.register().await;
    peer.announce(&["one", "two"]).await;
    peer.patch(vec![], vec![Withdraw { file_id: file("one").file_id, name: None }]).await;
    directory.add("ben", proto::directory::Role::User).await;
    peer.log_out().await;

    let all = log(&ana).await;
    let last = all.iter().rfind(|event| event.change.kind() == "peer.down").unwrap();
    let (mut told, mut before) = (Vec::new(), None);
    while told.last() != Some(last) {
        let message = next(&mut feed).await;
        let event: Event = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(message.subject.as_str(), format!("enjambre.events.{}", event.change.kind()));
        assert_eq!(serde_json::from_slice::<Value>(&message.payload).unwrap(), serde_json::to_value(&event).unwrap());
        let after: u64 = header(&message, "Enjambre-After").parse().unwrap();
        assert!(before.is_none_or(|before| before == after), "nothing lies between");
        assert!(header(&message, "Nats-Msg-Id").contains(&format!("-{}-", event.seq)));
        before = Some(event.seq);
        told.push(event);
    }
    let public = all.iter().filter(|event| event.change.kind() != "user.changed");
    let since = public.filter(|event| event.seq >= told[0].seq).cloned().collect::<Vec<_>>();
    assert_eq!(told, since);
    let page = samples(&directory.page().await);
    assert!(page["directoryd_nats_events_published_total"] >= 5.0, "{page:?}");
}

/// Settings of a server that can keep streams.
const STREAMS: &str = "jetstream: { store_dir: \"FOLDER/streams\" }";

/// A stream that keeps the feed, as an operator would make it.
async fn keep_the_feed(client: &Client) {
    let stream = json!({"name": "feed", "subjects": ["enjambre.events.>"], "storage": "file"}).to_string();
    let made = client.request("$JS.API.STREAM.CREATE.feed", stream.into()).await.unwrap();
    assert!(!String::from_utf8_lossy(&made.payload).contains("error"), "{made:?}");
}

/// What the stream has, in its order.
async fn kept<T: DeserializeOwned>(client: &Client) -> Vec<T> {
    let mut messages = Vec::new();
    loop {
        let question = json!({"seq": messages.len() + 1}).to_string();
        let answer = client.request("$JS.API.STREAM.MSG.GET.feed", question.into()).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap();
        let Some(data) = answer["message"]["data"].as_str() else { return messages };
        messages.push(serde_json::from_slice(&BASE64.decode(data.as_bytes()).unwrap()).unwrap());
    }
}

/// A peer that announces files all the time, each under a number of its own.
async fn busy(peer: &TestPeer, numbers: std::ops::Range<usize>) {
    for number in numbers {
        peer.announce(&[&format!("f{number}")]).await;
    }
}

#[tokio::test]
async fn a_stream_has_each_change_once_and_in_order_whatever_dies() {
    let mut server = Server::start(STREAMS).await;
    keep_the_feed(&server.client().await).await;
    let mut directory = directory(server.settings()).await;
    let ana = directory.user("ana").await;
    let mut peer = ana.peer("a");
    connected(&directory, true).await;
    let began = log(&ana).await.last().unwrap().seq;
    peer.register().await;
    for round in 0..4 {
        let numbers = |part: usize| round * 60 + part * 20..round * 60 + (part + 1) * 20;
        busy(&peer, numbers(0)).await;
        // In the middle of it; and nobody but the feed notices.
        tokio::join!(busy(&peer, numbers(1)), server.kill());
        if round % 2 == 1 {
            directory = directory.restart().await;
            peer.user.api = directory.api.clone();
        }
        busy(&peer, numbers(2)).await;
        server.run().await;
        connected(&directory, true).await;
    }
    let ana = directory.api.session("ana").await;
    let wanted: Vec<Event> = log(&ana).await.into_iter().filter(|event| event.seq > began).collect();
    assert!(wanted.len() > 240, "{}", wanted.len());
    let client = server.client().await;
    let all = eventually("the stream has the last one", async || {
        let all: Vec<Event> = kept(&client).await;
        (all.last() == wanted.last()).then_some(all)
    })
    .await;
    assert_eq!(all, wanted);
}

#[tokio::test]
async fn a_nats_that_is_gone_costs_nobody_anything_and_is_found_when_it_comes() {
    let mut server = Server::idle("");
    let directory = directory(server.settings()).await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    peer.announce(&["before"]).await;
    assert_eq!(ana.names("/files").await, ["before"]);
    server.run().await;
    let mut feed = server.client().await.subscribe("enjambre.events.file.*").await.unwrap();
    connected(&directory, true).await;
    peer.announce(&["after"]).await;
    let mut told = vec![next(&mut feed).await];
    // What was before may have come before the subscription; what is after comes.
    while !String::from_utf8_lossy(&told.last().unwrap().payload).contains(&file("after").file_id.to_string()) {
        told.push(next(&mut feed).await);
    }
    server.kill().await;
    connected(&directory, false).await;
    peer.announce(&["meanwhile"]).await;
    let ready = ana.api.request(reqwest::Method::GET, "//readyz").send().await.unwrap();
    assert_eq!(ready.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_the_log_forgot_meanwhile_is_told_as_a_gap() {
    // A subscriber may come too late for what is told at once; a stream is there before the directory.
    let mut server = Server::start(STREAMS).await;
    keep_the_feed(&server.client().await).await;
    let directory = directory(server.settings()).await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    connected(&directory, true).await;
    server.kill().await;
    connected(&directory, false).await;
    busy(&peer, 0..20).await;
    let mut config = directory.config.clone();
    config.events_kept = 5;
    let directory = directory.restart_with(config).await;
    eventually("the log is short", async || {
        (directory.backend.count("SELECT COUNT(*) AS n FROM events").await <= 6).then_some(())
    })
    .await;
    server.run().await;
    let client = server.client().await;
    let (gap, behind) = eventually("the stream has the gap and what is behind it", async || {
        let told = kept::<Value>(&client).await;
        let gap = told.iter().rposition(|message| message["kind"] == "gap")?;
        Some((told[gap].clone(), told.get(gap + 1)?.clone()))
    })
    .await;
    assert!(gap["after"].as_u64() < gap["upto"].as_u64(), "{gap}");
    assert!(behind["seq"].as_u64() > gap["upto"].as_u64(), "{behind} {gap}");
}

#[tokio::test]
async fn who_may_not_is_told_and_shows_no_password() {
    let settings = "authorization: { users: [\n\
        { user: feeder, password: hunter2, permissions: { publish: [\"enjambre.>\", \"_INBOX.>\"], subscribe: [\"enjambre.>\", \"_INBOX.>\"] } },\n\
        { user: reader, password: other } ] }";
    let server = Server::start(settings).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let with = |text: &str| {
        std::fs::write(file.path(), text).unwrap();
        nats(&server.url(), Some(file.path()), None)
    };
    assert!(directoryd::ring(&with("feeder:wrong")).await.unwrap_err().contains("authorization"));
    let directory = directory(with("feeder:hunter2\n")).await;
    connected(&directory, true).await;
    let reader = ConnectOptions::new().user_and_password("reader".into(), "other".into());
    let mut feed = server.client_with(reader).await.subscribe("enjambre.events.peer.up").await.unwrap();
    let peer = directory.user("ana").await.peer("a");
    eventually("it is told", async || {
        peer.register().await;
        peer.log_out().await;
        tokio::time::timeout(Duration::from_millis(200), feed.next()).await.ok()
    })
    .await;
    // Not to be allowed to look for streams is no reason to let go.
    assert_eq!(samples(&directory.page().await).get("directoryd_nats_connected"), Some(&1.0));
}

#[tokio::test]
async fn over_tls_the_server_has_to_prove_its_name() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let mut server = Server::idle("tls: { cert_file: \"FOLDER/cert.pem\", key_file: \"FOLDER/key.pem\" }");
    let ca = server.folder.path().join("cert.pem");
    std::fs::write(&ca, certificate.pem()).unwrap();
    std::fs::write(ca.with_file_name("key.pem"), key.serialize_pem()).unwrap();
    server.run().await;
    let at = |host: &str| format!("tls://{host}:{}", server.port);
    directoryd::ring(&nats(&at("localhost"), None, Some(&ca))).await.unwrap();
    assert!(directoryd::ring(&nats(&at("127.0.0.1"), None, Some(&ca))).await.is_err(), "the name is another");
    assert!(directoryd::ring(&nats(&at("localhost"), None, None)).await.is_err(), "nobody vouches for it");
    let directory = directory(nats(&at("localhost"), None, Some(&ca))).await;
    connected(&directory, true).await;
}

#[tokio::test]
async fn the_doorbell_makes_it_look_at_once() {
    let server = Server::start("").await;
    let directory = directory(server.settings()).await;
    connected(&directory, true).await;
    let rung = async || samples(&directory.page().await)["directoryd_nats_doorbells_total"] > 0.0;
    assert!(!rung().await);
    directoryd::ring(&server.settings()).await.unwrap();
    eventually("it has heard", async || rung().await.then_some(())).await;
    // With the port closed, whoever rings is told so and goes on.
    let nobody = nats("nats://127.0.0.1:1", None, None);
    assert!(directoryd::ring(&nobody).await.unwrap_err().contains("refused"));
}

#[tokio::test]
async fn commands_that_change_something_ring_and_do_without() {
    let mut server = Server::start("authorization: { user: ops, password: hunter2 }").await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "ops:hunter2\n").unwrap();
    let directory = directory(nats(&server.url(), Some(secret.path()), None)).await;
    connected(&directory, true).await;
    let ana = directory.user("ana").await;
    let (database, url) = (directory.config.database.to_string(), server.url());
    let file = secret.path().to_str().unwrap().to_owned();
    // On a thread of its own: the directory, which may be in the middle of a transaction, has the one that runs this test.
    let run = async |words: &str| {
        let words = format!("{words} --database-url {database} --nats-url {url} --nats-credentials-file {file}");
        let asked = move || directoryd(Path::new("/nowhere"), &words.split(' ').collect::<Vec<_>>(), "");
        let output = tokio::task::spawn_blocking(asked).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("hunter2"), "{said}");
        said
    };
    let rings = async || samples(&directory.page().await)["directoryd_nats_doorbells_total"].to_string();
    run("user list").await;
    run("keys list").await;
    run("user disable ana").await;
    eventually("it has heard", async || (rings().await == "1").then_some(())).await;
    let refused = ana.request(reqwest::Method::GET, "/peers").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "not a second later");
    server.kill().await;
    let said = run("user enable ana").await;
    assert!(said.contains("NATS cannot be reached") && said.contains("two seconds"), "{said}");
}
