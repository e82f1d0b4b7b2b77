//! How bytes get from one machine to another, and who is at the other end.
//!
//! - [`identity`]: the Ed25519 key of a peer, kept in one file; the peer id follows from it;
//! - [`tls`]: TLS between peers, held to keys instead of names and dates; TLS for the directory from files;
//! - [`mod@dial`]: a gRPC channel to one expected peer;
//! - [`mod@serve`]: the one accept loop, for REST and gRPC alike.
//!
//! Invariant: no byte of a request leaves for, and no request is accepted from, a peer whose key was not proven in the
//! handshake. Whether that key may do what it asks is decided above. Nothing here knows the directory, and nothing here
//! reads a wall clock.

pub mod dial;
pub mod identity;
pub mod serve;
pub mod tls;

pub use dial::{DialError, DialOptions, dial};
pub use identity::{Identity, IdentityError, verify};
pub use serve::{Backlog, Drained, Lanes, Limits, RemoteAddress, serve};
pub use tls::{PeerIdentity, WebTlsError, client_config, server_config, web_server_config};
