//! What must be true of a simulation at any time, whatever happened in it.

use std::time::Duration;

use super::Simulation;

/// Something that must be true is not: a bug, and how to see it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an invariant of the simulator does not hold after {at:?} of virtual time: {what}; seed {seed}")]
pub struct Broken {
    /// What does not hold.
    pub what: String,
    /// When, in virtual time.
    pub at: Duration,
    /// The scenario's seed.
    pub seed: u64,
}

impl Simulation {
    /// Counts again what is kept as sums, and looks for what nobody can have. Takes about as long as one event for each
    /// machine.
    pub fn audit(&self) -> Result<(), Broken> {
        self.first_fault().map_or(Ok(()), |what| Err(Broken { what, at: self.elapsed(), seed: self.scenario.seed }))
    }

    fn first_fault(&self) -> Option<String> {
        let fetching = || self.machines.iter().filter_map(|machine| machine.fetch.as_ref());
        let mut copies = vec![0_u32; self.copies.len()];
        fetching().flat_map(|core| core.stored().iter()).for_each(|piece| copies[piece.index()] += 1);
        if let Some(piece) = (0..copies.len()).find(|&piece| copies[piece] != self.copies[piece]) {
            return Some(format!("piece {piece} has {} holders and {} are counted", copies[piece], self.copies[piece]));
        }
        let full = fetching().filter(|core| core.stored().is_full()).count();
        if full != self.completions.len() {
            return Some(format!("{full} have everything and {} are counted", self.completions.len()));
        }
        let settled = self.completions.len() + self.unfinished as usize + self.gave_up as usize;
        if settled != self.scenario.peers as usize {
            return Some(format!("{} were to fetch and {settled} are accounted for", self.scenario.peers));
        }
        let behind = fetching().find(|core| core.progress().stored_bytes > self.scenario.size);
        if behind.is_some() {
            return Some("somebody has more than there is".to_owned());
        }
        let odd = self.machines.iter().position(|machine| {
            let serves = machine.serve.as_ref().map(crate::serve::Server::have);
            machine.fetch.as_ref().zip(serves).is_some_and(|(core, have)| core.stored() != have)
        });
        odd.map(|machine| format!("machine {machine} offers something else than it has"))
    }
}
