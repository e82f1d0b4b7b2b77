//! What `tests/api` asks of the embedded database, asked of PostgreSQL; and what only a server can do to a directory.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report; clippy spares test functions only, not their helpers"
)]

#[path = "../api/accounts.rs"]
mod accounts;
mod backend;
mod commands;
#[path = "../api/digests.rs"]
mod digests;
#[path = "../api/errors.rs"]
mod errors;
#[path = "../api/events.rs"]
mod events;
mod figures;
#[path = "../api/files.rs"]
mod files;
#[path = "../api/leases.rs"]
mod leases;
#[path = "../api/listing.rs"]
mod listing;
#[path = "../api/names.rs"]
mod names;
#[path = "../api/nats.rs"]
mod nats;
mod outage;
#[path = "../api/peers.rs"]
mod peers;
#[path = "../api/program.rs"]
mod program;
#[path = "../api/replay.rs"]
mod replay;
#[path = "../api/storage.rs"]
mod storage;
#[path = "../api/support.rs"]
mod support;
mod tls;
