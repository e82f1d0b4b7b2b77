//! Fills a directory that serves: accounts straight into its database, everything else as peers do it.

use directoryd::{Database, NewAccount, Purpose, Store};
use futures_util::StreamExt;
use proto::Timestamp;
use proto::directory::{
    Announce, HoldingState, IssuedChallenge, PatchFiles, PatchedFiles, RegisterPeer, Role, Session,
    registration_message,
};
use proto::ids::{ByteCount, FileId, InstanceId, PeerAddress, PeerId, PeerName, UserName};
use proto::secret::Secret;
use serde::de::DeserializeOwned;
use serde_json::json;
use transport::Identity;

use crate::http::{Connection, request};

/// Accounts, each with a token that its peers share: a login takes tens of milliseconds, on purpose.
const USERS: usize = 100;
/// Peers that are busy at once.
const AT_ONCE: usize = 16;
const PASSWORD: &str = "bench";

/// What is there then.
pub(crate) struct Loaded {
    pub(crate) files: Vec<FileId>,
    pub(crate) peers: Vec<Peer>,
}

/// A peer, and how to speak for it.
pub(crate) struct Peer {
    pub(crate) id: PeerId,
    pub(crate) instance: InstanceId,
    pub(crate) token: String,
}

/// The id of a file by its number.
pub(crate) fn file_id(number: usize) -> FileId {
    FileId::of(format!("bench file {number}").as_bytes())
}

/// So many files, each held by `holders` of the peers, which lie evenly over all of them.
pub(crate) async fn load(address: &str, database: &Database, files: usize, peers: usize, holders: usize) -> Loaded {
    let mut held = vec![Vec::new(); peers];
    for file in 0..files {
        for holder in 0..holders {
            held[(file * 7 + holder) % peers].push(file);
        }
    }
    let tokens = log_in(address, database).await;
    let loading = held.into_iter().enumerate().map(|(number, held)| {
        let token = tokens[number % USERS].clone();
        async move { join(address, number, token, &held).await }
    });
    let peers = futures_util::stream::iter(loading).buffered(AT_ONCE).collect().await;
    Loaded { files: (0..files).map(file_id).collect(), peers }
}

/// The accounts' tokens.
async fn log_in(address: &str, database: &Database) -> Vec<String> {
    let store = Store::open(database, Purpose::Visit).await.unwrap();
    let password_hash = directoryd::hash_password(&Secret::new(PASSWORD.to_owned())).unwrap();
    let mut connection = Connection::open(address).await.unwrap();
    let mut tokens = Vec::new();
    for number in 0..USERS {
        let name: UserName = format!("user{number}").parse().unwrap();
        let account = NewAccount { name: name.clone(), password_hash: password_hash.clone(), role: Role::User };
        store.add_user(account, Timestamp::now()).await.unwrap().unwrap();
        let body = json!({"username": name, "password": PASSWORD}).to_string();
        let session: Session = send(&mut connection, &request("POST", "/sessions", "none", &body)).await;
        tokens.push(session.token.expose().to_owned());
    }
    tokens
}

/// A peer that registers and announces all that it holds.
async fn join(address: &str, number: usize, token: String, held: &[usize]) -> Peer {
    let mut connection = Connection::open(address).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(&folder.path().join("key")).unwrap();
    let (id, instance) = (identity.peer_id(), InstanceId::from_bytes(rand::random()));
    let issued: IssuedChallenge = send(&mut connection, &request("POST", "/peers/challenge", &token, "")).await;
    let name: PeerName = format!("peer{number}").parse().unwrap();
    let address: PeerAddress = format!("10.0.{}.{}:5001", number >> 8, number & 255).parse().unwrap();
    let message = registration_message(&issued.nonce, &id, &instance, &name, &address);
    let body = RegisterPeer {
        name,
        address,
        key: identity.public_key(),
        nonce: issued.nonce,
        signature: identity.sign(&message),
        instance,
        version: "bench".to_owned(),
        shares_digest: None,
    };
    let body = serde_json::to_string(&body).unwrap();
    let _: serde_json::Value = send(&mut connection, &request("PUT", &format!("/peers/{id}"), &token, &body)).await;
    for part in held.chunks(1000) {
        let add = part.iter().map(|file| announcement(file_id(*file), &format!("file-{file}.bin"))).collect();
        let body = serde_json::to_string(&PatchFiles { add, remove: Vec::new() }).unwrap();
        let announcing = request("PATCH", &format!("/peers/{id}/files"), &token, &body);
        let patched: PatchedFiles = send(&mut connection, &announcing).await;
        assert!(patched.added.iter().all(|entry| entry.refused.is_none()), "{patched:?}");
    }
    Peer { id, instance, token }
}

/// One entry of an announcement.
pub(crate) fn announcement(file_id: FileId, name: &str) -> Announce {
    Announce {
        file_id,
        name: name.parse().unwrap(),
        size: ByteCount::mib(1),
        state: HoldingState::Complete,
        simulated: false,
        url: None,
    }
}

async fn send<T: DeserializeOwned>(connection: &mut Connection, request: &[u8]) -> T {
    let answer = connection.ask(request).await.unwrap();
    let said = || String::from_utf8_lossy(answer.body).into_owned();
    assert!(answer.status < 300, "{}: {}", answer.status, said());
    serde_json::from_slice(answer.body).unwrap_or_else(|error| panic!("{error}: {}", said()))
}
