//! Many listeners that come and go, for as long as somebody wants: each hears everything that is for it, once and in order, and
//! nothing of them is left when they have gone. `EVENTS_SOAK_SECONDS` makes it last.

use std::time::{Duration, Instant};

use proto::directory::{Event, Events, Withdraw};
use proto::ids::FileId;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::crash::add_ana;
use crate::events::Listener;
use crate::program::Process;
use crate::support::{Api, TestPeer, User, eventually, file};

const LISTENERS: u64 = 200;
const FILES: u32 = 20;
/// What all wait for in the end.
const LAST: &str = "last";
/// What a directory may keep of listeners that have gone: room that its allocator has not given back.
const LEFT: u64 = 64 << 20;

fn some_file(luck: &mut StdRng) -> String {
    format!("f{}", luck.random_range(0..FILES))
}

/// What one listener hears until the last: all of it, or that of a few files.
async fn listen(user: User, seed: u64) -> (Vec<FileId>, Vec<u64>) {
    let mut luck = StdRng::seed_from_u64(seed);
    let mut wanted = Vec::new();
    if luck.random_range(0..4) > 0 {
        wanted = (0..luck.random_range(1..4)).map(|_| file(&some_file(&mut luck)).file_id).collect();
        wanted.push(file(LAST).file_id);
    }
    let query: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let query = if query.is_empty() { String::new() } else { format!("?file={}", query.join(",")) };
    let (mut heard, mut last) = (Vec::new(), 0);
    loop {
        let mut stream = Listener::open(&user, &query, Some(last)).await;
        for _ in 0..luck.random_range(1..200) {
            let event = stream.next().await.expect("the directory serves");
            last = event.seq;
            heard.push(event.seq);
            if event.change.file() == Some(file(LAST).file_id) {
                return (wanted, heard);
            }
        }
    }
}

async fn change(peer: &TestPeer, until: Instant, luck: &mut StdRng) {
    while Instant::now() < until {
        let name = some_file(luck);
        if luck.random_range(0..2) == 0 {
            peer.announce(&[&name]).await;
        } else {
            peer.patch(vec![], vec![Withdraw { file_id: file(&name).file_id, name: None }]).await;
        }
    }
    peer.announce(&[LAST]).await;
}

async fn whole_log(user: &User) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let since = all.last().map_or(0, |event| event.seq);
        let page: Events = user.get(&format!("/events?wait=0&limit=1000&since={since}")).await;
        if page.items.is_empty() {
            return all;
        }
        all.extend(page.items);
    }
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

fn memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_that_come_and_go_hear_all_of_it_and_leave_nothing() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let seconds = std::env::var("EVENTS_SOAK_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    // All listeners are one session, which asks anew each time that one of them comes back.
    let process = Process::start(folder.path(), &["--max-requests", "off"]).await;
    add_ana(folder.path()).await;
    let ana = process.api.session("ana").await;
    let peer = ana.peer("a");
    peer.register().await;
    let before = (open_files(process.id()), memory(process.id()));

    let listeners: Vec<_> = (0..LISTENERS)
        .map(|number| {
            let user = User { api: Api::at(&process.address), token: ana.token.clone() };
            tokio::spawn(listen(user, seed.wrapping_add(number)))
        })
        .collect();
    let until = Instant::now() + Duration::from_secs(seconds);
    change(&peer, until, &mut StdRng::seed_from_u64(seed)).await;
    let log = whole_log(&ana).await;
    let mut told = 0;
    for listener in listeners {
        let (wanted, heard) = listener.await.unwrap();
        let is_for_it =
            |event: &&Event| wanted.is_empty() || event.change.file().is_some_and(|file| wanted.contains(&file));
        let expected: Vec<u64> = log.iter().filter(is_for_it).map(|event| event.seq).collect();
        assert_eq!(heard, expected, "of {wanted:?}");
        told += heard.len();
    }
    eventually("their connections are gone", async || (open_files(process.id()) <= before.0 + 4).then_some(())).await;
    let grown = memory(process.id()).saturating_sub(before.1);
    println!("{} changes, told {told} times in {seconds} s; memory grew by {} KiB", log.len(), grown >> 10);
    assert!(grown < LEFT, "{grown} bytes");
    assert_eq!(process.terminate().await, Some(0));
}
