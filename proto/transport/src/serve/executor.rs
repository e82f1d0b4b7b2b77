//! Where hyper spawns the streams of an HTTP/2 connection.
//!
//! With hyper-util's executor they are free tasks: they notice the end of their connection at some time, and nobody can
//! wait for it. Here they are counted with everything else, and end with their connection.

use std::future::Future;

use hyper::rt::Executor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

#[derive(Debug, Clone)]
pub(super) struct Owned {
    tasks: TaskTracker,
    cut: CancellationToken,
}

impl Owned {
    pub(super) fn new(tasks: TaskTracker, cut: CancellationToken) -> Self {
        Self { tasks, cut }
    }
}

impl<F> Executor<F> for Owned
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        let cut = self.cut.clone();
        self.tasks.spawn(async move {
            cut.run_until_cancelled_owned(task).await;
        });
    }
}
