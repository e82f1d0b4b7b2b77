//! Answers `FetchPieces` on the wire: gRPC as the generated code speaks it, in frames that hold the bytes of a piece where
//! they were read to. The generated encoder copies every message into a buffer of its own, which has grown for it anew.
//! Everything else passes through to the generated code.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, header};
use http_body::Frame;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use proto::peer::transfer_server::{Transfer, TransferServer};
use proto::peer::{FETCH_PIECES, FetchPiecesRequest, PiecePart};
use tonic::body::Body;
use tonic::codec::{Codec, Streaming};
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::service::Service;

/// Longest request, in bytes: a file id, and twice 64 numbers.
const LONGEST_REQUEST: usize = 1 << 10;

/// The transfer service, with answers that are not copied.
#[derive(Clone)]
pub(super) struct PieceServer {
    service: Service,
    generated: TransferServer<Service>,
}

impl PieceServer {
    pub(super) fn new(service: Service) -> Self {
        Self { generated: TransferServer::new(service.clone()), service }
    }
}

impl NamedService for PieceServer {
    const NAME: &'static str = <TransferServer<Service> as NamedService>::NAME;
}

impl tower::Service<http::Request<Body>> for PieceServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != FETCH_PIECES {
            return self.generated.call(request);
        }
        let service = self.service.clone();
        Box::pin(async move { Ok(answer(&service, request).await.unwrap_or_else(Status::into_http)) })
    }
}

async fn answer(service: &Service, request: http::Request<Body>) -> Result<http::Response<Body>, Status> {
    let (head, body) = request.into_parts();
    let decoder = ProstCodec::<PiecePart, FetchPiecesRequest>::default().decoder();
    let requests = Streaming::new_request(decoder, body, None, Some(LONGEST_REQUEST));
    let request = Request::from_parts(MetadataMap::from_headers(head.headers), head.extensions, requests);
    let parts = service.fetch_pieces(request).await?.into_inner();
    let mut response = http::Response::new(Body::new(Framed { parts, payload: Bytes::new(), ended: false }));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// Parts as frames: one for what stands before the bytes, one for the bytes.
struct Framed<S> {
    parts: S,
    payload: Bytes,
    ended: bool,
}

impl<S: Stream<Item = Result<PiecePart, Status>> + Unpin> http_body::Body for Framed<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !self.payload.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.payload)))));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        let status = match ready!(Pin::new(&mut self.parts).poll_next(cx)) {
            Some(Ok(part)) => {
                let prefix = prefix(&part);
                self.payload = part.data;
                return Poll::Ready(Some(Ok(Frame::data(prefix))));
            }
            Some(Err(status)) => status,
            None => Status::ok(""),
        };
        self.ended = true;
        Poll::Ready(Some(Ok(Frame::trailers(trailers(&status)))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}

/// What stands before the bytes of a part: that the message is not compressed and how long it is (gRPC over HTTP/2,
/// "Length-Prefixed-Message"), then the fields as the generated code writes them, up to the bytes of `PiecePart.data`. A
/// refusal, which has none, is all of it.
fn prefix(part: &PiecePart) -> Bytes {
    let mut prefix = BytesMut::with_capacity(32);
    prefix.put_u8(0);
    prefix.put_u32(u32::try_from(part.encoded_len()).expect("a part is far shorter"));
    let fields = PiecePart { piece: part.piece, data: Bytes::new(), refusal: part.refusal };
    fields.encode(&mut prefix).expect("there is room for it");
    if !part.data.is_empty() {
        const DATA: u32 = 2;
        debug_assert_eq!(part.refusal, 0, "it would stand before the bytes here, and behind them there");
        encode_key(DATA, WireType::LengthDelimited, &mut prefix);
        encode_varint(part.data.len() as u64, &mut prefix);
    }
    prefix.freeze()
}

fn trailers(status: &Status) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        // Words that no header can carry: the code alone says enough.
        let _ = Status::new(status.code(), "").add_header(&mut trailers);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn on_the_wire_it_is_what_the_generated_code_writes() {
        let part = |piece, len, refusal| PiecePart { piece, data: vec![7; len].into(), refusal };
        let parts = [(0, 0, 0), (0, 1, 0), (300, 127, 0), (1, 128, 0), (u32::MAX, 40_000, 0), (0, 0, 4), (9, 0, 1)];
        let parts = parts.map(|(piece, len, refusal)| part(piece, len, refusal));
        let mut expected = Vec::new();
        for part in &parts {
            let message = part.encode_to_vec();
            expected.push(0);
            expected.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
            expected.extend(message);
        }
        let stream = futures_util::stream::iter(parts.map(Ok));
        let whole = Framed { parts: stream, payload: Bytes::new(), ended: false }.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(whole.to_bytes(), expected);
    }

    #[tokio::test]
    async fn an_error_ends_it_with_its_code() {
        let stream = futures_util::stream::iter([Err(Status::unavailable("gone"))]);
        let whole = Framed { parts: stream, payload: Bytes::new(), ended: false }.collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], "14");
        assert_eq!(whole.trailers().unwrap()["grpc-message"], "gone");
    }
}
