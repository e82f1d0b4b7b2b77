//! What one call for pieces is answered with: one piece after another, in the order in which their turn is. Each waits for a
//! slot, is read, and leaves in parts, as fast as the connection takes them and the limits let them pass.
//!
//! It goes on only while the connection asks for the next part, which it does once it has taken the one before: a reader who does
//! not read costs a piece, and what was granted and read ahead. A part has left when the next one is asked for, but for what the
//! socket holds ([`transport::Limits::unsent`]). What the caller says meanwhile is heard by a task of its own ([`hear`]).

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use monitor::Occupied;
use proto::ids::PeerId;
use proto::peer::{FetchPiecesRequest, MOST_PIECES, PiecePart, Refusal};
use swarm::Piece;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Status, Streaming};
use transport::Backlog;

use super::guard::Pass;
use super::offers::call::{Ask, Caller, Verdict};
use super::offers::{Call, Refused};
use super::service::{Reading, Service};
use super::uplink::{Pace, Slot};
use crate::throttle::Turn;

/// What was granted and is read ahead of its turn, at most.
const AHEAD: usize = 2;

/// What one call is answered with.
pub(super) struct Sending {
    service: Service,
    /// Who asked.
    to: PeerId,
    call: Call,
    /// What may wait on their connection.
    backlog: Option<Backlog>,
    under_way: Option<UnderWay>,
    /// Of the piece whose last part the connection has.
    leaving: Option<Ask>,
    /// What was decided already, and is read from a disk meanwhile where that is needed.
    ahead: VecDeque<(Verdict, Option<Reading>)>,
    _hearing: AbortOnDropHandle<()>,
}

/// A piece that was granted and read.
struct UnderWay {
    ask: Ask,
    chunks: VecDeque<Bytes>,
    pace: Arc<Pace>,
    turn: Turn,
    _slot: Slot,
    _counted: Occupied,
}

impl Sending {
    pub(super) fn new(
        service: Service,
        to: PeerId,
        call: Call,
        backlog: Option<Backlog>,
        hearing: AbortOnDropHandle<()>,
    ) -> Self {
        let ahead = VecDeque::new();
        Self { service, to, call, backlog, under_way: None, leaving: None, ahead, _hearing: hearing }
    }

    /// Part after part; an error is the last.
    pub(super) fn into_parts(self) -> impl Stream<Item = Result<PiecePart, Status>> {
        futures_util::stream::unfold(Some(self), async |sending| {
            let mut sending = sending?;
            match sending.next().await.transpose()? {
                Ok(part) => Some((Ok(part), Some(sending))),
                Err(status) => Some((Err(status), None)),
            }
        })
    }

    async fn next(&mut self) -> Result<Option<PiecePart>, Status> {
        if let Some(ask) = self.leaving.take() {
            self.call.ended(ask, true);
        }
        loop {
            if let Some(part) = self.next_part().await? {
                return Ok(Some(part));
            }
            let (verdict, reading) = match self.ahead.pop_front() {
                Some((verdict, reading)) => (Some(verdict), reading),
                None => (self.service.unless_stopped(self.call.next()).await?, None),
            };
            match verdict {
                Some(Verdict::Granted(ask)) => {
                    if let Some(refused) = self.begin(ask, reading).await? {
                        return Ok(Some(refusal(ask.piece, refused)));
                    }
                }
                Some(Verdict::Refused(piece, refused)) => return Ok(Some(refusal(piece, refused.into()))),
                Some(Verdict::Withdrawn(piece)) => return Ok(Some(refusal(piece, Refusal::Withdrawn))),
                Some(Verdict::Over(status)) => return Err(status),
                None => return Ok(None),
            }
        }
    }

    /// Of the piece under way, if it is wanted still.
    async fn next_part(&mut self) -> Result<Option<PiecePart>, Status> {
        let Some(mut under_way) = self.under_way.take() else { return Ok(None) };
        let ask = under_way.ask;
        let Some(size) = self.call.part_size_of(ask) else { return Ok(None) };
        let data = under_way.split_part(size);
        let passing = under_way.pace.pass(under_way.turn, data.len());
        self.service.unless_stopped(passing).await?;
        self.service.figures().sent(data.len());
        if under_way.chunks.is_empty() {
            self.leaving = Some(ask);
        } else {
            self.under_way = Some(under_way);
        }
        Ok(Some(PiecePart { piece: ask.piece.0, data, refusal: Refusal::Unspecified.into() }))
    }

    /// Takes a slot for what was granted, and reads it; or says why it does not come.
    async fn begin(&mut self, ask: Ask, reading: Option<Reading>) -> Result<Option<Refusal>, Status> {
        if let Some(backlog) = &self.backlog {
            backlog.hold_to(self.call.offer().backlog());
        }
        let slot = self.service.unless_stopped(self.service.uplink().slot()).await?;
        if self.call.part_size_of(ask).is_none() {
            // Taken back meanwhile, or asked for anew: that is answered by itself.
            return Ok(None);
        }
        let Some(chunks) = self.read(ask, reading).await? else {
            self.call.ended(ask, false);
            return Ok(Some(Refusal::Lacking));
        };
        let (pace, turn) = (self.service.uplink().to(self.to), Turn::next());
        let counted = self.service.figures().upload();
        self.under_way = Some(UnderWay { ask, chunks, pace, turn, _slot: slot, _counted: counted });
        Ok(None)
    }

    async fn read(&mut self, ask: Ask, reading: Option<Reading>) -> Result<Option<VecDeque<Bytes>>, Status> {
        let reading = match reading {
            Some(reading) => reading,
            None => match self.service.read_now(self.call.offer(), ask.piece) {
                Some(chunks) => return Ok(Some(chunks)),
                None => self.service.begin_reading(self.call.offer(), ask.piece),
            },
        };
        // This one comes from a disk: what is next probably does, and can be read while this one leaves.
        while self.ahead.len() < AHEAD
            && let Some(verdict) = self.call.next_at_once()
        {
            let reading = match &verdict {
                Verdict::Granted(ask) if self.comes_from_disk(*ask) => {
                    Some(self.service.begin_reading(self.call.offer(), ask.piece))
                }
                _ => None,
            };
            self.ahead.push_back((verdict, reading));
        }
        self.service.unless_stopped(reading).await?.map_err(|_| Status::internal("reading failed"))?
    }

    /// Whether it is wanted still, and not in memory as it came a moment ago.
    fn comes_from_disk(&self, ask: Ask) -> bool {
        self.call.part_size_of(ask).is_some() && self.call.offer().recent(ask.piece).is_none()
    }
}

impl UnderWay {
    /// Up to so many bytes of what is left, as they lie in memory.
    fn split_part(&mut self, size: usize) -> Bytes {
        let mut chunk = self.chunks.pop_front().unwrap_or_default();
        let part = chunk.split_to(chunk.len().min(size));
        if !chunk.is_empty() {
            self.chunks.push_front(chunk);
        }
        part
    }
}

fn refusal(piece: Piece, why: Refusal) -> PiecePart {
    PiecePart { piece: piece.0, data: Bytes::new(), refusal: why.into() }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Lacking => Self::Lacking,
            Refused::Busy => Self::Busy,
            Refused::Elsewhere => Self::Elsewhere,
        }
    }
}

/// Takes in what a caller asks for, from its first word on, until it has said all or may ask no more.
pub(super) async fn hear(
    caller: Caller,
    pass: Pass,
    mut request: FetchPiecesRequest,
    mut requests: Streaming<FetchPiecesRequest>,
) {
    loop {
        let allowed = within_bounds(&request, caller.offer().manifest().geometry().count());
        // Whoever only takes back may do so without a ticket.
        let allowed = allowed.and_then(|()| if request.pieces.is_empty() { Ok(()) } else { pass.check() });
        if let Err(refused) = allowed {
            return caller.is_cut_off(refused);
        }
        for piece in request.withdrawn {
            caller.withdraws(Piece(piece)).await;
        }
        for piece in request.pieces {
            caller.asks(Piece(piece)).await;
        }
        match requests.message().await {
            Ok(Some(next)) => request = next,
            Ok(None) => return,
            Err(status) => return caller.is_cut_off(status),
        }
    }
}

/// Whether the file has what is asked for, and it is not too much of it.
fn within_bounds(request: &FetchPiecesRequest, count: u32) -> Result<(), Status> {
    if request.pieces.len().max(request.withdrawn.len()) > MOST_PIECES {
        return Err(Status::out_of_range(format!("a request names at most {MOST_PIECES} pieces")));
    }
    match request.pieces.iter().chain(&request.withdrawn).find(|piece| **piece >= count) {
        Some(piece) => Err(Status::out_of_range(format!("piece {piece}: the file has {count}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pieces_that_exist() {
        let request = |pieces: Vec<u32>, withdrawn| FetchPiecesRequest { file_id: Bytes::new(), pieces, withdrawn };
        for good in [request(vec![5, 0, 6], vec![6]), request(vec![], vec![]), request(vec![1; 64], vec![2; 64])] {
            within_bounds(&good, 7).unwrap();
        }
        for bad in [request(vec![7], vec![]), request(vec![], vec![u32::MAX]), request(vec![1; 65], vec![])] {
            assert_eq!(within_bounds(&bad, 7).unwrap_err().code(), tonic::Code::OutOfRange, "{bad:?}");
        }
    }
}
