//! Tickets and the keys that they are signed with.

use std::time::Duration;

use proto::directory::{DirectoryKeys, Lease, ProblemCode, Ticket};
use proto::ids::InstanceId;
use proto::ticket::{Claims, KeyId, Refused, Verifier};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::program::{Process, directoryd, failure};
use crate::support::{Api, Directory, PASSWORD, TestPeer, code, eventually, take};

async fn keys(api: &Api) -> DirectoryKeys {
    take(api.request(Method::GET, "/keys").send().await.unwrap(), StatusCode::OK).await
}

fn verifier(keys: &DirectoryKeys) -> Verifier {
    Verifier::new(keys.audience.clone(), keys.keys.iter().map(|key| key.key))
}

fn ids(keys: &DirectoryKeys) -> Vec<KeyId> {
    keys.keys.iter().map(|key| key.key_id.clone()).collect()
}

async fn beat(peer: &TestPeer) -> Lease {
    take(peer.beat().await, StatusCode::OK).await
}

/// The one key that a ticket holds with.
fn signed_with(ticket: &Ticket, keys: &DirectoryKeys, peer: &TestPeer) -> KeyId {
    let holds = |key: &proto::ids::PublicKey| {
        Verifier::new(keys.audience.clone(), [*key]).check(ticket.token.expose(), &peer.id()).is_ok()
    };
    keys.keys.iter().find(|key| holds(&key.key)).unwrap().key_id.clone()
}

fn check(ticket: &Ticket, keys: &DirectoryKeys, peer: &TestPeer) -> Result<Claims, Refused> {
    verifier(keys).check(ticket.token.expose(), &peer.id())
}

#[tokio::test]
async fn a_registered_peer_gets_a_ticket_of_its_own() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await.peer("a"), directory.user("bob").await.peer("b"));
    let keys = keys(&directory.api).await;
    assert_eq!((keys.audience.len(), keys.keys.len()), (32, 1));
    let lease = ana.register().await;
    assert_eq!(lease.key_ids, ids(&keys));
    let ticket = lease.ticket.unwrap();
    let claims = check(&ticket, &keys, &ana).unwrap();
    assert_eq!((claims.user.as_str(), claims.exp, claims.iat <= lease.now), ("ana", ticket.expires_at, true));
    assert_eq!(claims.exp.duration_since(claims.iat), directory.config.ticket.try_into().unwrap());
    assert_eq!(check(&ticket, &keys, &bob), Err(Refused::NotYours));
    assert!(ana.register().await.ticket.is_some(), "each registration brings one");
    let elsewhere = Directory::start().await;
    let theirs = self::keys(&elsewhere.api).await;
    assert_ne!(theirs.audience, keys.audience);
    assert_eq!(check(&ticket, &theirs, &ana), Err(Refused::UnknownKey));
}

#[tokio::test]
async fn a_ticket_comes_again_when_half_of_it_is_over() {
    let life = Duration::from_secs(2);
    let directory = Directory::configured(|config| config.ticket = life).await;
    let peer = directory.user("ana").await.peer("a");
    let first = peer.register().await;
    let ends = first.ticket.unwrap().expires_at;
    let next = beat(&peer).await;
    assert!(next.ticket.is_none(), "not on every beat");
    assert_eq!(next.key_ids, first.key_ids);
    let renewed = eventually("another ticket", async || {
        let lease = beat(&peer).await;
        lease.ticket.map(|ticket| (lease.now, ticket))
    })
    .await;
    assert!(renewed.0 < ends, "in time");
    assert!(renewed.1.expires_at >= ends + life / 2, "not before half of the first one was over");
    assert!(beat(&peer).await.ticket.is_none());
}

#[tokio::test]
async fn a_restart_keeps_audience_and_keys_and_hands_out_tickets_anew() {
    let directory = Directory::start().await;
    let mut peer = directory.user("ana").await.peer("a");
    let before = keys(&directory.api).await;
    let ticket = peer.register().await.ticket.unwrap();
    let directory = directory.restart().await;
    assert_eq!(keys(&directory.api).await, before);
    assert!(check(&ticket, &before, &peer).is_ok());
    peer.user.api = directory.api.clone();
    assert!(beat(&peer).await.ticket.is_some(), "who had one when is not kept");
}

#[tokio::test]
async fn who_may_not_speak_for_a_peer_gets_no_ticket() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let old = directory.user("ana").await.peer("a");
    old.register().await;
    let instance = InstanceId::from_bytes([9; 16]);
    let new = TestPeer { user: old.user.clone(), identity: old.identity.clone(), instance, name: "copy".into() };
    assert!(new.register().await.ticket.is_some());
    let refused = old.beat().await.text().await.unwrap();
    assert!(refused.contains("superseded") && !refused.contains("v4.public"), "{refused}");
    let off = admin.send(Method::PATCH, "/users/ana", &json!({"disabled": true})).await;
    assert_eq!(off.status(), StatusCode::OK);
    assert_eq!(code(new.beat().await).await, ProblemCode::Unauthenticated);
    assert_eq!(code(directory.api.log_in("ana", PASSWORD).await).await, ProblemCode::BadCredentials);
}

#[tokio::test]
async fn a_rotation_ends_no_ticket_before_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let settings = ["--lease", "1500ms", "--ticket", "3s"];
    let process = Process::start(folder.path(), &settings).await;
    crate::crash::add_ana(folder.path()).await;
    let peer = TestPeer::new(process.api.session("ana").await, "a");
    let old_ticket = peer.register().await.ticket.unwrap();
    let before = keys(&process.api).await;
    let list = || String::from_utf8(directoryd(folder.path(), &["keys", "list"], "").stdout).unwrap();
    assert!(list().contains("\tsigning\t"), "{}", list());

    let rotated = directoryd(folder.path(), &["keys", "rotate"], "");
    assert!(rotated.status.success(), "{rotated:?}");
    assert!(list().contains("\tnext\t") && list().contains("\tformer\t"), "{}", list());
    let third = failure(&directoryd(folder.path(), &["keys", "rotate"], ""), 1);
    assert!(third.contains("the last rotation is not over"), "{third}");
    let both = eventually("the new key is published", async || {
        let lease = beat(&peer).await;
        (lease.key_ids.len() == 2).then_some(lease.key_ids)
    })
    .await;
    assert_eq!(both[1..], ids(&before));
    let published = keys(&process.api).await;
    assert_eq!(ids(&published), both, "the newest first");
    assert!(check(&old_ticket, &published, &peer).is_ok());

    // Peers learn the key before anything is signed with it, and are given a ticket of it as soon as it signs.
    let ticket = eventually("a ticket of the new key", async || {
        let ticket = beat(&peer).await.ticket?;
        (signed_with(&ticket, &published, &peer) == both[0]).then_some(ticket)
    })
    .await;
    assert_eq!(ids(&keys(&process.api).await), both, "the former key still counts");
    eventually("the former key ends", async || (beat(&peer).await.key_ids == both[..1]).then_some(())).await;
    eventually("nothing is left of it", async || (list().lines().count() == 1).then_some(())).await;
    assert!(check(&ticket, &keys(&process.api).await, &peer).is_ok());

    let forced = directoryd(folder.path(), &["keys", "rotate", "--force"], "");
    assert!(forced.status.success(), "{forced:?}");
    let fresh = eventually("a ticket of the only key", async || {
        let lease = beat(&peer).await;
        lease.ticket.filter(|_| lease.key_ids != both[..1])
    })
    .await;
    let published = keys(&process.api).await;
    assert!(check(&fresh, &published, &peer).is_ok());
    assert_eq!(check(&ticket, &published, &peer), Err(Refused::UnknownKey));
    assert_eq!(process.terminate().await, Some(0));
}
