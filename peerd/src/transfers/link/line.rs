//! One call for pieces in a conversation: what is asked for in it and not there yet, and a task that takes in what comes: hashed
//! where it was decrypted, written, reported.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::directory::Ticket;
use proto::manifest::PieceCheck;
use proto::peer::{FetchPiecesRequest, Refusal};
use swarm::{Failure, Piece};

use super::census::{Census, Fetch, Wait};
use super::pieces::{self, Part, Pieces, Requests};
use super::{Fact, Pace, Report, Shared, said};
use crate::throttle::Turn;
use crate::transfers::bearer::Calls;

/// Requests that may wait for a peer that reads none. More than the core's largest window has.
const REQUESTS: usize = 512;
/// Longest silence in the middle of a piece. The core gives up on a slow answer long before; this ends a dead call.
const SILENCE: Duration = Duration::from_secs(30);

/// A call under way. Dropping it ends what is said in it; what was asked for is answered still.
pub(super) struct Line {
    requests: Requests,
    /// Goes with the first request.
    file_id: Bytes,
    shown: Option<Ticket>,
    asked: Arc<Asked>,
}

/// What was asked for and is not over yet.
#[derive(Debug, Default)]
struct Asked(Mutex<HashMap<Piece, Ask>>);

/// One piece that was.
#[derive(Debug, Default)]
struct Ask {
    /// What comes of it is not wanted, until the peer has heard so many times that it was taken back.
    taken_back: u32,
    wanted: Option<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    turn: Turn,
    /// Until it comes.
    fetch: Option<Fetch>,
}

impl Line {
    /// Begins a call; the future takes in what comes, and ends with the call.
    pub(super) fn open(
        calls: Calls,
        shared: Arc<Shared>,
        pace: Pace,
        report: Report,
    ) -> (Self, impl Future<Output = Result<(), String>> + use<>) {
        let (requests, unsent) = pieces::requests(REQUESTS);
        let asked = Arc::new(Asked::default());
        let file_id = Bytes::copy_from_slice(shared.manifest.id().as_bytes());
        let line = Self { requests, file_id, shown: shared.bearer.shown(), asked: Arc::clone(&asked) };
        let reading = async move {
            let mut calls = calls;
            let pieces = Pieces::call(&mut calls, unsent).await.map_err(|status| said(&status))?;
            Reader { asked, shared, pace, report, current: None }.read(pieces).await
        };
        (line, reading)
    }

    /// Whether there is a newer ticket than the one that it was begun with.
    pub(super) fn is_outdated(&self, shared: &Shared) -> bool {
        shared.bearer.has_newer(self.shown.as_ref())
    }

    /// Whether everything that was asked for in it is over.
    pub(super) fn is_idle(&self) -> bool {
        self.asked.lock().is_empty()
    }

    /// Whether a piece was asked for in it, and is wanted.
    pub(super) fn awaits(&self, piece: Piece) -> bool {
        self.asked.lock().get(&piece).is_some_and(|ask| ask.wanted.is_some())
    }

    /// Asks for pieces, and takes others back; `false` if the peer takes in nothing of what is said.
    pub(super) fn say(&mut self, shared: &Shared, pieces: &[Piece], withdrawn: &[Piece]) -> bool {
        self.asked.note(pieces, withdrawn, &shared.census);
        let numbers = |pieces: &[Piece]| pieces.iter().map(|piece| piece.0).collect();
        let (pieces, withdrawn) = (numbers(pieces), numbers(withdrawn));
        let file_id = std::mem::take(&mut self.file_id);
        self.requests.say(&FetchPiecesRequest { file_id, pieces, withdrawn })
    }
}

/// What is to be done with bytes of a piece.
#[derive(Debug)]
enum Due {
    /// They are its first.
    Begin(Turn, Option<Fetch>),
    /// There are some already.
    Go,
    /// It was taken back.
    Discard,
}

impl Asked {
    fn lock(&self) -> MutexGuard<'_, HashMap<Piece, Ask>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, pieces: &[Piece], withdrawn: &[Piece], census: &Census) {
        let mut asked = self.lock();
        for piece in withdrawn {
            if let Some(ask) = asked.get_mut(piece) {
                ask.wanted = None;
                ask.taken_back += 1;
            }
        }
        for piece in pieces {
            let wanted = Wanted { turn: Turn::next(), fetch: Some(census.fetch()) };
            asked.entry(*piece).or_default().wanted = Some(wanted);
        }
    }

    /// Bytes of a piece have come; nothing where it was not asked for.
    fn due(&self, piece: Piece, is_under_way: bool) -> Option<Due> {
        let mut asked = self.lock();
        Some(match asked.get_mut(&piece)? {
            Ask { taken_back: 0, wanted: Some(_) } if is_under_way => Due::Go,
            Ask { taken_back: 0, wanted: Some(wanted) } => Due::Begin(wanted.turn, wanted.fetch.take()),
            _ => Due::Discard,
        })
    }

    /// From now on it is over; `false` if it was not wanted.
    fn over(&self, piece: Piece) -> bool {
        let mut asked = self.lock();
        let wanted = asked.get(&piece).is_some_and(|ask| ask.taken_back == 0);
        if wanted {
            asked.remove(&piece);
        }
        wanted
    }

    /// The peer has heard that it was taken back; `false` if it never was.
    fn heard(&self, piece: Piece) -> bool {
        let mut asked = self.lock();
        let Some(ask) = asked.get_mut(&piece).filter(|ask| ask.taken_back > 0) else { return false };
        ask.taken_back -= 1;
        if ask.taken_back == 0 && ask.wanted.is_none() {
            asked.remove(&piece);
        }
        true
    }
}

/// Takes in what comes.
struct Reader {
    asked: Arc<Asked>,
    shared: Arc<Shared>,
    pace: Pace,
    report: Report,
    current: Option<Current>,
}

/// The piece that comes.
struct Current {
    piece: Piece,
    turn: Turn,
    fetch: Option<Fetch>,
    check: PieceCheck,
    left: usize,
    chunks: Vec<Bytes>,
}

impl Reader {
    async fn read(mut self, mut pieces: Pieces) -> Result<(), String> {
        loop {
            let next = match self.current {
                Some(_) => tokio::time::timeout(SILENCE, pieces.next()).await.map_err(|_| "it fell silent")?,
                None => pieces.next().await,
            };
            match next.map_err(|status| said(&status))? {
                Some(Part::Bytes(piece, bytes)) => self.bytes(Piece(piece), bytes).await?,
                Some(Part::Refused(piece, refusal)) => self.refused(Piece(piece), refusal)?,
                None => break,
            }
        }
        self.cut_short();
        if self.asked.lock().is_empty() { Ok(()) } else { Err("it ended the call with pieces to come".to_owned()) }
    }

    /// Takes bytes in. Never more than the length of a piece is held.
    async fn bytes(&mut self, piece: Piece, bytes: Bytes) -> Result<(), String> {
        self.shared.figures.received(bytes.len());
        let is_under_way = self.current.as_ref().is_some_and(|current| current.piece == piece);
        if !is_under_way {
            self.cut_short();
        }
        match self.asked.due(piece, is_under_way) {
            Some(Due::Go) => {}
            Some(Due::Begin(turn, fetch)) => self.begin(piece, turn, fetch),
            Some(Due::Discard) => {
                self.current = None;
                return Ok(());
            }
            None => {
                // More than the piece, or another one: as bad as wrong bytes.
                let is_of_file = piece.0 < self.shared.manifest.geometry().count();
                self.shared.figures.rejected();
                (self.report)(Fact::Rejected(if is_of_file { piece } else { Piece(0) }));
                return Err("it sent what it was not asked for".to_owned());
            }
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let Some(left) = current.left.checked_sub(bytes.len()) else {
            self.cut_short();
            return Ok(());
        };
        current.left = left;
        current.check.update(&bytes);
        if let Some(fetch) = &mut current.fetch {
            self.pace.pass(current.turn, bytes.len(), fetch).await;
        }
        current.chunks.push(bytes);
        if left == 0 {
            self.finish();
        }
        Ok(())
    }

    fn begin(&mut self, piece: Piece, turn: Turn, fetch: Option<Fetch>) {
        let geometry = self.shared.manifest.geometry();
        let (check, left) = (PieceCheck::new(&geometry, piece.0), geometry.len(piece.0) as usize);
        self.current = Some(Current { piece, turn, fetch, check, left, chunks: Vec::new() });
        (self.report)(Fact::Begun(piece));
    }

    /// What comes is not the rest of the piece under way.
    fn cut_short(&mut self) {
        if let Some(current) = self.current.take() {
            self.reject(current.piece);
        }
    }

    fn reject(&self, piece: Piece) {
        if self.asked.over(piece) {
            self.shared.figures.rejected();
            (self.report)(Fact::Rejected(piece));
        }
    }

    /// All of it is there.
    fn finish(&mut self) {
        let Some(Current { piece, mut fetch, check, chunks, .. }) = self.current.take() else { return };
        if !self.shared.manifest.accepts(piece.0, &check) {
            return self.reject(piece);
        }
        if !self.asked.over(piece) {
            return;
        }
        if let Some(fetch) = &mut fetch {
            fetch.goes_to(Wait::Disk);
        }
        let offset = self.shared.manifest.geometry().offset(piece.0);
        let chunks: Arc<[Bytes]> = chunks.into();
        let (written, report, shared) = (Arc::clone(&chunks), Arc::clone(&self.report), Arc::clone(&self.shared));
        self.shared.writer.write(offset, chunks, move |result| {
            drop(fetch);
            report(match result {
                Ok(()) => {
                    shared.figures.verified();
                    Fact::Stored(piece, written)
                }
                Err(error) => Fact::NotWritten(piece, error),
            });
        });
    }

    fn refused(&mut self, piece: Piece, refusal: Refusal) -> Result<(), String> {
        if self.current.as_ref().is_some_and(|current| current.piece == piece) {
            self.current = None;
        }
        let failure = match refusal {
            Refusal::Withdrawn => {
                return if self.asked.heard(piece) { Ok(()) } else { Err("it took back what was wanted".to_owned()) };
            }
            Refusal::Lacking => Failure::Refused,
            Refusal::Busy => Failure::Busy,
            Refusal::Elsewhere => Failure::Elsewhere,
            Refusal::Unspecified => Failure::Lost,
        };
        if self.asked.over(piece) {
            (self.report)(Fact::Failed(piece, failure));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: Piece = Piece(3);

    #[test]
    fn bytes_that_were_not_asked_for_are_told_from_others() {
        let (asked, census) = (Asked::default(), Census::default());
        assert!(asked.due(PIECE, false).is_none());
        asked.note(&[PIECE], &[], &census);
        assert!(matches!(asked.due(PIECE, false), Some(Due::Begin(_, Some(_)))));
        assert!(matches!(asked.due(PIECE, true), Some(Due::Go)));
        assert!(asked.over(PIECE) && !asked.over(PIECE));
        assert!(asked.due(PIECE, false).is_none(), "more than the piece");
    }

    #[test]
    fn what_was_taken_back_comes_to_nothing_until_the_peer_has_heard_of_it() {
        let (asked, census) = (Asked::default(), Census::default());
        asked.note(&[PIECE], &[], &census);
        asked.note(&[], &[PIECE], &census);
        assert_eq!(census.count().of(Wait::Turn), 0, "nobody waits for it");
        assert!(matches!(asked.due(PIECE, true), Some(Due::Discard)));
        // Wanted again, and taken back again: what comes before the second answer is of the first two.
        asked.note(&[PIECE], &[], &census);
        asked.note(&[PIECE], &[PIECE], &census);
        assert!(asked.heard(PIECE));
        assert!(matches!(asked.due(PIECE, false), Some(Due::Discard)) && !asked.over(PIECE));
        assert!(asked.heard(PIECE) && !asked.heard(PIECE));
        assert!(matches!(asked.due(PIECE, false), Some(Due::Begin(..))));
        asked.note(&[], &[PIECE], &census);
        assert!(asked.heard(PIECE) && asked.lock().is_empty());
    }
}
