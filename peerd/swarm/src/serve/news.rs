//! New pieces, told to the neighbours together rather than one by one.
//!
//! The first piece after a quiet time is told at once; what comes soon after waits for the rest of the interval. The
//! interval grows with the square of the number of neighbours: each piece of news goes to all of them, comes from all
//! of them, and matters less the more there are to get a piece from. A piece that no neighbour has is another matter:
//! everybody has to get it from here, and until they know of it this uplink may have nothing to send.

use std::time::Duration;

use super::{Output, Role, Server, Shown};
use crate::pieces::{Bitfield, Piece};
use crate::timers::Moment;

/// News wait no longer than this part of the time since the first ones. In the beginning there are few pieces, and
/// everybody waits to hear of one.
const YOUNG: u32 = 4;

impl Server {
    pub(super) fn gained(&mut self, pieces: &[Piece]) {
        for &piece in pieces {
            if self.have.set(piece) {
                self.news.push(piece);
                self.news_are_rare |= !self.neighbours.iter().any(|neighbour| neighbour.has.get(piece));
            }
        }
        self.plan_news();
    }

    pub(super) fn role_changed(&mut self, role: Role) {
        if matches!(role, Role::OneOfMany) && self.first_copies.take().is_some() {
            self.show_everything();
        }
    }

    pub(super) fn plan_news(&mut self) {
        if self.news.is_empty() {
            return;
        }
        let at = self.last_news.map_or(self.now, |last| last + self.interval()).max(self.now);
        if self.news_at.is_some_and(|planned| planned <= at) {
            return;
        }
        self.news_at = Some(at);
        self.alarm.by(at);
        self.tell_news_if_due();
    }

    fn interval(&self) -> Duration {
        let neighbours = u32::try_from(self.neighbours.len()).unwrap_or(u32::MAX);
        let usual = self.config.news_spacing.saturating_mul(neighbours.saturating_mul(neighbours));
        let rare = self.config.rare_news_spacing.saturating_mul(neighbours);
        let usual = if self.news_are_rare { usual.min(rare) } else { usual };
        let young = self.first_news.map_or(Duration::ZERO, |first| self.now.saturating_since(first) / YOUNG);
        usual.min(self.config.max_news_delay).min(young.max(self.config.news_spacing))
    }

    pub(super) fn tell_news_if_due(&mut self) {
        if self.news_at.is_none_or(|at: Moment| at > self.now) {
            return;
        }
        self.news_at = None;
        self.last_news = Some(self.now);
        self.first_news.get_or_insert(self.now);
        self.news_are_rare = false;
        let pieces = std::mem::take(&mut self.news);
        let lacks_some = |has: &Bitfield| pieces.iter().any(|&piece| !has.get(piece));
        let peers: Vec<_> = self
            .neighbours
            .iter()
            .filter(|neighbour| lacks_some(&neighbour.has))
            .map(|neighbour| neighbour.key)
            .collect();
        if !peers.is_empty() {
            self.outputs.push_back(Output::Show { peers, shown: Shown::More(pieces) });
        }
    }

    /// Sets the alarm for the next round of news, look at the idle, or grant that becomes slow.
    pub(super) fn set_alarm(&mut self) {
        let moments = [self.news_at, self.next_idle(), self.uplink.next_slow(&self.config)];
        moments.into_iter().flatten().for_each(|at| self.alarm.by(at));
    }

    pub(super) fn show_everything(&mut self) {
        let peers: Vec<_> = self
            .neighbours
            .iter()
            .filter(|neighbour| !neighbour.has.is_full())
            .map(|neighbour| neighbour.key)
            .collect();
        if !peers.is_empty() {
            self.outputs.push_back(Output::Show { peers, shown: Shown::All });
        }
    }
}
