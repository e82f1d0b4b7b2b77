//! Answers to choose from.

use proto::Timestamp;
use proto::control::{
    ActorStatus, Check, Completion, Completions, DirectoryState, DirectoryStatus, Explanation, FileShown, Identity,
    Limit, News, PieceCount, Progress, Request, Source, SourceFigures, SourceState, Started, Status, Transfer,
    TransferState, Uploaded,
};
use proto::directory::{Change, Event, FileDetail, FileEntry, Holder, HoldingState, Page, Peer, PeerState, Role};
use proto::ids::{ByteCount, FileId, PeerId, PublicKey, TransferId};
use proto::simulation::{Answer, Constants, LimitedBy, Scenario, Span};

use crate::daemon::{Say, done};

pub(crate) fn moment() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

pub(crate) fn key() -> PublicKey {
    PublicKey::from_bytes([7; 32])
}

pub(crate) fn status() -> Status {
    Status {
        peer_id: PeerId::of(&key()),
        name: "peer-1".parse().unwrap(),
        user: Some("1".parse().unwrap()),
        directory: DirectoryStatus {
            url: "http://127.0.0.1:4001".into(),
            state: DirectoryState::Connected,
            since: moment(),
            problem: None,
        },
        address: "127.0.0.1:5001".parse().unwrap(),
        shares: 3,
        transfers: 1,
        version: "0.1.0".into(),
        started_at: moment(),
        download_dir: "/home/1/downloads".into(),
        actors: vec![ActorStatus { name: "heartbeat".into(), restarts: 2 }],
    }
}

pub(crate) fn logged_out() -> Status {
    let status = status();
    Status { user: None, directory: DirectoryStatus { state: DirectoryState::LoggedOut, ..status.directory }, ..status }
}

pub(crate) fn identity() -> Identity {
    Identity {
        user: "1".parse().unwrap(),
        role: Role::User,
        expires_at: moment(),
        peer_id: PeerId::of(&key()),
        peer: "peer-1".parse().unwrap(),
    }
}

pub(crate) fn peer(name: &str, state: PeerState) -> Peer {
    Peer {
        peer_id: PeerId::of(&key()),
        name: name.parse().unwrap(),
        user: "1".parse().unwrap(),
        address: "127.0.0.1:5001".parse().unwrap(),
        state,
        files: 3,
        last_seen: moment(),
        key: key(),
        version: "0.1.0".into(),
    }
}

pub(crate) fn file(name: &str, size: u64, up: u64) -> FileEntry {
    FileEntry {
        file_id: FileId::of(name.as_bytes()),
        name: name.parse().unwrap(),
        size: ByteCount::new(size),
        holders: 3,
        holders_up: up,
        simulated: false,
        url: None,
    }
}

pub(crate) fn page<T>(items: Vec<T>) -> Page<T> {
    Page { items, next: None }
}

pub(crate) fn shown(name: &str) -> FileShown {
    let entry = file(name, 1000, 1);
    let holder = |name: &str, state, holding| Holder {
        peer_id: PeerId::of(&key()),
        name: name.parse().unwrap(),
        user: "1".parse().unwrap(),
        address: "127.0.0.1:5001".parse().unwrap(),
        state,
        holding,
    };
    FileShown {
        file: FileDetail { names: vec![entry.name.clone(), "other".parse().unwrap()], entry },
        holders_list: vec![
            holder("peer-1", PeerState::Up, HoldingState::Complete),
            holder("peer-2", PeerState::Down, HoldingState::Partial),
        ],
    }
}

pub(crate) fn uploaded(name: &str) -> Uploaded {
    Uploaded {
        file_id: FileId::of(name.as_bytes()),
        name: name.parse().unwrap(),
        size: ByteCount::new(1000),
        simulated: false,
        announced: true,
    }
}

pub(crate) fn started(number: u64, name: &str) -> Started {
    Started {
        transfer_id: TransferId(number),
        file_id: FileId::of(name.as_bytes()),
        name: name.parse().unwrap(),
        size: ByteCount::new(1000),
        path: format!("/downloads/{name}").into(),
        joined: false,
        simulated: false,
    }
}

pub(crate) fn transfer(number: u64, name: &str, state: TransferState) -> Transfer {
    let done = state == TransferState::Done;
    let source = Source {
        peer: "peer-1".parse().unwrap(),
        peer_id: PeerId::of(&key()),
        bytes: ByteCount::new(1000),
        banned: None,
    };
    Transfer {
        transfer_id: TransferId(number),
        file_id: FileId::of(name.as_bytes()),
        name: name.parse().unwrap(),
        size: ByteCount::new(1000),
        path: format!("/downloads/{name}").into(),
        state,
        reason: None,
        failure: None,
        bytes: ByteCount::new(if done { 1000 } else { 250 }),
        rate: 2000.0,
        seconds: 0.5,
        verified: done,
        simulated: false,
        sources: vec![source],
    }
}

/// What a healthy daemon answers.
/// One of each kind.
pub(crate) fn events() -> Vec<Event> {
    let (peer_id, file_id) = (PeerId::of(&key()), FileId::of(b"a"));
    let changes = [
        Change::UserChanged { user: "1".parse().unwrap() },
        Change::PeerUp { peer_id },
        Change::FilePartial { peer_id, file_id },
        Change::FileAnnounced { peer_id, file_id },
        Change::FileWithdrawn { peer_id, file_id },
        Change::PeerDown { peer_id },
    ];
    (7..).zip(changes).map(|(seq, change)| Event { seq, at: moment(), change }).collect()
}

/// What a word could become; nothing was left out.
pub(crate) fn words(words: &[&str]) -> Completions {
    let word = |word: &&str| Completion { word: (*word).to_owned(), id: FileId::of(word.as_bytes()).to_string() };
    Completions { words: words.iter().map(word).collect(), more: false }
}

pub(crate) fn healthy(request: &Request) -> Vec<Say> {
    match request {
        Request::GetStatus(_) => done(&status()),
        Request::Login(_) | Request::WhoAmI(_) => done(&identity()),
        Request::Logout(_) | Request::Crash(_) => done(&proto::control::Done {}),
        Request::Verify(verify) => {
            let Uploaded { file_id, name, size, .. } = uploaded(&verify.file);
            done(&proto::control::Verified { file_id, path: format!("/srv/{name}").into(), name, size })
        }
        Request::Examine(_) => done(&proto::control::Examination {
            checks: vec![
                Check::ok("directory", "directoryd 0.1.0 at http://127.0.0.1:4001, connected"),
                Check::warn("clock", "40 s ahead of the directory's", "set the clock"),
            ],
        }),
        Request::GetVersions(_) => {
            done(&proto::control::Versions { peerd: "0.1.0".into(), directory: Some("0.1.0".into()), problem: None })
        }
        Request::Subscribe(_) => vec![Say::Progress(Progress::News(News::Listening {})), Say::Stall],
        Request::WatchEvents(_) => events()
            .into_iter()
            .map(|event| Say::Progress(Progress::Event(event)))
            .chain(done(&proto::control::Done {}))
            .collect(),
        Request::ListPeers(_) => done(&page(vec![peer("peer-1", PeerState::Up), peer("peer-2", PeerState::Down)])),
        Request::ShowPeer(_) => done(&peer("peer-1", PeerState::Up)),
        Request::ListFiles(_) => done(&page(files())),
        Request::Complete(_) => done(&words(&["a file", "another"])),
        Request::ShowFile(_) => done(&shown("a file")),
        Request::Upload(upload) => {
            let own = || upload.path.file_name().unwrap().to_str().unwrap();
            done(&uploaded(upload.name.as_ref().map_or_else(own, |name| name.as_str())))
        }
        Request::Simulated(file) => {
            let Uploaded { name, announced, .. } = uploaded(file.name.as_str());
            done(&Uploaded { file_id: file.id(), name, size: file.size, simulated: true, announced })
        }
        Request::Simulate(asked) => done(&answer(&asked.scenario)),
        Request::Calibrate(_) => done(&constants()),
        Request::Unshare(unshare) => {
            let Uploaded { file_id, name, .. } = uploaded(&unshare.file);
            done(&proto::control::Unshared { file_id, name })
        }
        Request::Download(download) => done(&started(7, &download.file)),
        Request::Wait(wait) => done(&transfer(wait.transfer_id.0, "a", TransferState::Done)),
        Request::ListTransfers(_) => done(&proto::control::Transfers {
            items: vec![transfer(7, "a", TransferState::Running), transfer(8, "b", TransferState::Done)],
            next: None,
        }),
        Request::Pause(pause) => {
            let reason = Some(format!("by the user; `peerctl resume {}` goes on", pause.transfer_id));
            done(&Transfer { reason, ..transfer(pause.transfer_id.0, "a", TransferState::Paused) })
        }
        Request::Resume(resume) => done(&transfer(resume.transfer_id.0, "a", TransferState::Preparing)),
        Request::Explain(explain) => done(&explanation(explain.transfer_id.0)),
        Request::Cancel(cancel) => done(&transfer(cancel.transfer_id.0, "a", TransferState::Cancelled)),
    }
}

pub(crate) fn explanation(number: u64) -> Explanation {
    let source = |name: &str, state, trouble: Option<&str>| SourceFigures {
        peer: name.parse().unwrap(),
        peer_id: PeerId::of(&key()),
        state,
        bytes: ByteCount::new(500),
        rate: 1500,
        delay_s: 0.125,
        pieces: 1,
        in_flight: ByteCount::new(100),
        failures: 2,
        trouble: trouble.map(str::to_owned),
    };
    Explanation {
        transfer: transfer(number, "a", TransferState::Running),
        limit: Limit::HoldersUplink,
        because: "the uplink of its only holder at the moment, peer-1, or the way there".into(),
        max_rate: Some("10MiB".parse().unwrap()),
        pieces: PieceCount { stored: 1, total: 2 },
        in_flight: ByteCount::new(100),
        duplicates: ByteCount::new(20),
        sources: vec![
            source("peer-1", SourceState::Active, None),
            source("peer-2", SourceState::Away, Some("connection refused")),
        ],
    }
}

pub(crate) fn constants() -> Constants {
    Constants {
        source: "measured on a sample".into(),
        header_permille: 48,
        request_bytes: 200,
        service: Span::from_micros(250),
        verify_per_mib: Span::from_micros(700),
        handshake_trips: 3,
        connect: Span::from_micros(1500),
    }
}

pub(crate) fn answer(scenario: &Scenario) -> Answer {
    Answer {
        scenario: Scenario { constants: Some(constants()), ..scenario.clone() },
        complete: true,
        first_s: Some(10.5),
        median_s: Some(11.0),
        p99_s: Some(11.75),
        last_s: Some(12.0),
        bound_s: 10.0,
        ratio: Some(1.2),
        seed_copies: 1.125,
        duplicates: 0.001,
        limited_by: LimitedBy::HoldersUplink,
        finished: scenario.peers,
        left: 0,
        elapsed_s: 0.25,
        samples: Vec::new(),
    }
}

pub(crate) fn files() -> Vec<FileEntry> {
    vec![file("a rather long name of a file that is shared.iso", 700 << 20, 2), file("日本語", 1, 0)]
}
