//! How many pieces are sent at once.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A piece that takes longer than this gives its slot to whoever waits for one and goes on: who reads slowly, or not at
/// all, keeps none from others.
const LENT_FOR: Duration = Duration::from_secs(10);

/// So many slots. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    free: Arc<Semaphore>,
    taken: Arc<Mutex<Taken>>,
}

/// Those that are taken, in the order in which they were.
#[derive(Debug, Default)]
struct Taken {
    next: u64,
    slots: BTreeMap<u64, (Instant, OwnedSemaphorePermit)>,
}

/// A place to send a piece in, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    number: Option<u64>,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default() }
    }

    /// One of them, as soon as one is free.
    pub(super) async fn take(&self) -> Slot {
        let mut free = pin!(Arc::clone(&self.free).acquire_owned());
        let permit = loop {
            tokio::select! {
                biased;
                permit = &mut free => break permit,
                () = tokio::time::sleep_until(self.next_due()) => self.lend(),
            }
        };
        let mut taken = lock(&self.taken);
        // The semaphore is never closed; if it were, nothing would be bounded, and nothing else be wrong.
        let number = permit.ok().map(|permit| taken.insert(permit));
        Slot { number, taken: Arc::clone(&self.taken) }
    }

    /// When the oldest is to be lent.
    fn next_due(&self) -> Instant {
        let oldest = lock(&self.taken).slots.first_key_value().map(|(_, (since, _))| *since);
        oldest.unwrap_or_else(Instant::now) + LENT_FOR
    }

    fn lend(&self) {
        let now = Instant::now();
        lock(&self.taken).slots.retain(|_, (since, _)| *since + LENT_FOR > now);
    }
}

impl Taken {
    fn insert(&mut self, permit: OwnedSemaphorePermit) -> u64 {
        let number = self.next;
        self.next += 1;
        self.slots.insert(number, (Instant::now(), permit));
        number
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            lock(&self.taken).slots.remove(&number);
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_at_once_than_there_are() {
        let (slots, under_way, most) = (Slots::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        let piece = async || {
            let _slot = slots.take().await;
            most.fetch_max(under_way.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_secs(1)).await;
            under_way.fetch_sub(1, Ordering::Relaxed);
        };
        let began = Instant::now();
        futures_util::future::join_all((0..9).map(|_| piece())).await;
        assert_eq!((most.into_inner(), began.elapsed()), (3, Duration::from_secs(3)));
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_nothing_keeps_none() {
        let slots = Slots::new(1);
        let began = Instant::now();
        let stuck = slots.take().await;
        let next = slots.take().await;
        assert_eq!(began.elapsed(), LENT_FOR);
        // What was lent is not given back twice.
        drop(stuck);
        assert_eq!(slots.free.available_permits(), 0);
        drop(next);
        assert_eq!(slots.free.available_permits(), 1);
    }
}
