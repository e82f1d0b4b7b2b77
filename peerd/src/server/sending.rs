//! The pieces that one request asked for, on their way out: each waits for its turn and for a slot, is read, and leaves in
//! parts, as fast as the connection takes them and the limits let them pass.
//!
//! It goes on only while the connection asks for the next part: nothing is read for a reader who does not read. A part has
//! left when the next one is asked for, but for what the socket holds ([`transport::Limits::unsent`]).

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use proto::ids::PeerId;
use proto::peer::PiecePart;
use swarm::Piece;
use tonic::Status;
use transport::Backlog;

use super::offers::{Grant, Offer, Refused};
use super::service::Service;
use super::uplink::{Pace, Slot};
use crate::throttle::Turn;
use monitor::Occupied;

/// What one request is answered with.
pub(super) struct Sending {
    pub(super) service: Service,
    pub(super) offer: Arc<Offer>,
    /// Who asked.
    pub(super) to: PeerId,
    /// What is still to come.
    pub(super) pieces: Range<u32>,
    /// What may wait on their connection.
    pub(super) backlog: Option<Backlog>,
    under_way: Option<UnderWay>,
    /// Of the piece whose last part the connection has.
    leaving: Option<Grant>,
}

/// A piece that was granted and read.
struct UnderWay {
    chunks: VecDeque<Bytes>,
    grant: Grant,
    pace: Arc<Pace>,
    turn: Turn,
    _slot: Slot,
    _counted: Occupied,
}

impl Sending {
    pub(super) const fn new(
        service: Service,
        offer: Arc<Offer>,
        to: PeerId,
        pieces: Range<u32>,
        backlog: Option<Backlog>,
    ) -> Self {
        Self { service, offer, to, pieces, backlog, under_way: None, leaving: None }
    }

    /// Part after part; an error is the last.
    pub(super) fn into_parts(self) -> impl Stream<Item = Result<PiecePart, Status>> {
        futures_util::stream::unfold(self, async |mut sending| {
            let part = sending.next().await.transpose()?;
            if part.is_err() {
                sending.pieces = 0..0;
            }
            Some((part, sending))
        })
    }

    async fn next(&mut self) -> Result<Option<PiecePart>, Status> {
        if let Some(grant) = self.leaving.take() {
            grant.sent();
        }
        let mut under_way = match self.under_way.take() {
            Some(under_way) => under_way,
            None => match self.pieces.next() {
                Some(piece) => self.begin(piece).await?,
                None => return Ok(None),
            },
        };
        let data = under_way.split_part(self.offer.part_size());
        let passing = under_way.pace.pass(under_way.turn, data.len());
        self.service.unless_stopped(passing).await?;
        self.service.figures().sent(data.len());
        if under_way.chunks.is_empty() {
            self.leaving = Some(under_way.grant);
        } else {
            self.under_way = Some(under_way);
        }
        Ok(Some(PiecePart { data }))
    }

    async fn begin(&self, piece: u32) -> Result<UnderWay, Status> {
        if let Some(backlog) = &self.backlog {
            backlog.hold_to(self.offer.backlog());
        }
        let asked = self.offer.ask(self.to, Piece(piece)).map_err(refusal)?;
        let grant = self.service.unless_stopped(asked.granted()).await?.map_err(refusal)?;
        let uplink = self.service.uplink();
        let slot = self.service.unless_stopped(uplink.slot()).await?;
        let chunks = self.service.read(&self.offer, piece).await?;
        Ok(UnderWay {
            chunks,
            grant,
            pace: uplink.to(self.to),
            turn: Turn::next(),
            _slot: slot,
            _counted: self.service.figures().upload(),
        })
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

fn refusal(refused: Refused) -> Status {
    match refused {
        Refused::Lacking => Status::failed_precondition("this peer does not have that piece"),
        Refused::Elsewhere => {
            Status::aborted("not from here: another peer has that piece and this one sends others first")
        }
        Refused::Busy => Status::resource_exhausted("not now: watch the file first, and ask for less at a time"),
    }
}
