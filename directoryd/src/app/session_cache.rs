//! Recent answers to "whose token is this", so that a busy peer's calls need no database each.
//!
//! An answer is believed for [`LIFE`], because `directoryd user` and other replicas change accounts behind this process's
//! back; what this process changes itself takes effect at once. An answer that was asked for before a change and arrives
//! after it is not kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::db::SessionOwner;

/// How long a change from outside may go unnoticed.
const LIFE: Duration = Duration::from_secs(1);
/// Most answers that are kept: about 10 MiB.
const MOST: usize = 1 << 16;

type TokenHash = [u8; 32];

#[derive(Default)]
pub(crate) struct SessionCache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    answers: HashMap<TokenHash, (SessionOwner, Instant)>,
    /// Counts the changes.
    changes: u64,
}

/// When a question was put.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u64);

impl SessionCache {
    /// The answer, or when it was found missing.
    pub(crate) fn get(&self, token: &TokenHash, now: Instant) -> Result<SessionOwner, Asked> {
        let cached = self.lock();
        match cached.answers.get(token) {
            Some((owner, until)) if now < *until => Ok(owner.clone()),
            _ => Err(Asked(cached.changes)),
        }
    }

    /// Keeps an answer, unless something has changed since it was asked for.
    pub(crate) fn put(&self, token: TokenHash, owner: SessionOwner, asked: Asked, now: Instant) {
        let mut cached = self.lock();
        if cached.changes != asked.0 {
            return;
        }
        if cached.answers.len() >= MOST {
            cached.answers.retain(|_, (_, until)| now < *until);
        }
        if cached.answers.len() < MOST {
            cached.answers.insert(token, (owner, now + LIFE));
        }
    }

    /// Accounts or sessions have changed: forget.
    pub(crate) fn clear(&self) {
        let mut cached = self.lock();
        cached.changes += 1;
        cached.answers.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::Timestamp;
    use proto::directory::Role;

    use super::*;

    fn owner() -> SessionOwner {
        SessionOwner { user: "ana".parse().unwrap(), role: Role::User, expires_at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn answers_live_for_a_moment() {
        let (cache, now) = (SessionCache::default(), Instant::now());
        let asked = cache.get(&[1; 32], now).unwrap_err();
        cache.put([1; 32], owner(), asked, now);
        assert!(cache.get(&[1; 32], now).is_ok());
        assert!(cache.get(&[2; 32], now).is_err());
        assert!(cache.get(&[1; 32], now + LIFE).is_err());
    }

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let (cache, now) = (SessionCache::default(), Instant::now());
        let asked = cache.get(&[1; 32], now).unwrap_err();
        cache.clear();
        cache.put([1; 32], owner(), asked, now);
        assert!(cache.get(&[1; 32], now).is_err());
    }
}
