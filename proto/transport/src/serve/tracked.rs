//! One request, from its head to the last byte of its answer: marked with where it came from, counted as open, and held
//! to the time for an answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tower::{Service, ServiceExt};

use super::activity::{Activity, OpenRequest};
use super::held::Backlog;
use super::{BoxError, RemoteAddress};
use crate::tls::PeerIdentity;

/// What all requests of a connection share.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    pub(super) activity: Arc<Activity>,
    pub(super) remote: SocketAddr,
    pub(super) peer: Option<PeerIdentity>,
    /// What may wait on the connection.
    pub(super) backlog: Option<Backlog>,
    /// For the head of the answer.
    pub(super) answer: Duration,
}

/// Why hyper gets no answer, and so closes the connection or resets the stream.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the connection had just been given up")]
    Retired,
    #[error("no answer within {0:?}")]
    TooLate(Duration),
}

/// Passes one request to the service.
pub(super) async fn answer<S, B>(
    service: S,
    mut request: Request<Incoming>,
    origin: Origin,
) -> Result<Response<Tracked<B>>, BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    let open = origin.activity.begin().ok_or(Unanswered::Retired)?;
    request.extensions_mut().insert(RemoteAddress(origin.remote));
    if let Some(peer) = origin.peer {
        request.extensions_mut().insert(peer);
    }
    if let Some(backlog) = origin.backlog {
        request.extensions_mut().insert(backlog);
    }
    match tokio::time::timeout(origin.answer, service.oneshot(request)).await {
        Ok(answered) => Ok(answered.map_err(Into::into)?.map(|body| Tracked { body, open })),
        Err(_) => Err(Unanswered::TooLate(origin.answer).into()),
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer. Its request is open until it is dropped.
    #[derive(Debug)]
    pub(super) struct Tracked<B> {
        #[pin]
        body: B,
        open: OpenRequest,
    }
}

impl<B: Body> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
