//! One thread that writes: many requests, one transaction, each answered after the commit.
//!
//! What waits while a commit reaches the disk becomes the next transaction. Each request has a savepoint of its own, so
//! that one that fails takes nobody with it; what `SQLite` answers by ending the whole transaction (disk full, input/output
//! error) fails the group, and the connection is opened anew. The queue is bounded: beyond it the answer is `Busy`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use diesel::Connection;
use diesel::sqlite::SqliteConnection;
use tokio::sync::{Notify, mpsc, oneshot};

use super::connection::open;
use crate::db::{Answer, Commits, StoreError};

/// Requests that may wait. At 30 per commit and 1 ms per commit this is 140 ms of work.
const QUEUE: usize = 4096;
/// Most requests of one transaction, so that the first of them does not wait long.
const GROUP: usize = 256;

/// Sends work to the thread. It ends when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    commits: Commits,
}

impl Writer {
    pub(super) fn spawn(path: PathBuf, written: Arc<Notify>) -> std::io::Result<Self> {
        let (queue, mut jobs) = mpsc::channel(QUEUE);
        let commits = Commits::new();
        let counted = commits.clone();
        std::thread::Builder::new().name("db-writer".into()).spawn(move || {
            while catch_unwind(AssertUnwindSafe(|| work_off(&path, &mut jobs, &written, &counted))).is_err() {
                tracing::error!("a write panicked; its group was not stored, the thread goes on");
            }
        })?;
        Ok(Self { queue, commits })
    }

    /// What is counted of it.
    pub(super) fn commits(&self) -> &Commits {
        &self.commits
    }

    /// Runs `work` in a transaction and answers after its commit.
    pub(super) async fn run<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> Answer<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Pending { work: Some(work), result: None, reply };
        self.queue.try_send(Box::new(job)).map_err(|_| StoreError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Failed("the writing thread panicked".into())))
    }
}

/// A request on its way through the thread: run inside the transaction, answered after it.
trait Job: Send {
    /// An error here fails the whole group.
    fn run(&mut self, connection: &mut SqliteConnection) -> Answer<()>;
    fn answer(self: Box<Self>, group: &Answer<()>);
}

struct Pending<T, F> {
    work: Option<F>,
    result: Option<Answer<T>>,
    reply: oneshot::Sender<Answer<T>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> Answer<T> + Send,
{
    fn run(&mut self, connection: &mut SqliteConnection) -> Answer<()> {
        let Some(work) = self.work.take() else { return Ok(()) };
        // Where rolling back fails as well, the error that led there is the one that tells.
        let mut first = None;
        let result = connection
            .transaction(|connection| work(connection).inspect_err(|error| first = Some(error.clone())))
            .map_err(|error| first.unwrap_or(error));
        let fatal = result.as_ref().err().filter(|error| error.ends_transaction()).cloned();
        self.result = Some(result);
        fatal.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, group: &Answer<()>) {
        let result = match (self.result, group) {
            (Some(result), Ok(())) | (Some(result @ Err(_)), Err(_)) => result,
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => Err(StoreError::Failed("it was not run".into())),
        };
        // A caller that went away hears nothing; what it asked for is done all the same.
        let _ = self.reply.send(result);
    }
}

fn work_off(path: &Path, jobs: &mut mpsc::Receiver<Box<dyn Job>>, written: &Notify, commits: &Commits) {
    let mut connection = None;
    let mut group = Vec::with_capacity(GROUP);
    while jobs.blocking_recv_many(&mut group, GROUP) > 0 {
        let begun = Instant::now();
        let outcome = commit(path, &mut connection, &mut group);
        commits.note(group.len(), begun.elapsed(), outcome.is_ok());
        match &outcome {
            Ok(()) => written.notify_one(),
            Err(StoreError::Busy) => {}
            Err(error) => {
                tracing::error!(%error, requests = group.len(), "a group of writes was not stored");
                connection = None;
            }
        }
        for job in group.drain(..) {
            job.answer(&outcome);
        }
    }
}

fn commit(path: &Path, connection: &mut Option<SqliteConnection>, group: &mut [Box<dyn Job>]) -> Answer<()> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(open(path)?),
    };
    let mut first = None;
    connection
        .immediate_transaction(|connection| {
            group
                .iter_mut()
                .try_for_each(|job| job.run(connection))
                .inspect_err(|error: &StoreError| first = Some(error.clone()))
        })
        .map_err(|error| first.unwrap_or(error))
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::sql_types::BigInt;
    use diesel::{QueryableByName, RunQueryDsl, sql_query};

    use super::*;
    use crate::db::sqlite::migrate;

    #[derive(QueryableByName)]
    struct Number {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }

    fn writer() -> (tempfile::TempDir, Writer) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("directory.db");
        migrate(&path).unwrap();
        (folder, Writer::spawn(path, Arc::default()).unwrap())
    }

    async fn execute(writer: &Writer, statement: &str) -> Answer<()> {
        let statement = statement.to_owned();
        writer.run(move |connection| Ok(connection.batch_execute(&statement)?)).await
    }

    async fn rows(writer: &Writer) -> i64 {
        let count = |connection: &mut SqliteConnection| {
            Ok(sql_query("SELECT COUNT(*) AS n FROM t").get_result::<Number>(connection)?.n)
        };
        writer.run(count).await.unwrap()
    }

    #[tokio::test]
    async fn one_that_fails_takes_nobody_with_it() {
        let (_folder, writer) = writer();
        execute(&writer, "CREATE TABLE t (x INTEGER PRIMARY KEY)").await.unwrap();
        let insert = async |number: i64| {
            // Each third one writes a row before it fails: that row must go.
            let fails = if number % 3 == 0 { "; INSERT INTO nowhere VALUES (1)" } else { "" };
            execute(&writer, &format!("INSERT INTO t VALUES ({number}){fails}")).await
        };
        let results = futures_util::future::join_all((0..300).map(insert)).await;
        for (number, result) in results.iter().enumerate() {
            assert_eq!(result.is_err(), number % 3 == 0, "{number}: {result:?}");
        }
        assert_eq!(rows(&writer).await, 200);
    }

    #[tokio::test]
    async fn a_full_disk_keeps_nothing_and_passes() {
        let (_folder, writer) = writer();
        execute(&writer, "CREATE TABLE t (x BLOB)").await.unwrap();
        // As a full disk looks to SQLite: the file may not grow. The limit goes with the connection.
        execute(&writer, "PRAGMA max_page_count = 1").await.unwrap();
        let large = "INSERT INTO t VALUES (zeroblob(1000000))";
        assert_eq!(execute(&writer, large).await, Err(StoreError::Full));
        execute(&writer, large).await.unwrap();
        assert_eq!(rows(&writer).await, 1);
    }

    #[tokio::test]
    async fn a_panic_fails_its_request_and_nobody_after_it() {
        let (_folder, writer) = writer();
        let panicked = writer.run(|_| -> Answer<()> { panic!("on purpose") }).await;
        assert!(matches!(panicked, Err(StoreError::Failed(_))));
        execute(&writer, "CREATE TABLE t (x BLOB)").await.unwrap();
        assert_eq!(rows(&writer).await, 0);
    }

    #[tokio::test]
    async fn a_database_that_vanished_is_not_replaced() {
        let (folder, writer) = writer();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        assert!(matches!(execute(&writer, "CREATE TABLE t (x BLOB)").await, Err(StoreError::Broken(_))));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
