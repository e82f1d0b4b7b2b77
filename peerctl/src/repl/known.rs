//! Names that were asked for a moment ago: Tab is pressed again and again while a word is typed, and every answer holds what
//! a longer beginning of the same word would find.

use std::time::{Duration, Instant};

use super::complete::Wanted;

/// How long names are good: a person who has just shared a file elsewhere does not wonder.
const FRESH: Duration = Duration::from_secs(5);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct Known(Option<(Wanted, Vec<String>, Instant)>);

impl Known {
    /// What is known of the names that are wanted; some more may be among them.
    pub(super) fn names(&self, wanted: &Wanted, now: Instant) -> Option<Vec<String>> {
        let (asked, names, at) = self.0.as_ref()?;
        (holds(asked, wanted) && now.saturating_duration_since(*at) < FRESH).then(|| names.clone())
    }

    /// Keeps an answer, in place of the last one.
    pub(super) fn keep(&mut self, wanted: Wanted, names: &[String], now: Instant) {
        self.0 = Some((wanted, names.to_vec(), now));
    }

    /// A command may change any of it.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

fn holds(asked: &Wanted, wanted: &Wanted) -> bool {
    match (asked, wanted) {
        (Wanted::Files { start: asked, mine: of_mine }, Wanted::Files { start, mine }) => {
            of_mine == mine && start.starts_with(asked.as_str())
        }
        _ => asked == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_beginning_is_known_and_nothing_for_long() {
        let files = |start: &str, mine| Wanted::Files { start: start.into(), mine };
        let (mut known, now) = (Known::default(), Instant::now());
        known.keep(files("pa", false), &["part".into(), "past".into()], now);
        assert_eq!(known.names(&files("par", false), now).map(|names| names.len()), Some(2));
        for other in [files("p", false), files("par", true), Wanted::Peers] {
            assert_eq!(known.names(&other, now), None, "{other:?}");
        }
        assert_eq!(known.names(&files("pa", false), now + FRESH), None);
        known.forget();
        assert_eq!(known.names(&files("pa", false), now), None);
    }
}
