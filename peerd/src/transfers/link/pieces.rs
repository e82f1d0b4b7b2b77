//! Asks for a piece and takes the answer apart: gRPC as the generated code speaks it, but the bytes stay where the connection
//! put them. The generated decoder copies every frame into a buffer of its own, to look for messages there.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::{HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use prost::Message;
use proto::peer::{FETCH_PIECES, FetchPiecesRequest, PiecePart};
use tonic::body::Body;
use tonic::service::interceptor::ResponseBody;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};

use crate::transfers::bearer::Calls;

/// What stands before a message: whether it is compressed, and its length (gRPC over HTTP/2, "Length-Prefixed-Message").
const PREFIX: usize = 5;
/// Longest message, in bytes: what a peer may have us hold while we wait for the end of one. Ours are far shorter.
const LONGEST_MESSAGE: usize = 4 << 20;
/// Key of `PiecePart.data`: field 1, of given length (Protocol Buffers, "Encoding").
const DATA_KEY: u8 = 0x0a;

/// The bytes of an answer, as they come.
pub(super) struct Pieces {
    body: ResponseBody<Body>,
    messages: Messages,
}

impl Pieces {
    /// Sends the request, and waits until the answer begins.
    pub(super) async fn ask(calls: &mut Calls, request: &FetchPiecesRequest) -> Result<Self, Status> {
        let calls = calls.ready().await.map_err(|error| Status::from_error(error.into()))?;
        let answer = calls.call(encode(request)).await.map_err(|error| Status::from_error(error.into()))?;
        if let Some(status) = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok) {
            return Err(status);
        }
        if answer.status() != http::StatusCode::OK {
            return Err(Status::unavailable(format!("it answered with HTTP status {}", answer.status())));
        }
        Ok(Self { body: answer.into_body(), messages: Messages::default() })
    }

    /// The next bytes; `None` when there were all.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if let Some(bytes) = self.messages.next()? {
                return Ok(Some(bytes));
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
                        Some(status) if status.code() == Code::Ok => self.messages.end(),
                        Some(status) => Err(status),
                        None => Err(Status::unavailable("the answer ended without a status")),
                    };
                }
            }
        }
    }
}

fn encode(request: &FetchPiecesRequest) -> Request<Body> {
    let length = request.encoded_len();
    let mut body = BytesMut::with_capacity(PREFIX + length);
    body.put_u8(0);
    body.put_u32(u32::try_from(length).expect("an id and two numbers"));
    request.encode(&mut body).expect("there is room for it");
    let mut call = Request::new(Body::new(Full::new(body.freeze())));
    *call.method_mut() = Method::POST;
    *call.uri_mut() = http::Uri::from_static(FETCH_PIECES);
    *call.version_mut() = http::Version::HTTP_2;
    call.headers_mut().insert(header::TE, HeaderValue::from_static("trailers"));
    call.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    call
}

/// Finds the bytes of `PiecePart.data` in a stream of messages that is cut anywhere.
#[derive(Default)]
struct Messages {
    chunks: VecDeque<Bytes>,
    held: usize,
    /// Bytes of the message under way that are payload and still to come.
    payload: usize,
}

impl Messages {
    fn push(&mut self, data: Bytes) {
        if !data.is_empty() {
            self.held += data.len();
            self.chunks.push_back(data);
        }
    }

    /// As much of the payload as lies in one place; `None` where more has to come first.
    fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            if self.payload > 0 {
                let Some(first) = self.chunks.front_mut() else { return Ok(None) };
                let bytes = first.split_to(first.len().min(self.payload));
                if first.is_empty() {
                    self.chunks.pop_front();
                }
                self.payload -= bytes.len();
                self.held -= bytes.len();
                return Ok(Some(bytes));
            }
            let Some(length) = self.message_length()? else { return Ok(None) };
            match self.payload_of(length) {
                Payload::Follows { header, payload } => {
                    self.skip(header);
                    self.payload = payload;
                }
                Payload::Unclear if self.held >= PREFIX + length => {
                    self.skip(PREFIX);
                    let message = PiecePart::decode(self.collect(length));
                    let data = message.map_err(|_| Status::internal("it sent what is no message"))?.data;
                    if !data.is_empty() {
                        return Ok(Some(data));
                    }
                }
                Payload::Unclear => return Ok(None),
            }
        }
    }

    /// Nothing more comes.
    fn end(&mut self) -> Result<Option<Bytes>, Status> {
        if self.held > 0 || self.payload > 0 {
            return Err(Status::internal("the answer ended in the middle of a message"));
        }
        Ok(None)
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
        // Four bytes hold lengths of up to 256 MiB, seven bits each, the lowest first.
        let Some([.., key, a, b, c, d]) = self.peek::<{ PREFIX + 5 }>() else { return Payload::Unclear };
        if key != DATA_KEY {
            return Payload::Unclear;
        }
        let mut payload = 0;
        for (at, byte) in [a, b, c, d].into_iter().enumerate() {
            payload |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                let header = 2 + at;
                let whole = header + payload == length;
                return if whole { Payload::Follows { header: PREFIX + header, payload } } else { Payload::Unclear };
            }
        }
        Payload::Unclear
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
    Follows { header: usize, payload: usize },
    /// It cannot be told yet, or there is more to the message: it has to be there whole.
    Unclear,
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

    /// All that comes out of these bytes, fed in chunks of these lengths, over and over.
    fn fed(bytes: &[u8], lengths: &[usize]) -> Result<Vec<u8>, Status> {
        let (mut messages, mut out, mut rest) = (Messages::default(), Vec::new(), bytes);
        for length in lengths.iter().cycle() {
            let (chunk, left) = rest.split_at(rest.len().min(*length));
            messages.push(Bytes::copy_from_slice(chunk));
            rest = left;
            while let Some(bytes) = messages.next()? {
                assert!(!bytes.is_empty());
                out.extend_from_slice(&bytes);
            }
            if rest.is_empty() {
                break;
            }
        }
        messages.end().map(|_| out)
    }

    proptest! {
        #[test]
        fn messages_are_found_however_they_are_cut(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..6),
            lengths in prop::collection::vec(1_usize..600, 1..8),
            strangers in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                let mut message = PiecePart { data: part.clone().into() }.encode_to_vec();
                if strangers {
                    // A field of a later version: number 9, the value 5.
                    message.extend_from_slice(&[0x48, 5]);
                }
                bytes.extend(framed(&message));
            }
            prop_assert_eq!(fed(&bytes, &lengths).unwrap(), parts.concat());
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
        assert_eq!(fed(&framed(&[0x0a, 200]), &[9]).unwrap_err().code(), Code::Internal);
        let whole = framed(&PiecePart { data: vec![1; 300].into() }.encode_to_vec());
        assert_eq!(fed(&whole[..whole.len() - 1], &[100]).unwrap_err().code(), Code::Internal);
        assert_eq!(fed(&whole, &[100]).unwrap(), [1; 300]);
    }
}
