//! What is only pretended: files without content that this peer shares, and swarms in virtual time.
//!
//! - [`actor`]: owns both;
//! - [`files`]: the simulated files on disk;
//! - [`question`]: what people ask, as the engine's simulator takes it, and its answers;
//! - [`run`]: one question, on a thread of its own;
//! - [`mod@calibrate`]: what this machine makes of the constants.
//!
//! A simulated *transfer* is a transfer like others, with a number and an end: [`crate::transfers::simulation`].

pub mod actor;
pub mod calibrate;
pub mod files;
pub mod question;
pub mod run;

pub use actor::{Msg, Simulation};
