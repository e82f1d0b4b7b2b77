//! Log lines on standard error. They read alone and carry fields that can be searched; `info` is for what an operator
//! acts on. No secret and no content ever goes into one.

use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts logging as configured. A filter that makes no sense is said and replaced by `info`.
pub fn start(config: &Config) {
    let filter = EnvFilter::try_new(&config.log_level).unwrap_or_else(|error| {
        eprintln!("peerd: log-level `{}` is no filter ({error}); using info", config.log_level.escape_debug());
        EnvFilter::new("info")
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => lines.with_ansi(false).with_target(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}
