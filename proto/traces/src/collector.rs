//! The way to a collector: one request, one connection. The thread that gathers spans is none of the program's runtime, so it
//! brings a small one of its own for each; once a second at the most, this is nothing.

use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use opentelemetry_http::{HttpClient, HttpError};
use tokio::net::TcpStream;

/// Most bytes of an answer; a collector has nothing to say but how many spans it did not take.
const LONGEST_ANSWER: usize = 64 << 10;

/// Sends to a collector.
#[derive(Debug)]
pub(crate) struct Collector {
    patience: Duration,
}

impl Collector {
    pub(crate) fn new(patience: Duration) -> Self {
        Self { patience }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async { tokio::time::timeout(self.patience, exchange(request)).await? })
    }
}

async fn exchange(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let uri = request.uri().clone();
    let host = uri.host().ok_or("the endpoint names no host")?;
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the runtime.
    tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    let authority = uri.authority().map_or(host, http::uri::Authority::as_str);
    parts.headers.insert(HOST, HeaderValue::from_str(authority)?);
    // To the server itself the path alone is named (RFC 9112 §3.2.1).
    parts.uri = uri.path_and_query().map_or(Ok(Uri::from_static("/")), |path| path.as_str().parse())?;
    let (parts, body) = sender.send_request(Request::from_parts(parts, Full::new(body))).await?.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
