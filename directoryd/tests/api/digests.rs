//! A heartbeat that says what the peer believes to be listed is answered with what is listed, where that is something else.

use proto::directory::{
    Announce, HoldingState, Lease, MOST_ENTRIES, Page, PartDigests, PeerFile, PeerState, SharesDigest, Withdraw,
    part_of,
};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Directory, TestPeer, User, file, take};

/// What a heartbeat hears that believes in this digest.
async fn heard(peer: &TestPeer, believed: Option<SharesDigest>) -> Option<SharesDigest> {
    let body = json!({"instance": peer.instance, "shares_digest": believed});
    let answer = peer.user.send(Method::POST, &format!("/peers/{}/heartbeat", peer.id()), &body).await;
    take::<Lease>(answer, StatusCode::OK).await.shares_digest
}

/// What is listed of a peer, added up.
async fn listed(user: &User, peer: &TestPeer) -> SharesDigest {
    let mut digest = SharesDigest::EMPTY;
    let mut cursor = String::new();
    loop {
        let page: Page<PeerFile> = user.get(&format!("/peers/{}/files?partial=true&limit=3{cursor}", peer.id())).await;
        for PeerFile { entry, state } in page.items {
            digest += SharesDigest::of(&entry.file_id, &entry.name, state);
        }
        let Some(next) = page.next else { return digest };
        cursor = format!("&cursor={next}");
    }
}

/// The digest of complete files whose content is their name.
fn of(names: &[&str]) -> SharesDigest {
    let files = names.iter().map(|name| file(name));
    files.map(|file| SharesDigest::of(&file.file_id, &file.name, file.state)).sum()
}

#[tokio::test]
async fn who_believes_what_is_listed_hears_nothing_of_it() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    assert_eq!(peer.register().await.shares_digest, Some(SharesDigest::EMPTY));
    assert_eq!(heard(&peer, Some(SharesDigest::EMPTY)).await, None);
    peer.announce(&["one", "two"]).await;
    let both = of(&["two", "one"]);
    assert_eq!(heard(&peer, Some(SharesDigest::EMPTY)).await, Some(both));
    assert_eq!(heard(&peer, Some(both)).await, None);
    assert_eq!(heard(&peer, None).await, None, "who does not say hears nothing");
    peer.patch(vec![], vec![Withdraw { file_id: file("one").file_id, name: None }]).await;
    assert_eq!(heard(&peer, Some(both)).await, Some(of(&["two"])));
    // Registering again tells it anyhow.
    assert_eq!(peer.register().await.shares_digest, Some(of(&["two"])));
    let malformed = json!({"instance": peer.instance, "shares_digest": "12"});
    let answer = peer.user.send(Method::POST, &format!("/peers/{}/heartbeat", peer.id()), &malformed).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn who_believes_something_else_hears_in_which_parts() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    let names: Vec<String> = (0..300).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    peer.announce(&names).await;
    let parts = |names: &[&str]| {
        let files = names.iter().map(|name| file(name));
        PartDigests::of(files.map(|file| (file.file_id, SharesDigest::of(&file.file_id, &file.name, file.state))))
    };
    let body = json!({"instance": peer.instance, "shares_digest": of(&names[1..])});
    let answer = peer.user.send(Method::POST, &format!("/peers/{}/heartbeat", peer.id()), &body).await;
    let lease: Lease = take(answer, StatusCode::OK).await;
    assert_eq!(lease.part_digests, Some(parts(&names)));
    let part = part_of(&file(names[0]).file_id);
    assert_eq!(parts(&names[1..]).differing(&lease.part_digests.unwrap()), [part]);
    // That part, page by page.
    let mut of_part: Vec<&str> = names.iter().filter(|name| part_of(&file(name).file_id) == part).copied().collect();
    of_part.sort_unstable();
    assert_eq!(ana.names(&format!("/peers/{}/files?part={part}", peer.id())).await, of_part);
    assert!(ana.names(&format!("/peers/{}/files?part=255", peer.id())).await.len() < 10);
    // A registration that believes right hears nothing of parts.
    let mut proof = peer.proof().await;
    proof.shares_digest = Some(of(&names));
    let lease: Lease = take(peer.try_register(&proof).await, StatusCode::OK).await;
    assert_eq!((lease.shares_digest, lease.part_digests), (Some(of(&names)), None));
    let mut proof = peer.proof().await;
    proof.shares_digest = Some(of(&[]));
    let lease: Lease = take(peer.try_register(&proof).await, StatusCode::OK).await;
    assert_eq!(lease.part_digests, Some(parts(&names)));
}

#[tokio::test]
async fn refused_entries_do_not_count() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (one, other) = (ana.peer("a"), ana.peer("b"));
    one.register().await;
    other.register().await;
    one.announce(&["f"]).await;
    let longer = Announce { size: proto::ids::ByteCount::new(99), ..file("f") };
    let patched = other.patch(vec![longer, file("g")], vec![]).await;
    assert!(patched.added[0].refused.is_some() && patched.added[1].refused.is_none(), "{patched:?}");
    assert_eq!(heard(&other, Some(SharesDigest::EMPTY)).await, Some(of(&["g"])));
}

/// Anything that may be asked for, over few files and names, so that it meets what is there.
fn batch(luck: &mut StdRng) -> (Vec<Announce>, Vec<Withdraw>) {
    let mut some = |upto: u32| luck.random_range(0..upto);
    let named = |number: u32| format!("name {number}").parse().unwrap();
    let add = (0..some(5)).map(|_| {
        let state = if some(3) == 0 { HoldingState::Partial } else { HoldingState::Complete };
        Announce { name: named(some(3)), state, ..file(&format!("content {}", some(6))) }
    });
    let add = add.collect();
    let remove = (0..some(3)).map(|_| {
        let name = (some(2) == 0).then(|| named(some(3)));
        Withdraw { file_id: file(&format!("content {}", some(6))).file_id, name }
    });
    (add, remove.collect())
}

#[tokio::test]
async fn whatever_is_announced_and_withdrawn_the_digest_is_that_of_the_list() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut luck = StdRng::seed_from_u64(seed);
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peers = [ana.peer("a"), ana.peer("b")];
    for peer in &peers {
        peer.register().await;
    }
    for _ in 0..60 {
        let peer = &peers[luck.random_range(0..2)];
        let (add, remove) = batch(&mut luck);
        peer.patch(add, remove).await;
        for peer in &peers {
            assert_eq!(heard(peer, Some(listed(&ana, peer).await)).await, None);
        }
    }
    // Neither going down nor a restart changes it.
    let before = listed(&ana, &peers[0]).await;
    assert_ne!(before, SharesDigest::EMPTY);
    peers[0].log_out().await;
    assert_eq!(ana.state(peers[0].id()).await, PeerState::Down);
    let directory = directory.restart().await;
    let ana = directory.api.session("ana").await;
    let moved = |peer: &TestPeer| TestPeer {
        user: ana.clone(),
        identity: peer.identity.clone(),
        instance: peer.instance,
        name: peer.name.clone(),
    };
    assert_eq!(moved(&peers[0]).register().await.shares_digest, Some(before));
    assert_eq!(heard(&moved(&peers[1]), Some(listed(&ana, &peers[1]).await)).await, None);
}

#[tokio::test]
async fn shares_from_before_there_were_digests_are_counted_at_the_next_start() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    let many: Vec<Announce> = (0..MOST_ENTRIES).map(|number| file(&format!("f{number}"))).collect();
    let more = (0..5).map(|number| Announce { name: format!("g{number}").parse().unwrap(), ..file("f1") });
    let partial = Announce { state: HoldingState::Partial, ..file("partial") };
    peer.patch(many, vec![]).await;
    peer.patch(more.chain([partial]).collect(), vec![]).await;
    let before = listed(&ana, &peer).await;
    directory.backend.execute("UPDATE peers SET digest = NULL").await;
    let directory = directory.restart().await;
    let api = directory.api.clone();
    let peer = TestPeer { user: User { api, token: ana.token.clone() }, ..peer };
    assert_eq!(heard(&peer, Some(SharesDigest::EMPTY)).await, Some(before));
    assert_eq!(heard(&peer, Some(before)).await, None);
}

#[tokio::test]
async fn a_peer_that_was_taken_away_and_comes_back_begins_with_nothing() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    peer.announce(&["f"]).await;
    assert_eq!(heard(&peer, Some(of(&["f"]))).await, None);
    let root = directory.admin().await;
    let removed = root.request(Method::DELETE, "/users/ana").send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    let ana = directory.user("ana").await;
    let again = TestPeer { user: ana, ..peer };
    assert_eq!(again.register().await.shares_digest, Some(SharesDigest::EMPTY));
    assert_eq!(heard(&again, Some(of(&["f"]))).await, Some(SharesDigest::EMPTY));
}
