//! What the digests of the peers' shares are, so that a heartbeat need not ask the database whether both sides agree.
//!
//! The database has the truth: it changes a digest in the transaction that changes the shares. Memory has what was read there
//! since the last change; an answer that was asked for before a change, and comes after it, is not kept. A crash loses
//! nothing that the next heartbeat does not read again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proto::directory::SharesDigest;
use proto::ids::PeerId;

/// Most digests that are kept: about 20 MiB.
const MOST: usize = 1 << 18;
/// Counters of changes: peers share one by chance, which costs a question now and then.
const COUNTERS: usize = 1 << 12;

pub(crate) struct Digests(Mutex<Known>);

struct Known {
    digests: HashMap<PeerId, SharesDigest>,
    changes: Vec<u64>,
}

/// When a question was put.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u64);

impl Digests {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Known { digests: HashMap::new(), changes: vec![0; COUNTERS] }))
    }

    /// The digest, or when it was found missing.
    pub(crate) fn get(&self, peer: &PeerId) -> Result<SharesDigest, Asked> {
        let known = self.known();
        known.digests.get(peer).copied().ok_or_else(|| Asked(known.changes[counter(peer)]))
    }

    /// Keeps what the database said, unless something has changed since it was asked.
    pub(crate) fn put(&self, peer: PeerId, digest: SharesDigest, asked: Asked) {
        let mut known = self.known();
        if known.changes[counter(&peer)] != asked.0 {
            return;
        }
        if known.digests.len() >= MOST {
            known.digests.clear();
        }
        known.digests.insert(peer, digest);
    }

    /// A change of this peer's shares was committed, or may have been.
    pub(crate) fn changed(&self, peer: &PeerId) {
        let mut known = self.known();
        known.changes[counter(peer)] += 1;
        known.digests.remove(peer);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn counter(peer: &PeerId) -> usize {
    let [first, second, ..] = *peer.as_bytes();
    usize::from(u16::from_be_bytes([first, second])) % COUNTERS
}

#[cfg(test)]
mod tests {
    use proto::directory::HoldingState;
    use proto::ids::FileId;

    use super::*;

    #[test]
    fn an_answer_from_before_a_change_is_not_kept() {
        let (digests, peer) = (Digests::new(), PeerId::from_bytes([1; 20]));
        let one = SharesDigest::of(&FileId::of(b"x"), &"a".parse().unwrap(), HoldingState::Complete);
        let Err(asked) = digests.get(&peer) else { panic!("nobody said it") };
        digests.changed(&peer);
        digests.put(peer, SharesDigest::EMPTY, asked);
        let Err(asked) = digests.get(&peer) else { panic!("it was out of date") };
        digests.put(peer, one, asked);
        assert!(digests.get(&peer).is_ok_and(|digest| digest == one));
        digests.changed(&peer);
        assert!(digests.get(&peer).is_err());
    }
}
