//! Around all routes: every request gets an id, every answer carries it, the log has both, and the figures count it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Request};
use hyper::body::Incoming;
use tower::Service;
use traces::Instrument;
use warp::reply::Response;

use super::router::{self, Param, Route};
use crate::app::App;

/// In the figures, what is no path of ours.
const OTHER: &str = "other";

/// Finds a request in the log: 16 hex digits, drawn at random.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RequestId(u64);

impl RequestId {
    fn draw() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What is known of a request before anything else: warp takes it from there. Cheap to clone, as warp does.
#[derive(Clone, Default)]
pub(super) struct Arrival {
    pub(super) request_id: RequestId,
    pub(super) route: Option<&'static Route>,
    pub(super) param: Param,
    pub(super) headers: Arc<HeaderMap>,
}

/// What the accept loop serves.
pub(crate) fn service(
    app: &Arc<App>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static + use<>
{
    let (mut routes, app) = (warp::service(super::all(app)), Arc::clone(app));
    tower::service_fn(move |mut request: Request<Incoming>| {
        let (id, start, app) = (RequestId::draw(), Instant::now(), Arc::clone(&app));
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (route, param) = router::find(uri.path()).unzip();
        let traceparent = request.headers().get(traces::TRACEPARENT).and_then(|value| value.to_str().ok());
        let span = traces::serve(traceparent, || format!("{method} {}", route.map_or(OTHER, Route::label)));
        let headers = Arc::new(std::mem::take(request.headers_mut()));
        let arrival = Arrival { request_id: id, route, param: param.unwrap_or_default(), headers };
        request.extensions_mut().insert(arrival);
        let response = routes.call(request).instrument(span);
        async move {
            let open = app.requests.begin();
            let mut response = response.await?;
            drop(open);
            if let Ok(value) = HeaderValue::try_from(id.to_string()) {
                response.headers_mut().insert("x-request-id", value);
            }
            let took = start.elapsed();
            app.requests.answered(route.map_or(OTHER, Route::label), &method, response.status(), took);
            let (path, status) = (uri.path(), response.status().as_u16());
            if status >= 500 {
                tracing::warn!(request_id = %id, %method, path, status, ?took, "a request failed");
            } else {
                tracing::debug!(request_id = %id, %method, path, status, ?took, "a request was answered");
            }
            Ok(response)
        }
    })
}
