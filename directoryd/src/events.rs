//! Who hears of changes, and when.
//!
//! Each change writes its row in the transaction that makes it ([`crate::db`]), so that the log and the state never
//! disagree, whatever crashes when. Readers get every row once and in order: first from the log, then from the [`Feed`],
//! which follows the log for all of them. A crash loses who listened; they ask again, from the last number that they have.

mod fanout;
mod feed;
pub(crate) mod nats;
mod subscription;

pub(crate) use feed::{Feed, Follower};
pub(crate) use subscription::{Subscription, reaches};
