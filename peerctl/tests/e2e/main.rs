//! End to end: real programs, real sockets, real files. Each test has a [`world`] of its own: loopback addresses, a scratch
//! folder, a directory and peers that die with it.

#![expect(clippy::unwrap_used, reason = "in a test, the panic is the report")]

mod asking;
mod callers;
mod checkups;
mod completion;
mod control;
mod digests;
mod directory_outage;
mod events;
mod exit_codes;
mod fencing;
mod figures;
mod handshake;
mod healthcheck;
mod journey;
mod liar;
mod liveness;
mod names;
mod picker;
mod places;
mod proxy;
mod readme;
mod reflection;
mod requester;
mod restart;
mod resume;
mod secrets;
mod service_manager;
mod siege;
mod simulate;
mod simulated;
mod startup;
mod supervision;
mod swarming;
mod tickets;
mod traces;
mod verification;
mod world;
