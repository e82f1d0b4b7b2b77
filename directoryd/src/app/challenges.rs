//! Nonces that peers sign to register: each good for one user, once, for a minute. In memory: a restart makes a peer ask
//! for another. No user has more than an eighth of them, so that one does not keep the others from registering.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use proto::ids::{Challenge, UserName};

/// How long a peer has to use one.
pub(crate) const LIFE: Duration = Duration::from_mins(1);
/// Most that are out at once: about 10 MiB.
const MOST: usize = 1 << 16;
/// Of one user: enough for one whose eight thousand peers start within a minute.
const MOST_OF_ONE: usize = MOST / 8;

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This user has too many.
    OfOne,
    /// Too many are out.
    OfAll,
}

#[derive(Default)]
pub(crate) struct Challenges(Mutex<Open>);

#[derive(Default)]
struct Open {
    by_nonce: HashMap<Challenge, (UserName, Instant)>,
    /// Oldest first; used ones stay here until their time.
    by_age: VecDeque<(Instant, Challenge, UserName)>,
    /// How many of them each user has.
    issued_to: HashMap<UserName, usize>,
}

impl Challenges {
    /// A new one for `user`.
    pub(crate) fn issue(&self, user: UserName, now: Instant) -> Result<Challenge, Refusal> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.forget_ended(now);
        if open.issued_to.get(&user).is_some_and(|out| *out >= MOST_OF_ONE) {
            return Err(Refusal::OfOne);
        }
        if open.by_age.len() >= MOST {
            return Err(Refusal::OfAll);
        }
        let nonce = Challenge::from_bytes(rand::random());
        let ends = now + LIFE;
        *open.issued_to.entry(user.clone()).or_default() += 1;
        open.by_nonce.insert(nonce, (user.clone(), ends));
        open.by_age.push_back((ends, nonce, user));
        Ok(nonce)
    }

    /// Uses one up. Whether it was given to `user` and is still good.
    pub(crate) fn redeem(&self, nonce: &Challenge, user: &UserName, now: Instant) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.by_nonce.remove(nonce).is_some_and(|(owner, ends)| owner == *user && now < ends)
    }
}

impl Open {
    fn forget_ended(&mut self, now: Instant) {
        while let Some((_, nonce, user)) = self.by_age.pop_front_if(|(ends, ..)| *ends <= now) {
            self.by_nonce.remove(&nonce);
            if let Entry::Occupied(mut out) = self.issued_to.entry(user) {
                *out.get_mut() -= 1;
                if *out.get() == 0 {
                    out.remove();
                }
            }
        }
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
    fn nobody_takes_them_all_and_time_makes_room() {
        let (challenges, start) = (Challenges::default(), Instant::now());
        let user = |number: usize| -> UserName { format!("u{number}").parse().unwrap() };
        for number in 0..MOST {
            challenges.issue(user(number / MOST_OF_ONE), start).unwrap();
            if number == MOST_OF_ONE {
                assert_eq!(challenges.issue(user(0), start), Err(Refusal::OfOne));
            }
        }
        assert_eq!(challenges.issue(user(MOST), start), Err(Refusal::OfAll));
        assert!(challenges.issue(user(0), start + LIFE).is_ok());
        let open = challenges.0.lock().unwrap();
        assert_eq!((open.by_age.len(), open.by_nonce.len(), open.issued_to.len()), (1, 1, 1));
    }
}
