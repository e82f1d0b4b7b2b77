//! The accept loop and the pinned TLS, over real sockets. Where a test waits, it waits for a state (mostly for the server
//! to close a socket), and no longer than `support::DEADLINE`; what must *not* happen meanwhile is shown by a second client.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, in its helpers too")]

mod cap;
mod clocks;
mod dialling;
mod draining;
mod hostile;
mod lanes;
mod services;
mod support;
