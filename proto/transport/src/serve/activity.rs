//! What one connection is doing: whether a request is open, and since when none is.
//!
//! Written by the requests of the connection, read by its idle clock and by the register when it looks for a seat. The
//! invariant that both rely on: once [`Activity::retire`] has said yes, no request begins any more, so a connection that
//! gives way never takes a running handler with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Value of `open` in a connection that has been given up.
const RETIRED: usize = usize::MAX;

/// A connection counts as busy for this long after its last request. The body of an answer is gone when hyper has taken its
/// last byte, and that byte may still be on its way to a client who would otherwise lose it to a newcomer.
const FLUSH: Duration = Duration::from_secs(1);

/// A busy connection is not looked at more often, however short the limits.
const SHORTEST: Duration = Duration::from_millis(10);

/// State of one connection, shared by its tasks and the register.
#[derive(Debug)]
pub(super) struct Activity {
    born: Instant,
    /// Requests whose answer is not wholly out, or [`RETIRED`].
    open: AtomicUsize,
    /// Whether there was ever a request.
    asked: AtomicBool,
    /// Milliseconds from `born` to the last change from busy to quiet.
    quiet_since: AtomicU64,
    /// Ends every task of the connection.
    cut: CancellationToken,
}

impl Activity {
    pub(super) fn new(cut: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            open: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
            quiet_since: AtomicU64::new(0),
            cut,
        })
    }

    pub(super) fn cut(&self) -> &CancellationToken {
        &self.cut
    }

    /// Starts the quiet time anew.
    pub(super) fn touch(&self) {
        let since = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.quiet_since.store(since, Ordering::Release);
    }

    /// Counts a request until the returned guard is dropped; `None` when the connection has been given up.
    pub(super) fn begin(self: &Arc<Self>) -> Option<OpenRequest> {
        let more = |open: usize| (open != RETIRED).then(|| open + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        self.asked.store(true, Ordering::Release);
        Some(OpenRequest(Arc::clone(self)))
    }

    /// Gives the connection up and cuts it at once, unless a request is open.
    pub(super) fn retire(&self) -> bool {
        let quiet = self.open.compare_exchange(0, RETIRED, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if quiet {
            self.cut.cancel();
        }
        quiet
    }

    /// Order in which connections give way, first come first: never asked, then longest quiet. `None` while busy.
    pub(super) fn rank(&self) -> Option<(bool, Instant)> {
        let (since, asked) = (self.quiet_since()?, self.has_asked());
        (!asked || since.elapsed() >= FLUSH).then_some((asked, since))
    }

    /// Whether a request was ever seen.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Returns when the connection has been quiet for `first` without ever having asked, or for `idle`.
    pub(super) async fn quiet_for(&self, first: Duration, idle: Duration) {
        // Looked at this often, no end of `idle` is missed: a quiet time that begins between two looks is not over before.
        let pause = idle.max(SHORTEST);
        loop {
            let patience = if self.has_asked() { idle } else { first };
            let left = match self.quiet_since() {
                Some(since) => (since + patience).saturating_duration_since(Instant::now()),
                None => pause,
            };
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(pause)).await;
        }
    }

    /// When the last request ended, or the connection began; `None` while one is open.
    fn quiet_since(&self) -> Option<Instant> {
        let quiet = self.open.load(Ordering::Acquire) == 0;
        quiet.then(|| self.born + Duration::from_millis(self.quiet_since.load(Ordering::Acquire)))
    }
}

/// A request that has not been wholly answered.
#[derive(Debug)]
pub(super) struct OpenRequest(Arc<Activity>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.touch();
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const IDLE: Duration = Duration::from_secs(5);

    fn activity() -> Arc<Activity> {
        Activity::new(CancellationToken::new())
    }

    #[test]
    fn a_busy_connection_does_not_retire_and_a_retired_one_does_not_begin() {
        let activity = activity();
        let request = activity.begin().unwrap();
        assert!(!activity.retire());
        assert!(!activity.cut().is_cancelled());
        drop(request);
        assert!(activity.retire());
        assert!(activity.cut().is_cancelled());
        assert!(activity.begin().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_request_the_shorter_clock_runs() {
        let (activity, start) = (activity(), Instant::now());
        activity.quiet_for(FIRST, IDLE).await;
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_clock_starts_when_the_last_request_ends() {
        let (activity, start) = (activity(), Instant::now());
        let request = activity.begin().unwrap();
        let another = activity.begin().unwrap();
        drop(another);
        let ends = async {
            tokio::time::sleep(Duration::from_secs(12)).await;
            drop(request);
        };
        tokio::join!(activity.quiet_for(FIRST, IDLE), ends);
        assert_eq!(start.elapsed().as_secs(), 17);
    }
}
