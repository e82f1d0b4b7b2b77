//! Who is connected, up to the cap, and who gives way beyond it.
//!
//! A cap that makes newcomers wait hands the server to whoever fills it with silence; one that turns them away does too,
//! only faster. So the connection that is of least use goes: as nginx does with its reusable connections.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::activity::Activity;

#[derive(Debug)]
pub(super) struct Register {
    cap: usize,
    seats: Mutex<Seats>,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: HashMap<u64, Arc<Activity>>,
}

impl Register {
    pub(super) fn new(cap: usize) -> Self {
        Self { cap, seats: Mutex::default() }
    }

    /// A seat for a new connection, which `cut` ends; `None` when all are taken by busy ones.
    pub(super) fn admit(self: &Arc<Self>, cut: CancellationToken) -> Option<Seat> {
        let mut seats = self.lock();
        if seats.taken.len() >= self.cap && !seats.give_way() {
            return None;
        }
        let number = seats.next;
        seats.next += 1;
        let activity = Activity::new(cut);
        seats.taken.insert(number, Arc::clone(&activity));
        Some(Seat { number, activity, register: Arc::clone(self) })
    }

    /// Cuts the connection that is of least use, if any is without a request.
    pub(super) fn give_way(&self) -> bool {
        self.lock().give_way()
    }

    /// Connections at this moment.
    pub(super) fn len(&self) -> usize {
        self.lock().taken.len()
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        // The map is whole between any two statements, so a panic elsewhere does not spoil it.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    /// Looks at every seat, but only when none is free. Its seat is free at once, though the cut task still has to end.
    fn give_way(&mut self) -> bool {
        loop {
            let ranked = self.taken.iter().filter_map(|(number, activity)| Some((activity.rank()?, *number)));
            let Some((_, number)) = ranked.min() else { return false };
            // It may have become busy since it was ranked: then look again.
            if self.taken.get(&number).is_some_and(|activity| activity.retire()) {
                self.taken.remove(&number);
                return true;
            }
        }
    }
}

/// The place of one connection; dropping it frees the place.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    activity: Arc<Activity>,
    register: Arc<Register>,
}

impl Seat {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.register.lock().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn full(cap: usize) -> (Arc<Register>, Vec<Seat>) {
        let register = Arc::new(Register::new(cap));
        let seats = (0..cap).map(|_| register.admit(CancellationToken::new()).unwrap()).collect();
        (register, seats)
    }

    fn is_cut(seat: &Seat) -> bool {
        seat.activity().cut().is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn who_never_asked_gives_way_before_who_is_longest_idle() {
        let (register, seats) = full(3);
        drop(seats[0].activity().begin());
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(seats[1].activity().begin());
        assert!(seats[1].activity().rank().is_none(), "its answer may still be on its way");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let order = [2, 0, 1];
        let mut newcomers = Vec::new();
        for (turn, given) in order.iter().enumerate() {
            let newcomer = register.admit(CancellationToken::new()).unwrap();
            let busy = newcomer.activity().begin();
            assert!(is_cut(&seats[*given]), "turn {turn}");
            assert_eq!(order[turn + 1..].iter().filter(|later| is_cut(&seats[**later])).count(), 0, "turn {turn}");
            newcomers.push((busy, newcomer));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_busy_keep_their_seats_and_the_newcomer_goes() {
        let (register, seats) = full(2);
        let open: Vec<_> = seats.iter().map(|seat| seat.activity().begin().unwrap()).collect();
        assert!(register.admit(CancellationToken::new()).is_none());
        assert!(!register.give_way());
        drop(open);
        assert!(!register.give_way());
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(register.admit(CancellationToken::new()).is_some());
        assert_eq!(seats.iter().filter(|seat| is_cut(seat)).count(), 1);
    }

    #[test]
    fn a_seat_is_free_again_when_its_connection_ends() {
        let (register, mut seats) = full(2);
        seats.pop();
        assert_eq!(register.len(), 1);
        let _newcomer = register.admit(CancellationToken::new()).unwrap();
        assert!(!is_cut(&seats[0]));
    }
}
