//! What a download knows of the peers that have its file: who is known, who gave how much, who lied, who does not answer
//! and when to try again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proto::control::{Source, SourceFigures, SourceState};
use proto::directory::{Holder, HoldingState};
use proto::ids::{ByteCount, PeerId, PeerName};
use swarm::NEIGHBOURS;

use crate::transfers::locate::{Unlocated, is_usable};

/// Conversations at a time. Those with partial holders are fewer: where most are partial, everybody is served by everybody else,
/// and more of them gain nothing. Where many have the whole file, more are faster.
pub(super) const MOST_LINKS: usize = 2 * NEIGHBOURS;
/// Sources that are told of.
const MOST_TOLD: usize = 256;
/// First and longest pause before a peer that did not answer is dialled again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// Every peer that ever mattered to a download.
#[derive(Debug, Default)]
pub(super) struct Sources {
    peers: BTreeMap<PeerId, Entry>,
    /// As the directory listed them last.
    listed: Vec<Holder>,
    /// Why it could not be asked.
    unlocated: Option<String>,
}

#[derive(Debug)]
struct Entry {
    name: PeerName,
    bytes: ByteCount,
    banned: Option<String>,
    silent: Option<Silence>,
}

#[derive(Debug)]
struct Silence {
    why: String,
    times: u32,
    until: Instant,
}

impl Sources {
    /// The directory has answered.
    pub(super) fn located(&mut self, holders: Vec<Holder>) {
        for holder in &holders {
            self.met(holder);
        }
        self.listed = holders;
        self.unlocated = None;
    }

    /// There is a holder, listed or not.
    pub(super) fn met(&mut self, holder: &Holder) {
        let fresh = || Entry { name: holder.name.clone(), bytes: ByteCount::ZERO, banned: None, silent: None };
        self.peers.entry(holder.peer_id).or_insert_with(fresh).name = holder.name.clone();
    }

    /// How many holders the directory listed last.
    pub(super) const fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// What the directory said of a peer, if it listed it last.
    pub(super) fn listed(&self, peer: PeerId) -> Option<Holder> {
        self.listed.iter().find(|holder| holder.peer_id == peer).cloned()
    }

    /// The directory has not.
    pub(super) fn not_located(&mut self, error: &Unlocated) {
        self.unlocated = Some(error.to_string());
    }

    /// Name of a peer, its id where none is known.
    pub(super) fn name(&self, peer: PeerId) -> String {
        self.peers.get(&peer).map_or_else(|| peer.to_string(), |entry| entry.name.to_string())
    }

    /// A piece came.
    pub(super) fn gained(&mut self, peer: PeerId, bytes: ByteCount) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.bytes += bytes;
            entry.silent = None;
        }
    }

    /// It lied: not asked again for this file.
    pub(super) fn banned(&mut self, peer: PeerId, why: String) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.banned.get_or_insert(why);
        }
    }

    /// It does not answer, or went away: asked again later, and later each time.
    pub(super) fn silent(&mut self, peer: PeerId, why: String) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            let times = entry.silent.as_ref().map_or(0, |silence| silence.times + 1);
            let pause = FIRST_PAUSE.saturating_mul(1 << times.min(6)).min(LONGEST_PAUSE);
            entry.silent = Some(Silence { why, times, until: Instant::now() + pause });
        }
    }

    /// Whether a peer is up, and neither lied nor was silent a short while ago.
    pub(super) fn is_open(&self, holder: &Holder) -> bool {
        let now = Instant::now();
        let open =
            |entry: &Entry| entry.banned.is_none() && entry.silent.as_ref().is_none_or(|silence| silence.until <= now);
        is_usable(holder) && self.peers.get(&holder.peer_id).is_some_and(open)
    }

    /// Holders to dial now, with `links` already: of partial ones no more than make `most`. In the directory's random order,
    /// which spreads a swarm over its holders.
    pub(super) fn worth_dialling(&self, mut links: usize, most: usize, linked: impl Fn(PeerId) -> bool) -> Vec<Holder> {
        let candidates = self.listed.iter().filter(|holder| !linked(holder.peer_id) && self.is_open(holder));
        let fits = |holder: &&Holder| {
            let fits = links < if holder.holding == HoldingState::Complete { MOST_LINKS } else { most };
            links += usize::from(fits);
            fits
        };
        candidates.filter(fits).cloned().collect()
    }

    /// Whether more than one of those that are up has the whole file.
    pub(super) fn of_many(&self) -> bool {
        let whole = |holder: &&Holder| is_usable(holder) && holder.holding == HoldingState::Complete;
        self.listed.iter().filter(whole).nth(1).is_some()
    }

    /// Why waiting would never end: there are holders, and every one of them has lied.
    pub(super) fn hopeless(&self) -> Option<String> {
        let mut liars = Vec::new();
        for holder in &self.listed {
            let entry = self.peers.get(&holder.peer_id)?;
            liars.push(format!("peer {} ({}): {}", entry.name, holder.peer_id, entry.banned.as_ref()?));
        }
        (!liars.is_empty()).then(|| format!("no honest holder is left: {}", liars.join("; ")))
    }

    /// Why nothing can be fetched now.
    pub(super) fn why_stalled(&self) -> String {
        if let Some(why) = &self.unlocated {
            return format!("no holders: {why}");
        }
        if self.listed.is_empty() {
            return "no holders: nobody shares this file now".into();
        }
        let entry = |holder: &Holder| self.peers.get(&holder.peer_id);
        let silent =
            self.listed.iter().filter(|holder| is_usable(holder)).find_map(|holder| entry(holder)?.silent.as_ref());
        match silent {
            Some(silence) => format!("no holders: {}", silence.why),
            None if self.listed.iter().any(is_usable) => {
                "no holders: none of those that are up can be asked now".into()
            }
            None => "no holders: none of them is up".into(),
        }
    }

    /// Everybody, for the long answer.
    pub(super) fn all(&self) -> Vec<SourceFigures> {
        let figures = self.peers.iter().map(|(peer_id, entry)| {
            let trouble = entry.banned.as_ref().or(entry.silent.as_ref().map(|silence| &silence.why));
            SourceFigures {
                peer: entry.name.clone(),
                peer_id: *peer_id,
                state: if entry.banned.is_some() { SourceState::Banned } else { SourceState::Away },
                bytes: entry.bytes,
                rate: 0,
                delay_s: 0.0,
                pieces: 0,
                in_flight: ByteCount::ZERO,
                failures: 0,
                trouble: trouble.cloned(),
            }
        });
        foremost(figures.collect(), |source| source.bytes)
    }

    /// Who gave something or did something wrong, for everybody to see.
    pub(super) fn list(&self) -> Vec<Source> {
        let told = self.peers.iter().filter(|(_, entry)| entry.bytes > ByteCount::ZERO || entry.banned.is_some());
        let told = told.map(|(peer_id, entry)| Source {
            peer: entry.name.clone(),
            peer_id: *peer_id,
            bytes: entry.bytes,
            banned: entry.banned.clone(),
        });
        foremost(told.collect(), |source| source.bytes)
    }
}

/// Those who gave most, where there are more than anybody reads: an answer must not grow with the swarm.
fn foremost<T>(mut sources: Vec<T>, bytes: impl Fn(&T) -> ByteCount) -> Vec<T> {
    if sources.len() > MOST_TOLD {
        sources.sort_by_key(|source| std::cmp::Reverse(bytes(source)));
        sources.truncate(MOST_TOLD);
    }
    sources
}

#[cfg(test)]
mod tests {
    use proto::directory::PeerState;

    use super::*;

    fn holder(number: u8, state: PeerState) -> Holder {
        Holder {
            peer_id: PeerId::from_bytes([number; 20]),
            name: format!("p{number}").parse().unwrap(),
            user: "u".parse().unwrap(),
            address: "127.0.0.1:1".parse().unwrap(),
            state,
            holding: HoldingState::Complete,
        }
    }

    #[test]
    fn only_those_that_are_up_and_honest_are_dialled() {
        let mut sources = Sources::default();
        let (up, down, liar) = (holder(1, PeerState::Up), holder(2, PeerState::Down), holder(3, PeerState::Up));
        sources.located(vec![up.clone(), down.clone(), liar.clone()]);
        sources.banned(liar.peer_id, "lied".into());
        assert_eq!(sources.worth_dialling(0, NEIGHBOURS, |_| false), std::slice::from_ref(&up));
        assert!(sources.worth_dialling(0, NEIGHBOURS, |peer| peer == up.peer_id).is_empty());
        sources.silent(up.peer_id, "gone".into());
        assert!(sources.worth_dialling(0, NEIGHBOURS, |_| false).is_empty());
        assert_eq!(sources.why_stalled(), "no holders: gone");
        assert_eq!(sources.hopeless(), None);
    }

    #[test]
    fn of_those_with_a_part_fewer_are_dialled() {
        let dialled = |links: usize, holding: HoldingState| {
            let mut sources = Sources::default();
            sources.located((0..40).map(|number| Holder { holding, ..holder(number, PeerState::Up) }).collect());
            sources.worth_dialling(links, NEIGHBOURS, |_| false).len()
        };
        assert_eq!((dialled(0, HoldingState::Partial), dialled(10, HoldingState::Partial)), (16, 6));
        assert_eq!((dialled(0, HoldingState::Complete), dialled(20, HoldingState::Complete)), (32, 12));
        assert_eq!((dialled(20, HoldingState::Partial), dialled(32, HoldingState::Complete)), (0, 0));
    }

    #[test]
    fn hopeless_only_when_all_have_lied() {
        let mut sources = Sources::default();
        assert_eq!(sources.hopeless(), None);
        sources.located(vec![holder(1, PeerState::Up), holder(2, PeerState::Down)]);
        sources.banned(holder(1, PeerState::Up).peer_id, "wrong bytes".into());
        assert_eq!(sources.hopeless(), None, "the one that is down may be honest");
        sources.located(vec![holder(1, PeerState::Up)]);
        let reason = sources.hopeless().unwrap();
        assert!(reason.contains("p1") && reason.contains("wrong bytes"), "{reason}");
    }
}
