//! Writes to one part file, one after another, on one thread for as long as there are any. The system lets one write to a file
//! at a time; threads that wait for each other there would each have to be woken.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::part::Part;

/// Takes writes to one file. Clones are the same.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    part: Arc<Part>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Write>,
    /// A thread is at it.
    running: bool,
}

#[derive(Debug)]
struct Write {
    offset: u64,
    chunks: Arc<[Bytes]>,
    done: oneshot::Sender<io::Result<()>>,
}

impl Writer {
    /// To this file.
    pub fn new(part: Arc<Part>) -> Self {
        Self(Arc::new(Inner { part, queue: Mutex::default() }))
    }

    /// The file.
    pub fn part(&self) -> &Arc<Part> {
        &self.0.part
    }

    /// Writes these bytes at a place, behind all that was to be written before. Dropping the future does not take it back.
    /// `None` where the runtime ended before it was done.
    pub async fn write(&self, offset: u64, chunks: Arc<[Bytes]>) -> Option<io::Result<()>> {
        let (done, written) = oneshot::channel();
        if self.0.push(Write { offset, chunks, done }) {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.write_all());
        }
        written.await.ok()
    }
}

impl Inner {
    /// `true` if somebody has to begin with it.
    fn push(&self, write: Write) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(write);
        !std::mem::replace(&mut queue.running, true)
    }

    fn write_all(&self) {
        while let Some(Write { offset, chunks, done }) = self.next() {
            // Whoever asked may be gone.
            let _ = done.send(self.part.write(offset, &chunks));
        }
    }

    fn next(&self) -> Option<Write> {
        let mut queue = self.queue();
        let next = queue.waiting.pop_front();
        queue.running = next.is_some();
        next
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proto::ids::{ByteCount, FileId};

    use super::super::part::Destination;
    use super::*;

    fn writer(folder: &std::path::Path) -> Writer {
        let destination = Destination::open(&folder.canonicalize().unwrap().join("f")).unwrap();
        Writer::new(Arc::new(Part::open(destination, FileId::of(b"x"), ByteCount::new(400)).unwrap().0))
    }

    #[tokio::test]
    async fn all_of_many_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let write = |number: u8| writer.write(u64::from(number) * 4, Arc::from([Bytes::from(vec![number; 4])]));
        let written = futures_util::future::join_all((0..100).map(write)).await;
        assert!(written.into_iter().all(|done| done.unwrap().is_ok()));
        let mut content = [0; 400];
        writer.part().read(0, &mut content).unwrap();
        assert!(content.iter().enumerate().all(|(at, byte)| at / 4 == usize::from(*byte)));
    }

    #[tokio::test]
    async fn what_was_begun_is_written_though_nobody_waits() {
        let folder = tempfile::tempdir().unwrap();
        let writer = writer(folder.path());
        let mut left = std::pin::pin!(writer.write(0, Arc::from([Bytes::from_static(b"left")])));
        assert!(futures_util::poll!(left.as_mut()).is_pending());
        // The next is written behind it.
        writer.write(4, Arc::from([Bytes::from_static(b"next")])).await.unwrap().unwrap();
        let mut content = [0; 8];
        writer.part().read(0, &mut content).unwrap();
        assert_eq!(&content, b"leftnext");
    }
}
