//! The embedded database: one thread that writes and commits in groups, a few that read.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use diesel::sqlite::{Sqlite as Db, SqliteConnection as Connection};
use futures_util::FutureExt;
use tokio::sync::Notify;

mod backup;
mod connection;
#[expect(clippy::duplicate_mod, reason = "compiled once for each database")]
#[path = "queries.rs"]
pub(super) mod queries;
mod readers;
mod run;
mod writer;

pub use backup::BackupError;
pub(super) use backup::backup;
pub(super) use connection::migrate;

use super::{Answer, Commits};
use readers::Readers;
use run::RunQueryDsl;
use writer::Writer;

/// A handle on the threads. They end when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Threads {
    writer: Writer,
    readers: Readers,
}

impl Threads {
    /// Over a database that is up to date; `written` hears of each commit.
    pub(super) fn spawn(path: &Path, written: &Arc<Notify>) -> std::io::Result<Self> {
        Ok(Self { writer: Writer::spawn(path.to_owned(), Arc::clone(written))?, readers: Readers::spawn(path)? })
    }

    /// What is counted of the writing.
    pub(super) fn commits(&self) -> &Commits {
        self.writer.commits()
    }

    /// Runs `work` in a transaction and answers after its commit.
    pub(super) async fn write<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Answer<T> + Send + 'static,
    {
        self.writer.run(work).await
    }

    /// Answers a question.
    pub(super) async fn read<T, F>(&self, question: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Answer<T> + Send + 'static,
    {
        self.readers.run(question).await
    }
}

/// What a query comes to: over this connection it never waits.
pub(super) fn done<T>(query: impl Future<Output = T>) -> T {
    query.now_or_never().expect("each step of a query over SQLite is done when it is first polled")
}
