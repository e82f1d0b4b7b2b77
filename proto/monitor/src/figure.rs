//! Figures. Names and labels are written in the code, so a bad one is a bug and panics the first time it is made.

use std::time::Duration;

use prometheus::{HistogramOpts, Opts};

/// Only goes up.
pub type Counter = prometheus::IntCounter;
/// Counters that differ in labels.
pub type Counters = prometheus::IntCounterVec;
/// Goes up and down.
pub type Gauge = prometheus::IntGauge;
/// Gauges that differ in labels.
pub type Gauges = prometheus::IntGaugeVec;
/// How often a value was how large.
pub type Histogram = prometheus::Histogram;
/// Histograms that differ in labels.
pub type Histograms = prometheus::HistogramVec;

/// Bounds for what should take milliseconds, in seconds: half of a millisecond to ten seconds.
pub const LATENCIES: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const SOUND: &str = "names of figures are written in the code, and sound";

/// A counter; its name ends in `_total`.
pub fn counter(name: &str, help: &str) -> Counter {
    Counter::new(name, help).expect(SOUND)
}

/// Counters; their name ends in `_total`.
pub fn counters(name: &str, help: &str, labels: &[&str]) -> Counters {
    Counters::new(Opts::new(name, help), labels).expect(SOUND)
}

/// A gauge.
pub fn gauge(name: &str, help: &str) -> Gauge {
    Gauge::new(name, help).expect(SOUND)
}

/// Gauges.
pub fn gauges(name: &str, help: &str, labels: &[&str]) -> Gauges {
    Gauges::new(Opts::new(name, help), labels).expect(SOUND)
}

/// A histogram with these upper bounds.
pub fn histogram(name: &str, help: &str, bounds: &[f64]) -> Histogram {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())).expect(SOUND)
}

/// Histograms with these upper bounds.
pub fn histograms(name: &str, help: &str, bounds: &[f64], labels: &[&str]) -> Histograms {
    Histograms::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels).expect(SOUND)
}

/// A size as gauges take it. What is beyond their range stays at its end.
pub fn level(size: impl TryInto<i64>) -> i64 {
    size.try_into().unwrap_or(i64::MAX)
}

/// A length of time as histograms take it.
pub fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

/// Counts one as long as it lives.
#[derive(Debug)]
pub struct Occupied(Gauge);

impl Occupied {
    /// One more.
    pub fn one(of: &Gauge) -> Self {
        of.inc();
        Self(of.clone())
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.dec();
    }
}
