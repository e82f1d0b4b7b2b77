//! What this peer holds and offers.
//!
//! - [`catalog`]: the snapshot that everybody else reads, by way of a watch channel;
//! - [`scan`]: hashing files and looking after them, off the async threads;
//! - [`journal`]: what survives a restart;
//! - [`actor`]: the one writer of all three.
//!
//! Invariant: what is in the catalog is in the journal, and its manifest is on disk. A crash loses a scan under way,
//! never a share that was acknowledged.

pub mod actor;
pub mod catalog;
pub mod journal;
pub mod scan;

pub use actor::{Msg, Shares};
pub use catalog::{Catalog, Share};
