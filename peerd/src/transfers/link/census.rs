//! What the fetches of a download are waiting for: counted as they go from one wait to the next, looked at now and then.
//! Looking costs the data plane two additions per wait, and shows what timing each wait would: where the time goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a fetch is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It was asked for, and the holder has not begun.
    Turn,
    /// It comes.
    Wire,
    /// The rate of that holder.
    PeerRate,
    /// The rate of this transfer.
    TransferRate,
    /// The rate of all transfers.
    AllRates,
    /// It is being hashed and written.
    Disk,
}

impl Wait {
    const COUNT: usize = 6;
}

/// How many fetches are at what. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Census(Arc<[AtomicU32; Wait::COUNT]>);

/// The fetches at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count([u32; Wait::COUNT]);

/// One fetch, until it is dropped.
#[derive(Debug)]
pub struct Fetch {
    census: Census,
    at: Wait,
}

impl Census {
    /// A fetch begins.
    pub fn fetch(&self) -> Fetch {
        self.0[Wait::Turn as usize].fetch_add(1, Ordering::Relaxed);
        Fetch { census: self.clone(), at: Wait::Turn }
    }

    /// How it stands.
    pub fn count(&self) -> Count {
        Count(std::array::from_fn(|at| self.0[at].load(Ordering::Relaxed)))
    }
}

impl Count {
    /// How many are at that.
    pub const fn of(&self, wait: Wait) -> u32 {
        self.0[wait as usize]
    }
}

impl Fetch {
    /// It goes on to something else.
    pub fn goes_to(&mut self, wait: Wait) {
        self.census.0[wait as usize].fetch_add(1, Ordering::Relaxed);
        self.census.0[self.at as usize].fetch_sub(1, Ordering::Relaxed);
        self.at = wait;
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.census.0[self.at as usize].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fetch_is_at_one_thing() {
        let census = Census::default();
        let (mut first, second) = (census.fetch(), census.fetch());
        first.goes_to(Wait::Wire);
        first.goes_to(Wait::Disk);
        assert_eq!([Wait::Turn, Wait::Wire, Wait::Disk].map(|wait| census.count().of(wait)), [1, 0, 1]);
        drop((first, second));
        assert_eq!(census.count().0, [0; Wait::COUNT]);
    }
}
