//! The directory's clock, as far as this peer can tell: what the last answer said, and the time since on a clock that
//! nobody sets. Tickets are judged by it, so that wall clocks do not matter.

use std::time::Instant;

use proto::Timestamp;

/// The directory's time at a moment of ours. A moment that was waited for on the network lies up to one round trip back,
/// so this clock runs at most that much late.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    directory: Timestamp,
    heard: Instant,
}

impl Clock {
    /// The directory has just said what time it is.
    pub fn set(directory: Timestamp) -> Self {
        Self { directory, heard: Instant::now() }
    }

    /// The time there now.
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    fn at(&self, moment: Instant) -> Timestamp {
        let passed = jiff::SignedDuration::try_from(moment.saturating_duration_since(self.heard));
        passed.ok().and_then(|passed| self.directory.checked_add(passed).ok()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_goes_on_by_itself_and_never_back() {
        let clock = Clock::set(Timestamp::from_second(1000).unwrap());
        assert_eq!(clock.at(clock.heard + Duration::from_secs(5)), Timestamp::from_second(1005).unwrap());
        assert_eq!(
            clock.at(clock.heard.checked_sub(Duration::from_secs(5)).unwrap()),
            Timestamp::from_second(1000).unwrap()
        );
    }
}
