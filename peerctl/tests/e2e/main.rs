//! End to end: real programs, real sockets, real files. Each test has a [`world`] of its own: loopback addresses, a scratch
//! folder, a directory and peers that die with it.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod checkups;
mod directory_outage;
mod journey;
mod liar;
mod liveness;
mod places;
mod proxy;
mod readme;
mod resume;
mod startup;
mod supervision;
mod tickets;
mod verification;
mod world;
