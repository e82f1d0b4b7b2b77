//! Around a server: what comes with a `traceparent` runs within a span.

use std::task::{Context, Poll};

use http::Request;
use tower::{Layer, Service};
use tracing::instrument::{Instrument, Instrumented};

use crate::TRACEPARENT;

/// Puts [`Traced`] around a service.
#[derive(Debug, Clone, Copy)]
pub struct TracedLayer {
    name: fn(&str) -> Option<String>,
}

impl TracedLayer {
    /// `name` makes the name of a span of the path of a request, or nothing where it is to have none.
    pub fn new(name: fn(&str) -> Option<String>) -> Self {
        Self { name }
    }
}

impl<S> Layer<S> for TracedLayer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced { inner, name: self.name }
    }
}

/// A service whose requests run within spans. The span of a stream ends where the stream begins.
#[derive(Debug, Clone)]
pub struct Traced<S> {
    inner: S,
    name: fn(&str) -> Option<String>,
}

impl<S, B> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Instrumented<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let traceparent = request.headers().get(TRACEPARENT).and_then(|value| value.to_str().ok());
        let name = traceparent.and_then(|_| (self.name)(request.uri().path()));
        let span = match name {
            Some(name) => crate::serve(traceparent, || name),
            None => tracing::Span::none(),
        };
        let inside = span.clone();
        inside.in_scope(|| self.inner.call(request)).instrument(span)
    }
}
