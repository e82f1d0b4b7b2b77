//! What the clients ask: made beforehand where it can be, so that asking costs as little as it can.

use std::cell::Cell;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use proto::directory::PatchFiles;
use proto::ids::FileId;

use crate::http::request;
use crate::load::{Loaded, announcement};

/// Requests of a kind that are made beforehand.
const PREPARED: usize = 20_000;
/// Entries of a large announcement.
const BATCH: usize = 100;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Lookup,
    List,
    Heartbeat,
    Announce,
    AnnounceMany,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [Self::Lookup, Self::List, Self::Heartbeat, Self::Announce, Self::AnnounceMany];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookups",
            Self::List => "pages of 100 files",
            Self::Heartbeat => "heartbeats",
            Self::Announce => "files, one by one",
            Self::AnnounceMany => "files, 100 at once",
        }
    }

    /// What one request of it counts for.
    pub(crate) fn entries(self) -> f64 {
        if matches!(self, Self::AnnounceMany) { BATCH as f64 } else { 1.0 }
    }
}

pub(crate) struct Requests<'a> {
    loaded: &'a Loaded,
    lookups: Vec<Bytes>,
    lists: Vec<Bytes>,
    heartbeats: Vec<Bytes>,
    /// Files announced so far: each is new.
    announced: Cell<u64>,
}

impl<'a> Requests<'a> {
    pub(crate) fn new(loaded: &'a Loaded) -> Self {
        let some =
            |make: &dyn Fn(usize) -> Bytes| (0..PREPARED).map(|_| make(rand::random_range(0..usize::MAX))).collect();
        let token = |random: usize| &loaded.peers[random % loaded.peers.len()].token;
        let files = loaded.files.len();
        Self {
            loaded,
            lookups: some(&|random| lookup(&loaded.files[random % files], token(random))),
            lists: some(&|random| {
                let cursor = cursor_behind(&format!("file-{}.bin", random % files));
                request("GET", &format!("/files?limit=100&cursor={cursor}"), token(random), "")
            }),
            heartbeats: some(&|random| {
                let peer = &loaded.peers[random % loaded.peers.len()];
                let body = format!("{{\"instance\":\"{}\"}}", peer.instance);
                request("POST", &format!("/peers/{}/heartbeat", peer.id), &peer.token, &body)
            }),
            announced: Cell::new(0),
        }
    }

    /// Where requests of a kind come from.
    pub(crate) fn source(&self, kind: Kind) -> impl Fn() -> Option<Bytes> {
        let one_of = |requests: &[Bytes]| Some(requests[rand::random_range(0..requests.len())].clone());
        move || match kind {
            Kind::Lookup => one_of(&self.lookups),
            Kind::List => one_of(&self.lists),
            Kind::Heartbeat => one_of(&self.heartbeats),
            Kind::Announce => Some(self.announce(1)),
            Kind::AnnounceMany => Some(self.announce(BATCH)),
        }
    }

    /// A lookup of each file, once.
    pub(crate) fn first_lookups(&self) -> impl Fn() -> Option<Bytes> {
        let asked = Cell::new(0);
        move || {
            let file = self.loaded.files.get(asked.replace(asked.get() + 1))?;
            Some(lookup(file, &self.loaded.peers[0].token))
        }
    }

    /// New files of a peer's.
    fn announce(&self, entries: usize) -> Bytes {
        let first = self.announced.get();
        self.announced.set(first + entries as u64);
        let peer = &self.loaded.peers[rand::random_range(0..self.loaded.peers.len())];
        let new = |number: u64| announcement(FileId::of(&number.to_le_bytes()), &format!("new-{number}"));
        let add = (first..first + entries as u64).map(new).collect();
        let body = serde_json::to_string(&PatchFiles { add, remove: Vec::new() }).unwrap();
        request("PATCH", &format!("/peers/{}/files", peer.id), &peer.token, &body)
    }
}

fn lookup(file: &FileId, token: &str) -> Bytes {
    request("GET", &format!("/files/{file}/holders"), token, "")
}

/// A cursor as a page gives it out: length of the name, name, id.
fn cursor_behind(name: &str) -> String {
    let mut bytes = u32::try_from(name.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(name.as_bytes());
    BASE64URL_NOPAD.encode(&bytes)
}
