//! Writes to one part file, one after another, on one thread for as long as there are any. The system lets one write to a file
//! at a time; threads that wait for each other there would each have to be woken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fmt, io};

use bytes::Bytes;

use super::part::Part;

/// Takes writes to one file. Clones are the same.
#[derive(Clone)]
pub struct Writer(Arc<Inner>);

impl fmt::Debug for Writer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Writer").field(&self.0.part).finish()
    }
}

struct Inner {
    part: Arc<Part>,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Write>,
    /// A thread is at it.
    running: bool,
}

struct Write {
    offset: u64,
    chunks: Arc<[Bytes]>,
    done: Box<dyn FnOnce(io::Result<()>) + Send>,
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

    /// Writes these bytes at a place, behind all that was to be written before, and says so on the thread that did. On the way
    /// to the daemon's end it may never be said.
    pub fn write(&self, offset: u64, chunks: Arc<[Bytes]>, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        if self.0.push(Write { offset, chunks, done: Box::new(done) }) {
            let inner = Arc::clone(&self.0);
            tokio::task::spawn_blocking(move || inner.write_all());
        }
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
            done(self.part.write(offset, &chunks));
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
        let (tell, mut told) = tokio::sync::mpsc::channel(100);
        for number in 0..100_u8 {
            let tell = tell.clone();
            let done = move |result: io::Result<()>| tell.try_send((number, result.is_ok())).unwrap();
            writer.write(u64::from(number) * 4, Arc::from([Bytes::from(vec![number; 4])]), done);
        }
        for number in 0..100 {
            assert_eq!(told.recv().await, Some((number, true)));
        }
        let mut content = [0; 400];
        writer.part().read(0, &mut content).unwrap();
        assert!(content.iter().enumerate().all(|(at, byte)| at / 4 == usize::from(*byte)));
    }
}
