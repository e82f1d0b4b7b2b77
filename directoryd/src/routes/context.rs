//! A request, as the functions behind the paths take it: who asks, and with what body, on demand.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures_util::{Stream, StreamExt};
use http::header::{AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH};
use http::{HeaderMap, Method};
use proto::directory::{ProblemCode, SessionId};
use proto::ids::{FileId, PeerId, UserName};
use serde::de::DeserializeOwned;
use transport::RemoteAddress;
use warp::reply::Response;
use warp::{Filter, Rejection};

use super::reply;
use super::router::{Param, Route};
use super::service::{Arrival, RequestId};
use crate::app::App;
use crate::error::ApiError;
use crate::handlers::caller::{self, Caller};

/// Largest body, bytes, of everything but announcements.
pub(super) const SMALL: usize = 16 << 10;
/// Largest body of announcements, bytes: a thousand entries with long names.
pub(super) const LARGE: usize = 1 << 20;

/// How long a refused body may take to arrive.
const DRAIN: Duration = Duration::from_secs(5);

/// The body while it is not read.
type Body = Pin<Box<dyn Stream<Item = Result<bytes::Bytes, warp::Error>> + Send + Sync>>;

/// One request.
pub(super) struct Context {
    pub(super) app: Arc<App>,
    pub(super) method: Method,
    pub(super) request_id: RequestId,
    /// `None` where the path is none of ours.
    pub(super) route: Option<&'static Route>,
    param: Param,
    pub(super) query: String,
    /// Where the request came from.
    pub(super) address: IpAddr,
    headers: Arc<HeaderMap>,
    body: Body,
}

impl Context {
    /// Who asks; 401 without a token of a running session.
    pub(super) async fn caller(&self) -> Result<Caller, ApiError> {
        let token = self.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
        caller::identify(&self.app, token.ok_or_else(ApiError::unauthenticated)?).await
    }

    /// The peer that the path names.
    pub(super) fn peer(&self) -> Result<PeerId, ApiError> {
        if let Param::Peer(peer) = self.param { Ok(peer) } else { Err(nothing_there()) }
    }

    /// The file that the path names.
    pub(super) fn file(&self) -> Result<FileId, ApiError> {
        if let Param::File(file) = self.param { Ok(file) } else { Err(nothing_there()) }
    }

    /// The session that the path names.
    pub(super) fn session(&self) -> Result<SessionId, ApiError> {
        if let Param::Session(session) = self.param { Ok(session) } else { Err(nothing_there()) }
    }

    /// The account that the path names.
    pub(super) fn user(&self) -> Result<UserName, ApiError> {
        if let Param::User(user) = &self.param { Ok(user.clone()) } else { Err(nothing_there()) }
    }

    /// Whether the caller has an answer with this tag (RFC 9110 §13.1.2, by the weak comparison). Tags of ours have no
    /// commas in them.
    pub(super) fn has(&self, tag: &str) -> bool {
        let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
        let lists = self.headers.get_all(IF_NONE_MATCH).iter().filter_map(|list| list.to_str().ok());
        lists.flat_map(|list| list.split(',')).any(|known| opaque(known.trim()) == opaque(tag))
    }

    /// A header, as far as it is text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Reads the body as JSON, once.
    pub(super) async fn json<T: DeserializeOwned>(&mut self, largest: usize) -> Result<T, ApiError> {
        self.must_be_json()?;
        let mut read = BytesMut::new();
        while let Some(part) = self.body.next().await {
            let part = part.map_err(|_| ApiError::malformed("the body broke off"))?;
            if read.len() + part.len() > largest {
                let detail = format!("the body is larger than {largest} bytes");
                return Err(ApiError::new(ProblemCode::TooLarge, detail));
            }
            read.extend_from_slice(&part);
        }
        serde_json::from_slice(&read).map_err(|error| ApiError::malformed(format!("the body does not fit: {error}")))
    }

    fn must_be_json(&self) -> Result<(), ApiError> {
        let Some(kind) = self.headers.get(CONTENT_TYPE) else { return Ok(()) };
        let essence = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Ok(());
        }
        Err(ApiError::new(ProblemCode::UnsupportedMediaType, "the body has to be application/json"))
    }

    /// Takes in what is left of a body that nobody read, so that the client can finish sending before it is told: some,
    /// on HTTP/2 above all, lose an answer that comes earlier.
    pub(super) async fn drain(mut self) {
        let rest = async {
            let mut read = 0;
            while let Some(Ok(part)) = self.body.next().await {
                read += part.len();
                if read > LARGE {
                    break;
                }
            }
        };
        // A client that does not finish in time has its answer cut off, not ours held up.
        let _ = tokio::time::timeout(DRAIN, rest).await;
    }
}

pub(super) fn nothing_there() -> ApiError {
    ApiError::not_found("there is nothing at this path")
}

/// RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Extracts a request, whatever it is.
pub(super) fn of(app: &Arc<App>) -> impl Filter<Extract = (Context,), Error = Rejection> + Clone + use<> {
    let app = Arc::clone(app);
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::method()
        .and(warp::ext::optional::<Arrival>())
        .and(warp::ext::optional::<RemoteAddress>())
        .and(query)
        .and(warp::body::stream())
        .map(move |method: Method, arrival: Option<Arrival>, remote: Option<RemoteAddress>, query, body| {
            let Arrival { request_id, route, param, headers } = arrival.unwrap_or_default();
            Context {
                app: Arc::clone(&app),
                method,
                request_id,
                route,
                param,
                query,
                address: remote.map_or(Ipv4Addr::UNSPECIFIED.into(), |remote| remote.0.ip()),
                headers,
                body: bytes_of(body),
            }
        })
}

fn bytes_of<B: Buf>(body: impl Stream<Item = Result<B, warp::Error>> + Send + Sync + 'static) -> Body {
    Box::pin(body.map(|part| part.map(|mut part| part.copy_to_bytes(part.remaining()))))
}

/// warp cannot know that every request finds an answer before this.
pub(super) async fn unreachable(rejection: Rejection) -> Result<Response, Infallible> {
    tracing::error!(?rejection, "a request fell through the routes");
    Ok(reply::answer(RequestId::default(), Err(nothing_there())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("Bearer"), None);
    }
}
