//! The long answer about a download: what its fetches were at in the last seconds, and what every source is worth.

use std::collections::{BTreeMap, VecDeque};

use proto::control::{Explanation, Limit, PieceCount, SourceFigures, SourceState};
use proto::ids::{ByteCount, PeerId};
use swarm::{PeerState, PeerView, Progress};

use super::{Phase, State};
use crate::transfers::limit::{self, Evidence};
use crate::transfers::link::census::Count;

/// Looks that are remembered: with [`super::SHOW_EVERY`] the last 5 s, the time over which the rate is measured.
const LOOKS: usize = 25;
/// Looks from one explanation to the next.
const EXPLAINED_EVERY: usize = 5;

/// What was seen before.
#[derive(Debug, Default)]
pub(super) struct Past {
    looks: VecDeque<Count>,
    /// The most that each peer gave, in bytes per second.
    most: BTreeMap<PeerId, u64>,
    since_explained: usize,
    last: Option<(Progress, Vec<SourceFigures>)>,
}

impl Past {
    fn end(&mut self, progress: Progress, mut sources: Vec<SourceFigures>) {
        for source in sources.iter_mut().filter(|source| source.state != SourceState::Banned) {
            (source.state, source.in_flight) = (SourceState::Away, ByteCount::ZERO);
        }
        self.last = Some((Progress { in_flight_bytes: 0, ..progress }, sources));
    }
}

impl State {
    /// The core is about to go; its last figures stay.
    pub(super) fn remember(&mut self) {
        if let Phase::Swarming(swarming) = &self.phase {
            let (progress, sources) = (swarming.progress(), self.figures());
            self.looks_back.end(progress, sources);
        }
    }

    /// Looks at the fetches, and explains every now and then.
    pub(super) fn look_back(&mut self) {
        if let Phase::Swarming(swarming) = &self.phase {
            let past = &mut self.looks_back;
            if past.looks.len() == LOOKS {
                past.looks.pop_front();
            }
            past.looks.push_back(swarming.shared().census.count());
            for (peer, view) in swarming.conversations() {
                let most = past.most.entry(peer).or_default();
                *most = view.rate.max(*most);
            }
        }
        self.looks_back.since_explained += 1;
        if self.looks_back.since_explained >= EXPLAINED_EVERY || self.args.explained.borrow().is_none() {
            self.explain();
        }
    }

    pub(super) fn explain(&mut self) {
        self.looks_back.since_explained = 0;
        let transfer = self.args.view.borrow().clone();
        let by_user = self.args.note.paused;
        let (limit, because) = match (&self.phase, limit::of_state(transfer.state, transfer.reason.as_deref(), by_user))
        {
            (Phase::Finishing, _) => {
                (Limit::Finishing, "nothing but the disk: all is there and being made safe".into())
            }
            (_, Some(told)) => told,
            (_, None) => self.evidence().judge(),
        };
        let progress = match &self.phase {
            Phase::Swarming(swarming) => Some(swarming.progress()),
            _ => self.looks_back.last.as_ref().map(|(progress, _)| *progress),
        };
        let pieces = progress.map(|all| PieceCount { stored: all.stored_pieces, total: all.total_pieces });
        self.args.explained.send_replace(Some(Explanation {
            limit,
            because,
            max_rate: self.args.note.rate,
            pieces: pieces.unwrap_or_default(),
            in_flight: ByteCount::new(progress.map_or(0, |all| all.in_flight_bytes)),
            duplicates: ByteCount::new(progress.map_or(0, |all| all.duplicate_bytes)),
            sources: self.figures(),
            transfer,
        }));
    }

    fn evidence(&self) -> Evidence {
        let downlink = &self.args.tools.downlink;
        let mut asked = Vec::new();
        if let Phase::Swarming(swarming) = &self.phase {
            for (peer, _) in swarming.conversations().filter(|(_, view)| view.in_flight > 0) {
                asked.push((self.sources.name(peer), self.looks_back.most.get(&peer).copied().unwrap_or(0)));
            }
        }
        Evidence {
            looks: self.looks_back.looks.iter().copied().collect(),
            rate: self.meter.rate(),
            asked,
            own: self.args.note.rate,
            all: downlink.all.rate(),
            each: downlink.each.rate(),
        }
    }

    fn figures(&self) -> Vec<SourceFigures> {
        let Phase::Swarming(swarming) = &self.phase else {
            let last = self.looks_back.last.as_ref().map(|(_, sources)| sources.clone());
            return last.unwrap_or_else(|| self.sources.all());
        };
        let talking: BTreeMap<PeerId, PeerView> = swarming.conversations().collect();
        let figures = self.sources.all().into_iter().map(|source| {
            let past = swarming.past_failures(source.peer_id);
            match talking.get(&source.peer_id) {
                Some(view) => with(source, view, past),
                None => SourceFigures { failures: past, ..source },
            }
        });
        figures.collect()
    }
}

fn with(source: SourceFigures, view: &PeerView, past_failures: u32) -> SourceFigures {
    SourceFigures {
        state: match view.state {
            PeerState::Banned => SourceState::Banned,
            PeerState::LeftAlone => SourceState::LeftAlone,
            PeerState::BackingOff => SourceState::Resting,
            PeerState::Slow => SourceState::Slow,
            PeerState::Active if view.in_flight == 0 => SourceState::Idle,
            PeerState::Active => SourceState::Active,
        },
        rate: view.rate,
        delay_s: view.delay.as_secs_f64(),
        pieces: view.pieces,
        in_flight: ByteCount::new(view.in_flight_bytes),
        failures: past_failures + view.failures,
        // What was wrong with an earlier conversation is over.
        trouble: None,
        ..source
    }
}
