//! Who wants to hear of what. Pure, so that "one popular file is no work for the others" can be counted.
//!
//! Subscribers of files are found by the file: an event costs as much as it has listeners. One that does not keep up is left
//! behind, not waited for: its place is marked, and it reads on in the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proto::directory::Event;
use proto::ids::FileId;
use tokio::sync::mpsc;

/// Events that may wait for one subscriber: a moment's worth. Beyond it, the log is the better place to read.
const QUEUE: usize = 256;

/// All subscribers of this process.
#[derive(Default)]
pub(super) struct Fanout {
    all: Vec<Arc<Subscriber>>,
    by_file: HashMap<FileId, Vec<Arc<Subscriber>>>,
}

struct Subscriber {
    queue: mpsc::Sender<Arc<Event>>,
    left_behind: AtomicBool,
}

/// The other end.
pub(super) struct Live {
    queue: mpsc::Receiver<Arc<Event>>,
    subscriber: std::sync::Weak<Subscriber>,
}

impl Fanout {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.by_file.is_empty()
    }

    /// Of these files, or of everything.
    pub(super) fn subscribe(&mut self, files: Option<&[FileId]>) -> Live {
        let (queue, events) = mpsc::channel(QUEUE);
        let subscriber = Arc::new(Subscriber { queue, left_behind: AtomicBool::new(false) });
        let live = Live { queue: events, subscriber: Arc::downgrade(&subscriber) };
        match files {
            None => self.all.push(subscriber),
            Some(files) => {
                for file in files {
                    self.by_file.entry(*file).or_default().push(Arc::clone(&subscriber));
                }
            }
        }
        live
    }

    /// Hands an event to those who want it; to how many that was.
    pub(super) fn deliver(&mut self, event: &Arc<Event>) -> usize {
        let mut told = 0;
        let mut tell = |subscriber: &Arc<Subscriber>| {
            let heard = subscriber.hear(event);
            told += usize::from(heard);
            heard
        };
        self.all.retain(&mut tell);
        if let Some(file) = event.change.file()
            && let Some(subscribers) = self.by_file.get_mut(&file)
        {
            subscribers.retain(tell);
            if subscribers.is_empty() {
                self.by_file.remove(&file);
            }
        }
        told
    }

    /// Forgets those that have gone away.
    pub(super) fn sweep(&mut self) {
        self.all.retain(|subscriber| subscriber.is_there());
        self.by_file.retain(|_, subscribers| {
            subscribers.retain(|subscriber| subscriber.is_there());
            !subscribers.is_empty()
        });
    }
}

impl Subscriber {
    fn is_there(&self) -> bool {
        !self.queue.is_closed() && !self.left_behind.load(Ordering::Relaxed)
    }

    /// Whether it hears the next one as well. Who has missed one must not hear a later one.
    fn hear(&self, event: &Arc<Event>) -> bool {
        if !self.is_there() {
            return false;
        }
        let heard = self.queue.try_send(Arc::clone(event)).is_ok();
        if !heard {
            self.left_behind.store(true, Ordering::Relaxed);
        }
        heard
    }
}

impl Live {
    /// The next event; `None` once it was left behind, after the last one before the gap.
    pub(super) async fn next(&mut self) -> Option<Arc<Event>> {
        if let Ok(event) = self.queue.try_recv() {
            return Some(event);
        }
        // Who is left behind has a full queue, and so passes here after emptying it.
        let behind = self.subscriber.upgrade().is_none_or(|subscriber| subscriber.left_behind.load(Ordering::Relaxed));
        if behind { self.queue.try_recv().ok() } else { self.queue.recv().await }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use proto::Timestamp;
    use proto::directory::Change;
    use proto::ids::PeerId;

    use super::*;

    fn announced(seq: u64, content: &str) -> Arc<Event> {
        let change = Change::FileAnnounced { peer_id: PeerId::from_bytes([1; 20]), file_id: file(content) };
        Arc::new(Event { seq, at: Timestamp::UNIX_EPOCH, change })
    }

    fn file(content: &str) -> FileId {
        FileId::of(content.as_bytes())
    }

    fn heard(live: &mut Live) -> Vec<u64> {
        std::iter::from_fn(|| live.next().now_or_never().flatten()).map(|event| event.seq).collect()
    }

    #[test]
    fn a_popular_file_is_no_work_for_the_others() {
        let mut fanout = Fanout::default();
        let mut popular: Vec<Live> = (0..3).map(|_| fanout.subscribe(Some(&[file("popular")]))).collect();
        let mut others: Vec<Live> = (0..500).map(|n| fanout.subscribe(Some(&[file(&n.to_string())]))).collect();
        let mut everything = fanout.subscribe(None);
        for seq in 1..=100 {
            assert_eq!(fanout.deliver(&announced(seq, "popular")), 4);
        }
        assert!(popular.iter_mut().all(|live| heard(live).len() == 100));
        assert_eq!(heard(&mut everything), (1..=100).collect::<Vec<_>>());
        assert!(others.iter_mut().all(|live| heard(live).is_empty()));
        assert_eq!(fanout.deliver(&announced(101, "7")), 2);
        assert_eq!(heard(&mut others[7]), [101]);
    }

    #[test]
    fn one_that_is_slow_hears_nothing_after_a_gap() {
        let mut fanout = Fanout::default();
        let mut slow = fanout.subscribe(Some(&[file("a"), file("b")]));
        let last = QUEUE as u64;
        for seq in 1..=last + 1 {
            fanout.deliver(&announced(seq, "a"));
        }
        assert_eq!(slow.next().now_or_never().flatten().map(|event| event.seq), Some(1));
        // There is room again, but one is missing.
        assert_eq!(fanout.deliver(&announced(last + 2, "b")), 0);
        assert_eq!(heard(&mut slow), (2..=last).collect::<Vec<_>>());
        assert_eq!(slow.next().now_or_never(), Some(None), "it is told so, and does not wait for ever");
        assert!(fanout.is_empty());
    }

    #[test]
    fn who_has_gone_is_forgotten() {
        let mut fanout = Fanout::default();
        drop(fanout.subscribe(Some(&[file("a")])));
        drop(fanout.subscribe(None));
        assert!(!fanout.is_empty());
        fanout.sweep();
        assert!(fanout.is_empty());
    }
}
