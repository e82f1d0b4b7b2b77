//! Nonces that peers sign to register: each good for one user, once, for a minute. In memory: a restart makes a peer ask
//! for another.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::ids::{Challenge, UserName};

/// How long a peer has to use one.
pub(crate) const LIFE: Duration = Duration::from_mins(1);
/// Most that are out at once: about 10 MiB.
const MOST: usize = 1 << 16;

#[derive(Default)]
pub(crate) struct Challenges(Mutex<Open>);

#[derive(Default)]
struct Open {
    by_nonce: HashMap<Challenge, (UserName, Instant)>,
    /// Oldest first; used ones stay here until their time.
    by_age: VecDeque<(Instant, Challenge)>,
}

impl Challenges {
    /// A new one for `user`; `None` where too many are out.
    pub(crate) fn issue(&self, user: UserName, now: Instant) -> Option<Challenge> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, nonce)) = open.by_age.front().copied().filter(|(ends, _)| *ends <= now) {
            open.by_age.pop_front();
            open.by_nonce.remove(&nonce);
        }
        if open.by_age.len() >= MOST {
            return None;
        }
        let nonce = Challenge::from_bytes(rand::random());
        let ends = now + LIFE;
        open.by_nonce.insert(nonce, (user, ends));
        open.by_age.push_back((ends, nonce));
        Some(nonce)
    }

    /// Uses one up. Whether it was given to `user` and is still good.
    pub(crate) fn redeem(&self, nonce: &Challenge, user: &UserName, now: Instant) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.by_nonce.remove(nonce).is_some_and(|(owner, ends)| owner == *user && now < ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_once_for_one_user_and_a_minute() {
        let (challenges, start) = (Challenges::default(), Instant::now());
        let (ana, bob): (UserName, UserName) = ("ana".parse().unwrap(), "bob".parse().unwrap());
        let issue = || challenges.issue(ana.clone(), start).unwrap();
        let nonce = issue();
        assert!(challenges.redeem(&nonce, &ana, start));
        assert!(!challenges.redeem(&nonce, &ana, start), "used");
        assert!(!challenges.redeem(&issue(), &bob, start), "another's");
        assert!(!challenges.redeem(&issue(), &ana, start + LIFE), "late");
    }

    #[test]
    fn there_is_a_bound_and_time_makes_room() {
        let (challenges, start) = (Challenges::default(), Instant::now());
        let ana: UserName = "ana".parse().unwrap();
        for _ in 0..MOST {
            challenges.issue(ana.clone(), start).unwrap();
        }
        assert!(challenges.issue(ana.clone(), start).is_none());
        assert!(challenges.issue(ana, start + LIFE).is_some());
    }
}
