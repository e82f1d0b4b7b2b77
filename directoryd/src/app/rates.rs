//! How much each session may ask. Pure: time comes in as an argument.
//!
//! A session has a bucket that holds [`BURST`] of requests at its rate and fills up at that rate. It is kept as one moment,
//! the one at which the bucket will be full again (the generic cell rate algorithm of ITU-T I.371), so that a full bucket need
//! not be kept at all: memory goes with the sessions that asked of late. Sessions are spread over many small locks, each held for
//! one look into a table. Only sessions that run are counted, so strangers cannot fill it. A crash forgives.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What may be asked at once, in time at the session's rate.
const BURST: Duration = Duration::from_secs(5);
/// Locks; a power of two.
const SHARDS: usize = 64;
/// Sessions of one shard at which those whose bucket is full are looked for and forgotten.
const TIDY_FROM: usize = 1 << 8;

type TokenHash = [u8; 32];

pub(crate) struct Rates {
    /// What one request takes, in time at the session's rate; none where there is no limit.
    price: Option<Duration>,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// When the bucket will be full again.
    full: HashMap<TokenHash, Instant>,
    /// Entries that may be there before the next tidying.
    room: usize,
}

impl Rates {
    /// So many requests per second.
    pub(crate) fn new(limit: Option<NonZeroU32>) -> Self {
        let price = limit.map(|limit| Duration::from_secs(1) / limit.get());
        Self { price, shards: std::array::from_fn(|_| Mutex::default()) }
    }

    /// Lets a request of a session through, or says how long to wait until one would be.
    pub(crate) fn take(&self, session: &TokenHash, now: Instant) -> Result<(), Duration> {
        let Some(price) = self.price else { return Ok(()) };
        let mut shard = self.shards[usize::from(session[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let full = shard.full.get(session).map_or(now, |full| now.max(*full)) + price;
        let beyond = full.duration_since(now).saturating_sub(BURST);
        if !beyond.is_zero() {
            return Err(beyond);
        }
        shard.note(session, full, now);
        Ok(())
    }
}

impl Shard {
    /// Full ones go whenever the memory has doubled since they last went: it stays within twice what is needed.
    fn note(&mut self, session: &TokenHash, full: Instant, now: Instant) {
        if let Some(known) = self.full.get_mut(session) {
            *known = full;
            return;
        }
        if self.full.len() >= self.room.max(TIDY_FROM) {
            self.full.retain(|_, full| *full > now);
            self.room = self.full.len() * 2;
        }
        self.full.insert(*session, full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rates(limit: u32) -> Rates {
        Rates::new(NonZeroU32::new(limit))
    }

    /// How many of a session's requests pass, asked as fast as can be.
    fn passed(rates: &Rates, session: u8, now: Instant) -> usize {
        (0..1_000_000).take_while(|_| rates.take(&[session; 32], now).is_ok()).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let (rates, start) = (rates(100), Instant::now());
        assert_eq!(passed(&rates, 1, start), 500);
        assert_eq!(passed(&rates, 1, start), 0);
        assert_eq!(passed(&rates, 1, start + SECOND), 100);
        assert_eq!(passed(&rates, 1, start + SECOND * 3600), 500, "no more is saved up");
    }

    #[test]
    fn whoever_waits_as_told_is_let_through_and_not_before() {
        let (rates, start) = (rates(3), Instant::now());
        passed(&rates, 1, start);
        let wait = rates.take(&[1; 32], start).unwrap_err();
        assert!(wait <= SECOND / 3, "{wait:?}");
        let early = wait.saturating_sub(Duration::from_nanos(1));
        assert!(rates.take(&[1; 32], start + early).is_err());
        assert!(rates.take(&[1; 32], start + wait).is_ok());
    }

    #[test]
    fn asking_in_vain_costs_nothing_and_nobody_else_pays() {
        let (rates, start) = (rates(10), Instant::now());
        passed(&rates, 1, start);
        for _ in 0..1000 {
            assert!(rates.take(&[1; 32], start).is_err());
        }
        assert_eq!(passed(&rates, 1, start + SECOND), 10);
        // Of the same shard.
        assert_eq!(passed(&rates, 65, start), 50);
    }

    #[test]
    fn no_limit_is_none() {
        let rates = Rates::new(None);
        assert!((0..100_000).all(|_| rates.take(&[1; 32], Instant::now()).is_ok()));
    }

    #[test]
    fn sessions_that_stopped_asking_are_forgotten() {
        let (rates, start) = (rates(10), Instant::now());
        for number in 0..200_000_u32 {
            let mut session = [0; 32];
            session[..4].copy_from_slice(&number.to_be_bytes());
            rates.take(&session, start + Duration::from_millis(number.into())).unwrap();
        }
        let kept: usize = rates.shards.iter().map(|shard| shard.lock().unwrap().full.len()).sum();
        assert!(kept <= SHARDS * TIDY_FROM, "{kept}");
    }
}
