//! Registering, beating, listing, leaving.

use proto::directory::{Page, Peer, PeerState, ProblemCode, RegisterPeer};
use proto::ids::{Challenge, InstanceId, PeerId};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Directory, TestPeer, code};

#[tokio::test]
async fn a_peer_registers_beats_and_leaves() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    assert_eq!(peer.try_register(&peer.proof().await).await.status(), StatusCode::CREATED);
    let lease = peer.register().await;
    assert_eq!(lease.lease, directory.config.lease);
    assert!(lease.next_in <= directory.config.heartbeat && lease.next_in * 2 > directory.config.heartbeat);
    assert_eq!(peer.beat().await.status(), StatusCode::OK);
    let shown: Peer = peer.user.get(&format!("/peers/{}", peer.id())).await;
    assert_eq!((shown.name.as_str(), shown.user.as_str(), shown.state), ("laptop", "ana", PeerState::Up));
    assert_eq!((shown.key, shown.files), (peer.identity.public_key(), 0));
    peer.log_out().await;
    assert_eq!(peer.user.state(peer.id()).await, PeerState::Down);
    assert_eq!(code(peer.beat().await).await, ProblemCode::NotRegistered);
    assert_eq!(code(peer.try_patch(vec![], vec![]).await).await, ProblemCode::NotRegistered);
    peer.register().await;
    assert_eq!(peer.user.state(peer.id()).await, PeerState::Up);
}

#[tokio::test]
async fn a_registration_has_to_be_proven() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (peer, other) = (ana.peer("laptop"), ana.peer("other"));
    let good = peer.proof().await;
    let wrong = [
        other.proof().await,
        other.proof_for(peer.id()).await,
        RegisterPeer { signature: other.identity.sign(b"x"), ..good.clone() },
        RegisterPeer { instance: InstanceId::from_bytes([0; 16]), ..good.clone() },
        RegisterPeer { address: "127.0.0.1:9".parse().unwrap(), ..good.clone() },
        RegisterPeer { nonce: Challenge::from_bytes([7; 32]), ..good.clone() },
    ];
    for proof in wrong {
        assert_eq!(code(peer.try_register(&proof).await).await, ProblemCode::BadProof, "{proof:?}");
    }
    assert_eq!(peer.try_register(&good).await.status(), StatusCode::CREATED, "a refused proof uses nothing up");
    assert_eq!(code(peer.try_register(&good).await).await, ProblemCode::BadProof, "a nonce is good once");
}

#[tokio::test]
async fn a_peer_belongs_to_its_user() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await, directory.user("bob").await);
    let peer = ana.peer("laptop");
    peer.register().await;
    let thief = TestPeer { user: bob, identity: peer.identity.clone(), instance: peer.instance, name: "x".into() };
    assert_eq!(code(thief.try_register(&thief.proof().await).await).await, ProblemCode::Conflict);
    assert_eq!(code(thief.beat().await).await, ProblemCode::Forbidden);
    assert_eq!(code(thief.try_patch(vec![], vec![]).await).await, ProblemCode::Forbidden);
    let path = format!("/peers/{}", peer.id());
    let kick = thief.user.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(code(kick).await, ProblemCode::Forbidden);
    assert_eq!(peer.beat().await.status(), StatusCode::OK);
    // A nonce of one user is none of another.
    let stolen = ana.peer("stolen");
    let proof = stolen.proof().await;
    let thief = TestPeer { user: thief.user, ..stolen };
    assert_eq!(code(thief.try_register(&proof).await).await, ProblemCode::BadProof);
}

#[tokio::test]
async fn nobody_speaks_for_others_and_nothing_comes_of_trying() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await.peer("a"), directory.user("bob").await.peer("b"));
    ana.register().await;
    ana.announce(&["ana's"]).await;
    bob.register().await;
    let before: Peer = bob.user.get(&format!("/peers/{}", ana.id())).await;
    // With bob's own key: he has no other.
    let proof = serde_json::to_value(bob.proof_for(ana.id()).await).unwrap();
    let beat = json!({"instance": ana.instance});
    let add = json!({"add": [crate::support::file("bob's")]});
    let withdraw = json!({"remove": [{"file_id": crate::support::file("ana's").file_id, "name": "ana's"}]});
    let (of_ana, of_nobody) = (format!("/peers/{}", ana.id()), format!("/peers/{}", PeerId::from_bytes([7; 20])));
    for (method, path, body, status) in [
        (Method::PUT, of_ana.clone(), &proof, StatusCode::FORBIDDEN),
        (Method::PUT, of_nobody.clone(), &proof, StatusCode::FORBIDDEN),
        (Method::POST, format!("{of_ana}/heartbeat"), &beat, StatusCode::FORBIDDEN),
        (Method::POST, format!("{of_nobody}/heartbeat"), &beat, StatusCode::NOT_FOUND),
        (Method::PATCH, format!("{of_ana}/files"), &add, StatusCode::FORBIDDEN),
        (Method::PATCH, format!("{of_ana}/files"), &withdraw, StatusCode::FORBIDDEN),
        (Method::PATCH, format!("{of_nobody}/files"), &add, StatusCode::NOT_FOUND),
        (Method::DELETE, of_ana.clone(), &json!(null), StatusCode::FORBIDDEN),
        (Method::DELETE, of_nobody.clone(), &json!(null), StatusCode::NOT_FOUND),
        (Method::GET, "/users".to_owned(), &json!(null), StatusCode::FORBIDDEN),
        (Method::GET, "/users/ana".to_owned(), &json!(null), StatusCode::FORBIDDEN),
        (Method::GET, "/sessions?user=ana".to_owned(), &json!(null), StatusCode::FORBIDDEN),
    ] {
        let answer = bob.user.send(method.clone(), &path, body).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        let stranger = bob.user.api.request(method.clone(), &path).json(body).send().await.unwrap();
        assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED, "{method} {path} by nobody at all");
    }
    let after: Peer = bob.user.get(&of_ana).await;
    assert_eq!(
        (after.key, after.name, after.address, after.state),
        (before.key, before.name, before.address, before.state)
    );
    assert_eq!(bob.user.names("/files").await, ["ana's"]);
    assert_eq!(ana.beat().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn the_newest_instance_speaks_for_a_peer() {
    let directory = Directory::start().await;
    let old = directory.user("ana").await.peer("laptop");
    old.register().await;
    let instance = InstanceId::from_bytes([9; 16]);
    let new = TestPeer { user: old.user.clone(), identity: old.identity.clone(), instance, name: "copy".into() };
    new.register().await;
    assert_eq!(code(old.beat().await).await, ProblemCode::Superseded);
    let path = format!("/peers/{}?instance={}", old.id(), old.instance);
    let leave = old.user.request(Method::DELETE, &path).send().await.unwrap();
    assert_eq!(code(leave).await, ProblemCode::Superseded);
    let announced = json!({"add": [crate::support::file("by the older")]});
    let path = format!("/peers/{}/files?instance=", old.id());
    let late = old.user.send(Method::PATCH, &format!("{path}{}", old.instance), &announced).await;
    assert_eq!(code(late).await, ProblemCode::Superseded);
    assert!(new.user.names("/files").await.is_empty());
    let newest = old.user.send(Method::PATCH, &format!("{path}{instance}"), &announced).await;
    assert_eq!(newest.status(), StatusCode::OK);
    assert_eq!(new.beat().await.status(), StatusCode::OK);
    // What the older one learns does not depend on memory.
    let directory = directory.restart().await;
    let old = TestPeer { user: directory.api.session("ana").await, ..old };
    assert_eq!(code(old.beat().await).await, ProblemCode::Superseded);
}

#[tokio::test]
async fn unknown_peers_are_told_to_register() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    assert_eq!(code(peer.beat().await).await, ProblemCode::NotRegistered);
    assert_eq!(code(peer.try_patch(vec![], vec![]).await).await, ProblemCode::NotRegistered);
    let path = format!("/peers/{}", peer.id());
    assert_eq!(code(peer.user.request(Method::GET, &path).send().await.unwrap()).await, ProblemCode::NotFound);
    let files = peer.user.request(Method::GET, &format!("{path}/files")).send().await.unwrap();
    assert_eq!(code(files).await, ProblemCode::NotFound);
}

#[tokio::test]
async fn peers_are_listed_by_page_and_filter() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await, directory.user("bob").await);
    let mut peers = Vec::new();
    for (user, name) in [(&ana, "a"), (&ana, "b"), (&bob, "b"), (&bob, "c")] {
        let peer = user.peer(name);
        peer.register().await;
        peers.push(peer);
    }
    peers[3].log_out().await;
    let list = async |query: &str| -> Vec<PeerId> {
        let mut ids = Vec::new();
        let mut path = format!("/peers?limit=2{query}");
        loop {
            let page: Page<Peer> = ana.get(&path).await;
            ids.extend(page.items.iter().map(|peer| peer.peer_id));
            let Some(next) = page.next else { return ids };
            path = format!("/peers?limit=2{query}&cursor={next}");
        }
    };
    let mut both = [peers[1].id(), peers[2].id()];
    both.sort();
    assert_eq!(list("").await, [peers[0].id(), both[0], both[1], peers[3].id()]);
    assert_eq!(list("&order=desc").await, [peers[3].id(), both[1], both[0], peers[0].id()]);
    assert_eq!(list("&starts=c").await, [peers[3].id()]);
    assert!(list("&starts=C").await.is_empty() && list("&starts=bb").await.is_empty());
    assert_eq!(list("&name=b").await, both);
    assert_eq!(list("&state=down").await, [peers[3].id()]);
    assert_eq!(list("&state=up").await.len(), 3);
    assert_eq!(list("&user=ana").await, [peers[0].id(), peers[1].id()]);
    assert_eq!(list(&format!("&prefix={}", &peers[3].id().to_string()[..7])).await, [peers[3].id()]);
    assert_eq!(list(&format!("&prefix={}", &peers[3].id().grouped()[..12])).await, [peers[3].id()]);
}

#[tokio::test]
async fn last_seen_is_fresher_than_the_database() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    peer.register().await;
    let path = format!("/peers/{}", peer.id());
    let before = peer.user.get::<Peer>(&path).await.last_seen;
    assert_eq!(peer.beat().await.status(), StatusCode::OK);
    assert!(peer.user.get::<Peer>(&path).await.last_seen >= before);
    let listed: Page<Peer> = peer.user.get("/peers").await;
    assert_eq!(listed.items[0].last_seen, peer.user.get::<Peer>(&path).await.last_seen);
}

#[tokio::test]
async fn removing_a_user_takes_its_peers_along() {
    let directory = Directory::start().await;
    let admin = directory.admin().await;
    let (ana, bob) = (directory.user("ana").await.peer("a"), directory.user("bob").await.peer("b"));
    for peer in [&ana, &bob] {
        peer.register().await;
        peer.announce(&["shared"]).await;
    }
    ana.announce(&["only ana's"]).await;
    let gone = admin.send(Method::DELETE, "/users/ana", &json!(null)).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(admin.names("/files").await, ["shared"]);
    let file = admin.file(crate::support::file("shared").file_id).await;
    assert_eq!((&file["holders"], &file["holders_up"]), (&json!(1), &json!(1)));
    let peers: Page<Peer> = admin.get("/peers").await;
    assert_eq!(peers.items.len(), 1);
}
