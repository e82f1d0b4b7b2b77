//! Bytes on disk: the only code that reads or writes content.
//!
//! - [`buffers`]: memory that pieces are read into, used again;
//! - [`layout`]: the state folder, its lock, and files that are replaced whole;
//! - [`manifests`]: piece hashes of what is shared or being fetched, checked whenever they are read;
//! - [`source`]: pieces of a shared file, checked before they leave;
//! - [`part`]: the file that a download grows in, and its way to its final name;
//! - [`writer`]: the thread that writes to it;
//! - [`resume`]: what a download leaves for the next start.
//!
//! Invariant: a file gets its final name only after every piece of it was hashed, written and synced; a piece that is
//! read for somebody else hashes to what the file id demands, or is not handed out.
//!
//! A crash loses the pieces that were in flight and nothing else: notes only say which part file belongs to which
//! download; what is in it is found by hashing.
//!
//! Everything here blocks but for what says that it does not. Callers on async threads go through
//! `tokio::task::spawn_blocking`.

pub mod buffers;
pub mod layout;
pub mod manifests;
pub mod part;
pub mod resume;
pub mod source;
pub mod writer;
