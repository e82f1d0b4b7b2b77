//! Announcing, listing, finding holders.

use std::collections::HashSet;

use proto::directory::{Announce, FileEntry, Holders, HoldingState, Page, PeerState, ProblemCode, Withdraw};
use proto::ids::{ByteCount, FileId};
use reqwest::Method;
use serde_json::json;

use crate::support::{Directory, code, file};

fn withdraw(name: &str) -> Withdraw {
    Withdraw { file_id: file(name).file_id, name: None }
}

#[tokio::test]
async fn a_file_is_found_as_it_was_announced() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    peer.register().await;
    peer.announce(&["data.bin"]).await;
    let page: Page<FileEntry> = peer.user.get("/files").await;
    let expected = FileEntry {
        file_id: FileId::of(b"data.bin"),
        name: "data.bin".parse().unwrap(),
        size: ByteCount::new(8),
        holders: 1,
        holders_up: 1,
        simulated: false,
        url: None,
    };
    assert_eq!(page, Page { items: vec![expected], next: None });
    let of_peer: Page<FileEntry> = peer.user.get(&format!("/peers/{}/files", peer.id())).await;
    assert_eq!(of_peer, page);
    assert_eq!(peer.user.file(FileId::of(b"data.bin")).await["names"], json!(["data.bin"]));
}

#[tokio::test]
async fn repeating_changes_nothing_and_withdrawing_leaves_nothing() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("laptop");
    peer.register().await;
    peer.announce(&["a", "b"]).await;
    peer.announce(&["a", "b"]).await;
    assert_eq!(peer.user.file(file("a").file_id).await["holders"], 1);
    for _ in 0..2 {
        let patched = peer.patch(vec![], vec![withdraw("a")]).await;
        assert_eq!(patched.removed[0].refused, None);
    }
    assert_eq!(peer.user.names("/files").await, ["b"]);
    let missing = peer.user.request(Method::GET, &format!("/files/{}", file("a").file_id)).send().await.unwrap();
    assert_eq!(code(missing).await, ProblemCode::NotFound);
    let holders = peer.user.request(Method::GET, &format!("/files/{}/holders", file("a").file_id)).send().await;
    assert_eq!(code(holders.unwrap()).await, ProblemCode::NotFound);
}

#[tokio::test]
async fn a_file_with_two_names_is_listed_under_each() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (one, two) = (ana.peer("one"), ana.peer("two"));
    let other_name = Announce { name: "other".parse().unwrap(), ..file("file") };
    for (peer, add) in [(&one, vec![file("file"), other_name.clone()]), (&two, vec![other_name])] {
        peer.register().await;
        peer.patch(add, vec![]).await;
    }
    let page: Page<FileEntry> = ana.get("/files").await;
    let listed: Vec<_> = page.items.iter().map(|entry| (entry.name.as_str(), entry.holders)).collect();
    assert_eq!(listed, [("file", 2), ("other", 2)], "holders are counted per file");
    let name = Some("other".parse().unwrap());
    one.patch(vec![], vec![Withdraw { file_id: file("file").file_id, name }]).await;
    assert_eq!(ana.names("/files").await, ["file", "other"], "the other peer still has the name");
    two.patch(vec![], vec![withdraw("file")]).await;
    assert_eq!(ana.names("/files").await, ["file"]);
}

#[tokio::test]
async fn partial_holders_are_found_but_not_counted() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (seed, leech) = (ana.peer("seed"), ana.peer("leech"));
    seed.register().await;
    leech.register().await;
    seed.announce(&["f"]).await;
    leech.patch(vec![Announce { state: HoldingState::Partial, ..file("f") }], vec![]).await;
    let id = file("f").file_id;
    let counts = async || {
        let file = ana.file(id).await;
        (file["holders"].as_u64().unwrap(), file["holders_up"].as_u64().unwrap())
    };
    assert_eq!(counts().await, (1, 1));
    let holders: Holders = ana.get(&format!("/files/{id}/holders")).await;
    assert_eq!(holders.items.iter().map(|holder| holder.peer_id).collect::<Vec<_>>(), [seed.id()]);
    let all: Holders = ana.get(&format!("/files/{id}/holders?partial=true")).await;
    assert_eq!(all.items.len(), 2);
    let leech_files = format!("/peers/{}/files", leech.id());
    assert!(ana.names(&leech_files).await.is_empty());
    assert_eq!(ana.names(&format!("{leech_files}?partial=true")).await, ["f"]);
    leech.announce(&["f"]).await;
    assert_eq!(counts().await, (2, 2));
    leech.log_out().await;
    assert_eq!(counts().await, (2, 1));
    seed.log_out().await;
    assert_eq!(counts().await, (2, 0));
    leech.register().await;
    assert_eq!(counts().await, (2, 1));
}

#[tokio::test]
async fn searching_knows_no_wildcards_and_no_case() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await.peer("a"), directory.user("bob").await.peer("b"));
    ana.register().await;
    bob.register().await;
    ana.announce(&["100% Äpfel_1.txt", "100 apples.txt", "back\\slash", "-rf 🐝"]).await;
    bob.announce(&["100 apples.txt"]).await;
    let find = async |query: &str| ana.user.names(&format!("/files?{query}")).await;
    assert_eq!(find("q=100").await.len(), 2);
    assert_eq!(find("q=100%25").await, ["100% Äpfel_1.txt"]);
    assert_eq!(find("q=l_1").await, ["100% Äpfel_1.txt"]);
    assert_eq!(find("q=%C3%A4PFEL").await, ["100% Äpfel_1.txt"]);
    assert_eq!(find("q=K%5CS").await, ["back\\slash"]);
    assert_eq!(find("q=%F0%9F%90%9D").await, ["-rf 🐝"]);
    assert_eq!(find("name=100%20apples.txt").await.len(), 1);
    assert!(find("name=100%20APPLES.txt").await.is_empty());
    assert_eq!(find("user=bob&name=100%20apples.txt").await.len(), 1);
    assert!(find("user=bob&name=back%5Cslash").await.is_empty());
    assert_eq!(find("user=bob").await, ["100 apples.txt"]);
    let prefix = &file("back\\slash").file_id.to_string()[..9];
    assert_eq!(find(&format!("prefix={prefix}")).await, ["back\\slash"]);
}

#[tokio::test]
async fn names_are_found_by_how_they_begin_from_either_end() {
    let directory = Directory::start().await;
    let (ana, bob) = (directory.user("ana").await.peer("a"), directory.user("bob").await.peer("b"));
    ana.register().await;
    bob.register().await;
    ana.announce(&["part", "part-1", "part-2", "Part-3", "par", "parz", "%x", "日本", "日曜"]).await;
    bob.announce(&["part-9"]).await;
    let find = async |query: &str| ana.user.names(&format!("/files?{query}")).await;
    assert_eq!(find("starts=part").await, ["part", "part-1", "part-2", "part-9"]);
    assert_eq!(find("starts=part&order=desc&limit=1").await, ["part-9"]);
    assert_eq!(find("starts=part&order=desc&user=ana").await, ["part-2", "part-1", "part"]);
    assert_eq!(find("starts=%25").await, ["%x"]);
    assert_eq!(find("starts=%E6%97%A5").await, ["日曜", "日本"]);
    assert_eq!(find("starts=part-10").await, [""; 0]);
    for refused in [format!("starts={}", "x".repeat(256)), "starts=a%00".into(), "order=down".into()] {
        let response = ana.user.request(Method::GET, &format!("/files?{refused}")).send().await.unwrap();
        assert_eq!(code(response).await, ProblemCode::Malformed, "{refused}");
    }
}

#[tokio::test]
async fn pages_neither_repeat_nor_skip() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    let mut add: Vec<Announce> = (0..50).map(|i| file(&format!("file {i:02}"))).collect();
    // Many files of one name: the id decides the order, and the cursor has to carry it.
    add.extend((0..50).map(|i| Announce { name: "same".parse().unwrap(), ..file(&format!("content {i}")) }));
    peer.patch(add, vec![]).await;
    let of_peer = format!("/peers/{}/files?limit=7", peer.id());
    for path in ["/files?limit=7".to_owned(), "/files?limit=7&order=desc".to_owned(), of_peer] {
        let (mut seen, mut next) = (Vec::new(), Some(path.clone()));
        while let Some(url) = next {
            let page: Page<FileEntry> = peer.user.get(&url).await;
            assert!(page.items.len() <= 7);
            seen.extend(page.items.into_iter().map(|entry| (entry.name, entry.file_id)));
            next = page.next.map(|cursor| format!("{path}&cursor={cursor}"));
        }
        assert_eq!(seen.len(), 100);
        if path.contains("desc") {
            seen.reverse();
        }
        assert!(seen.is_sorted());
        assert_eq!(seen.iter().collect::<HashSet<_>>().len(), 100);
    }
}

#[tokio::test]
async fn a_sample_of_holders_is_bounded_varied_and_live() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let mut peers = Vec::new();
    for number in 0..30 {
        let peer = ana.peer(&format!("p{number}"));
        peer.register().await;
        let state = if number < 3 { HoldingState::Complete } else { HoldingState::Partial };
        peer.patch(vec![Announce { state, ..file("f") }], vec![]).await;
        if number >= 20 {
            peer.log_out().await;
        }
        peers.push(peer);
    }
    let path = format!("/files/{}/holders?partial=true&limit=8", file("f").file_id);
    let mut seen = HashSet::new();
    for _ in 0..40 {
        let sample: Holders = ana.get(&path).await;
        let ids: HashSet<_> = sample.items.iter().map(|holder| holder.peer_id).collect();
        assert_eq!((sample.items.len(), ids.len()), (8, 8));
        assert!(sample.items.iter().all(|holder| holder.state == PeerState::Up), "there are enough that are up");
        let complete = sample.items.iter().filter(|holder| holder.holding == HoldingState::Complete);
        assert!(complete.count() >= 2, "a quarter is kept for complete holders");
        seen.extend(ids);
    }
    assert!(seen.len() > 15, "everyone has its turn: {}", seen.len());
    let all: Holders = ana.get(&path.replace("limit=8", "limit=100")).await;
    assert_eq!(all.items.len(), 30);
    assert!(all.items.is_sorted_by_key(|holder| holder.state == PeerState::Down));
}

#[tokio::test]
async fn announcers_must_agree() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (one, two) = (ana.peer("one"), ana.peer("two"));
    one.register().await;
    two.register().await;
    one.announce(&["f"]).await;
    let other_size = Announce { size: ByteCount::new(99), ..file("f") };
    let patched = two.patch(vec![other_size, file("g")], vec![]).await;
    assert!(patched.added[0].refused.as_ref().is_some_and(|why| why.contains("1 bytes")), "{patched:?}");
    assert_eq!(patched.added[1].refused, None);
    assert_eq!(ana.file(file("f").file_id).await["holders"], 1);
}

#[tokio::test]
async fn simulated_files_are_shared_by_their_announcers() {
    let directory = Directory::start().await;
    let ana = directory.user("ana").await;
    let (name, url, size) = ("film".parse().unwrap(), "https://example.org/film", ByteCount::new(1 << 40));
    let file_id = FileId::simulated(&name, url, size);
    let state = HoldingState::Complete;
    let film = Announce { file_id, name, size, state, simulated: true, url: Some(url.to_owned()) };
    for name in ["one", "two"] {
        let peer = ana.peer(name);
        peer.register().await;
        assert_eq!(peer.patch(vec![film.clone()], vec![]).await.added[0].refused, None);
    }
    let shown = ana.file(file_id).await;
    assert_eq!((&shown["holders"], &shown["url"], &shown["simulated"]), (&json!(2), &json!(url), &json!(true)));
}

#[tokio::test]
async fn a_thousand_at_once_and_no_more() {
    let directory = Directory::start().await;
    let peer = directory.user("ana").await.peer("a");
    peer.register().await;
    let longest = "x".repeat(250);
    let mut add: Vec<Announce> = (0..1000).map(|i| file(&format!("{longest}{i:05}"))).collect();
    peer.patch(add.clone(), vec![]).await;
    assert_eq!(peer.user.get::<proto::directory::Stats>("/stats").await.files, 1000);
    add.push(file("one more"));
    assert_eq!(code(peer.try_patch(add, vec![]).await).await, ProblemCode::Malformed);
}
