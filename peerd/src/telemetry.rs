//! Log lines on standard error, and traces where a collector is named. Lines read alone and carry fields that can be
//! searched; `info` is for what an operator acts on. No secret and no content ever goes into one.

use traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::config::{Config, LogFormat};

/// Starts both as configured; what comes back tells traces until it is stopped. A filter that makes no sense is said and
/// replaced by `info`.
pub fn start(config: &Config) -> Option<Traces> {
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_else(|error| {
        eprintln!("peerd: log-level `{}` is no filter ({error}); using info", config.log_level.escape_debug());
        EnvFilter::new("info")
    });
    let filter = if config.log_level.contains("ractor") { filter } else { without_actors(filter) };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let endpoint = config.otlp_endpoint.as_ref();
    let traces = endpoint.map(|endpoint| Traces::start("peerd", config.name.as_str(), endpoint)).transpose();
    let (traces, problem) = traces.map_or_else(|problem| (None, Some(problem)), |traces| (traces, None));
    let layer = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(traces::not_in_the_log(filter))).with(layer).init();
    if let Some(problem) = problem {
        tracing::warn!(problem, "nothing is traced");
    }
    traces
}

/// Around what an actor says ractor puts a span with the actor's number, which tells an operator nothing.
fn without_actors(filter: EnvFilter) -> EnvFilter {
    filter.add_directive("ractor=warn".parse().expect("a target and a level make a directive"))
}
