//! What two programs of Enjambre must agree on, and nothing else.
//!
//! - [`ids`]: typed names, ids and sizes, each with one textual form that is checked where it enters;
//! - [`manifest`]: how a file is cut into pieces and how their hashes fold up to its id;
//! - [`directory`]: bodies of the REST interface between `peerd` and `directoryd`;
//! - [`control`]: messages of the control socket between `peerctl` and `peerd`;
//! - [`simulated`]: files without content; [`simulation`]: what-if questions and their answers;
//! - [`peer`]: the gRPC interface between two `peerd`;
//! - [`ticket`]: permission to fetch, signed by the directory and checked by peers;
//! - [`secret`], [`settings`]: how every program takes a secret and reads its configuration file.

pub mod control;
pub mod directory;
pub mod ids;
pub mod manifest;
pub mod peer;
#[cfg(feature = "schema")]
mod schema;
pub mod secret;
pub mod settings;
pub mod simulated;
pub mod simulation;
pub mod ticket;

/// A point in time on the wire: RFC 3339 in UTC.
pub type Timestamp = jiff::Timestamp;
