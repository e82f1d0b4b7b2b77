//! A few threads that read, each over a connection of its own. In WAL mode they wait neither for the writer nor for each
//! other; they go on when nothing can be written any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use diesel::sqlite::SqliteConnection;
use tokio::sync::{mpsc, oneshot};

use super::connection::open;
use crate::db::{Answer, StoreError};

/// Questions that may wait.
const QUEUE: usize = 4096;

type Question = Box<dyn FnOnce(Result<&mut SqliteConnection, StoreError>) + Send>;

/// Sends questions to the threads. They end when the last of these is dropped.
#[derive(Clone)]
pub(super) struct Readers {
    queue: mpsc::Sender<Question>,
}

impl Readers {
    pub(super) fn spawn(path: &Path) -> std::io::Result<Self> {
        let (queue, questions) = mpsc::channel(QUEUE);
        let questions = Arc::new(Mutex::new(questions));
        for number in 0..std::thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8)) {
            let (path, questions) = (path.to_owned(), Arc::clone(&questions));
            std::thread::Builder::new().name(format!("db-reader-{number}")).spawn(move || {
                while catch_unwind(AssertUnwindSafe(|| answer_all(&path, &questions))).is_err() {
                    tracing::error!("a read panicked; the thread goes on");
                }
            })?;
        }
        Ok(Self { queue })
    }

    pub(super) async fn run<T, F>(&self, question: F) -> Answer<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> Answer<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            let _ = reply.send(connection.and_then(question));
        });
        self.queue.try_send(question).map_err(|_| StoreError::Busy)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Failed("the reading thread panicked".into())))
    }
}

fn answer_all(path: &Path, questions: &Mutex<mpsc::Receiver<Question>>) {
    let mut connection = None;
    // The lock is held while waiting and not while answering: one thread waits, the others queue up behind it.
    let next = || questions.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
    while let Some(question) = next() {
        match &mut connection {
            Some(connection) => question(Ok(connection)),
            none => match open(path) {
                Ok(opened) => question(Ok(none.insert(opened))),
                Err(error) => question(Err(error)),
            },
        }
    }
}
