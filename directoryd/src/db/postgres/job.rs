//! A request on its way through a task: run, perhaps more than once, and answered at the end.

use diesel_async::AsyncPgConnection;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::db::{Answer, StoreError};

/// Requests that may wait.
pub(super) const QUEUE: usize = 4096;

pub(super) trait Job: Send {
    /// Runs it, and keeps what came out. An error is told here too.
    fn run<'a>(&'a mut self, connection: &'a mut AsyncPgConnection) -> BoxFuture<'a, Answer<()>>;
    /// Answers with what came out last, or with what kept it from counting.
    fn answer(self: Box<Self>, whole: Answer<()>);
}

struct Pending<T, F> {
    work: F,
    result: Option<Answer<T>>,
    reply: oneshot::Sender<Answer<T>>,
}

impl<T, F> Job for Pending<T, F>
where
    T: Send,
    F: for<'c> Fn(&'c mut AsyncPgConnection) -> BoxFuture<'c, Answer<T>> + Send,
{
    fn run<'a>(&'a mut self, connection: &'a mut AsyncPgConnection) -> BoxFuture<'a, Answer<()>> {
        let running = (self.work)(connection);
        let result = &mut self.result;
        async move {
            let came_out = running.await;
            let told = came_out.as_ref().map(drop).map_err(Clone::clone);
            *result = Some(came_out);
            told
        }
        .boxed()
    }

    fn answer(self: Box<Self>, whole: Answer<()>) {
        let result = whole.and(self.result.unwrap_or_else(|| Err(StoreError::Failed("it was not run".into()))));
        // A caller that went away hears nothing; what it asked for is done all the same.
        let _ = self.reply.send(result);
    }
}

/// Sends work to a queue and waits for its answer.
pub(super) async fn ask<T, F>(queue: &mpsc::Sender<Box<dyn Job>>, work: F) -> Answer<T>
where
    T: Send + 'static,
    F: for<'c> Fn(&'c mut AsyncPgConnection) -> BoxFuture<'c, Answer<T>> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let job = Pending { work, result: None, reply };
    queue.try_send(Box::new(job)).map_err(|_| StoreError::Busy)?;
    answer.await.unwrap_or_else(|_| Err(StoreError::Failed("the task panicked".into())))
}
