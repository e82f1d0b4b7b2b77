//! The part file is opened, and what is in it is offered to others.

use std::sync::Arc;

use proto::ids::ByteCount;
use proto::manifest::Manifest;
use swarm::Bitfield;

use super::prepare::{self, Ground, Plan};
use super::swarming::Swarming;
use super::{Msg, Phase, State, finding};
use crate::shares;
use crate::store::part::{BadDestination, Part};
use crate::store::writer::Writer;
use crate::transfers::link;
use crate::transfers::link::census::Census;

impl State {
    pub(super) fn prepare(&mut self, manifest: Arc<Manifest>) {
        let (me, keeper, tools) = (self.me.clone(), self.keeper.clone(), self.args.tools.clone());
        let note = &self.args.note;
        self.phase = Phase::Preparing(Arc::clone(&manifest));
        self.waiting = None;
        let local = tools.catalog.borrow().get(note.file_id).cloned();
        let plan = Plan {
            manifest: Arc::clone(&manifest),
            path: note.path.clone(),
            force: note.force,
            resumed: self.args.resumed,
            local,
        };
        tokio::spawn(async move {
            let kept = tokio::task::spawn_blocking(move || tools.manifests.save(&manifest)).await;
            let kept = match kept.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(()) => keeper.save().await,
                failed => failed,
            };
            let result = match kept {
                Ok(()) => prepare::prepare(plan).await,
                Err(error) => Err(BadDestination::Io { path: plan.path, error }),
            };
            let _ = me.cast(Msg::Prepared(result));
        });
    }

    pub(super) fn prepared(&mut self, result: Result<Ground, BadDestination>) {
        let Phase::Preparing(manifest) = &self.phase else { return };
        let manifest = Arc::clone(manifest);
        match result {
            Ok(Ground::Open { part, stored }) => {
                let locator = &self.args.tools.locator;
                let (identity, bearer) = (locator.identity.clone(), locator.bearer());
                let part = Arc::new(part);
                self.offer(Arc::clone(&manifest), Arc::clone(&part), stored.clone());
                let limits = link::Limits {
                    own: self.own_rate.clone(),
                    all: self.place.clone(),
                    each: self.args.tools.downlink.each.clone(),
                };
                let (census, figures) = (Census::default(), self.args.tools.figures.clone());
                let writer = Writer::new(part);
                let shared = link::Shared { identity, bearer, limits, census, figures, manifest, writer };
                let mut swarming = Swarming::new(shared, self.args.tools.policy.clone(), stored, self.me.clone());
                let mut events = if self.args.note.paused { swarming.pause() } else { Vec::new() };
                events.extend(swarming.drain());
                let total = ByteCount::new(swarming.progress().stored_bytes);
                self.meter.note(self.began.elapsed(), total);
                self.phase = Phase::Swarming(Box::new(swarming));
                self.locate();
                self.events(events);
            }
            Ok(Ground::AlreadyThere(share)) => self.adopt(share),
            Err(error) => self.fail(error.into()),
        }
        self.show();
    }

    /// Others may have what is there, and are told so before the first piece is asked for.
    fn offer(&mut self, manifest: Arc<Manifest>, part: Arc<Part>, stored: Bitfield) {
        let (tools, note) = (&self.args.tools, &self.args.note);
        let me = self.me.clone();
        let watched = move |peer| drop(me.send_after(finding::soon(), move || Msg::Watched(peer)));
        self.offered = Some(tools.offers.register(manifest, part, stored, Arc::new(watched)));
        let (file_id, name, size) = (note.file_id, note.name.clone(), note.size);
        // A shares actor that is away costs the swarm this holder's help, and this download nothing.
        let _ = tools.shares.cast(shares::Msg::Fetching { file_id, name, size });
    }

    /// No more of it.
    pub(super) fn offer_no_more(&mut self) {
        let file_id = self.args.note.file_id;
        self.offered = None;
        let _ = self.args.tools.shares.cast(shares::Msg::NotFetching { file_id });
    }
}
