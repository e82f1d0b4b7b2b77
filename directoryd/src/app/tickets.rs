//! Tickets: who gets one when, and what they are signed with.
//!
//! Times are those of a [`Clock`] of its own, which starts with the wall clock and then runs with the monotonic one: peers
//! judge tickets by the time that heartbeats bring them, so that moving a wall clock, here or there, ends no ticket.
//!
//! Memory holds a copy of the keys, which [`Tickets::adopt`] keeps up to date, and when each peer last got a ticket. A crash
//! loses the latter: then every peer gets a new ticket with its next heartbeat.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use monitor::figure::{self, LATENCIES};
use monitor::{Counter, Histogram, Page};
use proto::Timestamp;
use proto::directory::{DirectoryKey, DirectoryKeys, Ticket};
use proto::ids::{PeerId, UserName};
use proto::secret::Secret;
use proto::ticket::{Claims, KeyId};

use super::now;
use crate::db::SigningKey;

/// Remembered peers at which those whose ticket has ended are looked for and forgotten.
const TIDY_FROM: usize = 1 << 10;

/// Figures of the signing.
pub(crate) struct Signing {
    time: Histogram,
    failures: Counter,
}

impl Signing {
    fn new() -> Self {
        let help = "Time that signing one ticket took.";
        Self {
            time: figure::histogram("directoryd_ticket_signing_duration_seconds", help, LATENCIES),
            failures: figure::counter("directoryd_ticket_failures_total", "Tickets that could not be signed."),
        }
    }

    pub(crate) fn show(&self, page: &Page) {
        page.show(self.time.clone());
        page.show(self.failures.clone());
    }
}

pub(crate) struct Tickets {
    audience: String,
    life: Duration,
    clock: Clock,
    keys: RwLock<Arc<Keys>>,
    issued: Mutex<Issued>,
    signing: Signing,
}

impl Tickets {
    /// What the tickets are for: the name of this directory among all.
    pub(crate) fn audience(&self) -> &str {
        &self.audience
    }

    pub(crate) fn new(audience: String, keys: Vec<SigningKey>, life: Duration) -> Self {
        let tickets = Self {
            audience,
            life,
            clock: Clock::start(),
            keys: RwLock::new(Arc::new(Keys(Vec::new()))),
            issued: Mutex::default(),
            signing: Signing::new(),
        };
        tickets.adopt(keys);
        tickets
    }

    /// What is counted of the signing.
    pub(crate) fn signing(&self) -> &Signing {
        &self.signing
    }

    /// The time that tickets go by.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A ticket for a peer, in any case.
    pub(crate) fn issue(&self, peer: PeerId, user: UserName) -> Option<Ticket> {
        let (keys, now) = (self.keys(), self.now());
        let key = keys.signing(now)?;
        // A ticket never outlives its key.
        let exp = key.ends_at.map_or(now + self.life, |end| end.min(now + self.life));
        let claims = Claims { aud: self.audience.clone(), sub: peer, user, iat: now, exp };
        let begun = Instant::now();
        match key.signer.sign(&claims) {
            Ok(token) => {
                self.signing.time.observe(figure::seconds(begun.elapsed()));
                self.issued().note(peer, Last { at: now, exp, key: key.id.clone() });
                Some(Ticket { token: Secret::new(token), expires_at: exp })
            }
            Err(error) => {
                self.signing.failures.inc();
                tracing::error!(%peer, %error, "cannot sign a ticket");
                None
            }
        }
    }

    /// A ticket for a peer whose last one is half over, or was signed with a key that no longer signs.
    pub(crate) fn renew(&self, peer: PeerId, user: UserName) -> Option<Ticket> {
        let (keys, now) = (self.keys(), self.now());
        let fresh = |last: &Last| last.is_fresh(now) && keys.signing(now).is_some_and(|key| key.id == last.key);
        if self.issued().by_peer.get(&peer).is_some_and(fresh) {
            return None;
        }
        self.issue(peer, user)
    }

    /// The peer logged out, or is no longer there.
    pub(crate) fn forget(&self, peer: &PeerId) {
        self.issued().by_peer.remove(peer);
    }

    /// What tickets are checked with.
    pub(crate) fn published(&self) -> DirectoryKeys {
        let keys = self.keys();
        let shown = |key: &SigningKey| DirectoryKey {
            key_id: key.id.clone(),
            key: key.signer.public_key(),
            created_at: key.created_at,
        };
        DirectoryKeys { audience: self.audience.clone(), keys: keys.live(self.now()).map(shown).collect() }
    }

    pub(crate) fn key_ids(&self) -> Vec<KeyId> {
        self.keys().live(self.now()).map(|key| key.id.clone()).collect()
    }

    /// Takes over the keys as the database has them, newest first. Answers those that have ended.
    pub(crate) fn adopt(&self, mut stored: Vec<SigningKey>) -> Vec<KeyId> {
        let known = self.keys();
        if !known.0.iter().map(|key| &key.id).eq(stored.iter().map(|key| &key.id)) {
            // The database has times of a wall clock; they are translated once, so that a later jump moves nothing.
            let ahead = self.now().duration_since(now());
            for key in &mut stored {
                key.signs_from += ahead;
                key.ends_at = key.ends_at.map(|end| end + ahead);
            }
            if !known.0.is_empty() {
                let ids: Vec<&str> = stored.iter().map(|key| key.id.as_str()).collect();
                tracing::info!(?ids, "the signing keys have changed; peers hear of it with their next heartbeat");
            }
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys(stored));
        }
        self.keys().ended(self.now())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn issued(&self) -> MutexGuard<'_, Issued> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads like the wall clock did when it was started, and is not moved when that one is.
struct Clock {
    wall: Timestamp,
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { wall: now(), start: Instant::now() }
    }

    /// In whole milliseconds.
    fn now(&self) -> Timestamp {
        let milliseconds = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.wall + Duration::from_millis(milliseconds)
    }
}

/// The newest first.
struct Keys(Vec<SigningKey>);

impl Keys {
    fn live(&self, now: Timestamp) -> impl DoubleEndedIterator<Item = &SigningKey> {
        self.0.iter().filter(move |key| key.ends_at.is_none_or(|end| now < end))
    }

    fn ended(&self, now: Timestamp) -> Vec<KeyId> {
        self.0.iter().filter(|key| key.ends_at.is_some_and(|end| end <= now)).map(|key| key.id.clone()).collect()
    }

    /// The newest that peers have had time to learn; where there is none, the one that they know best.
    fn signing(&self, now: Timestamp) -> Option<&SigningKey> {
        self.live(now).find(|key| key.signs_from <= now).or_else(|| self.live(now).next_back())
    }
}

/// The last ticket of a peer.
struct Last {
    at: Timestamp,
    exp: Timestamp,
    key: KeyId,
}

impl Last {
    /// Whether less than half of it is over.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.duration_since(self.at) * 2 < self.exp.duration_since(self.at)
    }
}

#[derive(Default)]
struct Issued {
    by_peer: HashMap<PeerId, Last>,
    /// Entries that may be there before the next tidying.
    room: usize,
}

impl Issued {
    /// Ended ones go whenever the memory has doubled since they last went: it stays within twice what is needed.
    fn note(&mut self, peer: PeerId, last: Last) {
        if self.by_peer.len() >= self.room.max(TIDY_FROM) {
            self.by_peer.retain(|_, known| last.at < known.exp);
            self.room = self.by_peer.len() * 2;
        }
        self.by_peer.insert(peer, last);
    }
}

#[cfg(test)]
mod tests {
    use proto::ticket::{Signer, Verifier};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn key(signs_from: i64, ends_at: Option<i64>) -> SigningKey {
        let signer = Arc::new(Signer::generate().unwrap().0);
        let id = KeyId::of(&signer.public_key());
        SigningKey { id, signer, created_at: at(0), signs_from: at(signs_from), ends_at: ends_at.map(at) }
    }

    #[test]
    fn a_new_key_signs_when_it_is_known_and_the_old_one_stays_a_while() {
        let keys = Keys(vec![key(100, None), key(0, Some(700))]);
        let (new, old) = (&keys.0[0].id, &keys.0[1].id);
        for (second, signing, live) in [(50, old, 2), (99, old, 2), (100, new, 2), (699, new, 2), (700, new, 1)] {
            assert_eq!(&keys.signing(at(second)).unwrap().id, signing, "{second}");
            assert_eq!(keys.live(at(second)).count(), live, "{second}");
        }
        assert_eq!(keys.ended(at(700)).first(), Some(old));
        // A lone key signs, whatever the clock says.
        let lone = Keys(vec![key(100, None)]);
        assert!(lone.signing(at(0)).is_some());
    }

    #[test]
    fn a_ticket_is_renewed_at_half_of_its_life() {
        let last = Last { at: at(1000), exp: at(1600), key: key(0, None).id };
        for (second, fresh) in [(1000, true), (1299, true), (1300, false), (5000, false)] {
            assert_eq!(last.is_fresh(at(second)), fresh, "{second}");
        }
    }

    #[test]
    fn tickets_are_for_their_peer_and_not_on_every_beat() {
        let keys = vec![key(0, None)];
        let tickets = Tickets::new("here".into(), keys.clone(), Duration::from_mins(10));
        let (peer, user): (PeerId, UserName) = (PeerId::from_bytes([1; 20]), "ana".parse().unwrap());
        let ticket = tickets.renew(peer, user.clone()).unwrap();
        let verifier = Verifier::new("here".into(), [keys[0].signer.public_key()]);
        let claims = verifier.check(ticket.token.expose(), &peer).unwrap();
        assert_eq!((claims.exp, claims.user.clone()), (ticket.expires_at, user.clone()));
        assert_eq!(claims.exp.duration_since(claims.iat), jiff::SignedDuration::from_mins(10));
        assert!(tickets.renew(peer, user.clone()).is_none());
        assert!(tickets.issue(peer, user.clone()).is_some());
        // Another key signs: the old ticket is as good as over.
        tickets.adopt(vec![key(0, None)]);
        assert!(tickets.renew(peer, user.clone()).is_some());
        tickets.forget(&peer);
        assert!(tickets.renew(peer, user).is_some());
    }

    #[test]
    fn a_ticket_does_not_outlive_its_key() {
        let end = now().as_second() + 60;
        let tickets = Tickets::new("here".into(), vec![key(0, Some(end))], Duration::from_mins(10));
        let ticket = tickets.issue(PeerId::from_bytes([1; 20]), "ana".parse().unwrap()).unwrap();
        assert!(ticket.expires_at <= at(end + 1), "{}", ticket.expires_at);
    }

    #[test]
    fn peers_whose_ticket_ended_are_forgotten() {
        let mut issued = Issued::default();
        for number in 0..100_000_u32 {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let second = i64::from(number);
            let last = Last { at: at(second), exp: at(second + 10), key: key_id() };
            issued.note(PeerId::from_bytes(id), last);
        }
        assert!(issued.by_peer.len() <= TIDY_FROM, "{}", issued.by_peer.len());
    }

    fn key_id() -> KeyId {
        KeyId::of(&proto::ids::PublicKey::from_bytes([0; 32]))
    }
}
