//! What a daemon tells those who run it.
//!
//! - [`figure`]: counters, gauges and histograms, each kept beside what it counts;
//! - [`page`]: all of them in Prometheus' text format, at `/metrics` of a listener of its own;
//! - [`service`]: readiness and signs of life, for the service manager;
//! - [`process`]: memory, descriptors, processor time and start of this process;
//! - [`papers`]: its manual pages, and completions for shells.
//!
//! Rules of the figures: base units, `_total` for counters, one prefix per program. A label has few values that are known
//! beforehand; ids, names and addresses are never labels, so that a page neither grows with the fleet nor tells strangers
//! who is in it.

pub mod figure;
pub mod page;
pub mod papers;
pub mod process;
pub mod service;

pub use figure::{Counter, Counters, Gauge, Gauges, Histogram, Histograms, Occupied};
pub use page::Page;
pub use papers::Papers;
pub use service::ServiceManager;
