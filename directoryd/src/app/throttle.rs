//! Slows guessing at passwords. Pure: time comes in as an argument.
//!
//! An attempt counts as a failure from the moment it is let in, which is when its password gets its turn, until it has
//! succeeded: many at once get no further than many in a row, and many who are right do not hinder each other. Failures are counted three times, and forgotten one by one as time goes on:
//!
//! - per account *and* address, strongly: this is where guessing happens;
//! - per account, mildly, and only for an address that has failed at it already: whoever guesses from elsewhere, from
//!   however many addresses, never keeps the owner from a first try;
//! - per address: trying one password on many accounts. An account that has logged in from there before keeps a first try,
//!   so that one guesser behind a shared address does not lock out his neighbours.
//!
//! Who has to wait is told for how long and is not looked at before: a right password opens nothing either. Unknown
//! accounts are counted like others. Everything is bounded and may be lost: a crash forgives.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use proto::ids::UserName;

/// How failures of one kind slow the next attempt.
struct Rule {
    /// Failures that cost nothing.
    free: u32,
    /// Longest wait; the first is a second, each further failure doubles it.
    most: Duration,
    /// One failure is forgotten per such a time.
    forget: Duration,
}

const PAIR: Rule = Rule { free: 5, most: Duration::from_mins(15), forget: Duration::from_mins(15) };
const ACCOUNT: Rule = Rule { free: 10, most: Duration::from_secs(10), forget: Duration::from_mins(1) };
const ADDRESS: Rule = Rule { free: 20, most: Duration::from_mins(1), forget: Duration::from_mins(1) };

/// Most entries of one kind: together about 20 MiB. Beyond it those that were touched longest ago go; to push an entry out
/// takes tens of thousands of attempts, each of which has to pass the other counts.
const MOST: usize = 1 << 16;

#[derive(Default)]
pub(crate) struct Throttle(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    pairs: HashMap<(UserName, IpAddr), Count>,
    accounts: HashMap<UserName, Count>,
    addresses: HashMap<IpAddr, Count>,
}

/// Failures, kept as the time at which the last of them will be forgotten.
#[derive(Debug, Clone, Copy)]
struct Count {
    forgotten: Instant,
    last: Instant,
    /// An attempt has succeeded before.
    proven: bool,
}

/// An attempt that was let in. Dropped as it is, it stays a failure.
#[must_use]
pub(crate) struct Attempt<'a> {
    throttle: &'a Throttle,
    user: UserName,
    address: IpAddr,
}

impl Throttle {
    /// How long an attempt would have to wait now.
    pub(crate) fn check(&self, user: &UserName, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let wait = self.lock().wait(user, network(address), now);
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Lets an attempt in, or says how long to wait.
    pub(crate) fn admit(&self, user: &UserName, address: IpAddr, now: Instant) -> Result<Attempt<'_>, Duration> {
        let address = network(address);
        let mut counts = self.lock();
        let wait = counts.wait(user, address, now);
        if !wait.is_zero() {
            return Err(wait);
        }
        counts.fail(user, address, now);
        Ok(Attempt { throttle: self, user: user.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The password was right: the account starts anew. The address does not, or one account of a guesser's own would free
    /// it for the others.
    pub(crate) fn succeeded(self, now: Instant) {
        let mut counts = self.throttle.lock();
        counts.accounts.remove(&self.user);
        take_back(&mut counts.addresses, &self.address, &ADDRESS);
        counts.pairs.insert((self.user, self.address), Count { forgotten: now, last: now, proven: true });
    }

    /// The password was not looked at: nothing is held against anybody.
    pub(crate) fn void(self) {
        let mut counts = self.throttle.lock();
        take_back(&mut counts.accounts, &self.user, &ACCOUNT);
        take_back(&mut counts.addresses, &self.address, &ADDRESS);
        take_back(&mut counts.pairs, &(self.user, self.address), &PAIR);
    }
}

impl Counts {
    fn wait(&self, user: &UserName, address: IpAddr, now: Instant) -> Duration {
        let pair = self.pairs.get(&(user.clone(), address));
        let first_try = pair.is_none_or(|pair| pair.failures(&PAIR, now) == 0);
        let mut wait = pair.map_or(Duration::ZERO, |pair| PAIR.wait(pair.failures(&PAIR, now), pair.last, now));
        if let (Some(pair), Some(account), false) = (pair, self.accounts.get(user), first_try) {
            // From this address' own last attempt on: others' attempts must not push it further away.
            wait = wait.max(ACCOUNT.wait(account.failures(&ACCOUNT, now), pair.last, now));
        }
        let known_here = first_try && pair.is_some_and(|pair| pair.proven);
        if let (Some(all), false) = (self.addresses.get(&address), known_here) {
            wait = wait.max(ADDRESS.wait(all.failures(&ADDRESS, now), all.last, now));
        }
        wait
    }

    fn fail(&mut self, user: &UserName, address: IpAddr, now: Instant) {
        fail(&mut self.pairs, (user.clone(), address), &PAIR, now);
        fail(&mut self.accounts, user.clone(), &ACCOUNT, now);
        fail(&mut self.addresses, address, &ADDRESS, now);
    }
}

impl Count {
    fn failures(&self, rule: &Rule, now: Instant) -> u32 {
        let left = self.forgotten.saturating_duration_since(now);
        u32::try_from(left.as_millis().div_ceil(rule.forget.as_millis())).unwrap_or(u32::MAX)
    }
}

impl Rule {
    /// How long after `last` the next attempt is let in.
    fn wait(&self, failures: u32, last: Instant, now: Instant) -> Duration {
        let Some(beyond) = failures.checked_sub(self.free) else { return Duration::ZERO };
        let seconds = 1_u64.checked_shl(beyond).unwrap_or(u64::MAX);
        let delay = Duration::from_secs(seconds).min(self.most);
        (last + delay).saturating_duration_since(now)
    }
}

fn fail<K: Eq + Hash>(counts: &mut HashMap<K, Count>, key: K, rule: &Rule, now: Instant) {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        make_room(counts, now);
    }
    let count = counts.entry(key).or_insert(Count { forgotten: now, last: now, proven: false });
    count.forgotten = count.forgotten.max(now) + rule.forget;
    count.last = now;
}

fn take_back<K: Eq + Hash>(counts: &mut HashMap<K, Count>, key: &K, rule: &Rule) {
    if let Some(count) = counts.get_mut(key) {
        count.forgotten = count.forgotten.checked_sub(rule.forget).unwrap_or(count.last);
    }
}

/// What tells nothing any more goes; if that is not enough, the quarter that was touched longest ago as well.
fn make_room<K: Eq + Hash>(counts: &mut HashMap<K, Count>, now: Instant) {
    counts.retain(|_, count| count.proven || now < count.forgotten);
    if counts.len() >= MOST {
        let mut ages: Vec<Instant> = counts.values().map(|count| count.last).collect();
        let (_, oldest_kept, _) = ages.select_nth_unstable(MOST / 4);
        let oldest_kept = *oldest_kept;
        counts.retain(|_, count| oldest_kept < count.last);
    }
}

/// What one owner has many of counts as one: of IPv6, the network (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn user(name: &str) -> UserName {
        name.parse().unwrap()
    }

    fn from(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    /// Attempts that are let in when somebody tries every `pause` for a `time`.
    fn guesses(throttle: &Throttle, name: &str, address: IpAddr, start: Instant, time: Duration) -> u32 {
        let (mut now, mut let_in) = (start, 0);
        while now < start + time {
            match throttle.admit(&user(name), address, now) {
                Ok(_failed) => let_in += 1,
                Err(wait) => now += wait,
            }
        }
        let_in
    }

    #[test]
    fn guessing_at_one_account_gets_slower_and_slower() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(guesses(&throttle, "ana", from(1), start, SECOND), 5);
        assert_eq!(throttle.admit(&user("ana"), from(1), start).err(), Some(SECOND));
        let hour = guesses(&throttle, "ana", from(1), start + SECOND, Duration::from_hours(1));
        assert!((8..=16).contains(&hour), "{hour}");
    }

    #[test]
    fn the_owner_gets_in_from_elsewhere_however_many_guess() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for guesser in 1..1000 {
            guesses(&throttle, "ana", from(guesser), start, SECOND);
        }
        assert!(throttle.admit(&user("ana"), from(0), start + SECOND).is_ok());
        // After a slip of the finger it takes seconds, not minutes.
        let wait = throttle.admit(&user("ana"), from(0), start + SECOND).err().unwrap();
        assert!((SECOND..=ACCOUNT.most).contains(&wait), "{wait:?}");
        assert!(throttle.admit(&user("ana"), from(0), start + SECOND + wait).is_ok());
    }

    #[test]
    fn a_success_forgives_the_account_and_not_the_address() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for round in 0..100 {
            let now = start + round * Duration::from_millis(1);
            // The guesser's own account, over and over.
            if let Ok(own) = throttle.admit(&user("eve"), from(1), now) {
                own.succeeded(now);
            }
            let _ = throttle.admit(&user(&format!("victim-{round}")), from(1), now);
        }
        let now = start + SECOND;
        assert!(throttle.admit(&user("somebody"), from(1), now).is_err(), "many accounts from one address");
        assert!(throttle.admit(&user("somebody"), from(2), now).is_ok());
        assert!(throttle.admit(&user("eve"), from(1), now).is_ok(), "who has logged in from there keeps a first try");
        assert!(throttle.admit(&user("eve"), from(1), now).is_err(), "and only that");
        for _ in 0..4 {
            let _ = throttle.admit(&user("bob"), from(3), now);
        }
        throttle.admit(&user("bob"), from(3), now).ok().unwrap().succeeded(now);
        assert_eq!(guesses(&throttle, "bob", from(3), now, SECOND), 5, "bob starts anew");
    }

    #[test]
    fn what_was_not_looked_at_does_not_count() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            throttle.admit(&user("ana"), from(1), start).ok().unwrap().void();
        }
        assert_eq!(guesses(&throttle, "ana", from(1), start, SECOND), 5);
    }

    #[test]
    fn an_ipv6_network_is_one_address_and_a_mapped_one_is_ipv4() {
        let parse = |text: &str| network(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff:0:0:1"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }

    #[test]
    fn memory_is_bounded_and_the_latest_stay() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for number in 0..200_000 {
            let now = start + number * Duration::from_micros(1);
            let _ = throttle.admit(&user(&format!("u{number}")), from(number), now);
        }
        let counts = throttle.lock();
        assert!(counts.pairs.len() <= MOST && counts.accounts.len() <= MOST && counts.addresses.len() <= MOST);
        assert!(counts.accounts.contains_key(&user("u199999")) && counts.accounts.len() > MOST / 2);
    }
}
