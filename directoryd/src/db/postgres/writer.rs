//! One task that writes: many requests, one transaction, each answered after the commit.
//!
//! As with the embedded database, what waits during a commit becomes the next transaction, and each request has a savepoint
//! of its own. Where the server is lost before the commit was answered, nobody knows whether it happened: the answer is "try
//! again", and every change is written so that doing it twice is doing it once.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc};

use super::connection::BEGIN;
use super::job::{self, Job, QUEUE};
use super::link::Link;
use crate::db::{Answer, Commits, StoreError};

/// Most requests of one transaction, so that the first of them does not wait long: each takes a dozen round trips.
const GROUP: usize = 64;
/// How often a group is tried when others get in its way.
const TRIES: u32 = 5;
/// Longest that a group may take: the server gives up on statements before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends work to the task. It ends when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    commits: Commits,
}

impl Writer {
    pub(super) fn spawn(link: Link, written: Arc<Notify>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let commits = Commits::new();
        tokio::spawn(work_off(link, jobs, written, commits.clone()));
        Self { queue, commits }
    }

    /// What is counted of it.
    pub(super) fn commits(&self) -> &Commits {
        &self.commits
    }

    pub(super) async fn run<T, F>(&self, work: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut AsyncPgConnection) -> BoxFuture<'c, Answer<T>> + Send + 'static,
    {
        job::ask(&self.queue, work).await
    }
}

async fn work_off(mut link: Link, mut jobs: mpsc::Receiver<Box<dyn Job>>, written: Arc<Notify>, commits: Commits) {
    let mut group = Vec::with_capacity(GROUP);
    while jobs.recv_many(&mut group, GROUP).await > 0 {
        let begun = Instant::now();
        if let Ok(outcome) = AssertUnwindSafe(store(&mut link, &mut group)).catch_unwind().await {
            commits.note(group.len(), begun.elapsed(), outcome.is_ok());
            if outcome.is_ok() {
                written.notify_one();
            }
            group.drain(..).for_each(|job| job.answer(outcome.clone()));
        } else {
            tracing::error!("a write panicked; its group was not stored, the task goes on");
            link.hang_up();
            group.clear();
        }
    }
}

/// Again where others got in the way: then it is certain that nothing was stored.
async fn store(link: &mut Link, group: &mut [Box<dyn Job>]) -> Answer<()> {
    for attempt in 1.. {
        let outcome = tokio::time::timeout(PATIENCE, commit(link, group)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(StoreError::Away("no answer".into())));
        match &outcome {
            Ok(()) => return outcome,
            Err(StoreError::Conflict) if attempt < TRIES => {
                if link.connection().await?.batch_execute("ROLLBACK").await.is_err() {
                    link.hang_up();
                }
                let wait = rand::random_range(0..20 << attempt);
                tokio::time::sleep(Duration::from_millis(wait)).await;
            }
            Err(error) => {
                tracing::warn!(%error, requests = group.len(), "a group of writes was not stored");
                link.hang_up();
                return outcome;
            }
        }
    }
    Err(StoreError::Busy)
}

async fn commit(link: &mut Link, group: &mut [Box<dyn Job>]) -> Answer<()> {
    let reused = link.is_open();
    match link.connection().await?.batch_execute(BEGIN).await.map_err(StoreError::from) {
        // A connection that was lost since the last group is no reason to fail this one: nothing of it was sent.
        Err(StoreError::Away(_)) if reused => {
            link.hang_up();
            link.connection().await?.batch_execute(BEGIN).await?;
        }
        begun => begun?,
    }
    let connection = link.connection().await?;
    if let [only] = group {
        return match only.run(connection).await {
            Ok(()) => Ok(connection.batch_execute("COMMIT").await?),
            Err(error) if error.ends_transaction() => Err(error),
            Err(_) => Ok(connection.batch_execute("ROLLBACK").await?),
        };
    }
    for job in group {
        connection.batch_execute("SAVEPOINT request").await?;
        match job.run(connection).await {
            Ok(()) => connection.batch_execute("RELEASE SAVEPOINT request").await?,
            Err(error) if error.ends_transaction() => return Err(error),
            Err(_) => connection.batch_execute("ROLLBACK TO SAVEPOINT request").await?,
        }
    }
    Ok(connection.batch_execute("COMMIT").await?)
}
