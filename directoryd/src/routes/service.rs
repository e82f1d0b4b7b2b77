//! Around all routes: every request gets an id, every answer carries it, the log has both, and the figures count it.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Request};
use hyper::body::Incoming;
use tower::Service;
use traces::Instrument;
use warp::reply::Response;

use super::router::{self, Param, Route};
use crate::app::App;

/// In the figures, what is no path of ours.
const OTHER: &str = "other";

/// Finds a request in the log: 16 hex digits, drawn at random.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestId(String);

impl RequestId {
    fn draw() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a request before anything else: warp takes it from there.
#[derive(Clone, Default)]
pub(super) struct Arrival {
    pub(super) request_id: RequestId,
    pub(super) route: Option<&'static Route>,
    pub(super) param: Param,
}

/// What the accept loop serves.
pub(crate) fn service(
    app: &Arc<App>,
) -> impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send> + Clone + Send + 'static + use<>
{
    let (routes, app) = (warp::service(super::all(app)), Arc::clone(app));
    tower::service_fn(move |mut request: Request<Incoming>| {
        let (mut routes, app) = (routes.clone(), Arc::clone(&app));
        async move {
            let (id, start, _open) = (RequestId::draw(), Instant::now(), app.requests.begin());
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let (route, param) = router::find(&path).unzip();
            let traceparent = request.headers().get(traces::TRACEPARENT).and_then(|value| value.to_str().ok());
            let span = traces::serve(traceparent, || format!("{method} {}", route.map_or(OTHER, Route::label)));
            request.extensions_mut().insert(Arrival {
                request_id: id.clone(),
                route,
                param: param.unwrap_or_default(),
            });
            let mut response = routes.call(request).instrument(span).await?;
            if let Ok(value) = HeaderValue::from_str(&id.0) {
                response.headers_mut().insert("x-request-id", value);
            }
            let took = start.elapsed();
            app.requests.answered(route.map_or(OTHER, Route::label), &method, response.status(), took);
            let status = response.status().as_u16();
            if status >= 500 {
                tracing::warn!(request_id = %id, %method, path, status, ?took, "a request failed");
            } else {
                tracing::debug!(request_id = %id, %method, path, status, ?took, "a request was answered");
            }
            Ok(response)
        }
    })
}
