//! End to end: real programs, real sockets, real files. Each test has a [`world`] of its own: loopback addresses, a scratch
//! folder, a directory and peers that die with it.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod directory_outage;
mod journey;
mod liar;
mod liveness;
mod proxy;
mod resume;
mod startup;
mod supervision;
mod verification;
mod world;
