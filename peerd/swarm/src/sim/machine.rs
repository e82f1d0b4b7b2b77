//! One simulated machine: both halves of the policy, its links, and whom it is connected to.

use std::sync::Arc;

use super::mail::Mail;
use super::scenario::{Lie, Scenario};
use crate::core::Core;
use crate::discovery::Looks;
use crate::peers::{Have, PeerKey};
use crate::pieces::{Bitfield, Geometry, Piece};
use crate::serve::{Role, Server};
use crate::timers::Moment;

/// The settings of all machines.
#[derive(Debug)]
pub(super) struct Policies {
    fetch: Arc<crate::core::Config>,
    serve: Arc<crate::serve::Config>,
}

impl From<&Scenario> for Policies {
    fn from(scenario: &Scenario) -> Self {
        Self { fetch: Arc::new(scenario.fetch.clone()), serve: Arc::new(scenario.serve.clone()) }
    }
}

/// One that will fetch, at first. What is looked at with every message comes first, on one line of the cache.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Machine {
    pub(super) fetch_timer: Option<Moment>,
    pub(super) serve_timer: Option<Moment>,
    /// What neighbours have gained, and the serving half has not heard of yet.
    pub(super) mail: Mail,
    /// Those who fetch.
    pub(super) fetch: Option<Core>,
    /// Those who serve: all but two kinds of liars.
    pub(super) serve: Option<Server>,
    pub(super) lie: Option<Lie>,
    pub(super) present: bool,
    /// Machines it is connected to, either way.
    pub(super) linked: Vec<u32>,
    /// Banned or turned away: not connected to again.
    pub(super) shunned: Vec<u32>,
    /// How long it waits before it asks the directory for others again, and when it does.
    pub(super) looks: Looks,
    pub(super) look_at: Option<Moment>,
}

/// Most mail that waits.
const MOST_MAIL: usize = 64;

impl Machine {
    pub(super) fn holder(policies: &Policies, geometry: Geometry, role: Role, luck: u64) -> Self {
        let have = Bitfield::full(geometry.count());
        let server = Server::new(geometry, have, role, Arc::clone(&policies.serve), luck, Moment::EPOCH);
        Self { serve: Some(server), ..Self::default() }
    }

    /// Whether it is there and lacks something.
    pub(super) fn wants(&self) -> bool {
        self.present && self.fetch.as_ref().is_some_and(|core| !core.stored().is_full())
    }

    /// Begins to fetch.
    pub(super) fn begin(&mut self, policies: &Policies, geometry: Geometry, luck: u64, now: Moment) {
        let nothing = || Bitfield::new(geometry.count());
        self.mail.make_room();
        self.fetch = Some(Core::new(geometry, nothing(), Arc::clone(&policies.fetch), luck, now));
        self.serve = Some(Server::new(geometry, nothing(), Role::OneOfMany, Arc::clone(&policies.serve), luck, now));
    }

    pub(super) fn liar(policies: &Policies, geometry: Geometry, lie: Lie, luck: u64) -> Self {
        let machine = match lie {
            Lie::WrongBytes => Self::holder(policies, geometry, Role::OneOfMany, luck),
            Lie::Refuses | Lie::Silent => Self::default(),
        };
        Self { lie: Some(lie), ..machine }
    }

    /// Keeps for the serving half what a neighbour of one that fetches has gained.
    pub(super) fn keep_mail(&mut self, from: PeerKey, pieces: &[Piece], now: Moment) {
        self.mail.put(from, pieces);
        if self.mail.len() >= MOST_MAIL {
            self.read_mail(now);
        }
    }

    /// To be called before the serving half does anything in which it matters what neighbours have.
    pub(super) fn read_mail(&mut self, now: Moment) {
        let Some(server) = &mut self.serve else { return };
        self.mail.messages().for_each(|(peer, _)| server.prefetch_neighbour(peer));
        for (peer, pieces) in self.mail.messages() {
            server.hear_of_gains(peer, &mut pieces.iter().copied().map(Piece), now);
        }
        self.mail.clear();
    }

    pub(super) fn unknown_have(geometry: Geometry) -> Have {
        Have::Some(Bitfield::new(geometry.count()))
    }
}
