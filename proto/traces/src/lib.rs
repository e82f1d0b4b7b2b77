//! One trace through all programs that a question goes through: `peerctl`, `peerd`, `directoryd`, other peers.
//!
//! Whoever begins (`peerctl --otlp-endpoint`) draws an id. It travels as a W3C `traceparent`: in the frame on the control
//! socket, in a header to the directory, in the metadata to other peers. A program that has an endpoint itself makes a
//! [`Span`] of what comes with one, and tells it to a collector by OTLP over HTTP. Nothing is traced that does not come with
//! one: what a trace costs is decided by who asks, and a daemon with an endpoint and no such callers makes no spans.
//!
//! Spans are those of `tracing`, under a [`TARGET`] of their own that the log never shows. Without an endpoint nobody
//! listens to that target, and a span costs a look at a flag. A lost collector loses spans, and nothing else.

use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use tracing::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

mod collector;
mod endpoint;
mod layer;

pub use endpoint::Endpoint;
pub use layer::{Traced, TracedLayer};
pub use tracing::Span;
pub use tracing::instrument::Instrument;

#[doc(hidden)]
pub use tracing;

/// What spans are made under.
pub const TARGET: &str = "enjambre_trace";
/// The header, the metadata key, and the member of a frame.
pub const TRACEPARENT: &str = "traceparent";

/// How long spans are gathered before they are told.
const GATHER: Duration = Duration::from_secs(1);
/// Longest that telling them may take; also what the end of the program waits for at the most.
const TELL: Duration = Duration::from_secs(3);

/// Tells spans to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
    program: &'static str,
}

impl Traces {
    /// Begins; `instance` tells several of one program apart.
    ///
    /// # Errors
    /// The exporter cannot be made, in words.
    pub fn start(program: &'static str, instance: &str, endpoint: &Endpoint) -> Result<Self, String> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(collector::Collector::new(TELL))
            .with_endpoint(endpoint.traces())
            .with_timeout(TELL)
            .build()
            .map_err(|error| format!("traces cannot be told: {error}"))?;
        let gather = BatchConfigBuilder::default().with_scheduled_delay(GATHER).build();
        let who = [
            KeyValue::new("service.name", program),
            KeyValue::new("service.instance.id", instance.to_owned()),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(gather).build())
            .with_resource(Resource::builder_empty().with_attributes(who).build())
            .build();
        Ok(Self { provider, program })
    }

    /// Listens to spans; goes beside the layer that writes the log.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let ours = Targets::new().with_target(TARGET, LevelFilter::INFO);
        // Threads, lines of code and idle times would be most of what is sent, and tell nothing about a network.
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(self.program))
            .with_threads(false)
            .with_location(false)
            .with_tracked_inactivity(false)
            .with_target(false)
            .with_level(false)
            .with_filter(ours)
    }

    /// Tells what has not been told yet. Blocks for three seconds at the most.
    pub fn stop(self) {
        // What cannot be told now is lost; nobody is left to tell that to.
        let _ = self.provider.shutdown_with_timeout(TELL);
    }
}

/// The filter of a log: spans of traces are none of its business, whatever the level.
pub fn not_in_the_log(filter: EnvFilter) -> EnvFilter {
    let hidden = format!("{TARGET}=off");
    filter.add_directive(hidden.parse().expect("a target and a level make a directive"))
}

/// A span that begins a trace.
pub fn begin(name: &str) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "span", otel.name = name, otel.kind = "client")
}

/// A span for what came with this `traceparent`; none where there is none, or one that makes no sense, or one that its
/// sender does not want recorded.
pub fn serve(traceparent: Option<&str>, name: impl FnOnce() -> String) -> Span {
    let Some(sender) = traceparent.and_then(parse).filter(SpanContext::is_sampled) else { return Span::none() };
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return Span::none();
    }
    let span = tracing::info_span!(target: TARGET, parent: None, "span", otel.name = name(), otel.kind = "server");
    // Fails only where nobody listens.
    let _ = span.set_parent(Context::new().with_remote_span_context(sender));
    span
}

/// A span for a piece of work within another one; none where that is none.
pub fn within(outer: &Span, name: impl FnOnce() -> String) -> Span {
    if outer.is_none() || outer.is_disabled() {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, parent: outer, "span", otel.name = name(), otel.kind = "internal")
}

/// What to send along with a question, so that whoever answers it belongs to the same trace.
pub fn traceparent() -> Option<String> {
    let span = Span::current();
    if span.is_none() || span.is_disabled() {
        return None;
    }
    let context = span.context();
    let sent = context.span().span_context().clone();
    let flags = sent.trace_flags().to_u8();
    sent.is_valid().then(|| format!("00-{}-{}-{flags:02x}", sent.trace_id(), sent.span_id()))
}

/// W3C Trace Context, level 1, §3.2. Later versions begin in the same way.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.trim().split('-');
    let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    let hex =
        |part: &str, digits| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let whole = hex(version, 2) && hex(trace, 32) && hex(span, 16) && hex(flags, 2);
    if !whole || version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()? & TraceFlags::SAMPLED.to_u8());
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    Some(SpanContext::new(trace, span, flags, true, TraceState::NONE)).filter(SpanContext::is_valid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    #[test]
    fn only_what_the_standard_allows_is_followed() {
        let read = parse(&format!("00-{TRACE}-{PARENT}-01")).unwrap();
        assert_eq!((read.trace_id().to_string().as_str(), read.span_id().to_string().as_str()), (TRACE, PARENT));
        assert!(read.is_sampled() && read.is_remote());
        assert!(!parse(&format!("00-{TRACE}-{PARENT}-00")).unwrap().is_sampled());
        assert!(parse(&format!("01-{TRACE}-{PARENT}-01-later")).is_some());
        for bad in [
            String::new(),
            "00".into(),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-01-later"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{}-{PARENT}-01", "0".repeat(32)),
            format!("00-{TRACE}-{}-01", "0".repeat(16)),
            format!("00-{TRACE}-{PARENT}"),
        ] {
            assert!(parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn where_nobody_listens_there_are_no_spans() {
        let unused = || panic!("the name of a span that is not there is not made");
        assert!(serve(Some(&format!("00-{TRACE}-{PARENT}-01")), unused).is_none());
        assert!(within(&Span::current(), unused).is_none());
        assert!(begin("x").is_disabled());
        assert_eq!(traceparent(), None);
    }
}
