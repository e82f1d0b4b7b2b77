//! Which of a file's holders go into a sample. Pure: where on the ring it begins is an argument.
//!
//! The same rule as the database's (`db/queries/holders`): those that are up come first, and with partial holders at least
//! a quarter of what there is room for goes to complete ones while there are any, for without one a swarm may lack pieces.

use super::{Held, MOST_HOLDERS, Wish};

struct Picking<'a> {
    holders: &'a [Held],
    begin: usize,
    taken: [bool; MOST_HOLDERS],
    count: usize,
}

/// Those that are up, and those that are down. There are at most [`MOST_HOLDERS`].
pub(super) fn pick(holders: &[Held], is_up: impl Fn(Held) -> bool, wish: Wish, begin: usize) -> [Vec<Held>; 2] {
    let mut picking = Picking { holders, begin, taken: [false; MOST_HOLDERS], count: 0 };
    [true, false].map(|up| {
        let mut chosen = Vec::with_capacity(wish.limit.saturating_sub(picking.count).min(holders.len()));
        if wish.partial {
            let reserved = (picking.count + wish.limit.div_ceil(4)).min(wish.limit);
            picking.take(reserved, &mut chosen, |held| is_up(held) == up && held.complete());
        }
        picking.take(wish.limit, &mut chosen, |held| is_up(held) == up && (wish.partial || held.complete()));
        chosen
    })
}

impl Picking<'_> {
    /// Goes once around the ring, until there are `target` in all.
    fn take(&mut self, target: usize, chosen: &mut Vec<Held>, fits: impl Fn(Held) -> bool) {
        for place in (self.begin..self.holders.len()).chain(0..self.begin) {
            if self.count >= target {
                return;
            }
            let held = self.holders[place];
            if !self.taken[place] && fits(held) {
                self.taken[place] = true;
                self.count += 1;
                chosen.push(held);
            }
        }
    }
}
