//! Names what is stored at a moment, for `ETag`: two answers of one path under one name are the same.
//!
//! It is made of what can change an answer: the commits of this process, counted before anybody hears of them, and the last
//! change of an account in the log, by which other processes' changes (`directoryd user remove`) are noticed within a second.
//! What changes without either (when a peer was last seen) has no place in an answer with a tag. Drawn anew at each start.

use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct StateTag {
    start: u32,
    /// Number of the last event that was looked at.
    looked: AtomicU64,
    /// Number of the last one by which an account changed.
    users_changed: AtomicU64,
}

impl StateTag {
    pub(crate) fn draw() -> Self {
        Self { start: rand::random(), looked: AtomicU64::default(), users_changed: AtomicU64::default() }
    }

    /// From where to look on.
    pub(crate) fn looked(&self) -> u64 {
        self.looked.load(Ordering::Acquire)
    }

    /// Looked up to the event `end`; whether an account changed in between.
    pub(crate) fn note(&self, end: u64, users_changed: Option<u64>) {
        if let Some(number) = users_changed {
            self.users_changed.store(number, Ordering::Release);
        }
        self.looked.store(end, Ordering::Release);
    }

    /// Weak: it stands for what an answer says, not for its bytes.
    pub(super) fn tag(&self, commits: u64) -> String {
        format!("W/\"{:x}-{commits:x}-{:x}\"", self.start, self.users_changed.load(Ordering::Acquire))
    }
}
