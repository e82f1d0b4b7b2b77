//! A swarm in virtual time: another driver of the very calls that the engine makes.
//!
//! Every simulated peer owns a [`Core`](crate::Core) and a [`Server`](crate::serve::Server); this module only carries
//! their messages, with delays and rates of links between them. No policy lives here: whatever is decided here would
//! not be decided by the engine.
//!
//! Model: uplinks and downlinks share their rates fairly among what is under way, verification takes one core of the receiver, everything else takes the latency. Headers and requests cost bytes. The same
//! scenario gives the same outcome, on any machine.

mod ahead;
mod audit;
mod bound;
mod churn;
mod deliver;
mod events;
mod fair;
mod flows;
mod links;
mod machine;
mod mail;
mod outcome;
mod plan;
mod scenario;
#[cfg(test)]
mod tests;
mod topology;
mod wheel;

use std::time::Duration;

use crate::pieces::{BadGeometry, Geometry};
use crate::rng::Rng;
use crate::timers::Moment;
use ahead::Ahead;
pub use audit::Broken;
use deliver::Messages;
use events::{Events, What, When};
use links::{Downlink, Uplink, Wire};
use machine::{Machine, Policies};
pub use outcome::{LimitedBy, Outcome, Sample};
pub use scenario::{Arrivals, Constants, Lie, Scenario};

/// A simulation under way. Run it in steps: [`Simulation::advance`] until it says that it is over,
/// [`Simulation::outcome`] at any time.
#[derive(Debug)]
pub struct Simulation {
    scenario: Scenario,
    policies: Policies,
    geometry: Geometry,
    rng: Rng,
    now: Moment,
    events: Events,
    messages: Messages,
    /// Complete holders first, then those who fetch, then liars.
    machines: Vec<Machine>,
    /// Their links, close together: a change at one is looked at from many.
    ups: Vec<Uplink>,
    downs: Vec<Downlink>,
    /// Who is there, for the directory's samples.
    present: Vec<u32>,
    /// Where each machine stands in `present`.
    present_at: Vec<u32>,
    unfinished: u32,
    completions: Vec<Moment>,
    gave_up: u32,
    /// Holders of each piece among those who fetch, for the picture.
    copies: Vec<u32>,
    payload: u64,
    /// Bytes that had left the first holders, and anybody, at `used_at`.
    sent_by_holders: u64,
    sent: u64,
    used_at: Moment,
    samples: Vec<Sample>,
    /// When to give up, if nothing arrives before.
    give_up: Moment,
    patience: Duration,
    stuck: bool,
    wire: Wire,
    /// Bytes per second that one connection can reach.
    flow_rate: u64,
    /// Room for what senders could send: kept, for it is needed with every piece.
    demands: Vec<u64>,
    ahead: Ahead,
    /// Events that happen before more are prefetched.
    until_prefetch: usize,
    next_sample: Moment,
    sample_every: Duration,
}

impl Simulation {
    /// Nothing has happened yet.
    pub fn new(scenario: Scenario) -> Result<Self, BadGeometry> {
        let geometry = Geometry::new(scenario.size, scenario.piece_size)?;
        let sample_every = (bound::lower_bound(&scenario) / 50).max(Duration::from_millis(1));
        let mut simulation = Self {
            policies: Policies::from(&scenario),
            rng: Rng::new(scenario.seed),
            now: Moment::EPOCH,
            events: Events::default(),
            messages: Messages::default(),
            machines: Vec::new(),
            ups: Vec::new(),
            downs: Vec::new(),
            present: Vec::new(),
            present_at: Vec::new(),
            unfinished: scenario.peers,
            completions: Vec::new(),
            gave_up: 0,
            copies: vec![0; geometry.count() as usize],
            payload: 0,
            sent_by_holders: 0,
            sent: 0,
            used_at: Moment::EPOCH,
            samples: Vec::new(),
            give_up: Moment::EPOCH + scenario.patience(),
            patience: scenario.patience(),
            stuck: false,
            wire: Wire::new(&scenario, geometry),
            flow_rate: links::flow_rate(&scenario),
            demands: Vec::new(),
            ahead: Ahead::default(),
            until_prefetch: 0,
            next_sample: Moment::EPOCH,
            sample_every,
            geometry,
            scenario,
        };
        simulation.populate();
        Ok(simulation)
    }

    /// Runs a scenario to its end.
    pub fn run(scenario: Scenario) -> Result<Outcome, BadGeometry> {
        let mut simulation = Self::new(scenario)?;
        while simulation.advance(u64::MAX) {}
        Ok(simulation.outcome())
    }

    /// Lets at most `steps` events happen. Says whether there is more to come.
    pub fn advance(&mut self, steps: u64) -> bool {
        for _ in 0..steps {
            if self.unfinished == 0 || self.stuck {
                self.take_last_sample();
                return false;
            }
            if self.until_prefetch == 0 {
                self.prefetch_coming();
                self.until_prefetch = ahead::EVENTS;
            }
            self.until_prefetch -= 1;
            let Some((when, what)) = self.events.pop() else { return false };
            let hopeless = when.at > self.give_up && !matches!(what, What::Arrive { .. });
            if hopeless {
                self.stuck = true;
                return false;
            }
            self.now = when.at;
            if self.now >= self.next_sample {
                self.take_sample();
            }
            self.happen(when, what);
        }
        true
    }

    /// Virtual time that has passed.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_since(Moment::EPOCH)
    }

    /// How many of those who fetch have everything, and how many there are that have not left.
    pub fn finished(&self) -> (u32, u32) {
        let done = u32::try_from(self.completions.len()).unwrap_or(u32::MAX);
        (done, done + self.unfinished)
    }

    fn happen(&mut self, when: When, what: What) {
        match what {
            What::Arrive { peer } => self.arrive(peer),
            What::Leave { peer } => self.leave(peer),
            What::Left { who, tell } => self.left(who, tell),
            What::Watch { who, whom } => self.watched(who, whom),
            What::Unwatch { who, whom } => self.unwatched(who, whom),
            What::LookAround { peer } => self.look_around(peer),
            What::Shown { message } => self.shown(message),
            What::Ask { from, to, piece } => self.asked(from, to, piece),
            What::Withdraw { from, to, piece } => self.withdrawn(from, to, piece),
            What::Refused { from, to, piece, refusal } => self.refused(from, to, piece, refusal),
            What::Sent { from } => self.sent(from, when),
            What::Begun { from, to, piece } => self.begun(from, to, piece),
            What::Arrived { from, to, piece } => self.arrived(from, to, piece),
            What::FetchTimer { peer } => self.fetch_timer(peer),
            What::ServeTimer { peer } => self.serve_timer(peer),
        }
    }

    fn machine(&mut self, peer: u32) -> &mut Machine {
        &mut self.machines[peer as usize]
    }
}
