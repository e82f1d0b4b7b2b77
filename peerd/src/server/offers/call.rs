//! One call in which a neighbour asks for pieces: one end hears what it asks for, the other sends what its turn is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proto::ids::PeerId;
use swarm::{PeerKey, Piece};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tonic::Status;

use super::{Offer, Refused};

/// Asks and withdrawals of one call that are not over yet, at most. More than a window of requests has; whoever says more
/// and reads no answer is not heard meanwhile.
const UNANSWERED: usize = 1024;
/// Verdicts that wait to be heard, at most: for each of those that it is granted and a last word, and that all is over.
const VERDICTS: usize = 2 * UNANSWERED + 1;

/// A piece that was asked for, and whose turn has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    pub(super) key: PeerKey,
    /// Which.
    pub piece: Piece,
    pub(super) number: u64,
}

/// What becomes of what was asked for.
#[derive(Debug)]
pub enum Verdict {
    /// It is to be sent.
    Granted(Ask),
    /// It is not.
    Refused(Piece, Refused),
    /// The neighbour has taken it back.
    Withdrawn(Piece),
    /// Nothing more is heard or sent.
    Over(Status),
}

/// The end that hears what is asked for.
pub struct Caller {
    offer: Arc<Offer>,
    peer: PeerId,
    call: u64,
    tell: mpsc::Sender<Told>,
    room: Arc<Semaphore>,
}

/// The end that sends. Dropping it takes back all that was asked for.
pub struct Call {
    offer: Arc<Offer>,
    peer: PeerId,
    number: u64,
    verdicts: mpsc::Receiver<Told>,
}

/// Who asked for one piece, and hears what becomes of it.
pub(super) struct Asker {
    call: u64,
    tell: mpsc::Sender<Told>,
    room: Option<OwnedSemaphorePermit>,
}

/// A verdict, and the room that its ask took until then if that is over.
type Told = (Verdict, Option<OwnedSemaphorePermit>);

/// A call of that peer for pieces of that file; nothing if it has enough of them.
pub fn begin(offer: &Arc<Offer>, peer: PeerId) -> Option<(Caller, Call)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if !offer.take_call(peer) {
        return None;
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let (tell, verdicts) = mpsc::channel(VERDICTS);
    let room = Arc::new(Semaphore::new(UNANSWERED));
    let caller = Caller { offer: Arc::clone(offer), peer, call: number, tell, room };
    Some((caller, Call { offer: Arc::clone(offer), peer, number, verdicts }))
}

impl Caller {
    /// What is asked for pieces of.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// It asks for a piece.
    pub async fn asks(&self, piece: Piece) {
        let asker = self.asker().await;
        self.offer.ask(self.peer, piece, asker);
    }

    /// It takes one back.
    pub async fn withdraws(&self, piece: Piece) {
        let asker = self.asker().await;
        self.offer.withdraw(self.peer, piece, asker);
    }

    /// It is not heard any more.
    pub fn is_cut_off(self, why: Status) {
        // If nobody sends any more, it is over already.
        let _ = self.tell.try_send((Verdict::Over(why), None));
    }

    async fn asker(&self) -> Asker {
        // The semaphore is never closed; if it were, nothing would be bounded, and nothing else be wrong.
        let room = Arc::clone(&self.room).acquire_owned().await.ok();
        Asker { call: self.call, tell: self.tell.clone(), room }
    }
}

impl Call {
    /// What is asked for pieces of.
    pub fn offer(&self) -> &Arc<Offer> {
        &self.offer
    }

    /// What was decided next; nothing when all is answered and nobody can ask any more.
    pub async fn next(&mut self) -> Option<Verdict> {
        self.verdicts.recv().await.map(|(verdict, _)| verdict)
    }

    /// The same, if it was decided already.
    pub fn next_at_once(&mut self) -> Option<Verdict> {
        self.verdicts.try_recv().ok().map(|(verdict, _)| verdict)
    }

    /// Bytes to send in the next part of it; nothing if it is not wanted any more.
    pub fn part_size_of(&self, ask: Ask) -> Option<usize> {
        self.offer.part_size_of(ask)
    }

    /// All of it is on its way, or it will not be sent.
    pub fn ended(&self, ask: Ask, sent: bool) {
        self.offer.ended(ask, sent);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // First, so that whatever is asked for from now on is not taken in.
        self.verdicts.close();
        self.offer.hang_up(self.peer, self.number);
    }
}

impl Asker {
    /// The number of the call.
    pub(super) const fn call(&self) -> u64 {
        self.call
    }

    /// Nobody hears what becomes of it.
    pub(super) fn has_gone(&self) -> bool {
        self.tell.is_closed()
    }

    /// Its turn has come; it is not over yet.
    pub(super) fn granted(&self, ask: Ask) {
        // There is room; whoever has hung up has no use for it.
        let _ = self.tell.try_send((Verdict::Granted(ask), None));
    }

    /// It is over.
    pub(super) fn last_word(self, verdict: Verdict) {
        let _ = self.tell.try_send((verdict, self.room));
    }
}

#[cfg(test)]
mod tests {
    use proto::ids::ByteCount;
    use proto::manifest::Builder;
    use swarm::Bitfield;
    use swarm::serve::Role;

    use super::super::{Neighbour, Source};
    use super::*;

    const PIECES: u32 = 40;

    fn offer() -> (Arc<Offer>, Neighbour, PeerId) {
        let size = PIECES << 14;
        let mut manifest = Builder::new(ByteCount::new(u64::from(size))).unwrap();
        manifest.update(&vec![7; size as usize]);
        let (source, have) = (Source::Share("/nowhere".into()), Bitfield::full(PIECES));
        let offer = Offer::new(Arc::new(manifest.finish().unwrap()), source, have, Role::OneOfMany);
        let peer = PeerId::from_bytes([1; PeerId::LEN]);
        let neighbour = offer.join(peer, Bitfield::new(PIECES)).unwrap();
        (offer, neighbour, peer)
    }

    /// Asks for everything; what is granted at once.
    async fn granted(caller: &Caller, call: &mut Call) -> Vec<Ask> {
        for piece in 0..PIECES {
            caller.asks(Piece(piece)).await;
        }
        let granted = std::iter::from_fn(|| call.next_at_once()).filter_map(|verdict| match verdict {
            Verdict::Granted(ask) => Some(ask),
            _ => None,
        });
        granted.collect()
    }

    #[tokio::test]
    async fn a_call_that_ends_takes_back_all_that_was_asked_for() {
        let (offer, _neighbour, peer) = offer();
        let mut first = 0;
        for round in 0..3 {
            let (caller, mut call) = begin(&offer, peer).unwrap();
            let granted = granted(&caller, &mut call).await;
            assert!(!granted.is_empty(), "{round}");
            assert!(granted.iter().all(|ask| call.part_size_of(*ask).is_some()));
            first = if round == 0 { granted.len() } else { first };
            assert_eq!(granted.len(), first, "as many as before: {round}");
            drop(call);
            assert!(granted.iter().all(|ask| offer.part_size_of(*ask).is_none()));
            // Who hears a moment longer can ask for nothing any more.
            caller.asks(Piece(0)).await;
        }
    }

    #[tokio::test]
    async fn what_is_granted_can_be_taken_back_and_makes_room() {
        let (offer, _neighbour, peer) = offer();
        let (caller, mut call) = begin(&offer, peer).unwrap();
        let granted = granted(&caller, &mut call).await;
        caller.withdraws(granted[0].piece).await;
        assert!(call.part_size_of(granted[0]).is_none());
        let (mut withdrawn, mut next) = (Vec::new(), Vec::new());
        while let Some(verdict) = call.next_at_once() {
            match verdict {
                Verdict::Withdrawn(piece) => withdrawn.push(piece),
                Verdict::Granted(ask) => next.push(ask.piece),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((withdrawn, next.len()), (vec![granted[0].piece], 1));
        // Ended after all, by whoever had begun with it: that counts for nothing now.
        call.ended(granted[0], true);
        assert!(call.next_at_once().is_none());
    }

    #[tokio::test]
    async fn all_is_answered_when_nobody_can_ask_any_more() {
        let (offer, neighbour, peer) = offer();
        let (caller, mut call) = begin(&offer, peer).unwrap();
        let granted = granted(&caller, &mut call).await;
        drop(caller);
        // Its neighbour has left: what was granted is over too.
        drop(neighbour);
        let mut refused = 0;
        while let Some(verdict) = call.next().await {
            assert!(matches!(verdict, Verdict::Refused(_, Refused::Busy)), "{verdict:?}");
            refused += 1;
        }
        assert_eq!(refused, PIECES);
        assert!(call.part_size_of(granted[0]).is_none());
    }

    #[tokio::test]
    async fn one_peer_has_so_many_calls_and_others_have_theirs() {
        let (offer, _neighbour, peer) = offer();
        let mut calls: Vec<_> = std::iter::from_fn(|| begin(&offer, peer)).take(100).collect();
        assert_eq!(calls.len(), 8);
        assert!(begin(&offer, PeerId::from_bytes([2; PeerId::LEN])).is_some());
        calls.pop();
        assert!(begin(&offer, peer).is_some());
    }

    #[tokio::test]
    async fn what_is_asked_for_over_and_over_is_answered_each_time_and_bounded() {
        let (offer, _neighbour, peer) = offer();
        let (caller, mut call) = begin(&offer, peer).unwrap();
        let mut asked = 0;
        while let Ok(()) = tokio::time::timeout(std::time::Duration::from_millis(100), caller.asks(Piece(0))).await {
            asked += 1;
        }
        assert!((UNANSWERED..=UNANSWERED + 1).contains(&asked), "{asked}");
        let (mut granted, mut refused) = (0, 0);
        while let Some(verdict) = call.next_at_once() {
            match verdict {
                Verdict::Granted(_) => granted += 1,
                Verdict::Refused(Piece(0), Refused::Busy) => refused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((granted, refused), (asked, asked - 1), "the last is under way");
    }
}
