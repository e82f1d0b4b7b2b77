//! A few tasks that read, each over a connection of its own.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::{Mutex, mpsc};

use super::connection::Dialler;
use super::job::{self, Job, QUEUE};
use super::link::Link;
use crate::db::{Answer, Purpose, StoreError};

/// How many: enough to keep a server busy while answers are on their way, and far from its usual hundred connections.
const READERS: usize = 8;
/// Longest that a question may take: the server gives up on statements before.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends questions to the tasks. They end when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Readers {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Readers {
    pub(super) fn spawn(dialler: &Dialler) -> Self {
        let (queue, questions) = mpsc::channel(QUEUE);
        let questions = Arc::new(Mutex::new(questions));
        for _ in 0..READERS {
            tokio::spawn(answer_all(Link::new(dialler.clone(), Purpose::Visit), Arc::clone(&questions)));
        }
        Self { queue }
    }

    pub(super) async fn run<T, F>(&self, question: F) -> Answer<T>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut AsyncPgConnection) -> BoxFuture<'c, Answer<T>> + Send + 'static,
    {
        job::ask(&self.queue, question).await
    }
}

async fn answer_all(mut link: Link, questions: Arc<Mutex<mpsc::Receiver<Box<dyn Job>>>>) {
    loop {
        // The lock is held while waiting and not while answering: one task waits, the others queue up behind it.
        let Some(mut question) = questions.lock().await.recv().await else { return };
        if let Ok(outcome) = AssertUnwindSafe(answer(&mut link, question.as_mut())).catch_unwind().await {
            question.answer(outcome);
        } else {
            tracing::error!("a read panicked; the task goes on");
            link.hang_up();
        }
    }
}

/// A connection that was lost since the last question is no reason to fail this one.
async fn answer(link: &mut Link, question: &mut dyn Job) -> Answer<()> {
    let reused = link.is_open();
    match ask(link, question).await {
        Err(StoreError::Away(_)) if reused => ask(link, question).await,
        outcome => outcome,
    }
}

async fn ask(link: &mut Link, question: &mut dyn Job) -> Answer<()> {
    let connection = link.connection().await?;
    let asked = async {
        match question.run(connection).await {
            // Whether the statement failed or the connection did is not always told apart: this does.
            Err(StoreError::Failed(_)) => Ok(connection.batch_execute("ROLLBACK").await?),
            outcome => outcome,
        }
    };
    let outcome = tokio::time::timeout(PATIENCE, asked).await;
    let outcome = outcome.unwrap_or_else(|_| Err(StoreError::Away("no answer".into())));
    if outcome.is_err() {
        link.hang_up();
    }
    outcome
}
