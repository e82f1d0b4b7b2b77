//! Asks for pieces and takes the answers apart: gRPC as the generated code speaks it, but the bytes stay where the connection
//! put them. The generated decoder copies every frame into a buffer of its own, to look for messages there.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderValue, Method, Request, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use prost::Message;
use prost::encoding::decode_varint;
use proto::peer::{FETCH_PIECES, FetchPiecesRequest, PiecePart, Refusal};
use tokio::sync::mpsc;
use tonic::body::Body;
use tonic::service::interceptor::ResponseBody;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::transfers::bearer::Calls;

/// What stands before a message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;
/// Longest message, in bytes: what a peer may have us hold while we wait for the end of one. Ours are far shorter.
const LONGEST_MESSAGE: usize = 4 << 20;
/// Key of `PiecePart.piece`: field 1, a number (Protocol Buffers, "Encoding").
const PIECE_KEY: u8 = 0x08;
/// Key of `PiecePart.data`: field 2, of given length.
const DATA_KEY: u8 = 0x12;
/// Most bytes of a message before those of `PiecePart.data`: two keys, a number and a length.
const HEADER: usize = 2 + 5 + 4;

/// Where requests of a call go.
#[derive(Debug)]
pub(super) struct Requests(mpsc::Sender<Bytes>);

/// The answers of a call, as they come.
pub(super) struct Pieces {
    body: ResponseBody<Body>,
    messages: Messages,
}

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The next bytes of a piece.
    Bytes(u32, Bytes),
    /// Nothing more comes of it; unspecified where the reason is one of a later version.
    Refused(u32, Refusal),
}

/// Requests that are to be sent in one call.
#[derive(Debug)]
pub(super) struct Unsent(mpsc::Receiver<Bytes>);

/// So many requests may wait for a peer that reads none.
pub(super) fn requests(room: usize) -> (Requests, Unsent) {
    let (say, said) = mpsc::channel(room);
    (Requests(say), Unsent(said))
}

impl Requests {
    /// Sends one; `false` if there is no room, or nobody who would send it.
    pub(super) fn say(&self, request: &FetchPiecesRequest) -> bool {
        let length = request.encoded_len();
        let mut message = BytesMut::with_capacity(PREFIX + length);
        message.put_u8(0);
        message.put_u32(u32::try_from(length).expect("an id and some numbers"));
        request.encode(&mut message).expect("there is room for it");
        self.0.try_send(message.freeze()).is_ok()
    }
}

impl Pieces {
    /// Begins a call, and waits until the answer does.
    pub(super) async fn call(calls: &mut Calls, Unsent(mut requests): Unsent) -> Result<Self, Status> {
        let calls = calls.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let requests = futures_util::stream::poll_fn(move |cx| requests.poll_recv(cx));
        let body = StreamBody::new(requests.map(|message| Ok::<_, Status>(Frame::data(message))));
        let mut call = Request::new(Body::new(body));
        *call.method_mut() = Method::POST;
        *call.uri_mut() = http::Uri::from_static(FETCH_PIECES);
        *call.version_mut() = http::Version::HTTP_2;
        call.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
        call.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let answer = calls.call(call).await.map_err(|error| Status::from_error(error.into()))?;
        if let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) {
            return Err(status);
        }
        if answer.status() != http::StatusCode::OK {
            return Err(Status::unavailable(format!("it answered with HTTP status {}", answer.status())));
        }
        Ok(Self { body: answer.into_body(), messages: Messages::default() })
    }

    /// What comes next; `None` when the answer is over.
    pub(super) async fn next(&mut self) -> Result<Option<Part>, Status> {
        loop {
            if let Some(part) = self.messages.next()? {
                return Ok(Some(part));
            }
            let Some(frame) = self.body.frame().await.transpose().map_err(|error| Status::from_error(error.into()))?
            else {
                return Err(Status::unavailable("the answer ended without a status"));
            };
            match frame.into_data() {
                Ok(data) => self.messages.push(data),
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return match Status::from_header_map(&trailers) {
                        Some(status) if status.code() == Code::Ok => self.messages.end().map(|()| None),
                        Some(status) => Err(status),
                        None => Err(Status::unavailable("the answer ended without a status")),
                    };
                }
            }
        }
    }
}

/// Finds the bytes of `PiecePart.data` in a stream of messages that is cut anywhere.
#[derive(Default)]
struct Messages {
    chunks: VecDeque<Bytes>,
    held: usize,
    /// Bytes of the message under way that are payload and still to come.
    payload: usize,
    /// Of which piece.
    piece: u32,
}

impl Messages {
    fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.held += data.len();
            self.chunks.push_back(data);
        }
    }

    /// As much of the payload as lies in one place; `None` where more has to come first.
    fn next(&mut self) -> Result<Option<Part>, Status> {
        loop {
            if self.payload > 0 {
                let Some(first) = self.chunks.front_mut() else { return Ok(None) };
                let bytes = first.split_to(first.len().min(self.payload));
                if first.is_empty() {
                    self.chunks.pop_front();
                }
                self.payload -= bytes.len();
                self.held -= bytes.len();
                return Ok(Some(Part::Bytes(self.piece, bytes)));
            }
            let Some(length) = self.message_length()? else { return Ok(None) };
            match self.payload_of(length) {
                Payload::Follows { header, piece, payload } => {
                    self.skip(header);
                    (self.piece, self.payload) = (piece, payload);
                }
                Payload::Unclear if self.held >= PREFIX + length => {
                    self.skip(PREFIX);
                    let message = PiecePart::decode(self.collect(length));
                    let message = message.map_err(|_| Status::internal("it sent what is no message"))?;
                    match message.refusal {
                        0 if message.data.is_empty() => {}
                        // Copied: it would keep all of a message in memory that may be for the most part something else.
                        0 => return Ok(Some(Part::Bytes(message.piece, Bytes::copy_from_slice(&message.data)))),
                        _ => return Ok(Some(Part::Refused(message.piece, message.refusal()))),
                    }
                }
                Payload::Unclear => return Ok(None),
            }
        }
    }

    /// Nothing more comes.
    fn end(&self) -> Result<(), Status> {
        if self.held > 0 || self.payload > 0 {
            return Err(Status::internal("the answer ended in the middle of a message"));
        }
        Ok(())
    }

    fn message_length(&self) -> Result<Option<usize>, Status> {
        let Some(prefix) = self.peek::<PREFIX>() else { return Ok(None) };
        let [compressed, length @ ..] = prefix;
        let length = u32::from_be_bytes(length) as usize;
        match (compressed, length) {
            (0, ..=LONGEST_MESSAGE) => Ok(Some(length)),
            (0, _) => Err(Status::resource_exhausted(format!("it sent a message of {length} bytes"))),
            _ => Err(Status::unimplemented("it sent a compressed message")),
        }
    }

    /// Whether the message is the payload and what stands before it, and nothing else.
    fn payload_of(&self, length: usize) -> Payload {
        self.peek::<{ PREFIX + HEADER }>()
            .and_then(|head| {
                let mut rest = &head[PREFIX..];
                let piece = if rest[0] == PIECE_KEY { varint_behind_key(&mut rest)? } else { 0 };
                let payload =
                    if rest.first() == Some(&DATA_KEY) { varint_behind_key(&mut rest)? } else { return None };
                let (header, payload) = (HEADER - rest.len(), usize::try_from(payload).ok()?);
                let piece = u32::try_from(piece).ok()?;
                let whole = header.checked_add(payload) == Some(length);
                whole.then_some(Payload::Follows { header: PREFIX + header, piece, payload })
            })
            .unwrap_or(Payload::Unclear)
    }

    /// The first bytes, if there are as many.
    fn peek<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = self.chunks.iter().flatten();
        let mut first = [0; N];
        for place in &mut first {
            *place = *bytes.next()?;
        }
        Some(first)
    }

    fn skip(&mut self, mut count: usize) {
        self.held -= count;
        while let Some(first) = self.chunks.front_mut() {
            let here = count.min(first.len());
            first.advance(here);
            count -= here;
            if !first.is_empty() {
                return;
            }
            self.chunks.pop_front();
        }
    }

    /// The first bytes, in one place.
    fn collect(&mut self, count: usize) -> Bytes {
        let mut all = BytesMut::with_capacity(count);
        for chunk in &self.chunks {
            all.extend_from_slice(&chunk[..chunk.len().min(count - all.len())]);
        }
        self.skip(count);
        all.freeze()
    }
}

/// Where the payload of a message is.
enum Payload {
    /// Right behind what stands before it, up to the end of the message.
    Follows { header: usize, piece: u32, payload: usize },
    /// It cannot be told yet, or there is more to the message: it has to be there whole.
    Unclear,
}

fn varint_behind_key(rest: &mut &[u8]) -> Option<u64> {
    rest.advance(1);
    decode_varint(rest).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        let mut whole = vec![0];
        whole.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        whole.extend_from_slice(message);
        whole
    }

    /// All that comes out of these bytes, fed in chunks of these lengths, over and over; bytes of the same piece together.
    fn fed(bytes: &[u8], lengths: &[usize]) -> Result<Vec<(u32, Vec<u8>, Refusal)>, Status> {
        let (mut messages, mut rest) = (Messages::default(), bytes);
        let mut out: Vec<(u32, Vec<u8>, Refusal)> = Vec::new();
        for length in lengths.iter().cycle() {
            let (chunk, left) = rest.split_at(rest.len().min(*length));
            messages.push(Bytes::copy_from_slice(chunk));
            rest = left;
            while let Some(part) = messages.next()? {
                match part {
                    Part::Refused(piece, refusal) => out.push((piece, Vec::new(), refusal)),
                    Part::Bytes(piece, bytes) => {
                        assert!(!bytes.is_empty());
                        match out.last_mut() {
                            Some((last, data, Refusal::Unspecified)) if *last == piece => data.extend(bytes),
                            _ => out.push((piece, bytes.into(), Refusal::Unspecified)),
                        }
                    }
                }
            }
            if rest.is_empty() {
                break;
            }
        }
        messages.end().map(|()| out)
    }

    proptest! {
        #[test]
        fn messages_are_found_however_they_are_cut(
            parts in prop::collection::vec((any::<u32>(), prop::collection::vec(any::<u8>(), 0..400), 0..7), 0..6),
            lengths in prop::collection::vec(1_usize..600, 1..8),
            strangers in any::<bool>(),
        ) {
            let (mut bytes, mut expected) = (Vec::new(), Vec::<(u32, Vec<u8>, Refusal)>::new());
            for (piece, data, refusal) in parts {
                let refusal = if data.len() > 200 { 0 } else { refusal };
                let data = if refusal == 0 { data } else { Vec::new() };
                let part = PiecePart { piece, data: data.clone().into(), refusal };
                let mut message = part.encode_to_vec();
                if strangers {
                    // A field of a later version: number 9, the value 5.
                    message.extend_from_slice(&[0x48, 5]);
                }
                bytes.extend(framed(&message));
                match expected.last_mut() {
                    _ if data.is_empty() && refusal == 0 => {}
                    Some((last, all, Refusal::Unspecified)) if refusal == 0 && *last == piece => all.extend(data),
                    _ => expected.push((piece, data, part.refusal())),
                }
            }
            prop_assert_eq!(fed(&bytes, &lengths).unwrap(), expected);
        }

        #[test]
        fn whatever_comes_is_borne(bytes in prop::collection::vec(any::<u8>(), 0..200), length in 1_usize..50) {
            let _ = fed(&bytes, &[length]);
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        assert_eq!(fed(&[1, 0, 0, 0, 1, 0], &[6]).unwrap_err().code(), Code::Unimplemented);
        assert_eq!(fed(&[0, 0xff, 0, 0, 0], &[5]).unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(fed(&framed(&[0x12, 200]), &[9]).unwrap_err().code(), Code::Internal);
        let part = PiecePart { piece: 7, data: vec![1; 300].into(), refusal: 0 };
        let whole = framed(&part.encode_to_vec());
        assert_eq!(fed(&whole[..whole.len() - 1], &[100]).unwrap_err().code(), Code::Internal);
        assert_eq!(fed(&whole, &[100]).unwrap(), [(7, vec![1; 300], Refusal::Unspecified)]);
    }
}
