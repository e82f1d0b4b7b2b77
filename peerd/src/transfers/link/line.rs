//! One call for pieces in a conversation: what is asked for in it and not there yet, and a task that takes in what comes: hashed
//! where it was decrypted, written, reported.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use proto::directory::Ticket;
use proto::manifest::{Geometry, PieceCheck};
use proto::peer::{FetchPiecesRequest, Refusal};
use swarm::{Failure, Piece};

use super::census::{Census, Fetch, Wait};
use super::pieces::{self, Part, Pieces, Requests};
use super::{Fact, Pace, Report, Shared, said};
use crate::throttle::Turn;
use crate::transfers::bearer::Calls;

/// Requests that may wait for a peer that reads none. More than the core's largest window has.
const REQUESTS: usize = 512;
/// Bytes that lie in less than this are copied: a peer decides how large the messages and frames are that they came in, and these
/// stay in memory as long as any part of them does.
const COPIED_BELOW: usize = 64 << 10;
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
#[derive(Debug)]
struct Asked {
    geometry: Geometry,
    pieces: Mutex<HashMap<Piece, Awaited>>,
}

/// One piece that was.
#[derive(Debug, Default)]
struct Awaited {
    /// What comes of it is not wanted, until the peer has heard so many times that it was taken back.
    taken_back: u32,
    /// Bytes of it that may come until then: each time all of it was on its way at most.
    may_come: u64,
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
        let asked = Arc::new(Asked::of(shared.manifest.geometry()));
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

    /// Asks for pieces, and takes others back that are awaited here; `false` if the peer takes in nothing of what is said.
    pub(super) fn say(&mut self, census: &Census, pieces: &[Piece], withdrawn: &[Piece]) -> bool {
        let withdrawn = self.asked.note(pieces, withdrawn, census);
        if pieces.is_empty() && withdrawn.is_empty() {
            return true;
        }
        let pieces = pieces.iter().map(|piece| piece.0).collect();
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
    fn of(geometry: Geometry) -> Self {
        Self { geometry, pieces: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Piece, Awaited>> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are wanted, and those no more; the numbers of those that were until now. Whatever was over by itself in the
    /// meantime is not taken back.
    fn note(&self, pieces: &[Piece], withdrawn: &[Piece], census: &Census) -> Vec<u32> {
        let mut asked = self.lock();
        let mut taken_back = Vec::new();
        for piece in withdrawn {
            if let Some(awaited) = asked.get_mut(piece)
                && awaited.wanted.take().is_some()
            {
                awaited.taken_back += 1;
                awaited.may_come += u64::from(self.geometry.len(piece.0));
                taken_back.push(piece.0);
            }
        }
        for piece in pieces {
            let wanted = Wanted { turn: Turn::next(), fetch: Some(census.fetch()) };
            asked.entry(*piece).or_default().wanted = Some(wanted);
        }
        taken_back
    }

    /// So many bytes of a piece have come; nothing where it was not asked for, or not for so many.
    fn due(&self, piece: Piece, bytes: usize, is_under_way: bool) -> Option<Due> {
        let mut asked = self.lock();
        Some(match asked.get_mut(&piece)? {
            Awaited { taken_back: 0, wanted: Some(_), .. } if is_under_way => Due::Go,
            Awaited { taken_back: 0, wanted: Some(wanted), .. } => Due::Begin(wanted.turn, wanted.fetch.take()),
            Awaited { may_come, .. } => {
                *may_come = may_come.checked_sub(bytes as u64)?;
                Due::Discard
            }
        })
    }

    /// From now on it is over; `false` if it was not wanted.
    fn over(&self, piece: Piece) -> bool {
        let mut asked = self.lock();
        let wanted = asked.get(&piece).is_some_and(|awaited| awaited.taken_back == 0);
        if wanted {
            asked.remove(&piece);
        }
        wanted
    }

    /// The peer has heard that it was taken back; `false` if it never was.
    fn heard(&self, piece: Piece) -> bool {
        let mut asked = self.lock();
        let Some(awaited) = asked.get_mut(&piece).filter(|awaited| awaited.taken_back > 0) else { return false };
        awaited.taken_back -= 1;
        if awaited.taken_back == 0 {
            awaited.may_come = 0;
            if awaited.wanted.is_none() {
                asked.remove(&piece);
            }
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

    /// Takes bytes in. Never much more than the length of a piece is held.
    async fn bytes(&mut self, piece: Piece, bytes: Bytes) -> Result<(), String> {
        self.shared.figures.received(bytes.len());
        let is_under_way = self.current.as_ref().is_some_and(|current| current.piece == piece);
        if !is_under_way {
            self.cut_short();
        }
        match self.asked.due(piece, bytes.len(), is_under_way) {
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
        current.chunks.push(if bytes.len() < COPIED_BELOW { Bytes::copy_from_slice(&bytes) } else { bytes });
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
    use proto::ids::ByteCount;

    use super::*;

    const PIECE: Piece = Piece(3);

    fn asked() -> Asked {
        Asked::of(Geometry::of(ByteCount::new(1 << 20)).unwrap())
    }

    #[test]
    fn bytes_that_were_not_asked_for_are_told_from_others() {
        let (asked, census) = (asked(), Census::default());
        assert!(asked.due(PIECE, 1, false).is_none());
        asked.note(&[PIECE], &[], &census);
        assert!(matches!(asked.due(PIECE, 1, false), Some(Due::Begin(_, Some(_)))));
        assert!(matches!(asked.due(PIECE, 1, true), Some(Due::Go)));
        assert!(asked.over(PIECE) && !asked.over(PIECE));
        assert!(asked.due(PIECE, 1, false).is_none(), "more than the piece");
    }

    #[test]
    fn what_was_taken_back_comes_to_nothing_until_the_peer_has_heard_of_it() {
        let (asked, census) = (asked(), Census::default());
        asked.note(&[PIECE], &[], &census);
        asked.note(&[], &[PIECE], &census);
        assert_eq!(census.count().of(Wait::Turn), 0, "nobody waits for it");
        assert!(matches!(asked.due(PIECE, 1, true), Some(Due::Discard)));
        // Wanted again, and taken back again: what comes before the second answer is of the first two.
        asked.note(&[PIECE], &[], &census);
        asked.note(&[PIECE], &[PIECE], &census);
        assert!(asked.heard(PIECE));
        assert!(matches!(asked.due(PIECE, 1, false), Some(Due::Discard)) && !asked.over(PIECE));
        assert!(asked.heard(PIECE) && !asked.heard(PIECE));
        assert!(matches!(asked.due(PIECE, 1, false), Some(Due::Begin(..))));
        asked.note(&[], &[PIECE], &census);
        assert!(asked.heard(PIECE) && asked.lock().is_empty());
    }

    #[test]
    fn of_what_was_taken_back_no_more_may_come_than_was_asked_for() {
        let (asked, census) = (asked(), Census::default());
        let len = asked.geometry.len(PIECE.0) as usize;
        asked.note(&[PIECE], &[], &census);
        assert_eq!(asked.note(&[], &[PIECE, Piece(4)], &census), [PIECE.0], "nobody asked for the other");
        assert_eq!(asked.note(&[], &[PIECE], &census), [0; 0], "once is enough");
        assert!(matches!(asked.due(PIECE, len - 1, false), Some(Due::Discard)));
        assert!(asked.due(PIECE, 2, false).is_none());
        assert!(matches!(asked.due(PIECE, 1, false), Some(Due::Discard)));
        assert!(asked.heard(PIECE) && asked.due(PIECE, 1, false).is_none());
    }

    #[test]
    fn what_is_over_is_not_taken_back() {
        let (asked, census) = (asked(), Census::default());
        asked.note(&[PIECE], &[], &census);
        assert!(asked.over(PIECE));
        assert_eq!(asked.note(&[], &[PIECE], &census), [0; 0]);
    }
}
