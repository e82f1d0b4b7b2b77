//! The threads on which connections live.
//!
//! Workers of one runtime hand work to each other: whoever finds a few sockets ready wakes the next worker up to share
//! them. For requests that take microseconds the waking costs more than the sharing gives. A lane is one thread with a
//! runtime of its own, and a connection stays on its lane from the first byte to the last.

use std::future::Future;
use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Where [`serve`](super::serve) runs its connections; without a lane, on the runtime that it runs on itself. Dropping
/// it ends what still runs there.
#[derive(Debug)]
pub struct Lanes(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    runtime: Handle,
    /// Cloned for each connection: so they are counted.
    taken: Arc<()>,
    _end: DropGuard,
}

impl Lanes {
    /// None: the workers of the runtime share what the connections have to do.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// So many threads of their own. What runs there must not block: the other connections of its lane wait for it.
    ///
    /// # Errors
    /// The system gives no more threads or descriptors.
    pub fn threads(count: NonZeroUsize) -> io::Result<Self> {
        (1..=count.get()).map(Lane::start).collect::<io::Result<_>>().map(Self)
    }

    /// Runs a connection where the fewest are.
    pub(super) fn run<F>(
        &self,
        tasks: &TaskTracker,
        stream: TcpStream,
        connection: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let Some(lane) = self.0.iter().min_by_key(|lane| Arc::strong_count(&lane.taken)) else {
            tasks.spawn(connection(stream));
            return;
        };
        // The runtime that a stream was made in is the one that watches its socket.
        let (socket, taken) = (stream.into_std(), Arc::clone(&lane.taken));
        let moved = async move {
            match socket.and_then(TcpStream::from_std) {
                Ok(stream) => connection(stream).await,
                Err(error) => tracing::debug!(%error, "closed a connection: its socket cannot be watched"),
            }
            drop(taken);
        };
        tasks.spawn_on(moved, &lane.runtime);
    }
}

impl Lane {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (handle, end) = (runtime.handle().clone(), CancellationToken::new());
        let ended = end.clone();
        std::thread::Builder::new()
            .name(format!("lane-{number}"))
            .spawn(move || runtime.block_on(ended.cancelled()))?;
        Ok(Self { runtime: handle, taken: Arc::default(), _end: end.drop_guard() })
    }
}
