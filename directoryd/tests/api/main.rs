//! The directory as its clients see it: a real server on a real socket over a real database.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy spares test functions only, not their helpers"
)]

mod accounts;
mod backend;
mod crash;
mod digests;
mod document;
mod errors;
mod events;
mod figures;
mod files;
mod guessing;
mod herd;
mod leases;
mod listing;
mod locked;
mod names;
mod nats;
mod peers;
mod process;
mod program;
mod rates;
mod replay;
mod secrets;
mod silence;
mod soak;
mod storage;
mod support;
mod tags;
mod tickets;
mod tls;
