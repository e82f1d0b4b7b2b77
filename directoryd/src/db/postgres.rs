//! A PostgreSQL server: one task that writes and commits in groups, a few that read, each over a connection of its own.
//!
//! Writers take turns at a lock in the database, other processes too: what a transaction read is still so when it writes, and
//! the numbers of the log of changes are in the order of the commits. The price is one transaction at a time, which the
//! group commit makes up for. The process that serves holds a second lock for as long as it is connected.
//!
//! While the server is away, each request is answered so at once; it is looked for again when somebody asks.

use std::sync::Arc;

use diesel::pg::Pg as Db;
use diesel_async::{AsyncPgConnection as Connection, RunQueryDsl};
use futures_util::future::BoxFuture;
use tokio::sync::Notify;

mod connection;
mod job;
mod link;
#[expect(clippy::duplicate_mod, reason = "compiled once for each database")]
#[path = "queries.rs"]
pub(super) mod queries;
mod readers;
mod writer;

pub(super) use connection::migrate;

use super::{Answer, Commits, Purpose};
use crate::config::PostgresServer;
use connection::Dialler;
use link::Link;
use readers::Readers;
use writer::Writer;

/// A handle on the tasks. They end when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Tasks {
    writer: Writer,
    readers: Readers,
}

impl Tasks {
    /// Over a database that is up to date; `written` hears of each commit.
    pub(super) async fn spawn(server: &PostgresServer, purpose: Purpose, written: &Arc<Notify>) -> Answer<Self> {
        let dialler = Dialler::new(server)?;
        let mut writing = Link::new(dialler.clone(), purpose);
        // Who cannot serve shall hear of it now, not with the first write.
        writing.connection().await?;
        Ok(Self { writer: Writer::spawn(writing, Arc::clone(written)), readers: Readers::spawn(&dialler) })
    }

    /// What is counted of the writing.
    pub(super) fn commits(&self) -> &Commits {
        self.writer.commits()
    }

    /// Runs `work` in a transaction and answers after its commit. It may be run more than once, where others got in its way.
    pub(super) async fn write<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Answer<T>> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Answers a question. It may be asked more than once, where a connection was lost.
    pub(super) async fn read<T, F>(&self, question: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut Connection) -> BoxFuture<'c, Answer<T>> + Send + 'static,
    {
        self.readers.run(question).await
    }
}
