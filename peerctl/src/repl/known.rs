//! Names that were asked for a moment ago: Tab is pressed again and again while a word is typed, and an answer that leaves
//! nothing out holds what a longer beginning of the same word would find.

use std::time::{Duration, Instant};

use super::complete::{Names, Wanted};

/// How long names are good: a person who has just shared a file elsewhere does not wonder.
const FRESH: Duration = Duration::from_secs(5);

/// The last answer.
#[derive(Debug, Default)]
pub(super) struct Known(Option<(Wanted, Names, Instant)>);

impl Known {
    /// What is known of the names that are wanted; some more may be among them.
    pub(super) fn names(&self, wanted: &Wanted, now: Instant) -> Option<Names> {
        let (asked, names, at) = self.0.as_ref()?;
        let holds = asked == wanted || !names.more && goes_on(asked, wanted);
        (holds && now.saturating_duration_since(*at) < FRESH).then(|| names.clone())
    }

    /// Keeps an answer, in place of the last one.
    pub(super) fn keep(&mut self, wanted: Wanted, names: &Names, now: Instant) {
        self.0 = Some((wanted, names.clone(), now));
    }

    /// A command may change any of it.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

/// Whether whatever begins as `wanted` was looked for when `asked` was: from some length on a word may be an id as well, and
/// behind a `/` it is one user's.
fn goes_on(asked: &Wanted, wanted: &Wanted) -> bool {
    const SHORTEST_ID: usize = 6;
    let means = |wanted: &Wanted| (wanted.kind, wanted.start.len() >= SHORTEST_ID, wanted.start.contains('/'));
    means(asked) == means(wanted) && wanted.start.starts_with(&asked.start)
}

#[cfg(test)]
mod tests {
    use super::super::complete::Kind;
    use super::*;

    #[test]
    fn a_longer_beginning_is_known_and_nothing_for_long() {
        let files = |start: &str, kind| Wanted { kind, start: start.into() };
        let (mut known, now) = (Known::default(), Instant::now());
        known.keep(files("pa", Kind::File), &vec!["part".to_owned(), "past".to_owned()].into(), now);
        assert_eq!(known.names(&files("par", Kind::File), now).map(|names| names.words.len()), Some(2));
        for other in [files("p", Kind::File), files("par", Kind::OwnFile), files("pa", Kind::Peer)] {
            assert_eq!(known.names(&other, now), None, "{other:?}");
        }
        assert_eq!(known.names(&files("pa", Kind::File), now + FRESH), None);
        known.forget();
        assert_eq!(known.names(&files("pa", Kind::File), now), None);
    }

    #[test]
    fn where_some_were_left_out_a_longer_beginning_is_asked_for() {
        let files = |start: &str| Wanted { kind: Kind::File, start: start.into() };
        let (mut known, now) = (Known::default(), Instant::now());
        known.keep(files("pa"), &Names { words: vec!["part".into(), "pause".into()], more: true }, now);
        assert!(known.names(&files("pa"), now).is_some());
        assert_eq!(known.names(&files("pas"), now), None);
        for (asked, wanted) in [("abcde", "abcdef"), ("ana", "ana/x")] {
            known.keep(files(asked), &Names::default(), now);
            assert_eq!(known.names(&files(wanted), now), None, "{wanted}");
        }
    }
}
