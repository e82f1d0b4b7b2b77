//! The page of figures, and the listener it is served on. It holds no secret, and asks for no login: who may reach it is
//! decided by the address it listens on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus::core::Collector;
use prometheus::{Registry, TEXT_FORMAT, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use transport::{Lanes, Limits};

use crate::{figure, process};

/// Scrapers at once; more would be a mistake.
const CONNECTIONS: usize = 16;
/// How long a scrape may go on when the daemon stops.
const DRAIN: Duration = Duration::from_secs(1);

/// All figures of a program.
#[derive(Debug, Clone)]
pub struct Page(Registry);

impl Page {
    /// A page with the figures of this process and of the build: `PROGRAM_build_info`.
    pub fn new(program: &str, version: &str) -> Self {
        let page = Self(Registry::new());
        let help = "What runs: always 1, the version is a label.";
        let build = figure::gauges(&format!("{program}_build_info"), help, &["version"]);
        build.with_label_values(&[version]).set(1);
        page.show(build);
        page.show(process::Process::begin());
        page
    }

    /// Puts a figure on the page. Each goes there once.
    pub fn show(&self, figure: impl Collector + 'static) {
        self.0.register(Box::new(figure)).expect("each figure is shown once");
    }

    /// The page as it is now.
    pub fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.0.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "the figures cannot be written down");
            String::new()
        })
    }

    /// Serves the page at `/metrics` until `shutdown`. Before each answer `refresh` is awaited, which looks at what is not
    /// counted where it happens.
    pub async fn serve<R, F>(self, listener: TcpListener, refresh: R, shutdown: CancellationToken)
    where
        R: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send,
    {
        let refresh = Arc::new(refresh);
        let service = tower::service_fn(move |request: Request<Incoming>| {
            let (page, refresh) = (self.clone(), Arc::clone(&refresh));
            async move { Ok::<_, Infallible>(page.answer(&request, &*refresh).await) }
        });
        let limits = Limits { connections: CONNECTIONS, drain: DRAIN, ..Limits::default() };
        let _ = transport::serve(Lanes::none(), listener, None, service, limits, shutdown).await;
    }

    async fn answer<R, F>(&self, request: &Request<Incoming>, refresh: &R) -> Response<Full<Bytes>>
    where
        R: Fn() -> F,
        F: Future<Output = ()>,
    {
        if request.uri().path() != "/metrics" {
            return plain(StatusCode::NOT_FOUND, "the figures are at /metrics\n".into());
        }
        // hyper leaves out the body of an answer to HEAD.
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "here only GET can be used\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        refresh().await;
        let mut response = plain(StatusCode::OK, self.text());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
        response
    }
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
