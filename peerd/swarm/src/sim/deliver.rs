//! Carries what the halves say to each other, and hands them what arrives.

use super::Simulation;
use super::events::{What, When};
use super::scenario::Lie;
use crate::core::{Failure, Input, Output};
use crate::peers::{Have, PeerKey};
use crate::pieces::Piece;
use crate::prefetch::prefetch;
use crate::serve::{self, Refusal, Shown};
use crate::timers::{Moment, nanos, scale};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A message about pieces, on its way.
#[derive(Debug)]
pub(super) struct Message {
    from: u32,
    to: Vec<PeerKey>,
    shown: Shown,
}

impl Simulation {
    pub(super) fn drain_fetch(&mut self, peer: u32) {
        while let Some(output) = self.machine(peer).fetch.as_mut().and_then(crate::Core::poll_output) {
            // Both wait to be served, so that neither overtakes the other.
            let at = self.now + self.scenario.latency + self.scenario.constants.service;
            match output {
                Output::Request { peer: to, piece } => {
                    self.events.push(at, What::Ask { from: peer, to: to.0, piece: piece.0 });
                }
                Output::Withdraw { peer: to, piece } => {
                    self.events.push(at, What::Withdraw { from: peer, to: to.0, piece: piece.0 });
                }
                Output::Ban { peer: other, .. } => self.cut(peer, other.0),
                Output::Stalled => self.plan_look(peer, Duration::ZERO),
                Output::Unstalled => {}
                Output::Done => self.done(peer),
            }
        }
        self.plan_fetch_timer(peer);
    }

    fn done(&mut self, peer: u32) {
        self.completions.push(self.now);
        self.finish(peer);
        self.unfinished -= 1;
    }

    pub(super) fn drain_serve(&mut self, peer: u32) {
        self.carry_out(peer);
        self.plan_serve_timer(peer);
    }

    fn carry_out(&mut self, peer: u32) {
        while let Some(output) = self.machine(peer).serve.as_mut().and_then(serve::Server::poll_output) {
            match output {
                serve::Output::Show { peers, shown } => self.say(peer, peers, shown),
                serve::Output::Grant { peer: to, piece } => {
                    self.start_flow(peer, to.0, piece.0);
                    let at = self.now + self.scenario.latency;
                    self.events.push(at, What::Begun { from: peer, to: to.0, piece: piece.0 });
                }
                serve::Output::Refuse { peer: to, piece, refusal } => {
                    let at = self.now + self.scenario.latency;
                    self.events.push(at, What::Refused { from: peer, to: to.0, piece: piece.0, refusal });
                }
                serve::Output::TurnAway { peer: other } => self.cut(peer, other.0),
            }
        }
    }

    pub(super) fn say(&mut self, from: u32, to: Vec<PeerKey>, shown: Shown) {
        let at = self.now + self.scenario.latency;
        let message = self.messages.keep(Message { from, to, shown });
        self.events.push(at, What::Shown { message });
    }

    pub(super) fn shown(&mut self, message: u32) {
        let Message { from, to, shown } = self.messages.take(message);
        if let Shown::More(pieces) = shown {
            self.prefetch_for_gains(from, &to, &pieces);
            for to in to {
                self.show_more(from, to.0, &pieces);
            }
        } else {
            for to in to {
                self.show_first(from, to.0, &shown);
            }
        }
    }

    /// By far the most frequent of all events, so what can wait waits: what a neighbour has matters to the serving half
    /// only when that has news itself, and gains of what is stored here matter to nobody.
    fn show_more(&mut self, from: u32, to: u32, pieces: &[Piece]) {
        let now = self.now;
        let machine = &mut self.machines[to as usize];
        let Some(core) = &mut machine.fetch else { return };
        let known = pieces.iter().all(|&piece| core.stored().get(piece));
        if !known {
            core.hear_of_gains(PeerKey(from), pieces, now);
        }
        machine.keep_mail(PeerKey(from), pieces, now);
        if !known {
            self.drain_fetch(to);
        }
    }

    fn show_first(&mut self, from: u32, to: u32, shown: &Shown) {
        let (now, peer) = (self.now, PeerKey(from));
        let machine = &mut self.machines[to as usize];
        let Some(core) = &mut machine.fetch else { return };
        if !machine.linked.contains(&from) {
            return;
        }
        let count = self.geometry.count();
        let pieces: Vec<Piece> = match shown {
            Shown::All => {
                core.handle(Input::PeerJoined { peer, have: Have::All }, now);
                core.handle(Input::PeerGained { peer, pieces: (0..count).map(Piece).collect() }, now);
                (0..count).map(Piece).collect()
            }
            Shown::First(pieces) => {
                core.handle(Input::PeerJoined { peer, have: Have::Some(pieces.clone()) }, now);
                pieces.iter().collect()
            }
            Shown::More(_) => return,
        };
        if let Some(server) = &mut machine.serve {
            server.handle(serve::Input::NeighbourHas { peer, pieces }, now);
        }
        self.drain_fetch(to);
    }

    pub(super) fn asked(&mut self, from: u32, to: u32, piece: u32) {
        let now = self.now;
        let machine = self.machine(to);
        match (machine.lie, &mut machine.serve) {
            (Some(Lie::Refuses), _) => {
                let at = now + self.scenario.latency;
                self.events.push(at, What::Refused { from: to, to: from, piece, refusal: Refusal::Lacking });
            }
            (_, Some(server)) => {
                server.handle(serve::Input::NeighbourAsks { peer: PeerKey(from), piece: Piece(piece) }, now);
                self.drain_serve(to);
            }
            (_, None) => {}
        }
    }

    pub(super) fn withdrawn(&mut self, from: u32, to: u32, piece: u32) {
        let now = self.now;
        let machine = self.machine(to);
        let Some(server) = &mut machine.serve else { return };
        server.handle(serve::Input::NeighbourWithdraws { peer: PeerKey(from), piece: Piece(piece) }, now);
        for receiver in self.ups[to as usize].stop(now, self.wire, true, |flow| flow.to == from && flow.piece == piece)
        {
            self.flow_ended(to, receiver);
        }
        self.drain_serve(to);
    }

    pub(super) fn refused(&mut self, from: u32, to: u32, piece: u32, refusal: Refusal) {
        let now = self.now;
        let failure = match refusal {
            Refusal::Lacking => Failure::Refused,
            Refusal::Busy => Failure::Busy,
            Refusal::Elsewhere => Failure::Elsewhere,
        };
        if let Some(core) = &mut self.machine(to).fetch {
            core.handle(Input::RequestFailed { peer: PeerKey(from), piece: Piece(piece), failure }, now);
            self.drain_fetch(to);
        }
    }

    pub(super) fn sent(&mut self, from: u32, when: When) {
        let now = self.now;
        let up = &mut self.ups[from as usize];
        match up.plan.come(when) {
            Ok(()) => {}
            Err(None) => return,
            Err(Some(later)) => return self.events.push_at(later, What::Sent { from }),
        }
        if let Some(flow) = up.finish(now, self.wire) {
            self.flow_ended(from, flow.to);
            let input = serve::Input::Ended { peer: PeerKey(flow.to), piece: Piece(flow.piece), sent: true };
            if let Some(server) = &mut self.machine(from).serve {
                server.handle(input, now);
            }
            self.receive(from, flow.to, Piece(flow.piece));
        }
        self.drain_serve(from);
    }

    fn receive(&mut self, from: u32, to: u32, piece: Piece) {
        let len = self.geometry.len(piece);
        let wire = Duration::from_nanos(scale(self.wire.bytes(piece.0), SECOND, self.scenario.down.max(1)));
        let verify = nanos(self.scenario.constants.verify_per_mib);
        let verify = Duration::from_nanos(scale(u64::from(len), verify, 1 << 20));
        let last_byte = self.now + self.scenario.latency;
        let down = &mut self.downs[to as usize];
        let received = down.receive(last_byte, wire);
        let verified = down.verify(received, verify);
        self.events.push(verified, What::Arrived { from, to, piece: piece.0 });
    }

    pub(super) fn begun(&mut self, from: u32, to: u32, piece: u32) {
        let now = self.now;
        if let Some(core) = &mut self.machine(to).fetch {
            core.handle(Input::PieceBegun { peer: PeerKey(from), piece: Piece(piece) }, now);
        }
    }

    pub(super) fn arrived(&mut self, from: u32, to: u32, piece: u32) {
        let (now, peer, piece) = (self.now, PeerKey(from), Piece(piece));
        let lies = self.machines[from as usize].lie.is_some();
        let machine = &mut self.machines[to as usize];
        let Some(core) = &mut machine.fetch else { return };
        if lies {
            core.handle(Input::PieceRejected { peer, piece }, now);
        } else {
            let fresh = !core.stored().get(piece);
            core.handle(Input::PieceStored { peer, piece }, now);
            if fresh {
                self.copies[piece.index()] += 1;
                self.payload += u64::from(self.geometry.len(piece));
                self.give_up = now + self.patience;
                machine.read_mail(now);
                if let Some(server) = &mut machine.serve {
                    server.handle(serve::Input::Gained { pieces: vec![piece] }, now);
                }
            }
        }
        self.drain_fetch(to);
        self.drain_serve(to);
    }

    pub(super) fn fetch_timer(&mut self, peer: u32) {
        let now = self.now;
        let machine = self.machine(peer);
        if machine.fetch_timer != Some(now) {
            return;
        }
        machine.fetch_timer = None;
        if let Some(core) = &mut machine.fetch {
            core.handle_timeout(now);
            self.drain_fetch(peer);
        }
    }

    pub(super) fn serve_timer(&mut self, peer: u32) {
        let now = self.now;
        let machine = self.machine(peer);
        if machine.serve_timer != Some(now) {
            return;
        }
        machine.serve_timer = None;
        machine.read_mail(now);
        if let Some(server) = &mut machine.serve {
            server.handle_timeout(now);
            self.drain_serve(peer);
        }
    }

    fn plan_fetch_timer(&mut self, peer: u32) {
        let now = self.now;
        let machine = self.machine(peer);
        let at = machine.fetch.as_ref().and_then(crate::Core::poll_timeout);
        if let Some(at) = earlier(at, &mut machine.fetch_timer, now) {
            self.events.push(at, What::FetchTimer { peer });
        }
    }

    fn plan_serve_timer(&mut self, peer: u32) {
        let now = self.now;
        let machine = self.machine(peer);
        let at = machine.serve.as_ref().and_then(serve::Server::poll_timeout);
        if let Some(at) = earlier(at, &mut machine.serve_timer, now) {
            self.events.push(at, What::ServeTimer { peer });
        }
    }
}

/// The moment to wake at, when it is before the one that is set already.
pub(super) fn earlier(wanted: Option<Moment>, set: &mut Option<Moment>, now: Moment) -> Option<Moment> {
    let at = wanted?.max(now);
    if set.is_some_and(|set| set <= at) {
        return None;
    }
    *set = Some(at);
    Some(at)
}

impl From<Have> for Shown {
    fn from(have: Have) -> Self {
        match have {
            Have::All => Self::All,
            Have::Some(pieces) => Self::First(pieces),
        }
    }
}

/// Messages on their way, in reused places.
#[derive(Debug, Default)]
pub(super) struct Messages {
    kept: Vec<Option<Message>>,
    free: Vec<u32>,
}

impl Messages {
    fn keep(&mut self, message: Message) -> u32 {
        if let Some(at) = self.free.pop() {
            self.kept[at as usize] = Some(message);
            return at;
        }
        self.kept.push(Some(message));
        u32::try_from(self.kept.len() - 1).expect("fewer than 2^32 messages are on their way")
    }

    /// The message, without whom it is for: see [`crate::prefetch`].
    pub(super) fn prefetch(&self, at: u32) {
        prefetch(&self.kept[at as usize]);
    }

    /// Whom the message is for, and of what it is.
    pub(super) fn prefetch_lists(&self, at: u32) {
        let Some(message) = &self.kept[at as usize] else { return };
        prefetch(message.to.as_slice());
        if let Shown::More(pieces) = &message.shown {
            prefetch(pieces.as_slice());
        }
    }

    fn take(&mut self, at: u32) -> Message {
        self.free.push(at);
        self.kept[at as usize].take().expect("a message arrives once")
    }
}
