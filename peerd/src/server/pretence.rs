//! Pretended transfers as the sender sees them: how far one would be by now. They share a rate, as real ones would share
//! the uplink, but not the uplink itself: no real transfer becomes slower for a pretended one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::Stream;
use proto::ids::Rate;
use proto::peer::{FileInfo, SimulatedProgress};
use tokio::time::Instant;
use tonic::Status;

/// How often the other side hears of it.
const STEP: Duration = Duration::from_millis(100);
/// The pace of a peer whose uplink is not limited.
const USUAL: Rate = Rate::bytes_per_second(12_500_000);

/// The pretended uplink. Clones share it.
#[derive(Debug, Clone)]
pub struct Pretence {
    rate: Rate,
    under_way: Arc<AtomicU64>,
}

impl Pretence {
    /// At the rate that real uploads are held to, if they are; else at 100 Mbit/s.
    pub fn new(max_upload: Option<Rate>) -> Self {
        Self { rate: max_upload.unwrap_or(USUAL), under_way: Arc::default() }
    }

    /// The progress of one transfer, from what is known of the file to its last byte.
    pub fn of(&self, file: FileInfo) -> impl Stream<Item = Result<SimulatedProgress, Status>> + Send + use<> {
        let size = file.size;
        let transfer = Transfer { turn: Turn::take(self.clone()), size, sent: 0, last: Instant::now() };
        let first = SimulatedProgress { file: Some(file), bytes: 0 };
        futures_util::stream::unfold((Some(first), transfer), async |(first, mut transfer)| {
            let step = match first {
                Some(first) => first,
                None => SimulatedProgress { file: None, bytes: transfer.step().await? },
            };
            Some((Ok(step), (None, transfer)))
        })
    }
}

/// Its place among those under way.
struct Turn(Pretence);

impl Turn {
    fn take(pretence: Pretence) -> Self {
        pretence.under_way.fetch_add(1, Ordering::Relaxed);
        Self(pretence)
    }

    fn share(&self) -> u64 {
        self.0.rate.as_bytes_per_second() / self.0.under_way.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Transfer {
    turn: Turn,
    size: u64,
    sent: u64,
    last: Instant,
}

impl Transfer {
    /// Bytes that would be there after the next step; nothing after the last one.
    async fn step(&mut self) -> Option<u64> {
        if self.sent == self.size {
            return None;
        }
        tokio::time::sleep_until(self.last + STEP).await;
        let now = Instant::now();
        let passed = u64::try_from((now - self.last).as_micros()).unwrap_or(u64::MAX);
        self.last = now;
        let moved = u128::from(self.turn.share()) * u128::from(passed) / 1_000_000;
        // At least a byte, so that every transfer ends.
        let moved = u64::try_from(moved).unwrap_or(u64::MAX).max(1);
        self.sent = self.sent.saturating_add(moved).min(self.size);
        Some(self.sent)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    fn file(size: u64) -> FileInfo {
        FileInfo { size, ..FileInfo::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn it_takes_as_long_as_the_rate_says_and_others_make_it_slower() {
        let pretence = Pretence::new(Some(Rate::bytes_per_second(1_000_000)));
        let began = Instant::now();
        let alone: Vec<u64> = pretence.of(file(2_000_000)).map(|step| step.unwrap().bytes).collect().await;
        assert_eq!((alone.first(), alone.last()), (Some(&0), Some(&2_000_000)));
        assert!(alone.is_sorted() && began.elapsed() == Duration::from_secs(2), "{:?}", began.elapsed());
        let began = Instant::now();
        let both = (pretence.of(file(1_000_000)).count(), pretence.of(file(1_000_000)).count());
        futures_util::future::join(both.0, both.1).await;
        assert_eq!(began.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_takes_no_time() {
        let steps: Vec<_> = Pretence::new(None).of(file(0)).collect().await;
        assert_eq!(steps.len(), 1);
    }
}
