//! The directory: knows the users, the peers, who is up, and who holds which file. It never sees a byte of a file and never
//! dials an address that a peer advertised.
//!
//! ```text
//! request ─▶ routes (URL map, extraction) ─▶ handlers (use cases) ─▶ db (one hop) ─▶ SQLite | PostgreSQL
//!                                              └─▶ app: leases, swarms, listing, tickets, logins, session cache (memory, may be lost)
//! ```
//! Invariant: what was answered with 2xx survives a crash; leases excepted, which are refreshed and not kept.

mod app;
mod config;
mod db;
mod error;
mod events;
mod handlers;
mod leases;
mod listing;
mod metrics;
mod routes;
mod server;
mod swarms;

pub use app::hash_password;
pub use config::{
    Admin, BadConfig, Config, Database, LogFormat, MaxRequests, Nats, NatsPrefix, NatsServers, PostgresServer,
    Settings, Span, Tls,
};
pub use db::{
    BackupError, KeyTerms, MigrateError, Migrated, NewAccount, Purpose, Rotation, SigningKey, Store, StoreError, backup,
};
pub use events::nats::ring;
pub use routes::openapi;
pub use server::{Server, StartError, migrate, open};

/// Version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
