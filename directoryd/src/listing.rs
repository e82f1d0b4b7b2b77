//! The list of files, kept in memory as it is told: a page is a walk along a tree and a copy, however many files there are.
//!
//! From the database a page of a hundred is a hundred rows, each joined with its file, checked and written out anew. Here is
//! every name of every file, or nothing: where there are more than [`MOST`] allows, the database is asked for each page.
//!
//! Invariant: while [`Listing::page`] answers, what is here is what the database had after its last commit. Whoever changes
//! what is listed says so here after the commit and before it answers, as with [`crate::swarms`]; from then on the database is
//! asked, until what changed was read again ([`renewal`]). Other processes' changes end everything. A commit of which nobody
//! knows whether it came about is the one exception: hence [`LIFE`]. Everything may be lost.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use proto::directory::FileEntry;
use proto::ids::{FileId, PeerId};

use crate::db::After;

mod names;
pub(crate) mod renewal;

use names::{Names, Row};
pub(crate) use names::{Stretch, stretch};

/// How long what was read counts, whatever is heard of it; after half of that it is read again.
const LIFE: Duration = Duration::from_mins(1);
/// When to look again whether there are still too many.
const TOO_MANY_FOR: Duration = Duration::from_mins(10);
/// When to try again what the database would not answer.
const RETRY: Duration = Duration::from_secs(1);
/// Most memory, bytes as [`Names`] counts them: about a hundred thousand names.
const MOST: usize = 48 << 20;
/// Beyond so many changed files, or peers, all is read again.
const MOST_FILES: usize = 10_000;
const MOST_PEERS: usize = 64;

/// All files, or none.
pub(crate) struct Listing {
    /// Tells tags of this start from those of others.
    start: u32,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    kept: Option<Kept>,
    /// What was heard of since it was last asked for.
    changed: Changed,
    reading: Option<Reading>,
    /// When it may be read for the first time again.
    not_before: Option<Instant>,
    /// Counts what made an end of everything.
    ends: u64,
    /// Counts what is different from before.
    version: u64,
}

struct Kept {
    names: Names,
    read_at: Instant,
}

#[derive(Default)]
struct Changed {
    files: HashSet<FileId>,
    peers: HashSet<PeerId>,
}

/// Somebody reads the database; whether for what was heard of.
#[derive(Clone, Copy)]
struct Reading {
    of_changes: bool,
}

/// What is told of a page.
pub(crate) struct Told {
    /// Names what all pages say, for `ETag`.
    pub(crate) tag: String,
    /// [`proto::directory::Page`] as JSON; `None` where the caller has it.
    pub(crate) page: Option<Vec<u8>>,
}

/// What has to be read, by whoever was given this: nobody else is until [`Listing::renewed`] is told.
#[derive(Debug)]
pub(crate) struct Due {
    what: What,
    ends: u64,
    at: Instant,
}

#[derive(Debug)]
enum What {
    All,
    Changed { files: Vec<FileId>, peers: Vec<PeerId> },
}

/// What was read.
enum Renewed {
    All(Names),
    TooMany,
    Changed,
    Failed,
}

impl Default for Listing {
    fn default() -> Self {
        Self { start: rand::random(), state: RwLock::default() }
    }
}

impl Listing {
    /// A page, unless the caller has its tag already; `None` where the database has to be asked. `cursor` writes where the
    /// next page begins.
    pub(crate) fn page(
        &self,
        stretch: &Stretch,
        limit: usize,
        now: Instant,
        has: impl FnOnce(&str) -> bool,
        cursor: impl FnOnce(&After) -> String,
    ) -> Option<Told> {
        let state = self.read();
        let names = state.current(now)?;
        let tag = format!("W/\"{:x}-files-{:x}\"", self.start, state.version);
        let page = (!has(&tag)).then(|| names.page(stretch, limit, cursor));
        Some(Told { tag, page })
    }

    /// What to read for the requests to come, if there is anything that nobody reads yet.
    pub(crate) fn due(&self, now: Instant) -> Option<Due> {
        if !self.read().is_due(now) {
            return None;
        }
        let mut state = self.write();
        state.is_due(now).then(|| state.begin(now))
    }

    /// Somebody holds more or less of these files than before, or under other names.
    pub(crate) fn files_changed(&self, files: impl IntoIterator<Item = FileId>) {
        let _forgotten = self.write().note(|changed| changed.files.extend(files));
    }

    /// All files of a peer count it as up, or down, now.
    pub(crate) fn peer_changed(&self, peer: &PeerId) {
        let _forgotten = self.write().note(|changed| changed.peers.extend([*peer]));
    }

    /// Anything may have changed.
    pub(crate) fn forget_all(&self) {
        let _forgotten = self.write().end();
    }

    /// These files are listed like this now, and not otherwise.
    fn put(&self, due: &Due, files: &[FileId], entries: &[FileEntry]) {
        let rows: Vec<Row> = entries.iter().map(Row::new).collect();
        let mut state = self.write();
        if state.ends != due.ends {
            return;
        }
        let Some(kept) = &mut state.kept else { return };
        let differs = kept.names.replace(files, rows);
        state.version += u64::from(differs);
    }

    /// All was read that was due.
    fn renewed(&self, due: &Due, outcome: Renewed) {
        let mut state = self.write();
        state.reading = None;
        if state.ends != due.ends {
            return;
        }
        // What is not needed any more may be large: it goes when the lock is free.
        let _former = match outcome {
            Renewed::All(names) => {
                let same = state.kept.as_ref().is_some_and(|kept| kept.names == names);
                state.version += u64::from(!same);
                state.kept.replace(Kept { names, read_at: due.at })
            }
            Renewed::Changed if state.kept.as_ref().is_none_or(|kept| kept.names.size() <= MOST) => None,
            Renewed::Changed | Renewed::TooMany => {
                state.not_before = Some(due.at + TOO_MANY_FOR);
                state.end()
            }
            Renewed::Failed => {
                state.not_before = Some(due.at + RETRY);
                state.end()
            }
        };
        drop(state);
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What is kept, if that is how things are.
    fn current(&self, now: Instant) -> Option<&Names> {
        let of_changes = self.reading.is_some_and(|reading| reading.of_changes);
        let kept = self.kept.as_ref().filter(|kept| now < kept.read_at + LIFE)?;
        (self.changed.is_empty() && !of_changes).then_some(&kept.names)
    }

    fn is_due(&self, now: Instant) -> bool {
        let old = || self.kept.as_ref().is_none_or(|kept| now >= kept.read_at + LIFE / 2);
        let may = self.reading.is_none() && self.not_before.is_none_or(|moment| now >= moment);
        may && (!self.changed.is_empty() || old())
    }

    fn begin(&mut self, now: Instant) -> Due {
        let Changed { files, peers } = std::mem::take(&mut self.changed);
        self.reading = Some(Reading { of_changes: !files.is_empty() || !peers.is_empty() });
        let all = self.kept.as_ref().is_none_or(|kept| now >= kept.read_at + LIFE / 2);
        let what = if all {
            What::All
        } else {
            What::Changed { files: files.into_iter().collect(), peers: peers.into_iter().collect() }
        };
        Due { what, ends: self.ends, at: now }
    }

    /// Notes a change, where it makes a difference. Gives back what is not kept any more: it may be large.
    fn note(&mut self, change: impl FnOnce(&mut Changed)) -> Option<Kept> {
        if self.kept.is_none() && self.reading.is_none() {
            return None;
        }
        change(&mut self.changed);
        let too_many = self.changed.files.len() > MOST_FILES || self.changed.peers.len() > MOST_PEERS;
        if too_many { self.end() } else { None }
    }

    fn end(&mut self) -> Option<Kept> {
        self.ends += 1;
        self.changed = Changed::default();
        self.kept.take()
    }
}

impl Changed {
    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.peers.is_empty()
    }
}

#[cfg(test)]
mod tests;
